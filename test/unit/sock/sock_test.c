/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack and the wire behind the tests of sockets. */
#include <limits.h>
#include <sys/un.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>

#include "conf/conf.h"
#include "port/port.h"
#include "sock_test.h"

#define WIRE_SIZE 2048
#define PEER_MAC                                                                                   \
	{                                                                                          \
		0x02, 0, 0, 0, 0, 0x02                                                             \
	}

char test_log[8192];
bool test_telemetry;
static struct rte_ring *to_port, *from_port;
static struct rte_mempool *pool;
static uint16_t ethdev;
static char eal_dir[PATH_MAX];

static void
keep_line(int level, const char *line)
{
	size_t used = strlen(test_log);

	if (level <= LOG_LEVEL_WARNING)
		snprintf(test_log + used, sizeof(test_log) - used, "%s", line);
}

static void
start_eal(void)
{
	char prefix[64];
	char *args[] = { (char *)"sock_test", (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)(test_telemetry ? "--telemetry" : "--no-telemetry"),
		(char *)"-m", (char *)"256", (char *)"-l", (char *)"0", (char *)"--log-level=4",
		prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=sock_test_%d", (int)getpid());
	assert_true(rte_eal_init(RTE_DIM(args), args) >= 0);
	snprintf(eal_dir, sizeof(eal_dir), "%s", rte_eal_get_runtime_dir());
}

const char *
test_ask(const char *request)
{
	static char answer[65536];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ssize_t n;

	assert_true((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%.80s/dpdk_telemetry.v2",
				    eal_dir) < sizeof(sun.sun_path));
	assert_int_equal(connect(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	/* first it says who it is */
	assert_true(recv(s, answer, sizeof(answer) - 1, 0) > 0);
	assert_true(send(s, request, strlen(request), 0) > 0);
	n = recv(s, answer, sizeof(answer) - 1, 0);
	assert_true(n > 0);
	answer[n] = '\0';
	close(s);
	return answer;
}

static void
make_wire(void)
{
	int port;

	to_port = rte_ring_create("to_port", WIRE_SIZE, SOCKET_ID_ANY, 0);
	from_port = rte_ring_create("from_port", WIRE_SIZE, SOCKET_ID_ANY, 0);
	pool = rte_pktmbuf_pool_create(
			"wire", 2 * WIRE_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(to_port);
	assert_non_null(from_port);
	assert_non_null(pool);
	port = rte_eth_from_rings("wire", &to_port, 1, &from_port, 1, SOCKET_ID_ANY);
	assert_true(port >= 0);
	ethdev = (uint16_t)port;
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
set_all(const char *first, va_list ap)
{
	static const char *const shared[] = {
		"VMA_MEM_ALLOC_TYPE=0",
		"VMA_RX_BUFS=4096",
		"VMA_TX_BUFS=4096",
		"VMA_RX_WRE=512",
		"VMA_TX_WRE=512",
		"VMA_PROGRESS_ENGINE_INTERVAL=0",
		"VMA_RX_POLL=100",
		"VMA_SELECT_POLL=100",
		"DPVMA_PORTS=net_ring_wire=" LOCAL "/24,neigh=" PEER "@02:00:00:00:00:02",
		"VMA_CONFIG_FILE=/dev/null",
	};
	const char *pair;
	unsigned int i;

	for (i = 0; i < RTE_DIM(shared); i++)
		if (!test_given(shared[i]))
			set(shared[i]);
	for (pair = first; pair != NULL; pair = va_arg(ap, const char *))
		set(pair);
}

void
test_eal(const char *first, ...)
{
	va_list ap;

	start_eal();
	make_wire();
	va_start(ap, first);
	set_all(first, ap);
	va_end(ap);
	log_set_callback(keep_line);
}

void
test_start(const char *first, ...)
{
	va_list ap;

	start_eal();
	make_wire();
	va_start(ap, first);
	set_all(first, ap);
	va_end(ap);
	log_set_callback(keep_line);
	if (dpvma_init() != 0)
		fail_msg("dpvma_init: %s\n%s", strerror(errno), test_log);
}

void
test_stop(void)
{
	char telemetry[sizeof(eal_dir) + 32];

	dpvma_exit();
	test_drain();
	rte_eal_cleanup();
	/* all that there is without shared configuration, and with telemetry only */
	snprintf(telemetry, sizeof(telemetry), "%s/dpdk_telemetry.v2", eal_dir);
	unlink(telemetry);
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
test_bound(uint16_t *port)
{
	struct sockaddr_in sin = test_addr(LOCAL, 0);
	socklen_t len = sizeof(sin);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	assert_int_not_equal(*port, 0);
	return fd;
}

static void
ether_of(struct rte_ether_hdr *eth, uint32_t dst)
{
	static const struct rte_ether_addr peer = { PEER_MAC };
	const uint8_t *b = (const uint8_t *)&dst;

	rte_eth_macaddr_get(ethdev, &eth->dst_addr);
	if ((b[0] & 0xf0) == 0xe0)
		eth->dst_addr = (struct rte_ether_addr){ { 0x01, 0x00, 0x5e, b[1] & 0x7f, b[2],
				b[3] } };
	eth->src_addr = peer;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
}

void
test_inject(const struct test_frame *f)
{
	struct sockaddr_in src = test_addr(f->src ? f->src : PEER, 0);
	struct sockaddr_in dst = test_addr(f->dst ? f->dst : LOCAL, 0);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;

	assert_non_null(m);
	eth = (void *)rte_pktmbuf_append(m, sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + f->len);
	assert_non_null(eth);
	ip = (void *)(eth + 1);
	udp = (void *)(ip + 1);
	ether_of(eth, dst.sin_addr.s_addr);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.type_of_service = f->tos,
		.total_length = htons(sizeof(*ip) + sizeof(*udp) + f->len),
		.time_to_live = f->ttl ? f->ttl : 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = src.sin_addr.s_addr,
		.dst_addr = dst.sin_addr.s_addr,
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){
		.src_port = htons(f->sport ? f->sport : PEER_PORT),
		.dst_port = htons(f->dport),
		.dgram_len = htons(sizeof(*udp) + f->len),
	};
	if (f->len != 0)
		memcpy(udp + 1, f->data, f->len);
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	m->port = ethdev;
	assert_int_equal(rte_ring_enqueue(to_port, m), 0);
}

void
test_inject_text(uint16_t dport, const char *text)
{
	test_inject(&(struct test_frame){
			.dport = dport, .data = text, .len = (uint16_t)strlen(text) });
}

void
test_inject_unreachable(const struct rte_mbuf *sent)
{
	const size_t quoted =
			RTE_MIN((size_t)rte_be_to_cpu_16(test_ip(sent)->total_length), (size_t)548);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	uint8_t *icmp;
	uint16_t sum;

	assert_non_null(m);
	eth = (void *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*eth) + sizeof(*ip) + 8 + quoted));
	ip = (void *)(eth + 1);
	icmp = (void *)(ip + 1);
	ether_of(eth, test_ip(sent)->src_addr);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length = htons((uint16_t)(sizeof(*ip) + 8 + quoted)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = test_ip(sent)->dst_addr,
		.dst_addr = test_ip(sent)->src_addr,
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memset(icmp, 0, 8);
	icmp[0] = 3;
	icmp[1] = 3;
	memcpy(icmp + 8, test_ip(sent), quoted);
	sum = (uint16_t)~rte_raw_cksum(icmp, 8 + quoted);
	memcpy(icmp + 2, &sum, sizeof(sum));
	m->port = ethdev;
	assert_int_equal(rte_ring_enqueue(to_port, m), 0);
}

const struct rte_ipv4_hdr *
test_ip(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
}

const struct rte_udp_hdr *
test_udp(const struct rte_mbuf *m)
{
	return (const struct rte_udp_hdr *)(test_ip(m) + 1);
}

const char *
test_payload(const struct rte_mbuf *m)
{
	return (const char *)(test_udp(m) + 1);
}

struct rte_mbuf *
test_sent(void)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(from_port, (void **)&m) == 0) {
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const void *);

		if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
				test_ip(m)->next_proto_id == IPPROTO_UDP)
			return m;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

void
test_drain(void)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(from_port, (void **)&m) == 0 ||
			rte_ring_dequeue(to_port, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

int
test_group_start(void **state)
{
	(void)state;
	test_start(NULL);
	return 0;
}

int
test_group_stop(void **state)
{
	(void)state;
	test_stop();
	return 0;
}
