/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss recovery against a peer over a link that loses, reorders, duplicates and delays, with many
 * seeds: everything arrives, the counts are right after each step, nothing stops.
 */
#include <stdlib.h>

#include "loss_world.h"

#define BYTES (300u * MSS)
#define SEGS (BYTES / MSS)
#define EVENTS 1024
#define ONE_WAY (20 * MSEC)

/* What a peer and a link do. */
struct link {
	unsigned int loss, ack_loss, reorder, dup; /* in 1000 */
	bool sack, timestamps, dsack, renege, burst;
};
struct event {
	uint64_t at, order;
	bool ack, live;
	uint32_t seq; /* number of a segment, or the acknowledged number */
	uint32_t ts;
	struct tcp_in in;
};
static struct event events[EVENTS];
static unsigned int n_events;
static uint64_t rng, order;

static uint32_t
chance(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

/* --- the peer --- */

static struct {
	bool has[SEGS];
	uint32_t next; /* segments in order */
	uint32_t recent;
	uint32_t ts_recent;
	uint32_t twice; /* received again */
} peer;

static struct event *
schedule(uint64_t at)
{
	for (unsigned int i = 0; i < EVENTS; i++) {
		if (events[i].live)
			continue;
		memset(&events[i], 0, sizeof(events[i]));
		events[i].live = true;
		events[i].at = at;
		events[i].order = order++;
		n_events++;
		return &events[i];
	}
	fail_msg("too much on the way");
	return NULL;
}

static void
put_block(struct tcp_in *in, uint32_t a, uint32_t b)
{
	in->opts.sack[in->opts.n_sack].start = FIRST + a * MSS;
	in->opts.sack[in->opts.n_sack++].end = FIRST + b * MSS;
}

static void
put_run(struct tcp_in *in, uint32_t at)
{
	uint32_t a = at, b = at;

	if (!peer.has[at] || at < peer.next || in->opts.n_sack == SACK_MAX)
		return;
	while (a > peer.next && peer.has[a - 1])
		a--;
	while (b < SEGS && peer.has[b])
		b++;
	put_block(in, a, b);
}

static void
peer_takes(const struct link *link, uint32_t seg, uint32_t ts)
{
	struct tcp_in in = { .wnd = 1 << 20 };
	bool again = peer.has[seg] || seg < peer.next;
	struct event *e;

	if (seg <= peer.next)
		peer.ts_recent = ts;
	if (link->renege && chance(100) == 0)
		for (uint32_t i = peer.next; i < SEGS; i++)
			peer.has[i] = false;
	if (again)
		peer.twice++;
	peer.has[seg] = true;
	while (peer.next < SEGS && peer.has[peer.next])
		peer.next++;
	if (link->ack_loss > chance(1000))
		return;
	if (link->sack) {
		if (again && link->dsack)
			put_block(&in, seg, seg + 1);
		put_run(&in, seg);
		for (uint32_t i = peer.next; i < SEGS; i++)
			if (peer.has[i] && !peer.has[i - 1] && (seg < i || !peer.has[seg]))
				put_run(&in, i);
	}
	if (link->timestamps)
		in.opts.ts_ecr = peer.ts_recent;
	e = schedule(w.engine.now + ONE_WAY);
	e->ack = true;
	e->seq = peer.next;
	e->in = in;
}

/* --- the link --- */

static void
carry(const struct link *link)
{
	static bool bad;

	for (; w.taken < w.n_sent; w.taken++) {
		const struct sent *s = &w.sent[w.taken];
		uint64_t at = w.engine.now + ONE_WAY;
		struct event *e;

		assert_int_equal(s->seq % MSS, 0);
		if (link->burst && chance(40) == 0)
			bad = !bad;
		if (link->loss > chance(1000) || (link->burst && bad && chance(2) == 0))
			continue;
		if (link->reorder > chance(1000))
			at += chance(ONE_WAY / MSEC * 2) * MSEC;
		e = schedule(at);
		e->seq = s->seq / MSS;
		e->ts = ts_now(&w.conn);
		if (link->dup > chance(1000)) {
			struct event *d = schedule(at + MSEC);

			d->seq = e->seq;
			d->ts = e->ts;
		}
	}
	if (w.n_sent > RTE_DIM(w.sent) / 2)
		w.n_sent = w.taken = 0;
}

static struct event *
first_event(void)
{
	struct event *e = NULL;

	for (unsigned int i = 0; i < EVENTS; i++)
		if (events[i].live &&
				(e == NULL || events[i].at < e->at ||
						(events[i].at == e->at &&
								events[i].order < e->order)))
			e = &events[i];
	return e;
}

/* @return when all was acknowledged, ns since the start */
static uint64_t
transfer(const struct link *link, uint64_t seed)
{
	struct event *e;
	uint64_t timer;

	rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	memset(&peer, 0, sizeof(peer));
	memset(events, 0, sizeof(events));
	n_events = 0;
	w.conn.flags = (link->sack ? F_SACK : 0) | (link->timestamps ? F_TS : 0);
	rtt_sample(&w.conn, 2 * ONE_WAY);
	world_send(BYTES);
	while (w.conn.snd_una != FIRST + BYTES) {
		carry(link);
		e = first_event();
		timer = w.conn.deadline[TIMER_LOSS];
		if (e == NULL && timer == UINT64_MAX)
			fail_msg("nothing happens any more, seed %u", (unsigned int)seed);
		if (w.drops != 0)
			fail_msg("given up, seed %u", (unsigned int)seed);
		if (e == NULL || timer < e->at) {
			world_wait(timer - w.engine.now);
			continue;
		}
		world_wait(e->at - w.engine.now);
		e->live = false;
		if (e->ack) {
			if (seq_leq(w.conn.snd_una, FIRST + e->seq * MSS))
				world_ack_in(&e->in, e->seq * MSS);
		} else {
			peer_takes(link, e->seq, e->ts);
		}
	}
	assert_int_equal(peer.next, SEGS);
	assert_int_equal(w.conn.sndq.n, 0);
	assert_int_equal(L->lost | L->retrans | L->sacked, 0);
	return w.engine.now - START;
}

static void
run(void **state, const struct link *link, unsigned int seeds, uint64_t worst)
{
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		uint64_t t;

		world_open(state);
		t = transfer(link, seed);
		if (t > worst)
			fail_msg("seed %u took %u ms, %u RTOs", seed, (unsigned int)(t / MSEC),
					STAT(rtos));
		world_close(state);
	}
}

/* No loss: no retransmission, the time of slow start alone. */
static void
clean(void **state)
{
	run(state, &(struct link){ .sack = true, .timestamps = true }, 1, 250 * MSEC);
	assert_int_equal(peer.twice, 0);
	assert_int_equal(STAT(rtos) + STAT(recoveries) + STAT(tlp_probes), 0);
}

static void
some_loss(void **state)
{
	run(state, &(struct link){ .loss = 20, .sack = true, .timestamps = true, .dsack = true },
			100, 30 * SEC);
}

static void
much_loss(void **state)
{
	run(state,
			&(struct link){ .loss = 200,
					.ack_loss = 200,
					.sack = true,
					.timestamps = true,
					.dsack = true },
			100, 2000 * SEC);
}

static void
bursts(void **state)
{
	run(state, &(struct link){ .burst = true, .sack = true, .timestamps = true, .dsack = true },
			100, 600 * SEC);
}

/* Reordering alone: what is sent in vain is little, and the reductions are undone. */
static void
reordering(void **state)
{
	unsigned int twice = 0;

	for (unsigned int seed = 1; seed <= 20; seed++) {
		world_open(state);
		transfer(&(struct link){ .reorder = 100,
					 .sack = true,
					 .timestamps = true,
					 .dsack = true },
				seed);
		assert_int_equal(STAT(rtos), 0);
		twice += peer.twice;
		world_close(state);
	}
	assert_true(twice < 20 * SEGS / 10);
}

static void
everything(void **state)
{
	run(state,
			&(struct link){ .loss = 50,
					.ack_loss = 50,
					.reorder = 100,
					.dup = 50,
					.sack = true,
					.timestamps = true,
					.dsack = true },
			100, 200 * SEC);
	run(state,
			&(struct link){ .loss = 50,
					.ack_loss = 50,
					.reorder = 100,
					.dup = 50,
					.sack = true },
			100, 200 * SEC);
}

/* A peer that takes back what it SACKed. */
static void
reneging(void **state)
{
	run(state, &(struct link){ .loss = 30, .renege = true, .sack = true, .timestamps = true },
			100, 600 * SEC);
}

static void
no_sack(void **state)
{
	run(state, &(struct link){ 0 }, 1, 250 * MSEC);
	assert_int_equal(peer.twice, 0);
	run(state, &(struct link){ .loss = 20, .ack_loss = 20 }, 100, 100 * SEC);
	run(state,
			&(struct link){ .loss = 50,
					.reorder = 50,
					.dup = 50,
					.ack_loss = 50,
					.timestamps = true },
			100, 300 * SEC);
}

#define T(f) cmocka_unit_test(f)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(clean),
		T(some_loss),
		T(much_loss),
		T(bursts),
		T(reordering),
		T(everything),
		T(reneging),
		T(no_sack),
	};

	return cmocka_run_group_tests_name("tcp_loss_sim", tests, world_start, world_stop);
}
