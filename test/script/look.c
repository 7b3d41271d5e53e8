/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fields of the engine's structures by name: what scripts set (options, configuration) and what
 * they assert (snapshot, counters, queues).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define F(type, st, name)                                                                          \
	{                                                                                          \
#name, type, offsetof(struct st, name)                                             \
	}
static const struct field options[] = {
	F(FIELD_U32, tcp_options, sndbuf),
	F(FIELD_U32, tcp_options, rcvbuf),
	F(FIELD_U32, tcp_options, user_timeout_ms),
	F(FIELD_U32, tcp_options, keep_idle_s),
	F(FIELD_U32, tcp_options, keep_interval_s),
	F(FIELD_U32, tcp_options, lowat),
	F(FIELD_U64, tcp_options, pacing_rate),
	F(FIELD_U32, tcp_options, pacing_burst),
	F(FIELD_U16, tcp_options, mss),
	F(FIELD_U8, tcp_options, keep_count),
	F(FIELD_U8, tcp_options, syn_retries),
	F(FIELD_U8, tcp_options, retries),
	F(FIELD_U8, tcp_options, cc),
	F(FIELD_BOOL, tcp_options, keepalive),
	F(FIELD_BOOL, tcp_options, nodelay),
	F(FIELD_BOOL, tcp_options, cork),
	F(FIELD_BOOL, tcp_options, quickack),
	F(FIELD_BOOL, tcp_options, oob_inline),
	F(FIELD_BOOL, tcp_options, timestamps),
	F(FIELD_BOOL, tcp_options, sack),
	F(FIELD_BOOL, tcp_options, window_scaling),
	F(FIELD_BOOL, tcp_options, ecn),
	F(FIELD_BOOL, tcp_options, pacing),
	F(FIELD_BOOL, tcp_options, pmtud),
	F(FIELD_BOOL, tcp_options, defer_accept),
	{ NULL, FIELD_U8, 0 },
};
static const struct field engine_fields[] = {
	F(FIELD_U64, tcp_config, seed),
	F(FIELD_U32, tcp_config, conn_extra),
	F(FIELD_U32, tcp_config, max_conns),
	F(FIELD_U32, tcp_config, syn_rate),
	F(FIELD_U32, tcp_config, tso_max),
	F(FIELD_U32, tcp_config, time_wait_ms),
	F(FIELD_BOOL, tcp_config, multi_seg),
	{ NULL, FIELD_U8, 0 },
};
/* What is no field of the snapshot; its place in the enum is its offset. */
enum look_fn {
	LOOK_EXISTS,
	LOOK_ERROR,
	LOOK_QUEUED,
	LOOK_UNSENT_QUEUED,
	LOOK_ROOM,
	LOOK_READABLE,
	LOOK_READY,
	LOOK_AT_MARK,
	LOOK_CONNS,
	LOOK_WAITING,
};
static const struct field looks[] = {
	F(FIELD_INT, tcp_snapshot, state),
	F(FIELD_U8, tcp_snapshot, snd_wscale),
	F(FIELD_U8, tcp_snapshot, rcv_wscale),
	F(FIELD_BOOL, tcp_snapshot, timestamps),
	F(FIELD_BOOL, tcp_snapshot, sack),
	F(FIELD_BOOL, tcp_snapshot, wscale),
	F(FIELD_BOOL, tcp_snapshot, ecn),
	F(FIELD_BOOL, tcp_snapshot, in_recovery),
	F(FIELD_BOOL, tcp_snapshot, in_rto),
	F(FIELD_U8, tcp_snapshot, backoff),
	F(FIELD_U32, tcp_snapshot, mss),
	F(FIELD_U32, tcp_snapshot, rcv_mss),
	F(FIELD_U32, tcp_snapshot, pmtu),
	F(FIELD_U32, tcp_snapshot, cwnd),
	F(FIELD_U32, tcp_snapshot, ssthresh),
	F(FIELD_U32, tcp_snapshot, snd_wnd),
	F(FIELD_U32, tcp_snapshot, rcv_wnd),
	F(FIELD_U32, tcp_snapshot, in_flight),
	F(FIELD_U32, tcp_snapshot, unsent),
	F(FIELD_U32, tcp_snapshot, lost),
	F(FIELD_U32, tcp_snapshot, sacked),
	F(FIELD_U64, tcp_snapshot, srtt),
	F(FIELD_U64, tcp_snapshot, rttvar),
	F(FIELD_U64, tcp_snapshot, min_rtt),
	F(FIELD_U64, tcp_snapshot, rto),
	F(FIELD_U64, tcp_snapshot, bytes_sent),
	F(FIELD_U64, tcp_snapshot, bytes_acked),
	F(FIELD_U64, tcp_snapshot, bytes_received),
	F(FIELD_U64, tcp_snapshot, bytes_retransmitted),
	F(FIELD_U64, tcp_snapshot, segs_out),
	F(FIELD_U64, tcp_snapshot, segs_in),
	F(FIELD_U64, tcp_snapshot, segs_retransmitted),
	F(FIELD_U32, tcp_snapshot, reordering),
	F(FIELD_U32, tcp_snapshot, undos),
	F(FIELD_U64, tcp_snapshot, pacing_rate),
	F(FIELD_U64, tcp_snapshot, delivery_rate),
	{ "exists", FIELD_FN, LOOK_EXISTS },
	{ "error", FIELD_FN, LOOK_ERROR },
	{ "queued", FIELD_FN, LOOK_QUEUED },
	{ "queued_unsent", FIELD_FN, LOOK_UNSENT_QUEUED },
	{ "room", FIELD_FN, LOOK_ROOM },
	{ "readable", FIELD_FN, LOOK_READABLE },
	{ "ready", FIELD_FN, LOOK_READY },
	{ "at_mark", FIELD_FN, LOOK_AT_MARK },
	{ "conns", FIELD_FN, LOOK_CONNS },
	{ "waiting", FIELD_FN, LOOK_WAITING },
	{ NULL, FIELD_U8, 0 },
};
#undef F

static const struct field *
find(const struct field *fields, const char *name)
{
	for (; fields->name != NULL; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

const struct field *
field_option(const char *name)
{
	return find(options, name);
}

const struct field *
field_engine(const char *name)
{
	return find(engine_fields, name);
}

const struct field *
field_look(const char *name)
{
	return find(looks, name);
}

int
counter_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < stat_tcp.n; i++)
		if (strcmp(stat_tcp.names[i], name) == 0)
			return (int)i;
	return -1;
}

void
field_set(const struct field *f, void *base, int64_t value)
{
	uint8_t *p = (uint8_t *)base + f->offset;

	switch (f->type) {
	case FIELD_U8:
		*p = (uint8_t)value;
		break;
	case FIELD_U16:
		*(uint16_t *)p = (uint16_t)value;
		break;
	case FIELD_BOOL:
		*(bool *)p = value != 0;
		break;
	case FIELD_U64:
		*(uint64_t *)p = (uint64_t)value;
		break;
	default:
		*(uint32_t *)p = (uint32_t)value;
		break;
	}
}

static int64_t
field_get(const struct field *f, const void *base)
{
	const uint8_t *p = (const uint8_t *)base + f->offset;

	switch (f->type) {
	case FIELD_U8:
		return *p;
	case FIELD_U16:
		return *(const uint16_t *)p;
	case FIELD_BOOL:
		return *(const bool *)p;
	case FIELD_U64:
		return (int64_t) * (const uint64_t *)p;
	case FIELD_INT:
		return *(const int *)p;
	default:
		return *(const uint32_t *)p;
	}
}

static const struct {
	const char *name;
	unsigned int bit;
} events[] = { { "connected", TCP_E_CONNECTED }, { "readable", TCP_E_READABLE },
	{ "writable", TCP_E_WRITABLE }, { "error", TCP_E_ERROR }, { "accept", TCP_E_ACCEPT },
	{ "urgent", TCP_E_URGENT }, { "closed", TCP_E_CLOSED }, { "none", 0 } };

static int
event_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(events); i++)
		if (strcmp(events[i].name, name) == 0)
			return (int)events[i].bit;
	return -1;
}

unsigned int
parse_events(struct cursor *c)
{
	unsigned int bits = 0, n = 0;
	char word[24];

	while (parse_any_word(c, word, sizeof(word)) > 0) {
		int bit = event_by_name(word);

		if (bit < 0)
			parse_error(c, "there is no event %s", word);
		bits |= (unsigned int)bit;
		n++;
	}
	if (n == 0)
		parse_error(c, "event [only] NAME...");
	return bits;
}

void
events_print(unsigned int bits, char *buf, size_t len)
{
	unsigned int i;
	size_t n = 0;

	snprintf(buf, len, "none");
	for (i = 0; i < RTE_DIM(events) - 1; i++)
		if (bits & events[i].bit)
			n += (size_t)snprintf(
					buf + n, len - n, "%s%s", n > 0 ? " " : "", events[i].name);
}

static bool
value_by_name(const char *word, int64_t *value)
{
	static const struct {
		const char *name;
		int64_t value;
	} names[] = { { "true", 1 }, { "false", 0 }, { "yes", 1 }, { "no", 0 } };
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++)
		if (strcmp(names[i].name, word) == 0) {
			*value = names[i].value;
			return true;
		}
	for (i = TCP_S_CLOSED; i <= TCP_S_TIME_WAIT; i++)
		if (strcmp(tcp_state_name(i), word) == 0) {
			*value = i;
			return true;
		}
	*value = errno_by_name(word);
	if (*value < 0)
		*value = tcp_cc_by_name(word);
	if (*value < 0)
		*value = event_by_name(word);
	return *value >= 0;
}

static int64_t
unit(struct cursor *c, double number, bool *is_time)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	char word[8];
	unsigned int i;

	*is_time = false;
	if (*c->p == ' ' || *c->p == ',' || *c->p == '\0')
		return (int64_t)number;
	parse_any_word(c, word, sizeof(word));
	for (i = 0; i < RTE_DIM(units); i++)
		if (strcmp(units[i].name, word) == 0) {
			*is_time = true;
			return (int64_t)(number * units[i].ns + 0.5);
		}
	parse_error(c, "%s is no unit (ns, us, ms, s)", word);
	return 0;
}

int64_t
parse_value(struct cursor *c)
{
	bool negative = false, is_time;
	char word[32], *end;
	int64_t value;
	double number;

	while (*c->p == ' ')
		c->p++;
	if (*c->p == '-') {
		negative = true;
		c->p++;
	}
	number = strtod(c->p, &end);
	if (end != c->p) {
		c->p = end;
		value = unit(c, number, &is_time);
		if (!is_time && (double)value != number)
			parse_error(c, "a fraction needs a unit");
	} else {
		value = 0;
		do {
			int64_t one;

			parse_any_word(c, word, sizeof(word));
			if (!value_by_name(word, &one))
				parse_error(c, "what is '%s'?", word[0] != '\0' ? word : c->p);
			value |= one;
		} while (c->error == NULL && parse_char(c, '|'));
	}
	return negative ? -value : value;
}

static int64_t
look_fn(struct runner *r, struct tcp_conn *conn, enum look_fn what)
{
	uint32_t unsent;

	switch (what) {
	case LOOK_EXISTS:
		return conn != NULL;
	case LOOK_CONNS:
		return tcp_engine_conns(r->engine);
	case LOOK_WAITING:
		return r->listener != NULL ? (int64_t)tcp_accept_waiting(r->listener) : -1;
	case LOOK_ERROR:
		return tcp_error(conn, false);
	case LOOK_QUEUED:
		return tcp_send_queued(conn, NULL);
	case LOOK_UNSENT_QUEUED:
		tcp_send_queued(conn, &unsent);
		return unsent;
	case LOOK_ROOM:
		return tcp_send_room(conn);
	case LOOK_READABLE:
		return tcp_recv_queued(conn);
	case LOOK_READY:
		return tcp_ready(conn);
	case LOOK_AT_MARK:
		return tcp_at_mark(conn);
	}
	return -1;
}

static bool
holds(int64_t got, enum compare cmp, int64_t want)
{
	switch (cmp) {
	case CMP_EQ:
		return got == want;
	case CMP_NE:
		return got != want;
	case CMP_LT:
		return got < want;
	case CMP_LE:
		return got <= want;
	case CMP_GT:
		return got > want;
	case CMP_GE:
		return got >= want;
	}
	return false;
}

static void
complain(struct runner *r, const struct assertion *a, int64_t got)
{
	static const char *const cmps[] = { "==", "!=", "<", "<=", ">", ">=" };
	const char *name = a->field != NULL ? a->field->name : stat_tcp.names[a->counter];

	if (a->field != NULL && strcmp(name, "state") == 0)
		run_fail(r, "state is %s, should be %s %s", tcp_state_name((enum tcp_state)got),
				cmps[a->cmp], tcp_state_name((enum tcp_state)a->value));
	else if (a->field != NULL && strcmp(name, "error") == 0)
		run_fail(r, "error is %s, should be %s %s", got == 0 ? "0" : errno_name((int)got),
				cmps[a->cmp], a->value == 0 ? "0" : errno_name((int)a->value));
	else
		run_fail(r, "%s%s is %" PRId64 ", should be %s %" PRId64,
				a->field == NULL ? "counter " : "", name, got, cmps[a->cmp],
				a->value);
}

void
look_run(struct runner *r, struct flow *flow)
{
	const struct step *s = r->step;
	struct tcp_conn *conn = run_conn(r, flow);
	struct tcp_snapshot snapshot;
	unsigned int i;

	if (conn != NULL)
		tcp_look(conn, &snapshot);
	for (i = 0; i < s->n_asserts && !r->failed; i++) {
		const struct assertion *a = &s->asserts[i];
		int64_t got;

		if (a->field == NULL) {
			got = (int64_t)tcp_engine_stats(r->engine)->c[a->counter];
		} else if (a->field->type == FIELD_FN &&
				(a->field->offset == LOOK_EXISTS ||
						a->field->offset == LOOK_CONNS ||
						a->field->offset == LOOK_WAITING)) {
			got = look_fn(r, conn, (enum look_fn)a->field->offset);
		} else if (conn == NULL) {
			run_fail(r, "there is no connection to look at");
			return;
		} else if (a->field->type == FIELD_FN) {
			got = look_fn(r, conn, (enum look_fn)a->field->offset);
		} else {
			got = field_get(a->field, &snapshot);
		}
		if (!holds(got, a->cmp, a->value))
			complain(r, a, got);
	}
}
