/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stand-ins of fake.h.
 */
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf_dyn.h>

#include "fake.h"

#define RINGS_MAX 64
#define FLOWS_MAX 32768
#define GROUPS_MAX 64

struct fake_ring {
	struct ring ring;
	uint64_t key;
	bool used;
};

struct port fake_ports[PORTS];
unsigned int fake_ports_n;
struct fake_sent fake_sent[FAKE_SENT_MAX];
unsigned int fake_sent_n, fake_bursts, fake_tx_room, fake_tx_buffers, fake_routes, fake_loops;
unsigned int fake_dummies;
struct ring *fake_loop_ring;
int fake_flow_error, fake_flow_error_port, fake_filter_error;
unsigned int fake_flow_dels, fake_flow_moves, fake_polls;
uint64_t fake_here, fake_no_socket, fake_source_filter;
bool fake_moved_away, fake_flow_refuse_rules, fake_refuse_spread;

static struct fake_ring rings[RINGS_MAX];
static struct flow *flows[FLOWS_MAX];
static unsigned int flows_n;
static struct {
	struct port *port;
	struct ip_addr group;
	struct fake_filter filter;
} groups[GROUPS_MAX];
static struct rte_mempool *rx_pool, *tx_pool;

int ring_mbuf_meta_offset, ring_mbuf_timestamp_offset;
uint64_t ring_mbuf_timestamp_flag, ring_mbuf_send_at_flag;
uint64_t (*ring_send_clock)(void);
uint32_t net_generation = 1;
net_error_cb fake_icmp;

struct ip_addr
addr(const char *text)
{
	struct ip_addr a = { .d = { 0 } };

	if (text != NULL)
		assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

/* lib/port */

unsigned int
port_count(void)
{
	return fake_ports_n;
}

struct port *
port_get(unsigned int index)
{
	return &fake_ports[index];
}

const struct port_addr *
port_addr_find(const struct port *port, const struct ip_addr *a)
{
	for (unsigned int i = 0; i < port->n_addrs; i++)
		if (ip_equal(&port->addrs[i].addr, a))
			return &port->addrs[i];
	return NULL;
}

struct port *
port_by_addr(const struct ip_addr *a)
{
	for (unsigned int i = 0; i < fake_ports_n; i++)
		if (port_addr_find(&fake_ports[i], a) != NULL)
			return &fake_ports[i];
	return NULL;
}

const struct port_addr *
port_source(const struct port *port, const struct ip_addr *dst)
{
	(void)dst;
	return port->n_addrs != 0 ? &port->addrs[0] : NULL;
}

static port_change_cb change_cb;
static void *change_ctx;

int
port_on_change(port_change_cb cb, void *ctx)
{
	change_cb = cb;
	change_ctx = ctx;
	return 0;
}

void
fake_port_changed(unsigned int port)
{
	change_cb(&fake_ports[port], change_ctx);
}

void
port_off(void *ctx)
{
	(void)ctx;
}

/* lib/ring */

static const struct ring_profile cyclic_profile = { .type = RING_PROFILE_CYCLIC };

const struct ring_profile *
ring_profile_get(int key)
{
	return key == 7 ? &cyclic_profile : NULL;
}

void
ring_alloc_init(struct ring_alloc *alloc, enum ring_dir dir, int sock)
{
	(void)dir;
	*alloc = (struct ring_alloc){ .sock = (uint32_t)sock, .ratio = 100 };
}

int
ring_acquire(struct port *port, enum ring_dir dir, struct ring_alloc *alloc,
		const struct ip_addr *local, struct ring **ring)
{
	uint64_t key = (uint64_t)port->index << 60 | (uint64_t)alloc->logic << 40;

	(void)dir;
	(void)local;
	if (alloc->logic == CONF_RING_PER_SOCKET)
		key |= alloc->sock;
	else if (alloc->logic == CONF_RING_PER_USER_ID)
		key |= alloc->user_id;
	else if (alloc->logic >= CONF_RING_PER_THREAD)
		key |= fake_here;
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < RINGS_MAX; i++) {
			struct fake_ring *r = &rings[i];

			if (pass == 0 ? !r->used || r->key != key : r->used)
				continue;
			if (pass == 1) {
				memset(r, 0, sizeof(*r));
				r->used = true;
				r->key = key;
				r->ring.port = port;
				r->ring.port_id = port->id;
				r->ring.tx_pool = tx_pool;
				r->ring.tx_times = port->caps.tx_scheduled;
				r->ring.alloc = *alloc;
				rte_spinlock_init(&r->ring.rx_lock);
				rte_spinlock_init(&r->ring.tx_lock);
			}
			r->ring.refs++;
			*ring = &r->ring;
			return 0;
		}
	}
	return -ENOMEM;
}

void
ring_release(struct ring *ring)
{
	struct fake_ring *r = (struct fake_ring *)ring;

	assert_true(r->used && ring->refs > 0);
	if (--ring->refs == 0) {
		for (unsigned int i = 0; i < flows_n; i++)
			assert_ptr_not_equal(flows[i]->ring, ring);
		r->used = false;
	}
}

bool
ring_alloc_migrate(struct ring_alloc *alloc)
{
	(void)alloc;
	return fake_moved_away;
}

static bool
same_key(const struct flow *f, const struct port *port, const struct flow_key *key)
{
	return f->ring->port == port && memcmp(&f->key, key, sizeof(*key)) == 0;
}

/* As lib/ring tells what software has to do. */
static void
note_spread(const struct port *port, const struct flow_key *key)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < flows_n; i++)
		n += same_key(flows[i], port, key);
	for (unsigned int i = 0; i < flows_n; i++) {
		if (!same_key(flows[i], port, key))
			continue;
		flows[i]->flags &= (uint16_t)~FLOW_SOFT;
		if (n > 1 && fake_refuse_spread)
			flows[i]->flags |= FLOW_SOFT;
		flows[i]->in_device = true;
	}
}

int
ring_flow_add(struct ring *ring, const struct flow_key *key, struct sink *sink, unsigned int flags,
		struct flow **flow)
{
	struct flow *f;

	if (fake_flow_error != 0 && ring->port->index == fake_flow_error_port)
		return fake_flow_error;
	if (fake_flow_refuse_rules && (flags & FLOW_RULE))
		return -ENOTSUP;
	for (unsigned int i = 0; i < flows_n; i++)
		if (same_key(flows[i], ring->port, key) &&
				((flows[i]->flags & flags & FLOW_SPREAD) == 0 ||
						flows[i]->ring == ring))
			return -EEXIST;
	assert_true(flows_n < FLOWS_MAX);
	f = calloc(1, sizeof(*f));
	f->key = *key;
	f->sink = sink;
	f->ring = ring;
	f->flags = (uint16_t)flags;
	flows[flows_n++] = f;
	note_spread(ring->port, key);
	*flow = f;
	return 0;
}

void
ring_flow_del(struct flow *flow)
{
	struct ring *ring;

	if (flow == NULL)
		return;
	ring = flow->ring;
	ring_rx_lock(ring);
	for (unsigned int i = 0; i < flows_n; i++) {
		if (flows[i] != flow)
			continue;
		memmove(&flows[i], &flows[i + 1], (flows_n - i - 1) * sizeof(*flows));
		flows_n--;
		break;
	}
	ring_rx_unlock(ring);
	note_spread(ring->port, &flow->key);
	free(flow);
	fake_flow_dels++;
}

int
ring_flow_move(struct flow *flow, struct ring *to)
{
	for (unsigned int i = 0; i < flows_n; i++)
		if (flows[i] != flow && same_key(flows[i], to->port, &flow->key) &&
				flows[i]->ring == to)
			return -EEXIST;
	flow->ring = to;
	fake_flow_moves++;
	return 0;
}

void
ring_flow_set_sink(struct flow *flow, struct sink *sink)
{
	ring_rx_lock(flow->ring);
	flow->sink = sink;
	ring_rx_unlock(flow->ring);
}

int
ring_tx_alloc(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	if (n > fake_tx_buffers)
		return -ENOBUFS;
	fake_tx_buffers -= n;
	return rte_pktmbuf_alloc_bulk(ring->tx_pool, pkts, n) != 0 ? -ENOBUFS : 0;
}

/* lib/net */

unsigned int
net_poll(struct ring *ring)
{
	(void)ring;
	fake_polls++;
	return 1;
}

int
net_route(const struct net_way *way, struct net_dst *d)
{
	uint32_t ip = rte_be_to_cpu_32(ip_v4(&way->dst));
	struct port *port = way->port;

	fake_routes++;
	if (port_by_addr(&way->dst) != NULL)
		return -EREMOTE;
	if (port == NULL && ip >> 8 == RTE_IPV4(10, 0, 1, 0) >> 8)
		port = &fake_ports[1];
	else if (port == NULL && (ip >> 8 == RTE_IPV4(10, 0, 0, 0) >> 8 || ip >= 0xe0000000))
		port = &fake_ports[0];
	if (port == NULL)
		return -ENETUNREACH;
	*d = (struct net_dst){ .generation = net_generation,
		.mtu = port->mtu,
		.hdr_len = 34,
		.l2_len = 14,
		.resolved = true,
		.ttl = way->ttl,
		.tos = way->tos,
		.df = way->df,
		.no_check = way->no_check,
		.port = port,
		.dst = way->dst,
		.src = ip_is_any(&way->src) ? port->addrs[0].addr : way->src };
	/* a neighbour that did not answer; only that there is one is looked at */
	if (ip == FAKE_SILENT) {
		d->resolved = false;
		d->neigh = (struct neigh *)(void *)&fake_routes;
		return -EHOSTUNREACH;
	}
	d->hdr[14] = 0x45;
	return 0;
}

uint16_t
net_output(struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t taken = 0;
	uint8_t byte;

	fake_bursts++;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct rte_udp_hdr *udp = rte_pktmbuf_mtod(m, const struct rte_udp_hdr *);
		struct fake_sent *t = &fake_sent[fake_sent_n];
		uint32_t len = m->pkt_len - sizeof(*udp);

		assert_true(rte_pktmbuf_headroom(m) >= NET_HEADROOM);
		assert_int_equal(rte_mbuf_check(m, 1, &(const char *){ NULL }), 0);
		assert_int_equal(udp->dgram_cksum, 0);
		if (fake_tx_room != 0 && fake_sent_n < FAKE_SENT_MAX) {
			fake_tx_room--;
			taken++;
			fake_sent_n++;
			*t = (struct fake_sent){ .dst = d->dst,
				.src = d->src,
				.sport = rte_be_to_cpu_16(udp->src_port),
				.dport = rte_be_to_cpu_16(udp->dst_port),
				.ttl = d->ttl,
				.tos = d->tos,
				.df = d->df,
				.no_check = d->no_check,
				.len = len,
				.segs = m->nb_segs,
				.dgram_len = rte_be_to_cpu_16(udp->dgram_len),
				.ring = ring };
			if (m->ol_flags & ring_mbuf_send_at_flag)
				t->at = *RTE_MBUF_DYNFIELD(m, ring_mbuf_timestamp_offset,
						rte_mbuf_timestamp_t *);
			const void *p = rte_pktmbuf_read(m, sizeof(*udp),
					RTE_MIN(len, (uint32_t)sizeof(t->data)), t->data);

			if (p != NULL && p != t->data)
				memcpy(t->data, p, RTE_MIN(len, (uint32_t)sizeof(t->data)));
			if (len != 0)
				t->last = *(const uint8_t *)rte_pktmbuf_read(
						m, m->pkt_len - 1, 1, &byte);
		}
		rte_pktmbuf_free(m);
	}
	return taken;
}

void
net_dummy(const struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	assert_true(ip_is_v4(&d->dst));
	assert_non_null(ring);
	for (uint16_t i = 0; i < n; i++) {
		assert_int_equal(rte_mbuf_check(pkts[i], 1, &(const char *){ NULL }), 0);
		fake_dummies++;
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

void
net_loopback(struct ring *ring, const struct net_dst *d, struct rte_mbuf *m)
{
	(void)d;
	(void)m;
	fake_loops++;
	fake_loop_ring = ring;
}

struct fake_filter *
fake_filter(unsigned int port, const char *group)
{
	struct ip_addr g = addr(group);

	for (unsigned int i = 0; i < GROUPS_MAX; i++)
		if (groups[i].port == &fake_ports[port] && ip_equal(&groups[i].group, &g))
			return &groups[i].filter;
	return NULL;
}

int
net_mc_filter(struct port *port, const struct ip_addr *group, uint16_t vlan_id,
		const struct net_mc_filter *filter)
{
	unsigned int i;

	(void)vlan_id;
	if (fake_filter_error != 0 && filter != NULL)
		return fake_filter_error;
	for (i = 0; groups[i].port != NULL; i++)
		if (groups[i].port == port && ip_equal(&groups[i].group, group))
			break;
	assert_true(i < GROUPS_MAX - 1);
	groups[i].port = port;
	groups[i].group = *group;
	memset(&groups[i].filter, 0, sizeof(groups[i].filter));
	if (filter == NULL)
		return 0;
	groups[i].filter.present = true;
	groups[i].filter.exclude = filter->exclude;
	groups[i].filter.n = filter->n;
	memcpy(groups[i].filter.sources, filter->sources, filter->n * sizeof(struct ip_addr));
	return 0;
}

void
net_on_icmp_error(uint8_t proto, net_error_cb cb)
{
	assert_int_equal(proto, IPPROTO_UDP);
	fake_icmp = cb;
}

/* The program */

static int
field(const char *name, size_t size, size_t align)
{
	struct rte_mbuf_dynfield f = { .size = size, .align = align };

	snprintf(f.name, sizeof(f.name), "%s", name);
	return rte_mbuf_dynfield_register(&f);
}

int
fake_start(void **state)
{
	char *argv[] = { (char *)"test", (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"-m", (char *)"256",
		(char *)"--log-level=lib.eal:error", (char *)"-l", (char *)"0", NULL };

	(void)state;
	/* The pool of copies is as large as that of buffers. */
	setenv("VMA_RX_BUFS", "1024", 0);
	if (rte_eal_init(RTE_DIM(argv) - 1, argv) < 0)
		return -1;
	ring_mbuf_meta_offset = field("test_meta", sizeof(struct ring_meta), 8);
	if (rte_mbuf_dyn_tx_timestamp_register(
			    &ring_mbuf_timestamp_offset, &ring_mbuf_send_at_flag) != 0)
		return -1;
	rx_pool = rte_pktmbuf_pool_create("rx", 4095, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	tx_pool = rte_pktmbuf_pool_create("tx", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	return ring_mbuf_meta_offset < 0 || rx_pool == NULL || tx_pool == NULL ? -1 : udp_init();
}

int
fake_stop(void **state)
{
	(void)state;
	udp_fini();
	return rte_eal_cleanup();
}

int
fake_reset(void **state)
{
	(void)state;
	memset(fake_ports, 0, sizeof(fake_ports));
	fake_ports_n = PORTS;
	for (unsigned int i = 0; i < PORTS; i++) {
		struct port *p = &fake_ports[i];

		p->id = p->index = (uint16_t)i;
		p->mtu = 1500;
		p->n_addrs = 1;
		p->addrs[0].addr = addr(i == 0 ? A0 : A1);
		p->addrs[0].broadcast = addr(i == 0 ? "10.0.0.255" : "10.0.1.255");
		p->addrs[0].prefix = 24;
		p->addrs[0].ifindex = 11 + i;
		p->ifindex = 11 + i;
	}
	fake_sent_n = fake_bursts = fake_routes = fake_loops = fake_dummies = 0;
	fake_tx_room = fake_tx_buffers = UINT32_MAX;
	fake_flow_error = fake_filter_error = fake_flow_error_port = 0;
	fake_flow_dels = fake_flow_moves = fake_polls = 0;
	fake_here = 1;
	fake_moved_away = fake_flow_refuse_rules = fake_refuse_spread = false;
	fake_no_socket = fake_source_filter = 0;
	fake_loop_ring = NULL;
	memset(groups, 0, sizeof(groups));
	return 0;
}

int
fake_check_clean(void **state)
{
	struct rte_mempool *clones = rte_mempool_lookup("dpvma_udp_clones");

	(void)state;
	if (flows_n != 0 || fake_rings() != 0)
		print_error("%u flows and %u rings are left\n", flows_n, fake_rings());
	if (!rte_mempool_full(rx_pool) || !rte_mempool_full(tx_pool))
		print_error("packets are left\n");
	if (clones != NULL && !rte_mempool_full(clones))
		print_error("copies of packets are left\n");
	for (unsigned int i = 0; i < GROUPS_MAX; i++)
		if (groups[i].filter.present)
			print_error("a group is still joined\n");
	for (unsigned int i = 0; i < GROUPS_MAX; i++)
		if (groups[i].filter.present)
			return -1;
	return flows_n == 0 && fake_rings() == 0 && rte_mempool_full(rx_pool) &&
					rte_mempool_full(tx_pool) &&
					(clones == NULL || rte_mempool_full(clones))
			? 0
			: -1;
}

unsigned int
fake_flows(void)
{
	return flows_n;
}

/* The one of that ring, NULL: of those that there are, in their order, the one of that number. */
static struct flow *
find_flow(unsigned int port, const char *local, uint16_t lport, const char *remote, uint16_t rport,
		const struct ring *ring, unsigned int which)
{
	struct ip_addr l = addr(local), r = addr(remote);
	struct flow *found[RINGS_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < flows_n && n < RTE_DIM(found); i++) {
		const struct flow_key *k = &flows[i]->key;

		if (flows[i]->ring->port == &fake_ports[port] && ip_equal(&k->local, &l) &&
				k->lport == rte_cpu_to_be_16(lport) && ip_equal(&k->remote, &r) &&
				k->rport == rte_cpu_to_be_16(rport) &&
				(ring == NULL || flows[i]->ring == ring))
			found[n++] = flows[i];
	}
	return n != 0 ? found[which % n] : NULL;
}

struct flow *
fake_flow(unsigned int port, const char *local, uint16_t lport, const char *remote, uint16_t rport)
{
	return find_flow(port, local, lport, remote, rport, NULL, 0);
}

struct flow *
fake_leg(unsigned int port, const char *local, uint16_t lport, const struct ring *ring)
{
	return find_flow(port, local, lport, "::", 0, ring, 0);
}

unsigned int
fake_rings(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < RINGS_MAX; i++)
		n += rings[i].used;
	return n;
}

uint64_t
fake_ring_count(unsigned int port, enum ring_stat stat)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < RINGS_MAX; i++)
		if (rings[i].used && rings[i].ring.port == &fake_ports[port])
			n += rings[i].ring.stats.c[stat];
	return n;
}

struct rte_mbuf *
fake_frame(const struct fake_pkt *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx_pool);
	struct ip_addr src = addr(p->src), dst = addr(p->dst);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	uint8_t *data;

	assert_non_null(m);
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(
			m, sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + p->len);
	assert_non_null(eth);
	memset(eth, 0, sizeof(*eth) + sizeof(*ip) + sizeof(*udp));
	if (ip_is_multicast(&dst))
		memcpy(&eth->dst_addr, "\x01\x00\x5e\x01\x02\x03", 6);
	else if (dst.b[15] == 255)
		memset(&eth->dst_addr, 0xff, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	ip->version_ihl = 0x45;
	ip->next_proto_id = IPPROTO_UDP;
	ip->total_length = rte_cpu_to_be_16(sizeof(*ip) + sizeof(*udp) + p->len);
	ip->src_addr = ip_v4(&src);
	ip->dst_addr = ip_v4(&dst);
	udp = (struct rte_udp_hdr *)(ip + 1);
	udp->src_port = rte_cpu_to_be_16(p->sport);
	udp->dst_port = rte_cpu_to_be_16(p->dport);
	udp->dgram_len = rte_cpu_to_be_16(sizeof(*udp) + p->len);
	data = (uint8_t *)(udp + 1);
	for (uint16_t i = 0; i < p->len; i++)
		data[i] = (uint8_t)(p->seq + i);
	m->l2_len = sizeof(*eth);
	m->l3_len = sizeof(*ip);
	return m;
}

/* 5-tuple, 3-tuple, any: as the real table. */
static struct flow *
lookup(unsigned int port, const struct fake_pkt *p)
{
	static const char any[] = "::";
	struct flow *f = fake_flow(port, p->dst, p->dport, p->src, p->sport);

	if (f == NULL)
		f = find_flow(port, p->dst, p->dport, any, 0, NULL, p->sport);
	if (f == NULL)
		f = fake_flow(port, any, p->dport, any, 0);
	return f;
}

void
fake_rx_by(struct flow *f, const struct fake_pkt *p)
{
	struct rte_mbuf *m = fake_frame(p);

	ring_rx_lock(f->ring);
	f->sink->deliver(f->sink, f->ring, &m, 1);
	ring_rx_unlock(f->ring);
}

void
fake_rx(unsigned int port, const struct fake_pkt *p, unsigned int n)
{
	struct rte_mbuf *run[RING_BURST_MAX];

	for (unsigned int i = 0, k; i < n; i += k) {
		struct flow *f = lookup(port, &p[i]);

		for (k = 0; i + k < n && k < RTE_DIM(run) && lookup(port, &p[i + k]) == f; k++)
			run[k] = fake_frame(&p[i + k]);
		if (f == NULL) {
			fake_no_socket += k;
			rte_pktmbuf_free_bulk(run, k);
			continue;
		}
		ring_rx_lock(f->ring);
		f->sink->deliver(f->sink, f->ring, run, (uint16_t)k);
		ring_rx_unlock(f->ring);
	}
}

void
fake_rx1(unsigned int port, const char *src, uint16_t sport, const char *dst, uint16_t dport,
		uint8_t seq)
{
	struct fake_pkt p = {
		.src = src, .dst = dst, .sport = sport, .dport = dport, .len = 1, .seq = seq
	};

	fake_rx(port, &p, 1);
}

struct udp_sock *
sock_new(void)
{
	static int fd = 100;
	struct udp_sock *s;

	assert_int_equal(udp_open(fd++, NULL, NULL, &s), 0);
	return s;
}

int
sock_bind(struct udp_sock *s, const char *local, uint16_t port)
{
	struct ip_addr a = addr(local);
	uint16_t be = rte_cpu_to_be_16(port);
	int rc = udp_bind(s, &a, &be);

	if (rc == 0 && port != 0)
		assert_int_equal(be, rte_cpu_to_be_16(port));
	return rc;
}

int
sock_connect(struct udp_sock *s, const char *peer, uint16_t port)
{
	struct ip_addr a = addr(peer);

	return udp_connect(s, peer != NULL ? &a : NULL, rte_cpu_to_be_16(port));
}

int
sock_mc(struct udp_sock *s, enum udp_mc_op op, const char *group, int port, const char *src)
{
	struct ip_addr g = addr(group), a = addr(src);

	return udp_membership(
			s, op, &g, port < 0 ? NULL : &fake_ports[port], src != NULL ? &a : NULL);
}

const char *
sock_read(struct udp_sock *s)
{
	static char text[4096];
	struct rte_mbuf *pkts[16];
	unsigned int n, at = 0;

	text[0] = '\0';
	while ((n = udp_dequeue(s, pkts, RTE_DIM(pkts))) != 0) {
		for (unsigned int i = 0; i < n; i++) {
			unsigned int b = pkts[i]->pkt_len != 0
					? *rte_pktmbuf_mtod(pkts[i], const uint8_t *)
					: 0;

			at += (unsigned int)snprintf(text + at, sizeof(text) - at, "%02x ", b);
			rte_pktmbuf_free(pkts[i]);
		}
	}
	return text;
}

uint16_t
sock_port(struct udp_sock *s)
{
	struct ip_addr a;
	uint16_t be;

	udp_local(s, &a, &be);
	return rte_be_to_cpu_16(be);
}

int
ring_pool_known(struct rte_mempool *pool)
{
	(void)pool;
	return 0;
}

void
ring_pool_forgotten(const struct rte_mempool *pool)
{
	(void)pool;
}
