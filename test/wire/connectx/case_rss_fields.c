/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive side scaling by each selection of fields that the PMD can ask for, of frames with and
 * without ports; indirection tables that change; rules with a key, fields and queues of their own.
 */
#include "cxtest.h"
#include <rte_thash.h>

#define QUEUES 4
#define RETA 512
#define SRC_IP 1
#define DST_IP 2
#define SPORT 4
#define DPORT 8
#define ALL 15
#define FRAMES 24 /* of each kind */
#define FLOW_PORT 4444

enum kind { TCP, UDP, FRAG_FIRST, FRAG_LATER, ICMP, KINDS };

static uint8_t symmetric_key[40];
static uint16_t reta[RETA];

struct sent {
	uint8_t frame[256];
	uint32_t len, fields; /* fields: that it has */
	bool v6;
};

static void
make(struct sent *t, enum kind kind, bool v6, unsigned int i)
{
	static const uint8_t src6[16] = { 0xfd, 1, [15] = 1 };
	static uint8_t dst6[16] = { 0xfd, 2, [15] = 2 };
	struct segment seg = { .src = 0x0a630001 + i * 977,
		.dst = 0x0a640002 + i * 31,
		.sport = 1024 + i * 13,
		.dport = 80 + i * 7,
		.proto = kind == TCP ? IPPROTO_TCP : IPPROTO_UDP,
		.flags = 0x10,
		.len = 64 };
	struct rte_ipv4_hdr *ip = (void *)(t->frame + 14);

	dst6[9] = i;
	if (v6) {
		seg.src6 = src6;
		seg.dst6 = dst6;
	}
	t->len = peer_frame(t->frame, &seg);
	t->v6 = v6;
	t->fields = kind <= UDP ? ALL : SRC_IP | DST_IP;
	if (v6)
		return;
	if (kind == FRAG_FIRST)
		ip->fragment_offset = RTE_BE16(0x2000);
	else if (kind == FRAG_LATER)
		ip->fragment_offset = RTE_BE16(100);
	else if (kind == ICMP)
		ip->next_proto_id = IPPROTO_ICMP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static uint32_t
expected_hash(const struct sent *t, uint32_t fields, const uint8_t *key)
{
	const uint8_t *ip = t->frame + 14, *l4 = ip + (t->v6 ? 40 : 20), *addr;
	uint32_t n = t->v6 ? 16 : 4, len = 0, words[9], i;
	uint8_t in[36] = { 0 };

	addr = ip + (t->v6 ? 8 : 12);
	fields &= t->fields;
	for (i = 0; i < 2; i++) {
		if (fields & (i ? DST_IP : SRC_IP)) {
			memcpy(in + len, addr + i * n, n);
			len += n;
		}
	}
	for (i = 0; i < 2; i++) {
		if (fields & (i ? DPORT : SPORT)) {
			memcpy(in + len, l4 + i * 2, 2);
			len += 2;
		}
	}
	/* zeros behind the input change nothing */
	for (i = 0; i < 9; i++)
		words[i] = (uint32_t)in[4 * i] << 24 | in[4 * i + 1] << 16 | in[4 * i + 2] << 8 |
				in[4 * i + 3];
	return rte_softrss(words, (len + 3) / 4, key);
}

/* All frames are of protocols that port_receive() takes, but ICMP, which it drops. */
static struct rte_mbuf *
exchange(const struct sent *t, uint16_t *queue, const char *what)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_mbuf *m[32];
	uint16_t q, n, k;

	port_send(t->frame, t->len);
	for (q = 0;; q = (q + 1) % QUEUES) {
		CHECK(rte_get_timer_cycles() < end, "%s: no frame", what);
		n = rte_eth_rx_burst(0, q, m, RTE_DIM(m));
		for (k = 0; k < n; k++) {
			if (m[k]->pkt_len == t->len &&
					memcmp(rte_pktmbuf_mtod(m[k], void *), t->frame, t->len) ==
							0) {
				CHECK(k == n - 1, "%s: frames behind it", what);
				*queue = q;
				return m[k];
			}
			rte_pktmbuf_free(m[k]);
		}
	}
}

static void
read_reta(void)
{
	struct rte_eth_rss_reta_entry64 e[RETA / 64];
	struct rte_eth_dev_info di;
	unsigned int i;

	CHECK(rte_eth_dev_info_get(0, &di) == 0, "info");
	memset(e, 0xff, sizeof(e));
	CHECK(rte_eth_dev_rss_reta_query(0, e, di.reta_size) == 0, "table");
	for (i = 0; i < RETA; i++)
		reta[i] = e[i % di.reta_size / 64].reta[i % di.reta_size % 64];
}

static void
check_port(uint32_t fields, const char *what)
{
	enum kind kind;
	unsigned int i, v6;
	struct rte_mbuf *m;
	struct sent t;
	uint32_t h;
	uint16_t q;

	read_reta();
	for (i = 0; i < FRAMES * KINDS * 2; i++) {
		kind = i % KINDS;
		v6 = i / KINDS % 2;
		if (v6 && kind > UDP)
			continue;
		make(&t, kind, v6, i);
		h = expected_hash(&t, fields, toeplitz_key);
		m = exchange(&t, &q, what);
		CHECK(m->ol_flags & RTE_MBUF_F_RX_RSS_HASH, "%s: kind %u: no hash", what, kind);
		CHECK(m->hash.rss == h, "%s: kind %u, IPv%u: hash %08x, not %08x", what, kind,
				v6 ? 6 : 4, m->hash.rss, h);
		CHECK(q == reta[h % RETA], "%s: kind %u: queue %u, not %u", what, kind, q,
				reta[h % RETA]);
		rte_pktmbuf_free(m);
	}
}

static void
check_selections(void)
{
#define BASE (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP)
	static const struct {
		uint64_t hf;
		uint32_t fields;
		const char *what;
	} sel[] = {
		{ RTE_ETH_RSS_IP, SRC_IP | DST_IP, "addresses" },
		{ BASE, ALL, "all" },
		{ BASE | RTE_ETH_RSS_L3_SRC_ONLY, ALL & ~DST_IP, "L3 source" },
		{ BASE | RTE_ETH_RSS_L3_DST_ONLY, ALL & ~SRC_IP, "L3 destination" },
		{ BASE | RTE_ETH_RSS_L4_SRC_ONLY, ALL & ~DPORT, "L4 source" },
		{ BASE | RTE_ETH_RSS_L4_DST_ONLY, ALL & ~SPORT, "L4 destination" },
		{ BASE | RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L4_DST_ONLY, SRC_IP | DPORT,
				"L3 source, L4 destination" },
		{ RTE_ETH_RSS_IP | RTE_ETH_RSS_L3_DST_ONLY, DST_IP, "L3 destination alone" },
	};
	size_t i;

	for (i = 0; i < RTE_DIM(sel); i++) {
		struct rte_eth_rss_conf rc = { .rss_key = (uint8_t *)(uintptr_t)toeplitz_key,
			.rss_key_len = 40,
			.rss_hf = sel[i].hf };

		CHECK(rte_eth_dev_stop(0) == 0, "stop");
		CHECK(rte_eth_dev_rss_hash_update(0, &rc) == 0, "%s: refused", sel[i].what);
		CHECK(rte_eth_dev_start(0) == 0, "start");
		check_port(sel[i].fields, sel[i].what);
	}
}

/* Tables that leave queues out, while frames are under way. */
static void
check_reta(void)
{
	struct rte_eth_rss_reta_entry64 e[RETA / 64];
	struct rte_eth_dev_info di;
	unsigned int round, i;
	struct sent t;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 64; i++) {
			make(&t, UDP, false, i);
			port_send(t.frame, t.len);
		}
		CHECK(rte_eth_dev_info_get(0, &di) == 0, "info");
		for (i = 0; i < di.reta_size; i++) {
			e[i / 64].mask = UINT64_MAX;
			e[i / 64].reta[i % 64] = round < 2 ? round + 1 : (i * 3 + round) % QUEUES;
		}
		CHECK(rte_eth_dev_rss_reta_update(0, e, di.reta_size) == 0, "table %u", round);
		check_port(DST_IP, "a new table");
	}
}

static struct rte_flow *
rss_rule(const uint8_t *key, uint64_t types, const uint16_t *queue, unsigned int n)
{
	struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_action_rss rss = {
		.types = types, .key = key, .key_len = 40, .queue = queue, .queue_num = n
	};
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow *f = rte_flow_create(0, &attr, pattern, actions, &fe);

	CHECK(f != NULL, "RSS rule: %s", fe.message);
	return f;
}

static void
check_rule(const uint8_t *key, uint64_t types, uint32_t fields, const uint16_t *queue,
		unsigned int n)
{
	/* tables of other than 2^k queues are filled up to the largest */
	unsigned int size = rte_is_power_of_2(n) ? n : RETA, i;
	struct rte_flow *f = rss_rule(key, types, queue, n);
	struct rte_flow_error fe = { 0 };
	struct rte_mbuf *m;
	struct sent t;
	uint32_t h;
	uint16_t q;

	for (i = 0; i < FRAMES; i++) {
		make(&t, UDP, false, i);
		h = expected_hash(&t, fields, key);
		m = exchange(&t, &q, "RSS rule");
		CHECK(m->hash.rss == h, "RSS rule: hash %08x, not %08x", m->hash.rss, h);
		CHECK(q == queue[h % size % n], "RSS rule: queue %u, not %u", q,
				queue[h % size % n]);
		rte_pktmbuf_free(m);
	}
	CHECK(rte_flow_destroy(0, f, &fe) == 0, "%s", fe.message);
}

/* Both directions of a flow on one queue, by the key alone. */
static void
check_symmetric_key(void)
{
	static const uint16_t queue[] = { 0, 1, 2, 3 };
	struct rte_flow *f = rss_rule(
			symmetric_key, RTE_ETH_RSS_NONFRAG_IPV4_UDP, queue, RTE_DIM(queue));
	struct rte_flow_error fe = { 0 };
	unsigned int i, used = 0;

	for (i = 0; i < FRAMES; i++) {
		struct sent there, back;
		struct rte_mbuf *a, *b;
		uint16_t qa, qb;
		uint8_t *ip;

		make(&there, UDP, false, i);
		back = there;
		ip = back.frame + 14;
		memcpy(ip + 12, there.frame + 30, 4);
		memcpy(ip + 16, there.frame + 26, 4);
		memcpy(ip + 20, there.frame + 36, 2);
		memcpy(ip + 22, there.frame + 34, 2);
		a = exchange(&there, &qa, "there");
		b = exchange(&back, &qb, "back");
		CHECK(a->hash.rss == b->hash.rss && qa == qb, "%08x on %u there, %08x on %u back",
				a->hash.rss, qa, b->hash.rss, qb);
		used |= 1u << qa;
		rte_pktmbuf_free(a);
		rte_pktmbuf_free(b);
	}
	CHECK(__builtin_popcount(used) > 1, "one queue for all");
	CHECK(rte_flow_destroy(0, f, &fe) == 0, "%s", fe.message);
}

void
case_rss_fields(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = QUEUES,
		.rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP,
		.rx_offloads = RTE_ETH_RX_OFFLOAD_RSS_HASH };
	static const uint16_t three[] = { 2, 0, 3 }, two[] = { 3, 1 }, one[] = { 2 };
	uint8_t key[40];
	unsigned int i;

	(void)c;
	for (i = 0; i < 40; i++) {
		symmetric_key[i] = i & 1 ? 0x5a : 0x6d;
		key[i] = 0x11 * i + 7;
	}
	port_start(&pc);
	check_selections();
	check_reta();
	check_rule(key, RTE_ETH_RSS_NONFRAG_IPV4_UDP, ALL, three, 3);
	check_rule(key,
			RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_L4_DST_ONLY |
					RTE_ETH_RSS_L3_SRC_ONLY,
			SRC_IP | DPORT, two, 2);
	check_rule(key, RTE_ETH_RSS_IPV4, SRC_IP | DST_IP, two, 2);
	check_rule(key, RTE_ETH_RSS_NONFRAG_IPV4_UDP, ALL, one, 1);
	check_symmetric_key();
	port_stop();
}
