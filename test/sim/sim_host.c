/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host: an engine between its card and its applications. What the engine sends is copied to the
 * link as a card would read it; the card may keep the buffer for a while, and nobody may write to
 * it meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "sim.h"
#include "sim_rand.h"

#define FRAMES_MAX 1024

static uint64_t
hash_of(const struct rte_mbuf *m)
{
	uint64_t hash = m->pkt_len;

	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		uint64_t word = 0;
		uint16_t i = 0;

		for (; i + 8u <= m->data_len; i = (uint16_t)(i + 8)) {
			memcpy(&word, p + i, 8);
			hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
			hash ^= hash >> 29;
		}
		for (; i < m->data_len; i++)
			hash = (hash ^ p[i]) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return hash;
}

static void
release(struct sim_host *host, const struct sim_held *held)
{
	if (hash_of(held->m) != held->hash)
		sim_fail(host->sim, "a buffer was written to while the card had it");
	rte_pktmbuf_free(held->m);
}

/** The card keeps @p m until tx_hold is over. */
static void
hold(struct sim_host *host, struct rte_mbuf *m)
{
	struct sim_held *to;

	if (host->params.tx_hold == 0) {
		rte_pktmbuf_free(m);
		return;
	}
	if (host->held_head + host->held_n == host->held_room) {
		if (host->held_n > 0)
			memmove(host->held, host->held + host->held_head,
					host->held_n * sizeof(*host->held));
		host->held_head = 0;
		if (host->held_n * 2 >= host->held_room) {
			host->held_room = host->held_room * 2 + 64;
			host->held = realloc(host->held, host->held_room * sizeof(*host->held));
			if (host->held == NULL)
				abort();
		}
	}
	to = &host->held[host->held_head + host->held_n++];
	*to = (struct sim_held){
		.at = host->sim->now + host->params.tx_hold, .hash = hash_of(m), .m = m
	};
}

static void
note_too_big(struct sim_host *host, const struct tcp_out *out, uint32_t seq)
{
	const struct sim_link_params *p = &host->out->params;
	uint64_t now = host->sim->now;

	if (host->sim->params.no_icmp || !out->df || host->icmp_at != SIM_NEVER)
		return;
	host->icmp_at = now + p->delay;
	host->icmp_key = *out->key;
	host->icmp_seq = seq;
	host->icmp_mtu = (uint16_t)(p->mtu_then != 0 && now >= p->mtu_at ? p->mtu_then : p->mtu);
}

static void
put(struct sim_host *host, const struct tcp_out *out, struct rte_mbuf *frame)
{
	struct sim *sim = host->sim;
	const struct rte_tcp_hdr *th = rte_pktmbuf_mtod_offset(
			frame, const struct rte_tcp_hdr *, sizeof(struct rte_ipv4_hdr));
	uint32_t seq = rte_be_to_cpu_32(th->sent_seq);
	struct rte_mbuf *copy = NULL;
	enum sim_fate fate;

	host->counts.wire_out++;
	sim->hash = sim_mix(sim->hash ^ sim_mix(sim->now) ^ hash_of(frame));
	if (sim->params.trace != NULL)
		copy = rte_pktmbuf_copy(frame, sim_wire_pool, 0, UINT32_MAX);
	fate = sim_link_put(host->out, sim->now, frame);
	if (copy != NULL) {
		sim_trace(sim, copy, fate == SIM_PASSED ? "" : sim_fate_name(fate));
		rte_pktmbuf_free(copy);
	}
	if (fate == SIM_TOO_BIG)
		note_too_big(host, out, seq);
}

static void
host_output(void *ctx, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct sim_host *host = ctx;
	struct rte_mbuf *frames[FRAMES_MAX];

	for (uint16_t i = 0; i < n; i++) {
		int n_frames = sim_nic_split(host, out, pkts[i], frames, FRAMES_MAX);

		host->counts.out++;
		host->counts.out_tso += n_frames > 1;
		for (int j = 0; j < n_frames; j++)
			put(host, out, frames[j]);
		hold(host, pkts[i]);
	}
}

static void
host_event(void *ctx, void *owner, unsigned int events)
{
	struct sim_host *host = ctx;

	if (owner == NULL)
		sim_fail(host->sim, "events %x without an owner", events);
	else
		sim_app_event(owner, events);
}

static uint16_t
host_mtu(void *ctx, const struct tcp_key *key)
{
	const struct sim_host *host = ctx;

	(void)key;
	return host->path_mtu;
}

int
sim_host_init(struct sim *sim, unsigned int index)
{
	struct sim_host *host = &sim->host[index];
	struct tcp_config config = {
		.ops = { .output = host_output, .event = host_event, .mtu = host_mtu },
		.ctx = host,
		.tx_pool = sim_tx_pool
	};

	host->sim = sim;
	host->params = sim->params.host[index];
	if (host->params.mtu == 0)
		host->params.mtu = RTE_ETHER_MTU;
	if (host->params.lro_max == 0)
		host->params.lro_max = 40;
	host->path_mtu = host->params.mtu;
	host->out = &sim->link[index];
	host->addr = ip_from_v4(rte_cpu_to_be_32(RTE_IPV4(10, 96, 0, 1 + index)));
	host->random = sim_mix(sim->params.seed + 100 + index);
	host->icmp_at = SIM_NEVER;
	config.seed = sim_mix(sim->params.seed + 200 + index) | 1;
	config.max_conns = host->params.max_conns;
	config.syn_rate = host->params.syn_rate;
	config.tso_max = host->params.tso_max;
	config.time_wait_ms = host->params.time_wait_ms;
	config.multi_seg = host->params.multi_seg;
	return tcp_engine_create(&config, &host->engine);
}

void
sim_host_fini(struct sim_host *host)
{
	if (host->engine != NULL)
		tcp_engine_destroy(host->engine);
	rte_pktmbuf_free_bulk(host->ring, host->n_ring);
	for (size_t i = 0; i < host->held_n; i++)
		release(host, &host->held[host->held_head + i]);
	free(host->held);
}

/** Give the engine what has gathered. */
static void
deliver(struct sim_host *host)
{
	unsigned int n = host->n_ring;

	host->n_ring = 0;
	if (host->params.lro != SIM_LRO_OFF)
		n = sim_nic_coalesce(host, host->ring, n);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = host->ring[i];

		m->l2_len = host->params.l2_len;
		m->l3_len = sizeof(struct rte_ipv4_hdr);
		if (m->l2_len > 0)
			memset(rte_pktmbuf_prepend(m, (uint16_t)m->l2_len), 0xee, m->l2_len);
	}
	host->counts.delivered += n;
	tcp_clock(host->engine, host->sim->now);
	tcp_input(host->engine, host->ring, (uint16_t)n);
}

void
sim_host_rx(struct sim_host *host, struct rte_mbuf *m)
{
	host->counts.wire_in++;
	if (!sim_nic_good(m)) {
		host->counts.bad++;
		rte_pktmbuf_free(m);
		return;
	}
	if (host->n_ring == 0)
		host->ring_at = host->sim->now + host->params.rx_delay;
	host->ring[host->n_ring++] = m;
	if (host->n_ring == SIM_BURST)
		deliver(host);
}

uint64_t
sim_host_next(const struct sim_host *host)
{
	uint64_t at = tcp_next_timer(host->engine);

	if (host->n_ring > 0)
		at = RTE_MIN(at, host->ring_at);
	if (host->held_n > 0)
		at = RTE_MIN(at, host->held[host->held_head].at);
	return RTE_MIN(at, host->icmp_at);
}

static void
icmp(struct sim_host *host)
{
	host->icmp_at = SIM_NEVER;
	host->path_mtu = RTE_MIN(host->path_mtu, host->icmp_mtu);
	tcp_clock(host->engine, host->sim->now);
	tcp_icmp(host->engine, &host->icmp_key, host->icmp_seq, EMSGSIZE, host->icmp_mtu);
}

void
sim_host_turn(struct sim_host *host)
{
	uint64_t now = host->sim->now, next;

	while (host->held_n > 0 && host->held[host->held_head].at <= now) {
		host->held_n--;
		release(host, &host->held[host->held_head++]);
	}
	if (host->icmp_at <= now)
		icmp(host);
	if (host->n_ring > 0 && host->ring_at <= now)
		deliver(host);
	if (tcp_next_timer(host->engine) <= now) {
		tcp_clock(host->engine, now);
		next = tcp_timers(host->engine);
		if (next <= now)
			sim_fail(host->sim, "tcp_timers() wants to be called again at once");
	}
}
