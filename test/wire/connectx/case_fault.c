/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults of packets and of queues: which datagrams arrive, in which order and when, as the script
 * of the case has it. All of them fit into the ring, so nothing depends on how fast it is polled.
 */
#include "cxtest.h"
#include <rte_epoll.h>
#include <rte_interrupts.h>

#define MAX 1000
#define MS 1000000ull

static struct numbered got[2 * MAX];

static void
start(bool stamps)
{
	uint64_t offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM;

	if (stamps)
		offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	model_open();
	numbered_start(offloads);
}

/* Sends them itself when b is set: over the loop wire. */
static unsigned int
exchange(const struct test_case *c)
{
	unsigned int n = 0, i, part;

	if (!c->b)
		return numbered_receive(got, RTE_DIM(got));
	for (i = 0; i < c->a; i += part) {
		part = RTE_MIN(32u, c->a - i);
		numbered_send(i, part);
	}
	n += numbered_receive(got + n, RTE_DIM(got) - n);
	return n;
}

/* ---- which arrive, in which order ---- */
static unsigned int
expect_drop(uint64_t *e, unsigned int n)
{
	unsigned int i, k = 0;

	for (i = 0; i < n; i++) {
		unsigned int frame = i + 1;

		if (frame == 11 || (frame >= 20 && frame <= 29) ||
				(frame >= 100 && frame % 50 == 0))
			continue;
		e[k++] = i;
	}
	return k;
}

static unsigned int
expect_dup(uint64_t *e, unsigned int n)
{
	unsigned int i, k = 0;

	for (i = 0; i < n; i++) {
		e[k++] = i;
		if (i + 1 == 5 || (i + 1) % 100 == 0)
			e[k++] = i;
	}
	return k;
}

/* frame 10 behind three others, frame 50 behind one, the last one when its time is over */
static unsigned int
expect_reorder(uint64_t *e, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		e[i] = i;
	e[9] = 10;
	e[10] = 11;
	e[11] = 12;
	e[12] = 9;
	e[49] = 50;
	e[50] = 49;
	return n;
}

/* a: datagrams, b: send them; the case's name ends with what is expected */
void
case_fault(const struct test_case *c)
{
	static uint64_t e[2 * MAX];
	unsigned int i, n, k;

	start(true);
	if (strstr(c->name, "drop") != NULL)
		k = expect_drop(e, c->a);
	else if (strstr(c->name, "dup") != NULL)
		k = expect_dup(e, c->a);
	else
		k = expect_reorder(e, c->a);
	n = exchange(c);
	for (i = 0; i < n && i < k; i++)
		CHECK(got[i].number == e[i], "arrival %u: number %lu instead of %lu", i,
				got[i].number, e[i]);
	CHECK(n == k, "%u arrived, not %u", n, k);
	port_stop();
}

/* Frame 10 is delayed by 300 ms, to the nanosecond; two have a bit flipped. */
void
case_fault_stamp(const struct test_case *c)
{
	struct rte_mbuf *m;
	unsigned int i, late = 0;
	struct numbered x;
	uint64_t bad;

	start(true);
	for (i = 0; i < c->a; i++) {
		CHECK(port_receive(&m, NULL, 1, 1) == 1, "%u of %u arrived", i, c->a);
		numbered_read(m, &x);
		CHECK(x.arrived != 0, "no time stamp");
		bad = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD ||
				(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) !=
						RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		/* 70 is in the payload, where all bytes are the number's */
		if (x.number == 19) {
			const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);

			CHECK(bad, "checksum of frame 20 taken for good");
			CHECK(__builtin_popcount(f[70] ^ 19) == 1, "byte 70 is %#x", f[70]);
			CHECK(f[69] == 19 && f[71] == 19, "more than one byte");
		} else if (i == 24 - (late == 0)) {
			CHECK(bad, "frame 25 is whole");
			x.number = 24;
		} else {
			CHECK(!bad, "checksum of number %lu: flags %lx", x.number, m->ol_flags);
			if (x.number == 9) {
				CHECK(x.arrived - x.stamp == 300 * MS, "delayed by %lu ns",
						x.arrived - x.stamp);
				late++;
			} else {
				CHECK(x.arrived == x.stamp, "number %lu: late by %lu ns", x.number,
						x.arrived - x.stamp);
			}
		}
		rte_pktmbuf_free(m);
	}
	CHECK(late == 1, "nothing delayed");
	port_stop();
}

/* All frames of 200 ms, from 200 ms after now on: told while it runs. */
void
case_fault_window(const struct test_case *c)
{
	static struct numbered many[16384];
	uint64_t before, after, gaps = 0;
	unsigned int i, n;
	char error[256];

	start(true);
	CHECK(numbered_receive(many, 1) == 1, "nothing comes");
	before = now_ns();
	add_faults("rx.drop@time:+200ms-400ms");
	after = now_ns();
	CHECK(faults_add(NULL, "rx.drop@sometimes", error, sizeof(error)) != 0, "taken");
	CHECK(strstr(error, "sometimes") != NULL && strchr(error, '\n') == NULL, "%s", error);
	n = 1 + numbered_receive(many + 1, RTE_DIM(many) - 1);
	for (i = 1; i < n; i++) {
		if (many[i].number == many[i - 1].number + 1)
			continue;
		gaps++;
		CHECK(many[i - 1].stamp < after + 200 * MS, "lost too late");
		CHECK(many[i].stamp > before + 400 * MS, "lost not long enough");
		CHECK(many[i].stamp - many[i - 1].stamp >= 200 * MS, "lost for %lu ns",
				many[i].stamp - many[i - 1].stamp);
	}
	CHECK(gaps == 1, "%lu gaps", gaps);
	CHECK(many[n - 1].number == c->a - 1, "the last one is %lu", many[n - 1].number);
	port_stop();
}

#define HISTORY 65536
static uint64_t stamps[HISTORY]; /* of the last numbers */

static void
next_one(struct numbered *x)
{
	unsigned int i;

	for (i = 0; i < PATIENCE; i++) {
		if (numbered_receive(x, 1) == 0)
			continue;
		stamps[x->number % HISTORY] = x->stamp;
		return;
	}
	CHECK(false, "nothing comes");
}

/* Told while it runs, one after the other: the first datagram from 50 ms on meets the fault. */
void
case_fault_time(const struct test_case *c)
{
	static const char *const what[] = { "dup", "drop", "reorder", "delay=30ms" };
	struct numbered x, last;
	uint64_t before, after, number, stamp, late;
	unsigned int k;
	char text[64];
	bool hit;

	(void)c;
	start(true);
	next_one(&last);
	for (k = 0; k < RTE_DIM(what); k++) {
		snprintf(text, sizeof(text), "rx.%s@time:+50ms", what[k]);
		before = now_ns();
		add_faults(text);
		after = now_ns();
		do {
			next_one(&x);
			late = x.arrived - x.stamp;
			/* it waits for three others, or for 10 ms if they do not come */
			hit = k == 0		 ? x.number == last.number
					: k == 1 ? x.number == last.number + 2
					: k == 2 ? x.number < last.number || late == 10 * MS
						 : late == 30 * MS;
			number = k == 1 ? x.number - 1 : x.number;
			stamp = x.stamp;
			last = x;
			CHECK(hit || now_ns() < after + PATIENCE * 1000 * MS, "no %s", what[k]);
		} while (!hit);
		CHECK(stamp >= before + 50 * MS, "%s too early", what[k]);
		CHECK(stamps[(number - 1) % HISTORY] < after + 50 * MS, "%s too late", what[k]);
	}
	port_stop();
}

/* a: datagrams, a twentieth of which is doubled, overtaken, spoilt or late by 5 ms */
void
case_fault_mixed(const struct test_case *c)
{
	unsigned int i, n = 0, seen[MAX] = { 0 }, twice = 0, bad = 0, late = 0, back = 0;
	uint64_t last = 0;
	struct rte_mbuf *m;
	struct numbered x;

	start(true);
	for (; port_receive(&m, NULL, 1, 1) == 1; n++) {
		numbered_read(m, &x);
		CHECK(x.number < c->a, "number %lu", x.number);
		twice += ++seen[x.number] == 2;
		back += x.number < last;
		last = x.number;
		late += x.arrived - x.stamp == 5 * MS;
		bad += (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		rte_pktmbuf_free(m);
	}
	for (i = 0; i < c->a; i++)
		CHECK(seen[i] == 1 || seen[i] == 2, "number %u came %u times", i, seen[i]);
	printf("%u twice, %u bad, %u late, %u times back\n", twice, bad, late, back);
	CHECK(n == c->a + twice, "%u arrived", n);
	CHECK(twice > c->a / 40 && twice < c->a / 10, "%u twice", twice);
	CHECK(bad > c->a / 40 && bad < c->a / 8, "%u bad", bad);
	CHECK(late > c->a / 40 && late < c->a / 8, "%u late", late);
	CHECK(back > c->a / 40, "%u times back", back);
	port_stop();
}

/* Says which are lost: run.sh compares. */
void
case_fault_lost(const struct test_case *c)
{
	unsigned int i, n, next = 0;

	start(true);
	n = exchange(c);
	CHECK(n < c->a, "nothing lost");
	printf("lost %u:", c->a - n);
	for (i = 0; i < n; i++) {
		for (; next < got[i].number; next++)
			printf(" %u", next);
		next = got[i].number + 1;
	}
	printf("\n");
	port_stop();
}

/* ---- queues ---- */
/* Frames 100 and 200, or frame b, end in error completions: the driver resets the queue, the others
 * come. */
void
case_fault_error(const struct test_case *c)
{
	unsigned int i, n, at = c->b ? c->b : 100, errors = c->b ? 1 : 2;
	struct rte_eth_stats st;

	start(true);
	n = numbered_receive(got, RTE_DIM(got));
	for (i = 0; i < n; i++)
		CHECK(got[i].number == i + (i + 1 >= at) + (!c->b && i >= 198),
				"arrival %u: number %lu", i, got[i].number);
	CHECK(n == c->a - errors, "%u of %u", n, c->a);
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	/* the vector function of striding queues does not count them */
	if (strcmp(c->name, "fault-error-mprq-vector") != 0)
		CHECK(st.ierrors == errors, "%lu errors", st.ierrors);
	port_stop();
}

/* Frame 50 is sent in an entry that fails: what is behind it is lost until the driver has reset the
 * queue, which it does when it sends again. */
void
case_fault_tx_error(const struct test_case *c)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_eth_stats st;
	struct numbered x;
	unsigned int i, n;

	start(true);
	numbered_send(0, 49);
	n = numbered_receive(got, 49);
	CHECK(n == 49, "%u of 49", n);
	numbered_send(49, 1);
	for (i = 1000;; i++) {
		CHECK(rte_get_timer_cycles() < end, "the queue stays dead");
		numbered_send(i, 1);
		CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
		if (st.oerrors != 0)
			break;
		rte_delay_us_sleep(1000);
	}
	/* recovered: these arrive */
	numbered_send(5000, c->a);
	n = 0;
	while (n < c->a) {
		CHECK(numbered_receive(&x, 1) == 1, "%u of %u after the recovery", n, c->a);
		CHECK(x.number != 49, "the frame in error was sent");
		if (x.number >= 5000)
			CHECK(x.number == 5000 + n++, "number %lu", x.number);
	}
	port_stop();
}

/* From frame 10 on nothing is seen for a while. b: with compressed completions */
void
case_fault_stall(const struct test_case *c)
{
	unsigned int i, n;

	/* a queue with time stamps has no compressed completions */
	start(!c->b);
	n = numbered_receive(got, 9);
	n += numbered_receive(got + n, c->a - n);
	/* a stall is longer than port_receive() is patient */
	n += numbered_receive(got + n, RTE_DIM(got) - n);
	CHECK(n == c->a, "%u of %u", n, c->a);
	for (i = 0; i < n; i++)
		CHECK(got[i].number == i, "arrival %u: number %lu", i, got[i].number);
	CHECK(got[9].seen - got[9].stamp >= 1500 * MS, "seen after %lu ns",
			got[9].seen - got[9].stamp);
	CHECK(got[8].seen < got[9].stamp + 900 * MS, "frame 9 stalled too");
	/* they came all the time */
	CHECK(got[599].stamp < got[9].stamp + 900 * MS, "nothing came meanwhile");
	port_stop();
}

/* No interrupt for a completion that is not to be seen yet. */
void
case_fault_stall_intr(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .intr = true };
	struct rte_epoll_event ev;
	struct rte_mbuf *m[32];
	struct numbered first;
	unsigned int i, n;

	(void)c;
	port_start(&pc);
	CHECK(rte_eth_dev_rx_intr_ctl_q(0, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL) == 0,
			"no interrupt");
	CHECK(rte_eth_dev_rx_intr_enable(0, 0) == 0, "enable");
	CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, PATIENCE * 1000) == 1, "not woken");
	n = rte_eth_rx_burst(0, 0, m, RTE_DIM(m));
	CHECK(n > 0, "woken, but nothing to be seen");
	numbered_read(m[0], &first);
	CHECK(first.number == 0 && first.seen - first.stamp >= 700 * MS, "number %lu after %lu ns",
			first.number, first.seen - first.stamp);
	for (i = 0; i < n; i++)
		rte_pktmbuf_free(m[i]);
	port_stop();
}

/* After frame 10 the queue is not served for half a second. */
void
case_fault_tx_stall(const struct test_case *c)
{
	unsigned int i, n;

	start(true);
	numbered_send(0, c->a);
	n = numbered_receive(got, RTE_DIM(got));
	CHECK(n == c->a, "%u of %u", n, c->a);
	for (i = 0; i < n; i++)
		CHECK(got[i].number == i, "arrival %u: number %lu", i, got[i].number);
	CHECK(got[9].arrived - got[0].arrived < 500 * MS, "stalled too early");
	CHECK(got[10].arrived - got[9].arrived >= 500 * MS, "stalled for %lu ns",
			got[10].arrived - got[9].arrived);
	port_stop();
}

/* Frames 5 to 14 and all of 20 ms from frame 100 on find no buffer. */
void
case_fault_no_buf(const struct test_case *c)
{
	struct rte_eth_stats st;
	unsigned int i, n;

	start(true);
	n = numbered_receive(got, RTE_DIM(got));
	for (i = 0; i < n && i < 89; i++)
		CHECK(got[i].number == i + (i >= 4) * 10, "arrival %u: number %lu", i,
				got[i].number);
	CHECK(n > 89 && got[89].number > 99, "frame 100 was delivered");
	CHECK(got[89].stamp - got[88].stamp >= 20 * MS, "only for %lu ns",
			got[89].stamp - got[88].stamp);
	for (i = 90; i < n; i++)
		CHECK(got[i].number == got[i - 1].number + 1, "more are lost");
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	CHECK(st.imissed == c->a - n, "%lu missed, %u lost", st.imissed, c->a - n);
	port_stop();
}
