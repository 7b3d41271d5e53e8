/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From lines to steps. A line is [TIME] [@FLOW] STATEMENT; a table has the statements. What is
 * wrong is said with file and line, and nothing is run.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "script.h"

#define TOLERANCE INT64_C(1000000) /* ns: a tick of the timers and then some */

/* [= RESULT], a number or an error. */
static void
parse_expect(struct cursor *c, struct step *s)
{
	if (!parse_char(c, '='))
		return;
	s->expects = true;
	s->expect = parse_value(c);
}

static void
parse_nothing(struct cursor *c, struct step *s)
{
	(void)c;
	(void)s;
}

static void
parse_in(struct cursor *c, struct step *s)
{
	parse_segment(c, &s->seg, true);
}

static void
parse_out(struct cursor *c, struct step *s)
{
	parse_segment(c, &s->seg, false);
}

static struct ip_addr
parse_addr(struct cursor *c)
{
	struct ip_addr addr = { 0 };
	char text[IP_ADDR_STRLEN];
	size_t n;

	parse_space(c);
	n = strcspn(c->p, " \t");
	snprintf(text, sizeof(text), "%.*s", (int)n, c->p);
	c->p += n;
	if (ip_parse(text, &addr) < 0)
		parse_error(c, "%s is no address", text);
	return addr;
}

static void
parse_flow(struct cursor *c, struct step *s)
{
	if (parse_any_word(c, s->name, sizeof(s->name)) == 0)
		parse_error(c, "flow NAME [lport N] [to ADDRESS] [from ADDRESS]");
	while (c->error == NULL) {
		if (parse_word(c, "lport")) {
			s->number = parse_number(c);
		} else if (parse_word(c, "to")) {
			s->local = parse_addr(c);
			s->has_local = true;
		} else if (parse_word(c, "from")) {
			s->remote = parse_addr(c);
			s->has_remote = true;
		} else {
			return;
		}
	}
}

static void
parse_peer_ts(struct cursor *c, struct step *s)
{
	s->value = parse_word(c, "auto");
	if (!s->value && !parse_word(c, "off"))
		parse_error(c, "peer_ts auto or peer_ts off");
}

static void
parse_value_only(struct cursor *c, struct step *s)
{
	s->value = parse_value(c);
}

static void
parse_field(struct cursor *c, struct step *s, const struct field *(*find)(const char *name))
{
	char name[32];

	parse_any_word(c, name, sizeof(name));
	s->field = find(name);
	if (s->field == NULL)
		parse_error(c, "there is no %s to set", name);
	else
		s->value = parse_value(c);
}

static void
parse_engine(struct cursor *c, struct step *s)
{
	parse_field(c, s, field_engine);
}

static void
parse_option_set(struct cursor *c, struct step *s)
{
	parse_field(c, s, field_option);
}

static void
parse_listen(struct cursor *c, struct step *s)
{
	s->value = parse_word(c, "backlog") ? parse_number(c) : 16;
	parse_expect(c, s);
}

static void
parse_call(struct cursor *c, struct step *s)
{
	parse_expect(c, s);
}

static void
parse_bytes(struct cursor *c, struct step *s)
{
	static const struct {
		const char *word;
		enum op op;
		unsigned int flag;
	} flags[] = { { "more", OP_SEND, TCP_SEND_MORE }, { "oob", OP_SEND, TCP_SEND_OOB },
		{ "more", OP_DUMMY, TCP_SEND_MORE }, { "peek", OP_RECV, TCP_RECV_PEEK },
		{ "oob", OP_RECV, TCP_RECV_OOB }, { "trunc", OP_RECV, TCP_RECV_TRUNC } };
	unsigned int i;

	s->value = parse_number(c);
	for (i = 0; i < RTE_DIM(flags); i++)
		if (s->op == flags[i].op && parse_word(c, flags[i].word)) {
			s->flags |= flags[i].flag;
			i = UINT_MAX; /* in any order */
		}
	s->expect = s->value;
	parse_expect(c, s);
}

static void
parse_hold(struct cursor *c, struct step *s)
{
	s->value = parse_word(c, "lazy");
}

static void
parse_shutdown(struct cursor *c, struct step *s)
{
	if (parse_word(c, "rd"))
		s->value = SHUT_RD;
	else if (parse_word(c, "wr"))
		s->value = SHUT_WR;
	else if (parse_word(c, "rdwr"))
		s->value = SHUT_RDWR;
	else
		parse_error(c, "shutdown rd, wr or rdwr");
	parse_expect(c, s);
}

static void
parse_icmp(struct cursor *c, struct step *s)
{
	char name[24];

	parse_any_word(c, name, sizeof(name));
	s->value = errno_by_name(name);
	if (s->value < 0 || !parse_word(c, "seq")) {
		parse_error(c, "icmp ERROR seq N [mtu N]");
		return;
	}
	s->number = parse_number(c);
	if (parse_word(c, "mtu"))
		s->flags = (unsigned int)parse_number(c);
}

static void
parse_event(struct cursor *c, struct step *s)
{
	if (parse_word(c, "only"))
		s->flags = EVENT_ONLY;
	s->flags |= parse_events(c);
}

static void
parse_assert(struct cursor *c, struct step *s)
{
	static const char *const cmps[] = { "==", "!=", "<=", ">=", "<", ">" };
	static const enum compare values[] = { CMP_EQ, CMP_NE, CMP_LE, CMP_GE, CMP_LT, CMP_GT };
	char name[40];
	unsigned int i;

	do {
		struct assertion *a = &s->asserts[s->n_asserts];

		if (s->n_asserts++ == STEP_ASSERTIONS) {
			parse_error(c, "more than %d assertions", STEP_ASSERTIONS);
			return;
		}
		if (parse_word(c, "counter")) {
			parse_any_word(c, name, sizeof(name));
			a->counter = counter_by_name(name);
			if (a->counter < 0)
				parse_error(c, "there is no counter %s", name);
		} else {
			parse_any_word(c, name, sizeof(name));
			a->field = field_look(name);
			if (a->field == NULL)
				parse_error(c, "there is no field '%s'", name);
		}
		parse_space(c);
		for (i = 0; i < RTE_DIM(cmps); i++)
			if (strncmp(c->p, cmps[i], strlen(cmps[i])) == 0)
				break;
		if (i == RTE_DIM(cmps)) {
			parse_error(c, "a comparison should be at '%s'", c->p);
			return;
		}
		c->p += strlen(cmps[i]);
		a->cmp = values[i];
		a->value = parse_value(c);
	} while (c->error == NULL && parse_char(c, ','));
}

static const struct statement {
	const char *word;
	enum op op;
	void (*parse)(struct cursor *c, struct step *s);
} statements[] = {
	{ "nothing", OP_NOTHING, parse_nothing },
	{ "drain", OP_DRAIN, parse_nothing },
	{ "flow", OP_FLOW, parse_flow },
	{ "again", OP_AGAIN, parse_nothing },
	{ "isn", OP_ISN, parse_value_only },
	{ "peer_ts", OP_PEER_TS, parse_peer_ts },
	{ "engine", OP_ENGINE, parse_engine },
	{ "link", OP_LINK, parse_value_only },
	{ "mtu", OP_MTU, parse_value_only },
	{ "option", OP_OPTION, parse_option_set },
	{ "set", OP_SET, parse_option_set },
	{ "listen", OP_LISTEN, parse_listen },
	{ "listener", OP_LISTENER, parse_option_set },
	{ "unlisten", OP_UNLISTEN, parse_nothing },
	{ "connect", OP_CONNECT, parse_call },
	{ "accept", OP_ACCEPT, parse_call },
	{ "send", OP_SEND, parse_bytes },
	{ "dummy", OP_DUMMY, parse_bytes },
	{ "recv", OP_RECV, parse_bytes },
	{ "mbufs", OP_MBUFS, parse_bytes },
	{ "done", OP_DONE, parse_value_only },
	{ "shutdown", OP_SHUTDOWN, parse_shutdown },
	{ "close", OP_CLOSE, parse_nothing },
	{ "abort", OP_ABORT, parse_nothing },
	{ "error", OP_ERROR, parse_call },
	{ "icmp", OP_ICMP, parse_icmp },
	{ "event", OP_EVENT, parse_event },
	{ "hold", OP_HOLD, parse_hold },
	{ "release", OP_RELEASE, parse_nothing },
};

static int64_t
parse_seconds(struct cursor *c)
{
	char *end;
	double v = strtod(c->p, &end);

	if (end == c->p || v < 0)
		parse_error(c, "a time in seconds should be at '%s'", c->p);
	c->p = end;
	return (int64_t)(v * 1e9 + 0.5);
}

/* 1.5, +0.2, +0.2~0.4 or *, where a line does not begin with its statement. */
static void
parse_time(struct cursor *c, struct step *s)
{
	s->when = WHEN_NOW;
	if (*c->p == '*') {
		s->when = WHEN_ANY;
		c->p++;
	} else if (*c->p == '+' || isdigit((unsigned char)*c->p)) {
		s->when = *c->p == '+' ? WHEN_RELATIVE : WHEN_ABSOLUTE;
		c->p += *c->p == '+';
		s->at = s->until = parse_seconds(c);
		if (*c->p == '~') {
			c->p++;
			s->ranged = true;
			s->until = parse_seconds(c);
			if (s->until < s->at)
				parse_error(c, "the range of times ends before it begins");
		}
	}
	parse_space(c);
}

static void
parse_statement(struct cursor *c, struct step *s)
{
	char word[24];
	unsigned int i;

	s->text = c->p;
	if (parse_char(c, '<')) {
		s->op = OP_IN;
		s->flags = parse_char(c, '+');
		parse_in(c, s);
		return;
	}
	if (parse_char(c, '>')) {
		s->op = OP_OUT;
		parse_out(c, s);
		return;
	}
	if (parse_char(c, '?')) {
		s->op = OP_ASSERT;
		parse_assert(c, s);
		return;
	}
	parse_any_word(c, word, sizeof(word));
	for (i = 0; i < RTE_DIM(statements); i++)
		if (strcmp(statements[i].word, word) == 0)
			break;
	if (i == RTE_DIM(statements)) {
		parse_error(c, "no such statement: %s", word[0] != '\0' ? word : c->p);
		return;
	}
	s->op = statements[i].op;
	statements[i].parse(c, s);
}

static void
parse_line(struct cursor *c, struct step *s)
{
	parse_time(c, s);
	if (c->error == NULL && parse_char(c, '@') &&
			parse_any_word(c, s->name, sizeof(s->name)) == 0)
		parse_error(c, "the name of a flow should follow @");
	parse_space(c);
	if (c->error == NULL)
		parse_statement(c, s);
	parse_space(c);
	if (c->error == NULL && *c->p != '\0')
		parse_error(c, "what is '%s'?", c->p);
	if (c->error == NULL && s->op != OP_OUT && (s->ranged || s->when == WHEN_ANY))
		parse_error(c, "only an expected segment may come at one of many times");
}

static int
parse_lines(struct script *script)
{
	int64_t tolerance = TOLERANCE;
	bool begun = false;
	unsigned int i;

	script->steps = calloc(script->source.n + 1, sizeof(*script->steps));
	for (i = 0; i < script->source.n; i++) {
		const struct line *line = &script->source.lines[i];
		struct step *s = &script->steps[script->n];
		struct cursor c = { .p = line->text };

		s->line = line;
		if (parse_word(&c, "tolerance")) {
			tolerance = parse_seconds(&c);
		} else {
			parse_line(&c, s);
			s->tolerance = tolerance;
			script->n++;
			if (s->op != OP_ENGINE)
				begun = true;
			else if (begun)
				parse_error(&c, "engine lines come before all others");
		}
		if (c.error != NULL) {
			snprintf(script->error, sizeof(script->error), "%s:%u: %s", line->file,
					line->number, c.error);
			return -1;
		}
	}
	return 0;
}

int
script_load(struct script *script, const char *path)
{
	memset(script, 0, sizeof(*script));
	if (source_file(&script->source, path) < 0) {
		snprintf(script->error, sizeof(script->error), "%s", script->source.error);
		return -1;
	}
	return parse_lines(script);
}

int
script_load_text(struct script *script, const char *name, const char *text)
{
	memset(script, 0, sizeof(*script));
	if (source_text(&script->source, name, text) < 0) {
		snprintf(script->error, sizeof(script->error), "%s", script->source.error);
		return -1;
	}
	return parse_lines(script);
}

void
script_free(struct script *script)
{
	free(script->steps);
	source_free(&script->source);
	script->steps = NULL;
	script->n = 0;
}
