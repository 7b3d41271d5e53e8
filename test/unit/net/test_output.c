/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the way out: headers, checksums in software and by the device, fragments, path MTU,
 * what comes back to us.
 */
#include "world.h"

static struct frame f;

static struct net_way
way(uint32_t dst)
{
	return (struct net_way){ .dst = ip_from_v4(dst), .ttl = 64, .proto = IPPROTO_UDP };
}

/* Tell who the peers are. */
static void
meet(uint32_t who, uint16_t vlan)
{
	frame_arp(&f, 1, &our_mac, &peer_mac, who, vlan == 5 ? OUR_VLAN : OUR, vlan);
	input_one(&f);
	n_sent = 0;
}

static uint16_t
send_len(struct net_dst *d, uint16_t len)
{
	struct rte_mbuf *m = out_udp(1, 2, len, 5);

	return net_output(d, &ring0, &m, 1);
}

static void
headers(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	struct rte_mbuf *m[3];
	struct rte_ipv4_hdr *ip;
	unsigned int i;

	(void)state;
	meet(PEER, 0);
	w.ttl = 9;
	w.tos = 0xb8;
	w.df = true;
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(net_dst_valid(&d));
	assert_int_equal(d.hdr_len, 34);
	assert_int_equal(d.mtu, 1500);
	assert_true(ip_v4(&d.src) == OUR);
	assert_false(d.broadcast || d.multicast || d.local);
	for (i = 0; i < 3; i++)
		m[i] = out_udp(1000, 2000, (uint16_t)(1 + i), 3);
	assert_int_equal(net_output(&d, &ring0, m, 3), 3);
	assert_int_equal(n_sent, 3);
	for (i = 0; i < 3; i++) {
		ip = sent_ip(&sent[i]);
		assert_true(sent_good(&sent[i]));
		assert_int_equal(sent[i].len, 14 + 28 + 1 + i);
		assert_memory_equal(sent[i].b, &peer_mac, 6);
		assert_memory_equal(sent[i].b + 6, &our_mac, 6);
		assert_int_equal(ip->version_ihl, 0x45);
		assert_int_equal(ip->type_of_service, 0xb8);
		assert_int_equal(ip->time_to_live, 9);
		assert_int_equal(ip->fragment_offset, RTE_BE16(0x4000));
		assert_int_equal(rte_be_to_cpu_16(ip->total_length), 29 + i);
		assert_true(ip->src_addr == OUR && ip->dst_addr == PEER);
	}
	assert_int_not_equal(sent_ip(&sent[0])->packet_id, sent_ip(&sent[1])->packet_id);
	assert_memory_equal(sent[0].b, d.hdr, 14);
}

/* All but the last step: made, known to the ring, freed. */
static void
dummies(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	struct rte_mbuf *m[2];
	unsigned int free_before, i;

	(void)state;
	n_warmed = 0;
	meet(PEER, 0);
	assert_int_equal(net_route(&w, &d), 0);
	m[0] = out_udp(1, 2, 100, 5);
	free_before = rte_mempool_avail_count(m[0]->pool);
	/* seen by a second reference */
	rte_mbuf_refcnt_set(m[0], 2);
	m[1] = m[0];
	net_dummy(&d, &ring0, m, 1);
	assert_int_equal(n_sent, 0);
	assert_int_equal(n_warmed, 1);
	assert_int_equal(m[1]->pkt_len, 14 + 28 + 100);
	assert_memory_equal(rte_pktmbuf_mtod(m[1], uint8_t *), d.hdr, 14);
	rte_pktmbuf_free(m[1]);
	/* longer than the way takes, and to somebody unknown: nobody is asked */
	m[0] = out_udp(1, 2, 1473, 5);
	net_dummy(&d, &ring0, m, 1);
	w = way(PEER + RTE_BE32(1));
	assert_int_equal(net_route(&w, &d), 0);
	assert_false(d.resolved);
	for (i = 0; i < 2; i++)
		m[i] = out_udp(1, 2, 10, 5);
	n_sent = 0;
	net_dummy(&d, &ring0, m, 2);
	assert_int_equal(n_sent, 0);
	assert_int_equal(n_warmed, 3);
	m[0] = out_udp(1, 2, 100, 5);
	assert_int_equal(rte_mempool_avail_count(m[0]->pool), free_before);
	rte_pktmbuf_free(m[0]);
}

static void
vlan(void **state)
{
	struct net_way w = way(PEER_VLAN);
	struct net_dst d;
	struct rte_mbuf *m;

	(void)state;
	meet(PEER_VLAN, 5);
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.hdr_len, 38);
	assert_int_equal(d.vlan_id, 5);
	m = out_udp(1, 2, 100, 3);
	net_output(&d, &ring0, &m, 1);
	assert_int_equal(n_sent, 1);
	assert_memory_equal(sent[0].b + 12, "\x81\0\0\5\x08\0", 6);
	assert_true(sent_good(&sent[0]));
	assert_true(sent_ip(&sent[0])->src_addr == OUR_VLAN);
}

static void
sums(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	struct rte_mbuf *m;
	uint16_t len;

	(void)state;
	meet(PEER, 0);
	assert_int_equal(net_route(&w, &d), 0);
	for (len = 0; len < 200; len++)
		assert_int_equal(send_len(&d, len), 1);
	port0.caps.tx_offloads = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	for (len = 0; len < 200; len++)
		assert_int_equal(send_len(&d, len), 1);
	for (len = 0; len < 400; len++) {
		assert_int_equal((sent[len].flags & RTE_MBUF_F_TX_UDP_CKSUM) != 0, len >= 200);
		assert_true(sent_good(&sent[len]));
	}
	/* none wanted */
	n_sent = 0;
	w.no_check = true;
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(send_len(&d, 10), 1);
	assert_int_equal(sent[0].flags & RTE_MBUF_F_TX_UDP_CKSUM, 0);
	assert_memory_equal(sent[0].b + 40, "\0\0", 2);
	/* in pieces of odd length, in software */
	n_sent = 0;
	w.no_check = false;
	port0.caps.tx_offloads = 0;
	assert_int_equal(net_route(&w, &d), 0);
	for (len = 21; len < 60; len++) {
		m = out_udp(1, 2, len, 3);
		f.len = m->pkt_len;
		memcpy(f.b, rte_pktmbuf_mtod(m, void *), f.len);
		f.segment = len - 12;
		f.flags = f.mark = 0;
		rte_pktmbuf_free(m);
		m = frame_mbuf(&f);
		assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
		assert_true(sent_good(&sent[n_sent - 1]));
	}
	/* one whose sum is zero is sent as ffff */
	n_sent = 0;
	m = out_udp(1, 2, 2, 0);
	memset(rte_pktmbuf_mtod_offset(m, void *, 8), 0, 2);
	net_output(&d, &ring0, &m, 1);
	memcpy(&len, sent[0].b + 40, 2);
	m = out_udp(1, 2, 2, 0);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, 8), &len, 2);
	net_output(&d, &ring0, &m, 1);
	assert_memory_equal(sent[1].b + 40, "\xff\xff", 2);
}

/* All fragments together are the datagram; in at the other end they make it again. */
static void
fragments(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2, 0, 0, 0);
	static const uint32_t lens[] = { 1473, 2000, 2953, 9000, 30001, 65507 };
	struct net_way w = way(PEER);
	struct net_dst d;
	unsigned int i, k, multi;

	(void)state;
	meet(PEER, 0);
	port0.caps.tx_offloads = RTE_ETH_TX_OFFLOAD_UDP_CKSUM; /* useless for fragments */
	for (multi = 0; multi < 2; multi++) {
		port0.caps.tx_multi_seg = multi != 0;
		for (i = 0; i < RTE_DIM(lens); i++) {
			n_sent = 0;
			r->n = 0;
			assert_int_equal(net_route(&w, &d), 0);
			assert_int_equal(send_len(&d, (uint16_t)lens[i]), 1);
			assert_int_equal(n_sent, (lens[i] + 8 + 1479) / 1480);
			for (k = 0; k < n_sent; k++) {
				assert_true(sent[k].len <= 1514);
				assert_true(sent_good(&sent[k]));
				assert_true(multi != 0 || sent[k].segs == 1);
				assert_memory_equal(sent[k].b, &peer_mac, 6);
				/* turned round, to be received */
				memcpy(f.b, sent[k].b, sent[k].len);
				f.len = sent[k].len;
				f.l2 = 14;
				f.l3 = 20;
				memcpy(f.b, &our_mac, 6);
				frame_ip_hdr(&f)->src_addr = PEER;
				frame_ip_hdr(&f)->dst_addr = OUR;
				frame_sum_ip(&f);
				f.flags = f.mark = f.segment = 0;
				input_one(&f);
			}
			assert_int_equal(r->n, 1);
			assert_int_equal(r->payload[0], 5);
			assert_int_equal(r->whole_len, 42 + lens[i]);
		}
	}
	assert_int_equal(RX(drop_udp_checksum), 0);
}

static void
too_big(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	struct rte_mbuf *m[3];

	(void)state;
	meet(PEER, 0);
	w.df = true;
	assert_int_equal(net_route(&w, &d), 0);
	m[0] = out_udp(1, 2, 1472, 1);
	m[1] = out_udp(1, 2, 1473, 2);
	m[2] = out_udp(1, 2, 10, 3);
	assert_int_equal(net_output(&d, &ring0, m, 3), 2);
	assert_int_equal(n_sent, 2); /* in order, without the second */
	assert_int_equal(sent[0].len, 1514);
	assert_int_equal(TX(tx_too_big), 1);
	/* without DF the order stays as well */
	n_sent = 0;
	w.df = false;
	assert_int_equal(net_route(&w, &d), 0);
	m[0] = out_udp(1, 2, 100, 1);
	m[1] = out_udp(1, 2, 1473, 2);
	m[2] = out_udp(1, 2, 10, 3);
	assert_int_equal(net_output(&d, &ring0, m, 3), 3);
	assert_int_equal(n_sent, 4);
	assert_int_equal(sent[0].len, 142);
	assert_int_equal(sent[3].len, 52);
	/* the device is full */
	n_sent = 0;
	tx_room = 1;
	m[0] = out_udp(1, 2, 100, 1);
	m[1] = out_udp(1, 2, 100, 2);
	assert_int_equal(net_output(&d, &ring0, m, 2), 1);
	assert_int_equal(TX(tx_full), 1);
}

static uint32_t errors, error_info;

static void
on_error(const struct flow_key *key, const struct net_error *e)
{
	(void)key;
	assert_int_equal(e->err, EMSGSIZE);
	errors++;
	error_info = e->info;
}

static void
router_says(uint16_t mtu)
{
	uint8_t body[36] = { 3, 4, [6] = (uint8_t)(mtu >> 8), [7] = (uint8_t)mtu };
	struct frame about;
	uint16_t sum;

	frame_udp_to(&about, OUR, 1, IP(10, 1, 0, 3), 2, 0, 1472, 1);
	memcpy(body + 8, about.b + 14, 28);
	sum = (uint16_t)~rte_raw_cksum(body, sizeof(body));
	memcpy(body + 2, &sum, 2);
	frame_ip(&f, PEER, OUR, IPPROTO_ICMP, 0, body, sizeof(body));
	input_one(&f);
}

static void
path_mtu(void **state)
{
	struct net_way w = way(IP(10, 1, 0, 3)), other = way(PEER);
	struct net_dst d, o;

	(void)state;
	errors = 0;
	net_on_icmp_error(IPPROTO_UDP, on_error);
	meet(IP(10, 1, 0, 3), 0);
	meet(PEER, 0);
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(net_route(&other, &o), 0);
	router_says(1300);
	assert_int_equal(errors, 1);
	assert_int_equal(error_info, 1300);
	assert_false(net_dst_valid(&d));
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.mtu, 1300);
	assert_int_equal(net_route(&other, &o), 0);
	assert_int_equal(o.mtu, 1500);
	router_says(1400); /* an older one, late: never up */
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.mtu, 1300);
	router_says(0); /* says none: the next plateau below what was tried, 1500 */
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.mtu, 1300);
	router_says(100); /* not to be believed */
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.mtu, 552);
	world_advance(601000);
	assert_false(net_dst_valid(&d));
	meet(IP(10, 1, 0, 3), 0);
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.mtu, 1500);
	router_says(0);
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(d.mtu, 1492);
}

static void
groups(void **state)
{
	struct net_way w = way(IP(239, 129, 2, 3));
	struct net_dst d;

	(void)state;
	w.port = &port0;
	w.ttl = 1;
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.multicast && d.resolved && !d.broadcast);
	assert_memory_equal(d.hdr, "\x01\x00\x5e\x01\x02\x03", 6);
	assert_true(ip_v4(&d.src) == OUR);
	assert_int_equal(send_len(&d, 10), 1);
	assert_int_equal(n_sent, 1);
	w.ttl = 0; /* stays here */
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(send_len(&d, 10), 1);
	assert_int_equal(n_sent, 1);
	w = way(IP(255, 255, 255, 255));
	w.port = &port0;
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.broadcast && d.resolved && !d.multicast);
	assert_memory_equal(d.hdr, "\xff\xff\xff\xff\xff\xff", 6);
	w = way(IP(10, 5, 0, 255));
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.broadcast);
	assert_int_equal(d.vlan_id, 5);
	assert_int_equal(send_len(&d, 10), 1);
	assert_int_equal(n_sent, 2);
}

static void
loop(void **state)
{
	struct receiver *r = receiver(&ring0, IP(239, 1, 2, 3), 2000, 0, 0, 0);
	struct receiver *far = receiver(&ring1, IP(239, 1, 2, 4), 2000, 0, 0, 0);
	struct net_way w = way(IP(239, 1, 2, 3));
	struct net_dst d;
	struct rte_mbuf *m = out_udp(1, 2000, 50, 5);

	(void)state;
	w.port = &port0;
	assert_int_equal(net_route(&w, &d), 0);
	net_loopback(&ring0, &d, m);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->payload[0], 5);
	assert_int_equal(r->len[0], 92);
	assert_memory_equal(r->whole + 26, &d.src.w[3], 4);
	/* a poller has the ring: it waits for its next turn */
	rte_spinlock_lock(&ring0.rx_lock);
	net_loopback(&ring0, &d, m);
	assert_int_equal(r->n, 1);
	rte_spinlock_unlock(&ring0.rx_lock);
	net_poll(&ring1);
	assert_int_equal(r->n, 1);
	net_poll(&ring0);
	assert_int_equal(r->n, 2);
	net_poll(&ring0);
	assert_int_equal(r->n, 2);
	/* m is still ours, untouched */
	assert_int_equal(m->pkt_len, 58);
	/* another ring's group */
	w.dst = V4(239, 1, 2, 4);
	assert_int_equal(net_route(&w, &d), 0);
	net_loopback(&ring0, &d, m);
	assert_int_equal(given, 1);
	assert_int_equal(far->n, 0);
	/* left over at the end */
	rte_spinlock_lock(&ring0.rx_lock);
	net_loopback(&ring0, &d, m);
	rte_spinlock_unlock(&ring0.rx_lock);
	rte_pktmbuf_free(m);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(headers), T(dummies), T(vlan), T(sums), T(fragments),
		T(too_big), T(path_mtu), T(groups), T(loop) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
