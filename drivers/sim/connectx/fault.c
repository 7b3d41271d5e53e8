/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The script of faults: reading it, and finding out what is to happen to a frame. Chance is a
 * function of seed, fault and number of the frame alone, so that the same frames meet the same
 * faults whatever the timing.
 */
#include "connectx.h"
#include "impair.h"
#include <stdarg.h>

#define REORDER_DFLT 3
#define REORDER_MAX 1000
#define SCRIPT_MAX 4096 /* characters */

enum arg { ARG_NONE, ARG_TIME, ARG_NUMBER };

static const struct action {
	const char *name, *form;
	enum arg arg;
	bool needed;
	uint64_t min, max; /* of a number */
	bool rx_only, device;
} actions[] = {
	[FAULT_DROP] = { "drop", "drop", ARG_NONE, false, 0, 0, false, false },
	[FAULT_DUP] = { "dup", "dup", ARG_NONE, false, 0, 0, false, false },
	[FAULT_REORDER] = { "reorder", "reorder[=FRAMES], 1 to 1000", ARG_NUMBER, false, 1,
			REORDER_MAX, false, false },
	[FAULT_DELAY] = { "delay", "delay=TIME", ARG_TIME, true, 0, 0, false, false },
	[FAULT_CORRUPT] = { "corrupt", "corrupt[=OFFSET], 0 to 65535", ARG_NUMBER, false, 0, 65535,
			false, false },
	[FAULT_CQE_ERROR] = { "cqe_error", "cqe_error[=SYNDROME], 1 to 255", ARG_NUMBER, false, 1,
			255, false, false },
	[FAULT_STALL] = { "stall", "stall=TIME", ARG_TIME, true, 0, 0, false, false },
	[FAULT_NO_BUF] = { "no_buf", "no_buf[=TIME]", ARG_TIME, false, 0, 0, true, false },
	[FAULT_LINK] = { "link", "link=TIME, 0 for good", ARG_TIME, true, 0, 0, false, true },
	[FAULT_REMOVE] = { "remove", "remove[=TIME]", ARG_TIME, false, 0, 0, false, true },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))
#define WHENS "packet:N, packet:N-M, packet:N/EVERY, time:T, time:T1-T2 or rate:P with 0 < P <= 1"

/* The reason why an entry is refused. */
struct why {
	char text[256];
};

static bool __attribute__((format(printf, 2, 3))) refuse(struct why *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	return false;
}

int
cx_time_parse(const char *text, uint64_t *ns, const char **end)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	size_t i, n = strspn(text, "0123456789.");
	double v;
	char *e;

	if (n == 0)
		return -1;
	v = strtod(text, &e);
	if (e != text + n)
		return -1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(e, units[i].name, len) != 0)
			continue;
		v *= units[i].ns;
		/* 30 years */
		if (v > 1e18)
			return -1;
		*ns = v + 0.5;
		*end = e + len;
		return 0;
	}
	*ns = 0;
	*end = e;
	return v == 0 ? 0 : -1; /* zero needs no unit */
}

static bool
number(const char *text, uint64_t *v, const char **end)
{
	char *e;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*v = strtoull(text, &e, 0);
	*end = e;
	return errno == 0;
}

static bool
read_arg(struct cx_fault *f, const struct action *a, const char *text, struct why *w)
{
	const char *end;

	if (text == NULL)
		return a->needed ? refuse(w, "%s", a->form) : true;
	f->has_arg = true;
	if (a->arg == ARG_TIME && cx_time_parse(text, &f->arg, &end) == 0 && *end == '\0')
		return true;
	if (a->arg == ARG_NUMBER && number(text, &f->arg, &end) && *end == '\0' &&
			f->arg >= a->min && f->arg <= a->max)
		return true;
	return refuse(w, "the action is %s%s", a->form,
			a->arg == ARG_TIME ? "; a time has a unit: ns, us, ms, s" : "");
}

static bool
read_packet(struct cx_fault *f, const char *text)
{
	const char *end;

	f->relative = *text == '+';
	text += f->relative;
	f->when = WHEN_PACKET;
	if (!number(text, &f->from, &end) || f->from == 0)
		return false;
	f->to = f->from;
	f->every = 1;
	if (*end == '-') {
		if (!number(end + 1, &f->to, &end) || f->to < f->from)
			return false;
	} else if (*end == '/') {
		f->to = UINT64_MAX;
		if (!number(end + 1, &f->every, &end) || f->every == 0)
			return false;
	}
	return *end == '\0';
}

static bool
read_time(struct cx_fault *f, const char *text, uint64_t base)
{
	const char *end;

	if (*text == '+')
		text++;
	else
		base = 0;
	f->when = WHEN_TIME;
	if (cx_time_parse(text, &f->from, &end) != 0)
		return false;
	if (*end == '-') {
		f->when = WHEN_WINDOW;
		if (cx_time_parse(end + 1, &f->to, &end) != 0 || f->to < f->from)
			return false;
	}
	f->from += base;
	f->to += base;
	return *end == '\0';
}

static bool
read_rate(struct cx_fault *f, const char *text)
{
	size_t n = strspn(text, "0123456789.eE-");
	double p;
	char *e;

	if (n == 0 || text[n] != '\0')
		return false;
	p = strtod(text, &e);
	if (*e != '\0' || !(p > 0 && p <= 1))
		return false;
	f->when = WHEN_RATE;
	f->threshold = p == 1 ? UINT64_MAX : (uint64_t)(p * 18446744073709551616.0);
	return true;
}

static bool
read_when(struct cx_fault *f, const char *text, uint64_t time, struct why *w)
{
	bool ok = false;

	if (strncmp(text, "packet:", 7) == 0)
		ok = read_packet(f, text + 7);
	else if (strncmp(text, "time:", 5) == 0)
		ok = read_time(f, text + 5, time);
	else if (strncmp(text, "rate:", 5) == 0)
		ok = read_rate(f, text + 5);
	if (!ok)
		return refuse(w, "when is " WHENS);
	if (actions[f->action].device && f->when == WHEN_WINDOW)
		return refuse(w, "%s takes one time, not a window", actions[f->action].name);
	return true;
}

/* The directions of an entry, as a prefix; without one both, but of a device's: received frames. */
static const char *
read_dir(bool dir[CX_DIRS], const char *entry)
{
	dir[CX_RX] = dir[CX_TX] = true;
	if (strncmp(entry, "rx.", 3) == 0)
		dir[CX_TX] = false;
	else if (strncmp(entry, "tx.", 3) == 0)
		dir[CX_RX] = false;
	else
		return entry;
	return entry + 3;
}

static bool
read_fault(struct cx_fault *f, char *entry, uint64_t time, struct why *w)
{
	const char *name = read_dir(f->dir, entry);
	char *when = strchr(entry, '@'), *arg;
	size_t i;

	if (when == NULL)
		return refuse(w, "no \"@\": [rx.|tx.]ACTION[=ARG]@WHEN, or seed:N");
	*when++ = '\0';
	arg = strchr(entry, '=');
	if (arg != NULL)
		*arg++ = '\0';
	for (i = 0; i < N_ACTIONS && strcmp(actions[i].name, name) != 0; i++)
		;
	if (i == N_ACTIONS)
		return refuse(w,
				"no such action: drop dup reorder delay corrupt cqe_error stall "
				"no_buf link remove");
	f->action = i;
	if (actions[i].rx_only) {
		if (!f->dir[CX_RX])
			return refuse(w, "%s is for rx", name);
		f->dir[CX_TX] = false;
	}
	if (actions[i].device && f->dir[CX_RX])
		f->dir[CX_TX] = false;
	return read_arg(f, &actions[i], arg, w) && read_when(f, when, time, w);
}

static bool
read_entry(struct cx_script *s, char *entry, uint64_t time, struct why *w)
{
	struct cx_fault *f = &s->at[s->n];
	const char *end;

	if (strncmp(entry, "seed:", 5) == 0) {
		s->seeded = true;
		if (number(entry + 5, &s->seed, &end) && *end == '\0')
			return true;
		return refuse(w, "seed:N with a number N");
	}
	if (s->n == sizeof(s->at) / sizeof(s->at[0]))
		return refuse(w, "more than %u entries", s->n);
	memset(f, 0, sizeof(*f));
	if (!read_fault(f, entry, time, w))
		return false;
	s->n++;
	return true;
}

int
cx_script_parse(const char *text, struct cx_script *s, uint64_t time, char *error, size_t size)
{
	char buf[SCRIPT_MAX], copy[128], *entry, *p;
	struct why w;

	s->n = 0;
	s->seed = 1;
	s->seeded = false;
	if (strlen(text) >= sizeof(buf)) {
		snprintf(error, size, "longer than %zu characters", sizeof(buf) - 1);
		return -1;
	}
	strcpy(buf, text);
	for (entry = strtok_r(buf, ",", &p); entry != NULL; entry = strtok_r(NULL, ",", &p)) {
		snprintf(copy, sizeof(copy), "%s", entry);
		if (!read_entry(s, entry, time, &w)) {
			snprintf(error, size, "\"%s\": %s", copy, w.text);
			return -1;
		}
	}
	return 0;
}

/* ---- judging ---- */
static bool
matches(struct cx_fault *f, uint64_t seed, uint64_t n, uint64_t time)
{
	switch (f->when) {
	case WHEN_PACKET:
		return n >= f->from && n <= f->to && (n - f->from) % f->every == 0;
	case WHEN_WINDOW:
		return time >= f->from && time <= f->to;
	case WHEN_RATE:
		return cx_mix(seed, n) <= f->threshold;
	case WHEN_TIME:
		/* the first frame from then on; a queue's fault is done when a queue had it */
		if (f->done || time < f->from)
			return false;
		f->done = f->action < FAULT_CQE_ERROR;
		return true;
	}
	return false;
}

static void
apply(const struct cx_fault *f, unsigned int i, uint64_t random, struct cx_verdict *v)
{
	switch (f->action) {
	case FAULT_DROP:
		v->drop = true;
		break;
	case FAULT_DUP:
		v->dup = true;
		break;
	case FAULT_REORDER:
		v->reorder = f->has_arg ? f->arg : REORDER_DFLT;
		break;
	case FAULT_DELAY:
		v->delay += f->arg;
		break;
	case FAULT_CORRUPT:
		v->corrupt = true;
		v->corrupt_at_random = !f->has_arg;
		v->corrupt_at = f->arg;
		v->random = random;
		break;
	case FAULT_LINK:
		v->link = true;
		v->link_ns = f->arg;
		break;
	case FAULT_REMOVE:
		v->remove = true;
		v->remove_ns = f->has_arg ? f->arg : 0;
		break;
	default:
		v->queue |= 1ull << i;
		break;
	}
}

void
cx_faults_judge(struct cx_faults *list, uint64_t seed, unsigned int dir, uint64_t n, uint64_t time,
		struct cx_verdict *v)
{
	uint64_t s;
	unsigned int i;

	memset(v, 0, sizeof(*v));
	for (i = 0; i < list->n; i++) {
		struct cx_fault *f = &list->at[i];

		/* time alone triggers those of the device: cx_port_poll() */
		if (actions[f->action].device && f->when == WHEN_TIME)
			continue;
		s = cx_mix(seed, i * CX_DIRS + dir);
		if (matches(f, s, n, time))
			apply(f, i, cx_mix(~s, n), v);
	}
}
