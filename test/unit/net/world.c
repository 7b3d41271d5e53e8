/* SPDX-License-Identifier: BSD-3-Clause */
/* The world of world.h: the rooms below net, as far as net can see them. */
#include "world.h"

#include <stdio.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#define POOL_SIZE 4095
#define ROOM 2176

const struct rte_ether_addr our_mac = { { 0x02, 0, 0, 0, 0, 0x01 } };
const struct rte_ether_addr peer_mac = { { 0x02, 0, 0, 0, 0, 0x02 } };

struct port port0, port1;
struct ring ring0, ring1, ring_p1;
struct rte_mempool *pool;
uint64_t world_ms;
unsigned int lookups, given, kernel_asked, n_sent, tx_room, logs;
struct ip_addr kernel_asked_for;
struct kern_link kernel_vlan;
const struct kern_events *kernel;
bool kernel_there;
int macs, mac_result;
port_change_cb on_change;
struct sent sent[SENT_MAX];
char last_log[512];

static struct rte_ring *wire, *handover;
static uint16_t ethdev;
static struct receiver *receivers[64];
static unsigned int n_receivers;

/** @name Room ring */
/** @{ */
int ring_mbuf_meta_offset, ring_mbuf_timestamp_offset;
uint64_t ring_mbuf_timestamp_flag;

static bool
matches(const struct flow_key *f, const struct flow_key *k, unsigned int tier)
{
	bool local = ip_equal(&f->local, &k->local) && f->vlan_id == k->vlan_id;

	if (f->lport != k->lport || f->proto != k->proto)
		return false;
	if (tier == 0)
		return local && ip_equal(&f->remote, &k->remote) && f->rport == k->rport;
	if ((f->remote.d[0] | f->remote.d[1]) != 0)
		return false;
	if (tier == 1)
		return local;
	return (f->local.d[0] | f->local.d[1]) == 0 &&
			(f->vlan_id == FLOW_VLAN_ANY || f->vlan_id == k->vlan_id);
}

void
ring_flow_lookup(struct ring *ring, const struct flow_key *const *keys, struct flow **flows,
		uint16_t n)
{
	unsigned int i, k, tier;

	(void)ring;
	for (i = 0; i < n; i++) {
		lookups++;
		flows[i] = NULL;
		for (tier = 0; tier < 3 && flows[i] == NULL; tier++)
			for (k = 0; k < n_receivers && flows[i] == NULL; k++)
				if (matches(&receivers[k]->flow.key, keys[i], tier))
					flows[i] = &receivers[k]->flow;
	}
}

struct flow *
ring_spread_flow(const struct flow *flow, const struct flow_key *key)
{
	const struct spread *s = flow->spread;

	return s->of_rport[rte_be_to_cpu_16(key->rport) & 1];
}

void
ring_give(struct ring *from, struct ring *to, struct rte_mbuf **pkts, uint16_t n)
{
	(void)from;
	(void)to;
	given += rte_ring_enqueue_bulk(handover, (void **)pkts, n, NULL);
}

struct rte_mbuf *
given_packet(void)
{
	void *m = NULL;

	rte_ring_dequeue(handover, &m);
	return m;
}

unsigned int n_warmed;

void
ring_tx_warm(struct ring *ring)
{
	assert_ptr_equal(ring, &ring0);
	n_warmed++;
}

uint16_t
ring_tx(struct ring *ring, struct rte_mbuf **pkts, uint16_t n, bool keep)
{
	uint16_t i;

	assert_false(keep);
	for (i = 0; i < n; i++) {
		struct sent *s = &sent[n_sent];
		const void *p;
		uint32_t len;

		rte_mbuf_sanity_check(pkts[i], 1);
		if (tx_room == 0) {
			ring->tx_stats.c[RING_STAT_tx_full] += n - i;
			rte_pktmbuf_free_bulk(&pkts[i], n - i);
			return i;
		}
		tx_room--;
		assert_true(n_sent < SENT_MAX);
		*s = (struct sent){ .len = pkts[i]->pkt_len,
			.flags = pkts[i]->ol_flags,
			.l2 = pkts[i]->l2_len,
			.l3 = pkts[i]->l3_len,
			.l4 = pkts[i]->l4_len,
			.segsz = pkts[i]->tso_segsz,
			.segs = pkts[i]->nb_segs,
			.ring = ring };
		len = (uint32_t)RTE_MIN(s->len, sizeof(s->b));
		p = rte_pktmbuf_read(pkts[i], 0, len, s->b);
		if (p != s->b)
			memcpy(s->b, p, len);
		n_sent++;
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

int
ring_tx_alloc(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_pktmbuf_alloc_bulk(ring->tx_pool, pkts, n) == 0 ? 0 : -ENOBUFS;
}

void
ring_foreach(void (*cb)(struct ring *ring, void *ctx), void *ctx)
{
	cb(&ring0, ctx);
	cb(&ring_p1, ctx);
}

void
ring_thread_register(void)
{
}

static const struct ring_profile cyclic_profile = { .type = RING_PROFILE_CYCLIC };

const struct ring_profile *
ring_profile_get(int key)
{
	return key == 1 ? &cyclic_profile : NULL;
}
/** @} */

/** @name Room port */
/** @{ */
unsigned int
port_count(void)
{
	return 2;
}

struct port *
port_get(unsigned int index)
{
	return index == 0 ? &port0 : index == 1 ? &port1 : NULL;
}

struct port *
port_by_ifindex(uint32_t ifindex)
{
	return ifindex == 0			   ? NULL
			: ifindex == port0.ifindex ? &port0
			: ifindex == port1.ifindex ? &port1
						   : NULL;
}

const struct port_addr *
port_addr_find(const struct port *port, const struct ip_addr *addr)
{
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++)
		if (ip_equal(&port->addrs[i].addr, addr))
			return &port->addrs[i];
	return NULL;
}

struct port *
port_by_addr(const struct ip_addr *addr)
{
	return port_addr_find(&port0, addr) != NULL	       ? &port0
			: port_addr_find(&port1, addr) != NULL ? &port1
							       : NULL;
}

const struct port_addr *
port_source(const struct port *port, const struct ip_addr *dst)
{
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++)
		if (ip_in_prefix(dst, &port->addrs[i].addr, port->addrs[i].prefix))
			return &port->addrs[i];
	return port->n_addrs > 0 ? &port->addrs[0] : NULL;
}

int
port_on_change(port_change_cb cb, void *ctx)
{
	(void)ctx;
	on_change = cb;
	return 0;
}

void
port_off(void *ctx)
{
	(void)ctx;
	on_change = NULL;
}

int
port_mc_add(struct port *port, const struct rte_ether_addr *mac)
{
	(void)port;
	assert_true(rte_is_multicast_ether_addr(mac));
	if (mac_result == 0)
		macs++;
	return mac_result;
}

void
port_mc_del(struct port *port, const struct rte_ether_addr *mac)
{
	(void)port;
	(void)mac;
	macs--;
}
/** @} */

/** @name Room kern */
/** @{ */
int
kern_subscribe(const struct kern_events *events)
{
	kernel = events;
	return 0;
}

void
kern_unsubscribe(void *ctx)
{
	(void)ctx;
	kernel = NULL;
}

int
kern_start(void)
{
	kernel_there = true;
	return 0;
}

void
kern_stop(void)
{
	kernel_there = false;
}

int
kern_fd(void)
{
	return kernel_there ? 1000 : -1;
}

int
kern_poll(void)
{
	return 0;
}

const struct kern_link *
kern_link_by_index(uint32_t ifindex)
{
	return kernel_vlan.ifindex == ifindex ? &kernel_vlan : NULL;
}

int
kern_neigh_resolve(uint32_t ifindex, const struct ip_addr *addr)
{
	assert_int_not_equal(ifindex, 0);
	kernel_asked++;
	kernel_asked_for = *addr;
	return 0;
}
/** @} */

static void
on_log(int level, const char *line)
{
	(void)level;
	logs++;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

int
world_start(void **state)
{
	static char args[][16] = { "test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"-m", "256", "--log-level=*:3" };
	char *argv[RTE_DIM(args) + 1] = { NULL };
	unsigned int i;
	struct rte_eth_conf conf = { 0 };
	int dev;

	(void)state;
	for (i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (rte_eal_init((int)RTE_DIM(args), argv) < 0)
		return -1;
	log_set_callback(on_log);
	pool = rte_pktmbuf_pool_create("test", POOL_SIZE, 0, 0, ROOM, SOCKET_ID_ANY);
	wire = rte_ring_create("wire", 1024, SOCKET_ID_ANY, 0);
	handover = rte_ring_create("handover", 1024, SOCKET_ID_ANY, 0);
	if (pool == NULL || wire == NULL || handover == NULL)
		return -1;
	dev = rte_eth_from_ring(wire);
	if (dev < 0 || rte_eth_dev_configure((uint16_t)dev, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup((uint16_t)dev, 0, 64, 0, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup((uint16_t)dev, 0, 64, 0, NULL) != 0 ||
			rte_eth_dev_start((uint16_t)dev) != 0)
		return -1;
	ethdev = (uint16_t)dev;
	return 0;
}

int
world_stop(void **state)
{
	(void)state;
	rte_eth_dev_stop(ethdev);
	rte_eth_dev_close(ethdev);
	rte_eal_cleanup();
	return 0;
}

static struct port_addr
address(struct ip_addr a, uint8_t prefix, struct ip_addr broadcast, uint16_t vlan)
{
	return (struct port_addr){
		.addr = a, .broadcast = broadcast, .prefix = prefix, .vlan_id = vlan
	};
}

static void
make_ring(struct ring *ring, struct port *port, uint32_t index)
{
	memset(ring, 0, sizeof(*ring));
	ring->port_id = ethdev;
	ring->burst = 64;
	ring->port = port;
	ring->tx_pool = ring->rx_pool = pool;
	ring->index = index;
	rte_spinlock_init(&ring->rx_lock);
	rte_spinlock_init(&ring->tx_lock);
}

int
world_setup(void **state)
{
	(void)state;
	static uint32_t generation;

	memset(&port0, 0, sizeof(port0));
	port0 = (struct port){ .mtu = 1500,
		.n_addrs = 2,
		.mac = our_mac,
		.up = true,
		.name = "port0",
		.kernel = KERNEL_NONE,
		.generation = generation += 10 };
	port0.addrs[0] = address(V4(10, 1, 0, 1), 24, V4(10, 1, 0, 255), 0);
	port0.addrs[1] = address(V4(10, 5, 0, 1), 24, V4(10, 5, 0, 255), 5);
	port0.caps.tx_multi_seg = true;
	port1 = (struct port){ .index = 1,
		.mtu = 1400,
		.n_addrs = 1,
		.mac = our_mac,
		.name = "port1",
		.kernel = KERNEL_NONE,
		.generation = generation };
	port1.addrs[0] = address(V4(10, 2, 0, 1), 24, V4(10, 2, 0, 255), 0);
	make_ring(&ring0, &port0, 0);
	make_ring(&ring1, &port0, 1);
	make_ring(&ring_p1, &port1, 2);
	ring_p1.port_id = ethdev;
	ring_p1.profile = 1; /* polls nothing */
	lookups = given = kernel_asked = n_sent = logs = 0;
	n_receivers = 0;
	tx_room = UINT32_MAX;
	kernel_there = false;
	kernel_vlan = (struct kern_link){ 0 };
	mac_result = macs = 0;
	last_log[0] = 0;
	world_ms = 1000000;
	net_now = world_ms;
	assert_int_equal(net_init(), 0);
	net_random_seed(42);
	return 0;
}

int
world_teardown(void **state)
{
	struct rte_mbuf *m;
	unsigned int i;

	(void)state;
	net_fini();
	while (net_poll(&ring0) > 0)
		;
	while ((m = given_packet()) != NULL)
		rte_pktmbuf_free(m);
	for (i = 0; i < n_receivers; i++) {
		free(receivers[i]->whole);
		free(receivers[i]);
	}
	n_receivers = 0;
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

void
world_restart(void)
{
	port0.generation++;
	net_fini();
	assert_int_equal(net_init(), 0);
	net_random_seed(42);
}

void
world_advance(uint64_t ms)
{
	world_ms += ms;
	net_progress(world_ms);
}

uint64_t
counted(struct ring *ring, enum ring_stat stat)
{
	return ring->stats.c[stat];
}

uint64_t
dropped(struct ring *ring)
{
	static const enum ring_stat reasons[] = { RING_STAT_drop_short, RING_STAT_drop_ethertype,
		RING_STAT_drop_not_ours, RING_STAT_drop_ip_header, RING_STAT_drop_ip_checksum,
		RING_STAT_drop_protocol, RING_STAT_drop_udp_length, RING_STAT_drop_udp_checksum,
		RING_STAT_drop_no_socket, RING_STAT_drop_fragment, RING_STAT_drop_tcp,
		RING_STAT_drop_icmp, RING_STAT_drop_arp, RING_STAT_drop_no_listener };
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < RTE_DIM(reasons); i++)
		sum += ring->stats.c[reasons[i]];
	return sum;
}

static void
deliver(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct receiver *r = (struct receiver *)sink;
	unsigned int i;

	assert_true(r->flow.ring == ring);
	r->calls++;
	for (i = 0; i < n; i++) {
		uint16_t at = pkts[i]->l2_len + pkts[i]->l3_len + 8;
		const uint8_t *p;

		rte_mbuf_sanity_check(pkts[i], 1);
		assert_true(r->n < TAKEN_MAX);
		free(r->whole);
		r->whole_len = pkts[i]->pkt_len;
		r->whole = malloc(r->whole_len);
		p = rte_pktmbuf_read(pkts[i], 0, r->whole_len, r->whole);
		if (p != r->whole)
			memcpy(r->whole, p, r->whole_len);
		r->len[r->n] = (uint16_t)r->whole_len;
		r->payload[r->n] = r->whole_len >= at + 2u
				? (uint16_t)(r->whole[at] << 8 | r->whole[at + 1])
				: 0;
		r->l2 = pkts[i]->l2_len;
		r->l3 = pkts[i]->l3_len;
		r->flags = pkts[i]->ol_flags;
		r->first = pkts[i]->data_len;
		r->segsz = pkts[i]->tso_segsz;
		r->n++;
		rte_pktmbuf_free(pkts[i]);
	}
}

struct receiver *
receiver(struct ring *ring, uint32_t local, uint16_t lport, uint32_t remote, uint16_t rport,
		uint16_t vlan)
{
	struct receiver *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->sink.deliver = deliver;
	r->flow.sink = &r->sink;
	r->flow.ring = ring;
	r->flow.key.lport = rte_cpu_to_be_16(lport);
	r->flow.key.rport = rte_cpu_to_be_16(rport);
	r->flow.key.vlan_id = local == 0 ? FLOW_VLAN_ANY : vlan;
	r->flow.key.proto = IPPROTO_UDP;
	if (local != 0)
		r->flow.key.local = ip_from_v4(local);
	if (remote != 0)
		r->flow.key.remote = ip_from_v4(remote);
	assert_true(n_receivers < RTE_DIM(receivers));
	receivers[n_receivers++] = r;
	return r;
}

void
wire_put(const struct frame *f)
{
	assert_int_equal(rte_ring_enqueue(wire, frame_mbuf(f)), 0);
}

unsigned int
wire_poll(void)
{
	unsigned int n, total = 0;

	while ((n = net_poll(&ring0)) > 0)
		total += n;
	return total;
}

void
input_one(const struct frame *f)
{
	struct rte_mbuf *m = frame_mbuf(f);

	net_input(&ring0, &m, 1);
}
