/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware steering: what a rule can match and do. Each kind has a table of its own in one group,
 * so a frame goes from table to table until it finds its rule.
 */
#include "flowq.h"

#define SRC 0x0a630001 /* 10.99.0.1 */
#define DST 0x0a630002
#define SPORT 4000
#define DPORT 5000
#define VID 123
#define RXQS 2
#define MARK 77
#define PATTERN 5 /* items at most, with the end */

static const uint8_t src6[16] = { 0xfd, [15] = 1 }, dst6[16] = { 0xfd, [15] = 2 };
static int wire, netdev;

enum act { TO_QUEUE, TO_RSS, TO_DROP, TO_GROUP /* and there to a queue */ };

/* What is matched: everything that is not 0 in the segment, but its bytes and an IPv6 source, for
 * which the driver has no room beside the destination. */
static const struct kind {
	const char *name;
	struct segment s;
	bool macs; /* and then the tag takes so much of an entry that actions need a second one */
	enum act act;
	uint16_t queue;
} kinds[] = {
	{ "destination, UDP", { .dst = DST, .dport = DPORT, .proto = IPPROTO_UDP }, .queue = 1 },
	{ "destination, TCP", { .dst = DST, .dport = DPORT + 1, .proto = IPPROTO_TCP },
			.queue = 0 },
	{ "5-tuple, UDP",
			{ .src = SRC,
					.dst = DST,
					.sport = SPORT,
					.dport = DPORT + 2,
					.proto = IPPROTO_UDP },
			.queue = 1 },
	{ "5-tuple, TCP",
			{ .src = SRC,
					.dst = DST,
					.sport = SPORT,
					.dport = DPORT + 3,
					.proto = IPPROTO_TCP },
			.queue = 0 },
	{ "VLAN", { .dst = DST, .dport = DPORT + 4, .proto = IPPROTO_UDP, .vlan = VID },
			.queue = 1 },
	{ "VLAN, 5-tuple",
			{ .src = SRC,
					.dst = DST,
					.sport = SPORT,
					.dport = DPORT + 5,
					.proto = IPPROTO_UDP,
					.vlan = VID },
			.queue = 0 },
	{ "IPv6",
			{ .src6 = src6,
					.dst6 = dst6,
					.sport = SPORT,
					.dport = DPORT + 6,
					.proto = IPPROTO_UDP },
			.queue = 1 },
	{ "two entries",
			{ .src6 = src6,
					.dst6 = dst6,
					.sport = SPORT,
					.dport = DPORT + 7,
					.proto = IPPROTO_TCP },
			.macs = true, .queue = 1 },
	{ "RSS", { .dst = DST, .dport = DPORT + 8, .proto = IPPROTO_UDP }, .act = TO_RSS },
	{ "jump", { .dst = DST, .dport = DPORT + 10, .proto = IPPROTO_UDP }, .act = TO_GROUP,
			.queue = 1 },
	{ "drop", { .dst = DST, .dport = DPORT + 9, .proto = IPPROTO_UDP }, .act = TO_DROP },
};

/* A pattern and what its items point to; all ones in the mask where the segment has something. */
struct pattern {
	struct rte_flow_item_eth eth;
	struct rte_flow_item_vlan vlan;
	struct rte_flow_item_ipv4 ip;
	struct rte_flow_item_ipv6 ip6;
	struct rte_flow_item_udp udp; /* its ports are where TCP has them */
	struct rte_flow_item_tcp tcp;
};

static void
fill(struct pattern *p, const struct kind *k, bool mask)
{
	const struct segment *s = &k->s;
	uint8_t frame[2048];

	memset(p, 0, sizeof(*p));
	peer_frame(frame, s);
	if (k->macs)
		memcpy(&p->eth.hdr, frame, 12);
	p->vlan.hdr.vlan_tci = rte_cpu_to_be_16(s->vlan);
	p->ip.hdr.src_addr = rte_cpu_to_be_32(s->src);
	p->ip.hdr.dst_addr = rte_cpu_to_be_32(s->dst);
	if (s->src6 != NULL)
		memcpy(p->ip6.hdr.dst_addr, s->dst6, 16);
	p->udp.hdr.src_port = p->tcp.hdr.src_port = rte_cpu_to_be_16(s->sport);
	p->udp.hdr.dst_port = p->tcp.hdr.dst_port = rte_cpu_to_be_16(s->dport);
	if (!mask)
		return;
	if (k->macs)
		memset(&p->eth.hdr, 0xff, 12);
	p->vlan.hdr.vlan_tci = RTE_BE16(0xfff);
	p->ip.hdr.src_addr = s->src != 0 ? RTE_BE32(UINT32_MAX) : 0;
	p->ip.hdr.dst_addr = RTE_BE32(UINT32_MAX);
	memset(p->ip6.hdr.dst_addr, 0xff, 16);
	p->udp.hdr.src_port = p->tcp.hdr.src_port = s->sport != 0 ? RTE_BE16(UINT16_MAX) : 0;
	p->udp.hdr.dst_port = p->tcp.hdr.dst_port = RTE_BE16(UINT16_MAX);
}

static void
make_pattern(struct rte_flow_item *item, const struct kind *k, const struct pattern *spec,
		const struct pattern *mask)
{
	const struct segment *s = &k->s;
	unsigned int n = 0;

#define ITEM(kind, field)                                                                          \
	item[n++] = (struct rte_flow_item)                                                         \
	{                                                                                          \
		.type = RTE_FLOW_ITEM_TYPE_##kind, .spec = &spec->field, .mask = &mask->field      \
	}
	if (k->macs)
		ITEM(ETH, eth);
	else
		item[n++] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_ETH };
	if (s->vlan != 0)
		ITEM(VLAN, vlan);
	if (s->src6 != NULL)
		ITEM(IPV6, ip6);
	else
		ITEM(IPV4, ip);
	if (s->proto == IPPROTO_TCP)
		ITEM(TCP, tcp);
	else
		ITEM(UDP, udp);
	item[n] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_END };
}

static struct rte_flow *
make_rule(const struct kind *k)
{
	static uint16_t queues[RXQS] = { 0, 1 };
	const struct rte_flow_action_mark mark = { .id = MARK + (k - kinds) };
	const struct rte_flow_action_queue queue = { .index = k->queue };
	const struct rte_flow_action_rss rss = {
		.types = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP,
		.key_len = sizeof(toeplitz_key),
		.key = toeplitz_key,
		.queue_num = RXQS,
		.queue = queues,
	};
	const struct rte_flow_action to_queue[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	const struct rte_flow_action to_rss[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	const struct rte_flow_action to_drop[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_DROP },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	const struct rte_flow_action_jump jump = { .group = FLOWQ_GROUP + 1 };
	const struct rte_flow_action to_group[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_JUMP, .conf = &jump },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	const struct rte_flow_action *const of[] = {
		[TO_QUEUE] = to_queue,
		[TO_RSS] = to_rss,
		[TO_DROP] = to_drop,
		[TO_GROUP] = to_group,
	};
	uint64_t written = ctl_number(ctl_ask("stats"), "hws_written");
	struct rte_flow_item item[PATTERN];
	struct rte_flow_template_table *t;
	struct pattern spec, mask;
	struct rte_flow *f;

	fill(&spec, k, false);
	fill(&mask, k, true);
	make_pattern(item, k, &spec, &mask);
	if (k->act == TO_GROUP) {
		t = flowq_table(jump.group, 0, 4, item, to_queue, to_queue);
		CHECK(flowq_add(t, item, to_queue) != NULL, "%s: refused", k->name);
	}
	t = flowq_table(FLOWQ_GROUP, k - kinds, 4, item, of[k->act], of[k->act]);
	f = flowq_add(t, item, of[k->act]);
	CHECK(f != NULL, "%s: refused", k->name);
	flowq_wait();
	CHECK(flowq.failed == 0, "%s: failed", k->name);
	written = ctl_number(ctl_ask("stats"), "hws_written") - written;
	CHECK(written == (k->macs || k->act == TO_GROUP ? 2 : 1), "%s: %lu entries", k->name,
			written);
	return f;
}

static void
send_kind(const struct kind *k, uint16_t sport, uint16_t dport)
{
	struct segment s = k->s;

	if (s.src == 0)
		s.src = SRC;
	s.sport = sport;
	s.dport = dport;
	s.fill = k - kinds;
	s.len = 50;
	peer_segment(wire, &s);
}

/* Until it has counted one more. */
static void
expect_count(const char *counter, uint64_t before, const struct kind *k, const char *what)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();

	while (ctl_number(ctl_ask("stats"), counter) != before + 1)
		CHECK(rte_get_timer_cycles() < end, "%s: %s", k->name, what);
}

static void
expect_kernel(const struct kind *k, uint16_t sport, uint16_t dport, const char *what)
{
	uint64_t before = ctl_number(ctl_ask("stats"), "rx_miss");
	uint8_t frame[2048];

	send_kind(k, sport, dport);
	expect_count("rx_miss", before, k, what);
	if (k->s.src6 == NULL)
		CHECK(peer_receive(netdev, frame, sizeof(frame), PATIENCE * 1000) > 0, "%s: %s",
				k->name, what);
}

static void
expect_queues(const struct kind *k)
{
	unsigned int i, seen[RXQS] = { 0 };
	struct rte_mbuf *m;
	uint16_t q;

	for (i = 0; i < (k->act == TO_RSS ? 64 : 1); i++) {
		send_kind(k, SPORT + i, k->s.dport);
		m = port_wait(&q, RXQS, k->name);
		CHECK(m->ol_flags & RTE_MBUF_F_RX_FDIR_ID && m->hash.fdir.hi == MARK + (k - kinds),
				"%s: mark %u", k->name, m->hash.fdir.hi);
		CHECK(*rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len - 1) == k - kinds,
				"%s: another frame", k->name);
		seen[q]++;
		rte_pktmbuf_free(m);
	}
	if (k->act == TO_RSS)
		CHECK(seen[0] > 0 && seen[1] > 0, "%s: %u and %u", k->name, seen[0], seen[1]);
	else
		CHECK(seen[k->queue] == 1, "%s: queue", k->name);
}

static void
expect_drop(const struct kind *k)
{
	uint64_t before = ctl_number(ctl_ask("stats"), "rx_dropped");

	send_kind(k, SPORT, k->s.dport);
	expect_count("rx_dropped", before, k, "not dropped");
}

static void
check_kind(const struct kind *k)
{
	if (k->act == TO_DROP)
		expect_drop(k);
	else
		expect_queues(k);
	expect_kernel(k, SPORT, k->s.dport + 100, "another destination port");
	if (k->s.sport != 0)
		expect_kernel(k, SPORT + 1, k->s.dport, "another source port");
}

void
case_hws_kinds(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = RXQS, .isolated = true, .before_start = flowq_configure };
	struct rte_flow *flow[RTE_DIM(kinds)];
	size_t i, k;

	(void)c;
	port_start(&pc);
	wire = peer_open(WIRE);
	netdev = peer_open(NETDEV);
	flowq_jump();
	/* the rules of before are still right after each one */
	for (i = 0; i < RTE_DIM(kinds); i++) {
		expect_kernel(&kinds[i], SPORT, kinds[i].s.dport, "before its rule");
		flow[i] = make_rule(&kinds[i]);
		for (k = 0; k <= i; k++)
			check_kind(&kinds[k]);
	}
	for (i = 0; i < RTE_DIM(kinds); i++) {
		flowq_remove(flow[i]);
		flowq_wait();
		expect_kernel(&kinds[i], SPORT, kinds[i].s.dport, "after its rule");
	}
	CHECK(flowq.failed == 0, "%u failed", flowq.failed);
	port_stop();
}
