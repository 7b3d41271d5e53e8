/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated card: what it splits and puts together is what was there before, and an engine that
 * breaks the contract is found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "sim_eal.h"
#include "sim_rand.h"
#include "sim.h"

#define HDR 32u /* with timestamps */
#define MSS 1448u
#define IP 20u

static struct sim sim;
static struct sim_host *host = &sim.host[0];
static struct tcp_key key;
static const struct tcp_out out = { .key = &key, .ecn = 2, .df = true };
static uint8_t data[65536], back[65536];

static int
start(void **state)
{
	(void)state;
	memset(&sim, 0, sizeof(sim));
	host->sim = &sim;
	host->params = (struct sim_host_params){
		.mtu = 1500, .tso_max = 65000, .multi_seg = true, .lro_max = 40
	};
	key = (struct tcp_key){ .local = ip_from_v4(RTE_BE32(0x0a000001)),
		.remote = ip_from_v4(RTE_BE32(0x0a000002)) };
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)sim_rand(&sim.random);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	assert_int_equal(rte_mempool_in_use_count(sim_tx_pool), 0);
	assert_int_equal(rte_mempool_in_use_count(sim_wire_pool), 0);
	return 0;
}

/** A segment as an engine makes it: @p len bytes in buffers of @p piece. */
static struct rte_mbuf *
segment(uint32_t seq, uint32_t len, uint32_t piece, uint8_t flags)
{
	struct rte_mbuf *m = NULL, *next;
	struct rte_tcp_hdr *th;

	for (uint32_t off = 0; off < len || m == NULL; off += piece) {
		uint16_t n = (uint16_t)RTE_MIN(piece, len - off);

		next = rte_pktmbuf_alloc(sim_tx_pool);
		assert_non_null(next);
		memcpy(rte_pktmbuf_append(next, n), data + off, n);
		if (m == NULL)
			m = next;
		else
			assert_int_equal(rte_pktmbuf_chain(m, next), 0);
	}
	th = (struct rte_tcp_hdr *)rte_pktmbuf_prepend(m, HDR);
	memset(th, 0, HDR);
	th->sent_seq = rte_cpu_to_be_32(seq);
	th->data_off = HDR / 4 << 4;
	th->tcp_flags = flags;
	if (len > MSS) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = MSS;
		m->l4_len = HDR;
	}
	return m;
}

static struct rte_tcp_hdr *
tcp(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, IP);
}

static void
test_split(void **state)
{
	struct rte_mbuf *frames[64],
			*m = segment(0xfffffff0, 10000, 1000,
					RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_CWR_FLAG);
	int n = sim_nic_split(host, &out, m, frames, 64);
	uint32_t off = 0;

	(void)state;
	assert_int_equal(n, 7);
	for (int i = 0; i < n; i++) {
		const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(frames[i], struct rte_ipv4_hdr *);
		uint32_t len = frames[i]->pkt_len - IP - HDR;
		const uint8_t *p = rte_pktmbuf_read(frames[i], IP + HDR, len, back);

		assert_true(sim_nic_good(frames[i]));
		assert_int_equal(ip->type_of_service, 2);
		assert_int_equal(ip->fragment_offset, RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
		assert_int_equal(len, i < 6 ? MSS : 10000 - 6 * MSS);
		assert_int_equal(rte_be_to_cpu_32(tcp(frames[i])->sent_seq), 0xfffffff0 + off);
		assert_int_equal(tcp(frames[i])->tcp_flags & RTE_TCP_PSH_FLAG,
				i == n - 1 ? RTE_TCP_PSH_FLAG : 0);
		assert_int_equal(tcp(frames[i])->tcp_flags & RTE_TCP_CWR_FLAG,
				i == 0 ? RTE_TCP_CWR_FLAG : 0);
		assert_memory_equal(p, data + off, len);
		off += len;
		rte_pktmbuf_free(frames[i]);
	}
	assert_int_equal(off, 10000);
	rte_pktmbuf_free(m);
	assert_string_equal(sim.failure, "");
}

static void
test_checksums_find_every_bit(void **state)
{
	struct rte_mbuf *frame, *m = segment(1, 7, 7, RTE_TCP_ACK_FLAG);

	(void)state;
	assert_int_equal(sim_nic_split(host, &out, m, &frame, 1), 1);
	assert_true(sim_nic_good(frame));
	for (unsigned int bit = 0; bit < frame->data_len * 8u; bit++) {
		uint8_t *p = rte_pktmbuf_mtod(frame, uint8_t *) + bit / 8;

		*p ^= (uint8_t)(1 << bit % 8);
		assert_false(sim_nic_good(frame));
		*p ^= (uint8_t)(1 << bit % 8);
	}
	rte_pktmbuf_free(frame);
	rte_pktmbuf_free(m);
}

/** What is put together again is what was split, in each way of doing it. */
static void
test_coalesce(void **state)
{
	(void)state;
	for (unsigned int lro = SIM_LRO_SAME_ACK; lro <= SIM_LRO_LAST_ACK; lro++) {
		struct rte_mbuf *frames[64],
				*m = segment(5, 10000, 700, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG);
		int n = sim_nic_split(host, &out, m, frames, 64);
		uint32_t len;

		host->params.lro = (uint8_t)lro;
		assert_int_equal(sim_nic_coalesce(host, frames, (unsigned int)n), 1);
		assert_true((frames[0]->ol_flags & RTE_MBUF_F_RX_LRO) != 0);
		assert_int_equal(frames[0]->tso_segsz, MSS);
		assert_int_equal(frames[0]->pkt_len, IP + HDR + 10000);
		assert_int_equal(tcp(frames[0])->tcp_flags, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG);
		len = frames[0]->pkt_len - IP - HDR;
		assert_memory_equal(rte_pktmbuf_read(frames[0], IP + HDR, len, back), data, 10000);
		rte_mbuf_sanity_check(frames[0], 1);
		rte_pktmbuf_free(frames[0]);
		rte_pktmbuf_free(m);
	}
}

/** A hole, other flags, another acknowledgement, a short one in between: not together. */
static void
test_coalesce_not(void **state)
{
	(void)state;
	for (unsigned int what = 0; what < 5; what++) {
		struct rte_mbuf *frames[8], *m = segment(5, 3 * MSS, MSS, RTE_TCP_ACK_FLAG), *old;
		unsigned int n = (unsigned int)sim_nic_split(host, &out, m, frames, 8), left;

		assert_int_equal(n, 3);
		host->params.lro = what == 2 ? SIM_LRO_LAST_ACK : SIM_LRO_SAME_ACK;
		old = frames[1];
		if (what == 0)
			frames[1] = frames[2];
		else if (what == 1 || what == 2)
			tcp(frames[1])->recv_ack = RTE_BE32(77);
		else if (what == 3)
			tcp(frames[1])->tcp_flags |= RTE_TCP_PSH_FLAG;
		else
			tcp(frames[1])->tcp_flags |= RTE_TCP_FIN_FLAG;
		left = sim_nic_coalesce(host, frames, what == 0 ? 2 : 3);
		/* the third follows the second only where nothing ended it */
		assert_int_equal(left, what == 0 || what == 3 ? 2 : what == 2 ? 1 : 3);
		if (what == 2)
			assert_int_equal(tcp(frames[0])->recv_ack, 0);
		rte_pktmbuf_free_bulk(frames, left);
		if (what == 0)
			rte_pktmbuf_free(old);
		rte_pktmbuf_free(m);
	}
}

static void
test_contract(void **state)
{
	struct rte_mbuf *frames[64];

	(void)state;
	for (unsigned int what = 0; what < 7; what++) {
		struct rte_mbuf *m = segment(1, what == 4 ? 1600 : 3000, 1000, RTE_TCP_ACK_FLAG);

		start(NULL);
		if (what == 0)
			rte_pktmbuf_mtod(m, struct rte_tcp_hdr *)->cksum = 1;
		else if (what == 1)
			m->ol_flags = 0; /* beyond the MTU */
		else if (what == 2)
			m->tso_segsz = 1480;
		else if (what == 3)
			host->params.tso_max = 2999;
		else if (what == 4)
			m->tso_segsz = 1600;
		else if (what == 5)
			host->params.multi_seg = false;
		else
			m->l4_len = 20;
		assert_int_equal(sim_nic_split(host, &out, m, frames, 64), -1);
		assert_string_not_equal(sim.failure, "");
		rte_pktmbuf_free(m);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = { T(test_split), T(test_checksums_find_every_bit),
		T(test_coalesce), T(test_coalesce_not), T(test_contract) };
	int failed = 1;

	if (sim_eal_up("test_sim_nic", "64") != 0)
		return 1;
	if (sim_pools(1023, 1023) == 0)
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_eal_down();
	return failed;
}
