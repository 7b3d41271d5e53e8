/* SPDX-License-Identifier: BSD-3-Clause */
/* Rx interrupts: no wake-up without a frame, one for each that comes to an armed, empty queue. */
#include "cxtest.h"
#include <rte_epoll.h>
#include <rte_interrupts.h>

#define QUEUES 2
#define ROUNDS 50
#define LOAD 5000
#define BURST 20

static int
wait_ms(int ms)
{
	struct rte_epoll_event ev[QUEUES];
	unsigned int q;
	int n;

	for (q = 0; q < QUEUES; q++)
		CHECK(rte_eth_dev_rx_intr_enable(0, q) == 0, "enable");
	n = rte_epoll_wait(RTE_EPOLL_PER_THREAD, ev, QUEUES, ms);
	for (q = 0; q < QUEUES; q++)
		rte_eth_dev_rx_intr_disable(0, q);
	return n;
}

/*
 * Frames come in bursts to both queues while the queues are armed again and again: none is
 * forgotten in a queue that is armed. The sender waits for the receiver now and then, as the
 * kernel's side of a TAP drops what is too much.
 */
static void
under_load(int s)
{
	unsigned int sent = 0, got = 0, i, q;
	struct rte_mbuf *m[32];
	uint16_t n;

	while (got < LOAD) {
		for (i = 0; i < BURST && sent < LOAD && sent - got < 100; i++, sent++) {
			struct segment seg = { .src = 0x0a630001,
				.dst = 0x0a630002,
				.sport = 1000,
				.dport = 5000 + sent * 7 / 3 % QUEUES,
				.proto = IPPROTO_UDP,
				.len = 100 };

			peer_segment(s, &seg);
		}
		CHECK(wait_ms(PATIENCE * 1000) > 0, "asleep with %u of %u frames", got, sent);
		for (q = 0; q < QUEUES; q++) {
			while ((n = rte_eth_rx_burst(0, q, m, RTE_DIM(m))) > 0) {
				got += n;
				while (n-- > 0)
					rte_pktmbuf_free(m[n]);
			}
		}
	}
	CHECK(got == LOAD, "%u frames of %u", got, LOAD);
}

void
case_intr(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = QUEUES, .isolated = true, .intr = true };
	struct rte_flow_action_queue queue[QUEUES] = { { .index = 0 }, { .index = 1 } };
	struct rte_mbuf *m;
	unsigned int q, i;
	uint16_t from;
	int s;

	(void)c;
	port_start(&pc);
	for (q = 0; q < QUEUES; q++) {
		struct rte_flow_action actions[] = {
			{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue[q] },
			{ .type = RTE_FLOW_ACTION_TYPE_END },
		};

		port_udp_rule(0, 0, 0, 5000 + q, 0, actions);
		CHECK(rte_eth_dev_rx_intr_ctl_q(
				      0, q, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL) == 0,
				"queue %u has no interrupt", q);
	}
	s = peer_open(WIRE);
	CHECK(wait_ms(100) == 0, "woken by nothing");
	for (i = 0; i < ROUNDS; i++) {
		struct segment seg = { .src = 0x0a630001,
			.dst = 0x0a630002,
			.sport = 1000,
			.dport = 5000 + i % QUEUES,
			.proto = IPPROTO_UDP,
			.len = 100 };

		peer_segment(s, &seg);
		CHECK(wait_ms(PATIENCE * 1000) > 0, "not woken for frame %u", i);
		CHECK(port_receive(&m, &from, 1, QUEUES) == 1, "woken, but no frame");
		CHECK(from == i % QUEUES, "queue %u", from);
		rte_pktmbuf_free(m);
	}
	CHECK(wait_ms(100) == 0, "woken by nothing");
	under_load(s);
	port_stop();
}
