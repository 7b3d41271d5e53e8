/* SPDX-License-Identifier: BSD-3-Clause */
/* The two ports and the cable of cable.h. Frames are copied: a ring port lends its buffers. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>
#include <rte_tcp.h>

#include "cable.h"
#include "conf/conf.h"
#include "port/port.h"

#define RING_SIZE 4096
#define NEIGH(name) "02:00:00:00:00:" name

struct end {
	struct rte_ring *to[CABLE_QUEUES], *from[CABLE_QUEUES]; /* as the port sees it */
	uint16_t ethdev;
	uint32_t own, seen; /* its address, and what the other end calls it */
};

char test_log[8192];
static struct end ends[2];
unsigned int cable_queues = 1, cable_turn;
static struct rte_mempool *pool;
static pthread_t thread;
static unsigned int stop, is_cut, lossy;
static unsigned int rounds; /**< of the cable, that are over */
static uint32_t last_ttl, last_tos;
static uint32_t random_state = 12345;
static char eal_dir[PATH_MAX];

static void
keep_line(int level, const char *line)
{
	size_t used = strlen(test_log);

	if (level <= LOG_LEVEL_WARNING)
		snprintf(test_log + used, sizeof(test_log) - used, "%s", line);
}

static void
make_end(struct end *e, const char *name, const char *own, const char *seen)
{
	char to[32], from[32];
	int port;

	for (unsigned int i = 0; i < cable_queues; i++) {
		snprintf(to, sizeof(to), "to_%s%u", name, i);
		snprintf(from, sizeof(from), "from_%s%u", name, i);
		e->to[i] = rte_ring_create(to, RING_SIZE, SOCKET_ID_ANY, 0);
		e->from[i] = rte_ring_create(from, RING_SIZE, SOCKET_ID_ANY, 0);
		assert_non_null(e->to[i]);
		assert_non_null(e->from[i]);
	}
	port = rte_eth_from_rings(name, e->to, cable_queues, e->from, cable_queues, SOCKET_ID_ANY);
	assert_true(port >= 0);
	e->ethdev = (uint16_t)port;
	e->own = inet_addr(own);
	e->seen = inet_addr(seen);
}

static bool
unlucky(void)
{
	unsigned int n = __atomic_load_n(&lossy, __ATOMIC_RELAXED);

	random_state = random_state * 1664525u + 1013904223u;
	return __atomic_load_n(&is_cut, __ATOMIC_RELAXED) ||
			(n != 0 && (random_state >> 8) % n == 0);
}

/* As the other end is to see it; NULL: nothing for it. */
static struct rte_mbuf *
translate(const struct rte_mbuf *m, const struct end *from, const struct end *to)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	rte_be16_t *sum;

	if (copy == NULL)
		return NULL;
	eth = rte_pktmbuf_mtod(copy, struct rte_ether_hdr *);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	if (copy->nb_segs != 1 || eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
			ip->dst_addr != to->seen || ip->src_addr != from->own ||
			(ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_UDP)) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	if (from == &ends[0]) {
		__atomic_store_n(&last_ttl, ip->time_to_live, __ATOMIC_RELAXED);
		__atomic_store_n(&last_tos, ip->type_of_service, __ATOMIC_RELAXED);
	}
	rte_eth_macaddr_get(to->ethdev, &eth->dst_addr);
	ip->src_addr = from->seen;
	ip->dst_addr = to->own;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	sum = ip->next_proto_id == IPPROTO_TCP ? &((struct rte_tcp_hdr *)(ip + 1))->cksum
					       : &((struct rte_udp_hdr *)(ip + 1))->dgram_cksum;
	*sum = 0;
	*sum = rte_ipv4_udptcp_cksum(ip, ip + 1);
	copy->ol_flags = 0;
	copy->port = to->ethdev;
	return copy;
}

/* Which queue it arrives at: one for each number of the sender's. */
static struct rte_ring *
queue_of(const struct end *to, const struct rte_mbuf *m)
{
	const rte_be16_t *sport = rte_pktmbuf_mtod_offset(m, const rte_be16_t *,
			sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr));
	unsigned int turn = __atomic_load_n(&cable_turn, __ATOMIC_RELAXED);

	return to->to[(rte_be_to_cpu_16(*sport) + turn) % cable_queues];
}

static unsigned int
carry_from(const struct end *from, unsigned int queue, const struct end *to)
{
	struct rte_mbuf *m, *out;
	unsigned int n = 0;

	while (n < 64 && rte_ring_dequeue(from->from[queue], (void **)&m) == 0) {
		out = unlucky() ? NULL : translate(m, from, to);
		rte_pktmbuf_free(m);
		if (out != NULL && rte_ring_enqueue(queue_of(to, out), out) != 0)
			rte_pktmbuf_free(out);
		n++;
	}
	return n;
}

static unsigned int
carry(const struct end *from, const struct end *to)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < cable_queues; i++)
		n += carry_from(from, i, to);
	return n;
}

static void *
run(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		if (carry(&ends[0], &ends[1]) + carry(&ends[1], &ends[0]) == 0)
			sched_yield();
		__atomic_fetch_add(&rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

void
cable_settle(void)
{
	unsigned int before = __atomic_load_n(&rounds, __ATOMIC_ACQUIRE);

	/* the round that is under way may have passed one end already */
	while (__atomic_load_n(&rounds, __ATOMIC_ACQUIRE) - before < 2)
		usleep(10);
}

void
cable_cut(bool cut)
{
	__atomic_store_n(&is_cut, cut, __ATOMIC_RELAXED);
}

void
cable_lossy(unsigned int one_in)
{
	__atomic_store_n(&lossy, one_in, __ATOMIC_RELAXED);
}

void
cable_last(unsigned int *ttl, unsigned int *tos)
{
	*ttl = __atomic_load_n(&last_ttl, __ATOMIC_RELAXED);
	*tos = __atomic_load_n(&last_tos, __ATOMIC_RELAXED);
}

static void
set(const char *pair)
{
	const char *value = strchr(pair, '=');
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)(value - pair), pair);
	assert_int_equal(dpvma_set_option(name, value + 1), 0);
}

static void
start_eal(void)
{
	char prefix[64];
	char *args[] = { (char *)"cable", (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"-m", (char *)"256",
		(char *)"-l", (char *)"0", (char *)"--log-level=4", prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=cable_%d", (int)getpid());
	assert_true(rte_eal_init(RTE_DIM(args), args) >= 0);
	snprintf(eal_dir, sizeof(eal_dir), "%s", rte_eal_get_runtime_dir());
}

void
cable_start(const char *first, ...)
{
	static const char *const shared[] = {
		"VMA_MEM_ALLOC_TYPE=0",
		"VMA_RX_BUFS=8192",
		"VMA_TX_BUFS=8192",
		"VMA_RX_WRE=512",
		"VMA_TX_WRE=512",
		"VMA_RX_POLL=100",
		"VMA_SELECT_POLL=100",
		"DPVMA_PORTS=net_ring_a=" A "/24,neigh=" B_SEEN
		"@" NEIGH("09") ";net_ring_b=" B "/24,neigh=" A_SEEN "@" NEIGH("19"),
		"VMA_CONFIG_FILE=/dev/null",
	};
	const char *pair;
	unsigned int i;
	va_list ap;

	start_eal();
	pool = rte_pktmbuf_pool_create(
			"cable", 8191, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(pool);
	make_end(&ends[0], "a", A, A_SEEN);
	make_end(&ends[1], "b", B, B_SEEN);
	for (i = 0; i < RTE_DIM(shared); i++)
		if (!test_given(shared[i]))
			set(shared[i]);
	va_start(ap, first);
	for (pair = first; pair != NULL; pair = va_arg(ap, const char *))
		set(pair);
	va_end(ap);
	log_set_callback(keep_line);
	if (dpvma_init() != 0)
		fail_msg("dpvma_init: %s\n%s", strerror(errno), test_log);
	/* a port without a socket has no ring, and nobody answers there */
	for (i = 0; i < RTE_DIM(ends); i++) {
		struct sockaddr_in sin = test_addr(i == 0 ? A : B, 0);
		int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

		assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	}
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void
empty(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

void
cable_stop(void)
{
	dpvma_exit();
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < RTE_DIM(ends); i++) {
		for (unsigned int q = 0; q < cable_queues; q++) {
			empty(ends[i].to[q]);
			empty(ends[i].from[q]);
		}
	}
	rte_eal_cleanup();
	rmdir(eal_dir);
}

struct sockaddr_in
test_addr(const char *ip, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, ip, &sin.sin_addr), 1);
	return sin;
}

int
cable_listener(uint16_t *port)
{
	struct sockaddr_in sin = test_addr(B, 0);
	socklen_t len = sizeof(sin);
	int fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_listen(fd, 8), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

int
cable_dial(int fd, uint16_t port)
{
	struct sockaddr_in sin = test_addr(B_SEEN, port);

	return dpvma_connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

void
cable_pair(int *client, int *server, int bufs)
{
	uint16_t port;
	int l = cable_listener(&port);

	*client = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	if (bufs != 0) {
		dpvma_setsockopt(l, SOL_SOCKET, SO_RCVBUF, &bufs, sizeof(bufs));
		dpvma_setsockopt(*client, SOL_SOCKET, SO_SNDBUF, &bufs, sizeof(bufs));
	}
	assert_int_equal(cable_dial(*client, port), 0);
	*server = dpvma_accept(l, NULL, NULL);
	assert_true(*server >= 0);
	dpvma_close(l);
}
