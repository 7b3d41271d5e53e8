/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test's wire: see wire.h. A device buffer is laid out as a striding receive queue's: strides
 * one after another, one shared info each, a count of who holds it, and it is written again only
 * when nobody does. What is released is overwritten at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <limits.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_udp.h>

#include "../../../drivers/mempool/stride/stride.h"
#include "wire.h"

#define QUEUE_LEN 8192
#define POOL_LEN 6000
#define BUFFERS 12
#define BUFFER_STRIDES_MAX 256
#define MY_ADDR RTE_BE32(0x0a000001)
#define MY_PORT RTE_BE16(5000)
#define OTHER_PORT RTE_BE16(5001)

struct buffer {
	uint32_t refs; /* 1 for the queue, one a packet */
	uint32_t next; /* stride */
	uint8_t *data;
	struct rte_mbuf_ext_shared_info shinfo[BUFFER_STRIDES_MAX];
};

struct ring wire_ring;
struct cyclic *wire_cyclic;
unsigned int wire_foreign, wire_polls;
void (*wire_in_poll)(void);

static struct port port;
static struct ring_profile profile;
static struct wire_conf now;
static struct rte_ring *queue;
static struct rte_mempool *pool, *ordered;
static uint16_t ethdev;
static struct buffer buffers[BUFFERS];
static struct buffer *current;
static int time_offset;
static char runtime_dir[PATH_MAX];

/* ---- what the rooms below would do ---- */

int ring_mbuf_meta_offset, ring_mbuf_timestamp_offset;
uint64_t ring_mbuf_timestamp_flag;
int log_level_now = LOG_LEVEL_ERROR;
struct conf conf_values;
int conf_loaded = 1;

int
conf_load(void)
{
	return 0;
}

void
log_write(int level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const struct ring_profile *
ring_profile_get(int key)
{
	return key == 1 ? &profile : NULL;
}

uint32_t
ring_profile_padded_stride(const struct ring_profile *p)
{
	return rte_align32pow2(p->stride_bytes + p->hdr_bytes + 42u);
}

uint64_t
ring_timestamp_ns(const struct ring *ring, const struct rte_mbuf *m)
{
	(void)ring;
	return *RTE_MBUF_DYNFIELD(m, time_offset, const uint64_t *);
}

enum net_verdict
net_parse(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	uint8_t headers[46];
	const uint8_t *p = rte_pktmbuf_read(m, 0, sizeof(headers), headers);
	const struct rte_udp_hdr *udp;

	if (p[12] == 0x08 && p[13] == 0x06)
		return NET_SLOW;
	udp = (const struct rte_udp_hdr *)(p + (p[12] == 0x81 ? 38 : 34));
	if (udp->dgram_cksum == 0xbad) {
		ring->stats.c[RING_STAT_drop_udp_checksum]++;
		return NET_DROP;
	}
	memset(pkt, 0, sizeof(*pkt));
	pkt->key.lport = udp->dst_port;
	pkt->key.local = ip_from_v4(((const struct rte_ipv4_hdr *)udp - 1)->dst_addr);
	return NET_TRANSPORT;
}

void
net_input(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	(void)ring;
	wire_foreign += n;
	rte_pktmbuf_free_bulk(pkts, n);
}

void
ring_thread_register(void)
{
}

unsigned int
net_poll(struct ring *ring)
{
	(void)ring;
	wire_polls++;
	if (wire_in_poll != NULL)
		wire_in_poll();
	return 0;
}

void
ring_flow_lookup(struct ring *ring, const struct flow_key *const *keys, struct flow **flows,
		uint16_t n)
{
	static struct flow mine = { .flags = FLOW_CYCLIC }, other;

	mine.ring = ring;
	mine.key.local = now.any ? (struct ip_addr){ 0 } : port.addrs[0].addr;
	other.ring = ring;
	for (uint16_t i = 0; i < n; i++) {
		if (keys[i]->lport != MY_PORT)
			flows[i] = &other;
		else if (now.any || ip_equal(&keys[i]->local, &mine.key.local))
			flows[i] = &mine;
		else
			flows[i] = NULL;
	}
}

/* ---- the device ---- */

static void
stride_free(void *addr, void *opaque)
{
	struct buffer *b = opaque;

	(void)addr;
	assert_true(b->refs > 0);
	if (--b->refs == 0) {
		/* Released: nobody may read it any more, so spoil it. */
		memset(b->data, 0xee, (size_t)now.strides * wire_ring.stride);
		b->next = 0;
	}
}

unsigned int
wire_buffers_held(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BUFFERS; i++)
		n += buffers[i].refs > 0 && &buffers[i] != current;
	return n;
}

static void
buffer_done(void)
{
	if (current != NULL)
		stride_free(NULL, current);
	current = NULL;
}

/* n strides of a buffer; false when all buffers are held. */
static bool
strides_get(uint32_t n)
{
	unsigned int i;

	if (current != NULL && current->next + n > now.strides)
		buffer_done();
	for (i = 0; current == NULL && i < BUFFERS; i++) {
		if (buffers[i].refs == 0) {
			current = &buffers[i];
			current->refs = 1;
			current->next = 0;
		}
	}
	return current != NULL;
}

static void
stride_attach(struct rte_mbuf *m, uint32_t n)
{
	struct rte_mbuf_ext_shared_info *s = &current->shinfo[current->next];
	uint8_t *addr = current->data + (size_t)current->next * wire_ring.stride;

	s->free_cb = stride_free;
	s->fcb_opaque = current;
	rte_mbuf_ext_refcnt_set(s, 1);
	current->refs++;
	current->next += n;
	rte_pktmbuf_attach_extbuf(m, addr - RTE_PKTMBUF_HEADROOM, RTE_BAD_IOVA,
			(uint16_t)(n * wire_ring.stride), s);
	m->data_off = RTE_PKTMBUF_HEADROOM;
}

uint32_t
wire_net_len(const struct wire_packet *p)
{
	return p->vlan ? 46 : 42;
}

uint32_t
wire_frame_len(const struct wire_packet *p)
{
	/* Ethernet's least, without the checksum. */
	return RTE_MAX(60u, wire_net_len(p) + p->payload);
}

static uint8_t
pattern(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 7 + i);
}

static void
frame_write(uint8_t *f, const struct wire_packet *p)
{
	uint32_t l2 = wire_net_len(p) - 28, i;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(f + l2);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(f + l2 + 20);
	uint8_t *payload = f + l2 + 28;

	memset(f, 0, wire_frame_len(p));
	memset(f, 0x02, 12);
	if (p->vlan)
		memcpy(f + 12, "\x81\x00\x00\x05", 4);
	memcpy(f + l2 - 2, p->kind == SLOW ? "\x08\x06" : "\x08\x00", 2);
	ip->version_ihl = 0x45;
	ip->next_proto_id = p->kind == MALFORMED ? IPPROTO_TCP : IPPROTO_UDP;
	ip->dst_addr = p->kind == MISSENT ? RTE_BE32(0x0a000009) : MY_ADDR;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(28 + p->payload));
	udp->dst_port = p->kind == FOREIGN ? OTHER_PORT : MY_PORT;
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(8 + p->payload));
	udp->dgram_cksum = p->kind == BAD ? 0xbad : 1;
	memcpy(payload, &p->seq, 4);
	for (i = 4; i < p->payload; i++)
		payload[i] = pattern(p->seq, i);
}

uint32_t
wire_seq_of(const uint8_t *payload)
{
	uint32_t seq;

	memcpy(&seq, payload, 4);
	return seq;
}

bool
wire_payload_is(const uint8_t *bytes, uint32_t seq, uint32_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint8_t want = from + i < 4 ? ((const uint8_t *)&seq)[from + i]
					    : pattern(seq, from + i);

		if (bytes[i] != want)
			return false;
	}
	return true;
}

static uint64_t
flags_of(const struct wire_packet *p)
{
	if (p->kind == UNCHECKED || !now.isolated)
		return 0;
	if (p->kind == BAD)
		return RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	if (p->kind == SLOW)
		return 0;
	return RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

static struct rte_mbuf *
mbuf_for(const struct wire_packet *p, uint32_t len)
{
	bool in_place = p->kind != COPIED && p->kind != SEGMENTED;
	struct rte_mempool *mp = now.source == WIRE_ORDERED && in_place ? ordered : pool;
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
	uint32_t n;

	if (m == NULL || now.source != WIRE_DEVICE)
		return m;
	n = (len + wire_ring.stride - 1) / wire_ring.stride;
	if (!strides_get(n)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (p->kind == SKIP) {
		current->next++;
		if (!strides_get(n)) {
			rte_pktmbuf_free(m);
			return NULL;
		}
	}
	if (in_place)
		stride_attach(m, n);
	else
		current->next += n;
	return m;
}

bool
wire_send(const struct wire_packet *p)
{
	uint32_t len = wire_frame_len(p), first = len;
	static uint8_t frame[16384];
	struct rte_mbuf *m;

	if (now.source == WIRE_ORDERED && p->kind == SKIP) {
		/* Somebody else took a slot and gives it back later. */
		m = rte_pktmbuf_alloc(ordered);
		if (m == NULL)
			return false;
		struct rte_mbuf *after = mbuf_for(p, len);

		rte_pktmbuf_free(m);
		m = after;
	} else {
		m = mbuf_for(p, len);
	}
	if (m == NULL)
		return false;
	frame_write(frame, p);
	if (p->kind == SEGMENTED) {
		m->next = rte_pktmbuf_alloc(pool);
		if (m->next == NULL) {
			rte_pktmbuf_free(m);
			return false;
		}
		first = len / 3;
		m->nb_segs = 2;
		m->next->data_len = (uint16_t)(len - first);
		memcpy(rte_pktmbuf_mtod(m->next, uint8_t *), frame + first, len - first);
	}
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame, first);
	m->data_len = (uint16_t)first;
	m->pkt_len = len;
	m->ol_flags |= flags_of(p);
	if (p->time_ns != 0) {
		m->ol_flags |= ring_mbuf_timestamp_flag;
		*RTE_MBUF_DYNFIELD(m, time_offset, uint64_t *) = p->time_ns;
	}
	if (rte_ring_enqueue(queue, m) != 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	return true;
}

void
wire_send_good(uint32_t *seq, unsigned int n, uint32_t payload)
{
	while (n-- > 0) {
		struct wire_packet p = { .seq = (*seq)++, .payload = payload };

		assert_true(wire_send(&p));
	}
}

/* ---- set up ---- */

int
wire_init(void)
{
	char prefix[32];
	char *argv[] = { (char *)(uintptr_t) "test_cyclic", (char *)(uintptr_t) "--no-huge",
		(char *)(uintptr_t) "--no-pci", (char *)(uintptr_t) "--no-shconf",
		(char *)(uintptr_t) "--no-telemetry", (char *)(uintptr_t) "-m",
		(char *)(uintptr_t) "256", (char *)(uintptr_t) "--log-level=error", prefix };
	struct rte_eth_conf conf = { 0 };
	int id;

	snprintf(prefix, sizeof(prefix), "--file-prefix=cyclic_%d", (int)getpid());
	if (rte_eal_init(RTE_DIM(argv), argv) < 0)
		return -1;
	snprintf(runtime_dir, sizeof(runtime_dir), "%s", rte_eal_get_runtime_dir());
	queue = rte_ring_create("wire", QUEUE_LEN, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	pool = rte_pktmbuf_pool_create(
			"plain", POOL_LEN, 0, 0, 8192 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	if (queue == NULL || pool == NULL ||
			rte_mbuf_dyn_rx_timestamp_register(
					&time_offset, &ring_mbuf_timestamp_flag) != 0)
		return -1;
	id = rte_eth_from_ring(queue);
	if (id < 0)
		return -1;
	ethdev = (uint16_t)id;
	if (rte_eth_dev_configure(ethdev, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(ethdev, 0, 0, SOCKET_ID_ANY, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(ethdev, 0, 0, SOCKET_ID_ANY, NULL) != 0)
		return -1;
	return rte_eth_dev_start(ethdev);
}

void
wire_fini(void)
{
	rte_eth_dev_stop(ethdev);
	rte_eth_dev_close(ethdev);
	rte_mempool_free(pool);
	rte_ring_free(queue);
	rte_eal_cleanup();
	rmdir(runtime_dir); /* empty without shared configuration */
}

void
wire_up(const struct wire_conf *conf)
{
	struct stride_pool_info info;
	unsigned int i;

	now = *conf;
	profile = conf->profile;
	wire_foreign = 0;
	wire_polls = 0;
	memset(&port, 0, sizeof(port));
	port.socket_id = SOCKET_ID_ANY;
	port.ip_rx_checksum = true;
	port.l4_rx_checksum = true;
	port.n_addrs = 1;
	port.addrs[0].addr = ip_from_v4(MY_ADDR);
	memset(&wire_ring, 0, sizeof(wire_ring));
	rte_spinlock_init(&wire_ring.rx_lock);
	wire_ring.port = &port;
	wire_ring.port_id = ethdev;
	wire_ring.burst = conf->burst != 0 ? conf->burst : 64;
	wire_ring.isolated = conf->isolated;
	wire_ring.profile = conf->shared ? 0 : 1;
	wire_ring.rx_pool = pool;
	if (conf->source != WIRE_PLAIN) {
		wire_ring.stride = ring_profile_padded_stride(&profile);
		wire_ring.strides = conf->strides;
	}
	if (conf->source == WIRE_DEVICE) {
		wire_ring.striding = true;
		for (i = 0; i < BUFFERS; i++)
			buffers[i].data =
					aligned_alloc(64, (size_t)conf->strides * wire_ring.stride);
	} else if (conf->source == WIRE_ORDERED) {
		ordered = stride_pool_create("ordered", conf->strides, wire_ring.stride,
				RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, &info);
		assert_non_null(ordered);
		wire_ring.rx_pool = ordered;
		wire_ring.stride_pool = true;
		wire_ring.stride_base = info.base;
	}
	if (conf->shared)
		assert_int_equal(cyclic_get_shared(&wire_ring, 1, &wire_cyclic), 0);
	else
		assert_int_equal(cyclic_get(&wire_ring, &wire_cyclic), 0);
}

void
wire_down(void)
{
	struct rte_mbuf *m;
	unsigned int i;

	cyclic_put(wire_cyclic);
	assert_null(wire_ring.intake);
	while (rte_ring_dequeue(queue, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	buffer_done();
	for (i = 0; i < BUFFERS; i++) {
		assert_int_equal(buffers[i].refs, 0);
		free(buffers[i].data);
		buffers[i].data = NULL;
	}
	assert_int_equal(rte_mempool_avail_count(pool), POOL_LEN);
	if (ordered != NULL) {
		assert_int_equal(rte_mempool_avail_count(ordered), now.strides);
		stride_pool_free(ordered);
		ordered = NULL;
	}
}
