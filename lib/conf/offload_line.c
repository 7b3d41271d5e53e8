/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line of libvma.conf: a comment, the head of a block, a rule, or a word about the log. What
 * does not fit says what was expected and what stands there.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "conf/conf_priv.h"

/** Where a line is read, and what was looked for where it went wrong. */
struct cursor {
	const char *p;
	const char *expected;
};

static void
skip_blanks(struct cursor *c)
{
	while (isspace((unsigned char)*c->p))
		c->p++;
}

static int
expect(struct cursor *c, const char *what)
{
	c->expected = what;
	return -EINVAL;
}

/* Letters up to a blank or the end. */
static bool
take_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	skip_blanks(c);
	if (strncmp(c->p, word, len) != 0 ||
			(c->p[len] != '\0' && !isspace((unsigned char)c->p[len])))
		return false;
	c->p += len;
	return true;
}

/* Whatever stands up to the next blank; false: nothing, or too long. */
static bool
take_any(struct cursor *c, char *buf, size_t size)
{
	size_t len = 0;

	skip_blanks(c);
	while (c->p[len] != '\0' && !isspace((unsigned char)c->p[len]))
		len++;
	if (len == 0 || len >= size)
		return false;
	memcpy(buf, c->p, len);
	buf[len] = '\0';
	c->p += len;
	return true;
}

static bool
take_sign(struct cursor *c, char sign)
{
	skip_blanks(c);
	if (*c->p != sign)
		return false;
	c->p++;
	return true;
}

/* Decimal digits, at most @p max; false leaves them. */
static bool
take_number(struct cursor *c, unsigned long max, unsigned long *value)
{
	unsigned long v = 0;
	const char *p;

	skip_blanks(c);
	for (p = c->p; isdigit((unsigned char)*p); p++) {
		v = v * 10 + (unsigned long)(*p - '0');
		if (v > max)
			return false;
	}
	if (p == c->p)
		return false;
	c->p = p;
	*value = v;
	return true;
}

static int
take_addr(struct cursor *c, struct conf_pair *pair)
{
	char text[INET_ADDRSTRLEN];
	unsigned long bits = 32;
	struct in_addr addr;
	size_t len;

	pair->net_be = pair->mask_be = 0;
	if (take_sign(c, '*'))
		return 0;
	len = strspn(c->p, "0123456789.");
	if (len == 0 || len >= sizeof(text))
		return expect(c, "an address as 10.0.0.1, 10.0.0.0/8 or *");
	memcpy(text, c->p, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, &addr) != 1)
		return expect(c, "an address as 10.0.0.1, 10.0.0.0/8 or *");
	c->p += len;
	if (take_sign(c, '/') && !take_number(c, 1000000, &bits))
		return expect(c, "the length of a prefix, 0 to 32");
	if (bits < 32)
		pair->mask_be = bits == 0 ? 0 : htonl(UINT32_MAX << (32 - bits));
	else
		pair->mask_be = UINT32_MAX;
	pair->net_be = addr.s_addr & pair->mask_be;
	return 0;
}

static int
take_ports(struct cursor *c, struct conf_pair *pair)
{
	unsigned long first, to;

	pair->first = 0;
	pair->last = UINT16_MAX;
	if (take_sign(c, '*'))
		return 0;
	if (!take_number(c, UINT16_MAX, &first))
		return expect(c, "a port from 0 to 65535, ports as 1-1023, or *");
	to = first;
	if (take_sign(c, '-') && (!take_number(c, UINT16_MAX, &to) || to < first))
		return expect(c, "the last port, not below the first and at most 65535");
	pair->first = (uint16_t)first;
	pair->last = (uint16_t)to;
	return 0;
}

static int
take_pair(struct cursor *c, struct conf_pair *pair)
{
	int ret = take_addr(c, pair);

	if (ret != 0)
		return ret;
	if (!take_sign(c, ':'))
		return expect(c, "a colon and the ports");
	return take_ports(c, pair);
}

static bool
take_role(struct cursor *c, enum conf_role *role)
{
	static const char *const names[CONF_ROLES_N] = {
		[CONF_TCP_SERVER] = "tcp_server",
		[CONF_TCP_CLIENT] = "tcp_client",
		[CONF_UDP_RECEIVER] = "udp_receiver",
		[CONF_UDP_SENDER] = "udp_sender",
		[CONF_UDP_CONNECT] = "udp_connect",
	};
	unsigned int i;

	for (i = 0; i < CONF_ROLES_N; i++)
		if (take_word(c, names[i])) {
			*role = (enum conf_role)i;
			return true;
		}
	return false;
}

/* The transports of other times have none of their own here: who asks for them gets sockets. */
static bool
take_transport(struct cursor *c, bool *offload)
{
	static const char *const ours[] = { "vma", "sdp", "sa", "*" };
	unsigned int i;

	*offload = false;
	if (take_word(c, "os"))
		return true;
	*offload = true;
	for (i = 0; i < RTE_DIM(ours); i++)
		if (take_word(c, ours[i]))
			return true;
	return false;
}

static int
take_rule(struct cursor *c, struct conf_line *line)
{
	struct conf_rule *r = &line->rule;
	int ret;

	line->kind = CONF_LINE_RULE;
	if (!take_transport(c, &r->offload))
		return expect(c, "vma or os");
	if (!take_role(c, &r->role))
		return expect(c, "tcp_server, tcp_client, udp_receiver, udp_sender or udp_connect");
	ret = take_pair(c, &r->pairs[0]);
	r->pairs_n = 1;
	if (ret == 0 && take_sign(c, ':')) {
		ret = take_pair(c, &r->pairs[1]);
		r->pairs_n = 2;
	}
	return ret;
}

static int
take_block(struct cursor *c, struct conf_line *line)
{
	line->kind = CONF_LINE_BLOCK;
	if (!take_any(c, line->program, sizeof(line->program)))
		return expect(c, "a program's name or a pattern of names, up to 255 characters");
	if (!take_any(c, line->id, sizeof(line->id)))
		return expect(c, "a user id or *, up to 255 characters");
	return 0;
}

/* The log is set up by variables here (VMA_LOG_FILE, VMA_TRACELEVEL): read, and without effect. */
static int
take_log(struct cursor *c, struct conf_line *line)
{
	char name[CONF_PATH_MAX];
	unsigned long level;

	line->kind = CONF_LINE_LOG;
	for (;;) {
		if (take_word(c, "min-level")) {
			if (!take_number(c, 1000000, &level))
				return expect(c, "a level's number");
		} else if (!take_word(c, "destination")) {
			return 0;
		} else if (take_word(c, "yfile") || take_word(c, "file")) {
			if (!take_any(c, name, sizeof(name)))
				return expect(c, "a file's name");
		} else if (!take_word(c, "ystderr") && !take_word(c, "stderr") &&
				!take_word(c, "syslog")) {
			return expect(c, "ystderr, syslog or yfile and a name");
		}
	}
}

static int
parse(struct cursor *c, struct conf_line *line)
{
	int ret;

	skip_blanks(c);
	line->kind = CONF_LINE_EMPTY;
	if (*c->p == '\0' || *c->p == '#')
		return 0;
	if (take_word(c, "use"))
		ret = take_rule(c, line);
	else if (take_word(c, "application-id"))
		ret = take_block(c, line);
	else if (take_word(c, "log"))
		ret = take_log(c, line);
	else
		ret = expect(c, "use, application-id, log or #");
	skip_blanks(c);
	if (ret == 0 && *c->p != '\0')
		ret = expect(c, "the end of the line");
	return ret;
}

int
conf_line_parse(const char *text, struct conf_line *line, char *why, size_t size)
{
	struct cursor c = { .p = text };
	int ret, len;

	memset(line, 0, sizeof(*line));
	ret = parse(&c, line);
	if (ret == 0)
		return 0;
	skip_blanks(&c);
	len = (int)strcspn(c.p, "\r\n");
	if (len == 0)
		snprintf(why, size, "expected %s, found the end of the line", c.expected);
	else
		snprintf(why, size, "expected %s, found \"%.*s\"", c.expected, RTE_MIN(len, 40),
				c.p);
	return ret;
}
