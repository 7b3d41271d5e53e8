/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream moves bytes one way, rr asks and waits for the answer. With --peer the program connects,
 * sends and asks; without it listens, receives and answers.
 *
 * A few connections take turns, a call each; of many, epoll says which have something. The bytes
 * are those of one pattern from the connection's first byte on, which --check compares.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "calls.h"
#include "tcp.h"

#define PERIOD 65521u	 /* prime: in step with no segment or write */
#define ACCEPT_EVERY 256 /* turns between looks at the listener */

static uint8_t *pattern;
static bool pattern_is_eals;

const uint8_t *
tp_pattern_at(uint64_t position)
{
	return &pattern[position % PERIOD];
}

int
tp_pattern_make(uint32_t size, bool eals)
{
	uint32_t x = 1, i;

	pattern_is_eals = eals;
	pattern = eals ? rte_malloc("pattern", PERIOD + size, 0) : malloc(PERIOD + size);
	if (pattern == NULL)
		return -1;
	for (i = 0; i < PERIOD + size; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = i < PERIOD ? (uint8_t)(x >> 24) : pattern[i - PERIOD];
	}
	return 0;
}

void
tp_pattern_free(void)
{
	if (pattern_is_eals)
		rte_free(pattern);
	else
		free(pattern);
	pattern = NULL;
}

/* Once all that ever came have gone: what nobody was ever connected to goes on waiting. */
static void
all_over(struct tp *tp)
{
	uint32_t opened = 0, over = 0, i;

	for (i = 0; i < tp->args.threads; i++) {
		opened += __atomic_load_n(&tp->workers[i].opened, __ATOMIC_RELAXED);
		over += __atomic_load_n(&tp->workers[i].over, __ATOMIC_RELAXED);
	}
	if (opened == over)
		tp_stop = true;
}

void
tp_conn_over(struct tp_worker *w, struct tp_conn *c, int error)
{
	c->over = true;
	if (w->epfd >= 0)
		tp_calls->epoll_ctl(w->epfd, EPOLL_CTL_DEL, c->fd, NULL);
	if (error != 0) {
		fprintf(stderr, "dpvma-testpmd: connection %ld: %s\n", (long)(c - w->conns),
				strerror(error));
		w->count.failed++;
	}
	__atomic_store_n(&w->over, w->over + 1, __ATOMIC_RELAXED);
	all_over(w->tp);
}

void
tp_want_out(struct tp_worker *w, struct tp_conn *c, bool out)
{
	struct epoll_event ev = { .events = out ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.u64 = (uint64_t)(c - w->conns) };

	if (w->epfd < 0 || c->over || c->wants_out == out)
		return;
	c->wants_out = out;
	if (tp_calls->epoll_ctl(w->epfd, EPOLL_CTL_MOD, c->fd, &ev) != 0)
		w->count.failed++;
}

ssize_t
tp_put(struct tp_worker *w, struct tp_conn *c, uint32_t len)
{
	/* the pattern stays as it is: nobody waits for what the error queue tells, in one range */
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (w->tp->args.zerocopy ? MSG_ZEROCOPY : 0);
	ssize_t n = tp_calls->send(c->fd, tp_pattern_at(c->out), len, flags);

	if (likely(n > 0)) {
		c->out += (uint64_t)n;
		w->count.bytes += (uint64_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		tp_conn_over(w, c, errno);
	}
	return n;
}

ssize_t
tp_get(struct tp_worker *w, struct tp_conn *c, uint32_t len)
{
	ssize_t n = tp_calls->recv(c->fd, w->buffer, len, MSG_DONTWAIT);

	if (likely(n > 0)) {
		if (w->tp->args.check && memcmp(w->buffer, tp_pattern_at(c->in), (size_t)n) != 0)
			w->count.bad_payload++;
		c->in += (uint64_t)n;
		w->count.bytes += (uint64_t)n;
	} else if (n == 0) {
		tp_conn_over(w, c, 0);
	} else if (errno != EAGAIN && errno != EINTR) {
		tp_conn_over(w, c, errno);
	}
	return n;
}

/** @name stream */
/** @{ */
/*
 * A full connection has room again when acknowledgements were taken in, which is what reading does.
 * A receiver that has enough says so by ending its half.
 */
static void
attend(struct tp_worker *w, struct tp_conn *c)
{
	uint8_t byte;

	if (tp_calls->recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		tp_conn_over(w, c, 0);
}

unsigned int
tp_stream_step(struct tp_worker *w, struct tp_conn *c, uint32_t events)
{
	uint32_t size = w->tp->args.size;
	ssize_t n;

	if (tp_active(w->tp) == w->tp->args.reverse)
		return tp_get(w, c, size) > 0;
	if (unlikely(w->epfd >= 0 && (events & EPOLLIN) != 0))
		attend(w, c);
	if (c->over)
		return 0;
	n = tp_put(w, c, size);
	if (n < 0 && w->epfd < 0 && !c->over)
		attend(w, c);
	tp_want_out(w, c, true);
	return n > 0;
}
/** @} */

/** @name rr: one question at a time on each connection */
/** @{ */
static void
ask(struct tp_worker *w, struct tp_conn *c)
{
	uint32_t size = w->tp->args.size;

	if (c->asked == 0)
		c->asked = rte_rdtsc();
	tp_put(w, c, size - (uint32_t)(c->out % size));
	tp_want_out(w, c, c->out % size != 0);
}

static bool
asked_in_part(const struct tp_worker *w, const struct tp_conn *c)
{
	return c->out == c->in || c->out % w->tp->args.size != 0;
}

void
tp_rr_begin(struct tp_worker *w)
{
	uint32_t i;

	for (i = 0; tp_active(w->tp) && i < w->active; i++)
		if (!w->conns[i].over && asked_in_part(w, &w->conns[i]))
			ask(w, &w->conns[i]);
}

static unsigned int
asker_step(struct tp_worker *w, struct tp_conn *c)
{
	uint32_t size = w->tp->args.size;
	unsigned int whole = 0;

	if (c->in != c->out && tp_get(w, c, size - (uint32_t)(c->in % size)) > 0 &&
			c->in % size == 0) {
		tp_latency_add(&w->latency, rte_rdtsc() - c->asked);
		c->asked = 0;
		whole = 1;
	}
	if (!c->over && asked_in_part(w, c))
		ask(w, c);
	return whole;
}

/* What came goes back, a whole question at a time. */
static unsigned int
answerer_step(struct tp_worker *w, struct tp_conn *c)
{
	uint32_t size = w->tp->args.size;
	unsigned int whole = 0;

	if (c->in % size != 0 || c->in == c->out)
		whole = tp_get(w, c, size - (uint32_t)(c->in % size)) > 0 && c->in % size == 0;
	if (!c->over && c->in > c->out && c->in % size == 0) {
		tp_put(w, c, (uint32_t)(c->in - c->out));
		tp_want_out(w, c, c->in > c->out);
	}
	return whole;
}

unsigned int
tp_rr_step(struct tp_worker *w, struct tp_conn *c, uint32_t events)
{
	(void)events;
	return tp_active(w->tp) ? asker_step(w, c) : answerer_step(w, c);
}
/** @} */

/** @name Turns */
/** @{ */
static struct tp_conn *
next_conn(struct tp_worker *w)
{
	uint32_t n = tp_active(w->tp) ? w->active : w->n_conns, i;

	for (i = 0; i < n; i++) {
		struct tp_conn *c = &w->conns[w->next];

		w->next = w->next + 1 < n ? w->next + 1 : 0;
		if (likely(!c->over))
			return c;
	}
	return NULL;
}

/* Most turns find nobody at the listener. */
static unsigned int
turn_polling(struct tp_worker *w)
{
	const struct tp_mode *mode = w->tp->mode[0];
	struct tp_conn *c;
	uint32_t i;

	if (w->n_listeners != 0 && w->turns++ % ACCEPT_EVERY == 0)
		for (i = 0; i < w->n_listeners; i++)
			tp_accept(w, i);
	c = next_conn(w);
	return c == NULL ? 0 : mode->step(w, c, 0);
}

static unsigned int
turn_epoll(struct tp_worker *w)
{
	const struct tp_mode *mode = w->tp->mode[0];
	struct epoll_event ev[TP_EVENTS_MAX];
	int n = tp_calls->epoll_wait(w->epfd, ev, TP_EVENTS_MAX, 0), i;
	unsigned int got = 0;

	w->worked |= n > 0;
	for (i = 0; i < n; i++) {
		struct tp_conn *c = &w->conns[(uint32_t)ev[i].data.u64];

		if (unlikely((ev[i].data.u64 & TP_LISTENER) != 0))
			got += tp_accept(w, (uint32_t)ev[i].data.u64);
		else if (likely(!c->over))
			got += mode->step(w, c, ev[i].events);
	}
	return got;
}

unsigned int
tp_tcp_turn(struct tp_worker *w)
{
	return w->epfd >= 0 ? turn_epoll(w) : turn_polling(w);
}
/** @} */
