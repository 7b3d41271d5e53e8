/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several NICs in one process: each is what its entry says, for the driver and for the kernel; each
 * has traffic and counters of its own; one is taken out and put back while the other works.
 */
#include "cxtest.h"
#include <net/if.h>
#include <pthread.h>
#include <rte_dev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PCI_BUSY "0000:41:00.0"
#define PCI_OTHER "0000:42:00.1"
#define ROUNDS 10
#define BURST 16
#define DST 0x0a630002

static const struct nic {
	const char *name, *pci, *netdev, *wire;
	struct rte_ether_addr mac;
	uint16_t mtu;
	unsigned int frames, len;
} nics[] = {
	{ "left", PCI_BUSY, "nicl", "wirel", { { 2, 0, 0, 0, 0, 7 } }, 9000, 300, 100 },
	{ "right", PCI_OTHER, "nicr", "wirer", { { 2, 0, 0, 0, 0, 0x18 } }, 1400, 200, 333 },
};

#define N RTE_DIM(nics)

static uint16_t ports[N];
static int wires[N];

static int
print_entry(char *text, size_t size, const struct nic *n)
{
	return snprintf(text, size,
			"name=%s wire=tap:%s pci=%s netdev=%s mtu=%u mac=" RTE_ETHER_ADDR_PRT_FMT,
			n->name, n->wire, n->pci, n->netdev, n->mtu, RTE_ETHER_ADDR_BYTES(&n->mac));
}

void
before_nics(void)
{
	char text[512];
	int len = print_entry(text, sizeof(text), &nics[0]);

	len += snprintf(text + len, sizeof(text) - len, " ; ");
	print_entry(text + len, sizeof(text) - len, &nics[1]);
	setenv("CONNECTX_NICS", text, 1);
}

static char file[] = "/tmp/cxtest-nics-XXXXXX";

void
before_nics_file(void)
{
	int fd = mkstemp(file);
	char text[512], name[64];
	FILE *f;

	CHECK(fd >= 0 && (f = fdopen(fd, "w")) != NULL, "%m");
	print_entry(text, sizeof(text), &nics[0]);
	fprintf(f, "# two NICs\n\n%s # the first; name=wrong\n", text);
	print_entry(text, sizeof(text), &nics[1]);
	fprintf(f, "\t# name=nobody wire=nothing\n  %s\n#end", text);
	CHECK(fclose(f) == 0, "%m");
	snprintf(name, sizeof(name), "@%s", file);
	setenv("CONNECTX_NICS", name, 1);
}

/* What the kernel says of the interface. */
static void
check_kernel(const struct nic *n)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", n->netdev);
	CHECK(s >= 0 && ioctl(s, SIOCGIFMTU, &ifr) == 0, "%s: %m", n->netdev);
	CHECK(ifr.ifr_mtu == n->mtu, "%s: MTU %d", n->netdev, ifr.ifr_mtu);
	CHECK(ioctl(s, SIOCGIFHWADDR, &ifr) == 0, "%m");
	CHECK(memcmp(ifr.ifr_hwaddr.sa_data, &n->mac, 6) == 0, "%s: address", n->netdev);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", n->wire);
	CHECK(ioctl(s, SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu == n->mtu, "%s: MTU %d", n->wire,
			ifr.ifr_mtu);
	close(s);
}

static void
check_identity(const struct nic *n, uint16_t *port)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	uint16_t mtu;

	CHECK(rte_eth_dev_get_port_by_name(n->pci, port) == 0, "no port %s", n->pci);
	CHECK(rte_eth_dev_get_name_by_port(*port, name) == 0 && strcmp(name, n->pci) == 0,
			"name %s", name);
	CHECK(rte_eth_dev_info_get(*port, &info) == 0, "info");
	CHECK(strcmp(info.driver_name, "mlx5_pci") == 0, "driver %s", info.driver_name);
	CHECK(info.if_index != 0 && info.if_index == if_nametoindex(n->netdev), "%s: index %u",
			n->netdev, info.if_index);
	CHECK(rte_eth_macaddr_get(*port, &mac) == 0 && rte_is_same_ether_addr(&mac, &n->mac),
			"%s: address", n->pci);
	CHECK(rte_eth_dev_get_mtu(*port, &mtu) == 0 && mtu == n->mtu, "%s: MTU %u", n->pci, mtu);
	check_kernel(n);
}

/* Frames to the first ports of this NIC only, and a rule that takes those and nothing else. */
static void
open_port(unsigned int i)
{
	struct port_conf pc = { .rxqs = 1, .isolated = true };
	struct rte_flow_action_queue queue = { .index = 0 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	port_id = ports[i];
	port_start(&pc);
	port_udp_rule(0, DST, 0, 5000 + i, 0, actions);
}

static void
send_in(unsigned int i, unsigned int n)
{
	struct segment s = { .src = 0x0a630001,
		.dst = DST,
		.sport = 7,
		.dport = 5000 + i,
		.proto = IPPROTO_UDP,
		.fill = 'a' + i,
		.len = nics[i].len };

	while (n-- > 0)
		peer_segment(wires[i], &s);
}

static void
receive_in(unsigned int i, unsigned int n)
{
	struct rte_mbuf *m[BURST];
	unsigned int k, got;

	port_id = ports[i];
	for (; n > 0; n -= got) {
		got = RTE_MIN(n, (unsigned int)BURST);
		port_receive_all(m, got);
		for (k = 0; k < got; k++) {
			CHECK(m[k]->pkt_len == 42 + nics[i].len, "%s: %u bytes", nics[i].name,
					m[k]->pkt_len);
			CHECK(rte_pktmbuf_mtod(m[k], uint8_t *)[42] == 'a' + i, "%s: another's",
					nics[i].name);
			rte_pktmbuf_free(m[k]);
		}
	}
}

/* Each with its own number of frames, both ways. */
static void
check_traffic(void)
{
	uint8_t frame[2048];
	struct rte_eth_stats st;
	struct rte_mbuf *m;
	char request[32];
	unsigned int i;

	for (i = 0; i < N; i++)
		send_in(i, nics[i].frames);
	for (i = 0; i < N; i++)
		receive_in(i, nics[i].frames);
	for (i = 0; i < N; i++) {
		struct segment s = { .src = DST,
			.dst = 0x0a630001,
			.sport = 5000 + i,
			.dport = 7,
			.proto = IPPROTO_UDP,
			.fill = 'A' + i,
			.len = nics[i].len };

		m = rte_pktmbuf_alloc(pool);
		CHECK(m != NULL, "no mbuf");
		rte_pktmbuf_append(m, peer_frame(rte_pktmbuf_mtod(m, uint8_t *), &s));
		CHECK(rte_eth_tx_burst(ports[i], 0, &m, 1) == 1, "%s: send", nics[i].name);
		CHECK(peer_receive(wires[i], frame, sizeof(frame), PATIENCE * 1000) ==
						(int)(42 + nics[i].len),
				"%s: nothing on its wire", nics[i].name);
		CHECK(frame[42] == 'A' + i, "%s: another's", nics[i].name);
	}
	for (i = 0; i < N; i++) {
		CHECK(rte_eth_stats_get(ports[i], &st) == 0, "stats");
		CHECK(st.ipackets == nics[i].frames && st.opackets == 1, "%s: %lu in, %lu out",
				nics[i].name, st.ipackets, st.opackets);
		snprintf(request, sizeof(request), "stats %s", nics[i].name);
		CHECK(ctl_number(ctl_ask(request), "rx_delivered") == nics[i].frames, "%s",
				ctl_ask(request));
	}
	CHECK(peer_receive(wires[0], frame, sizeof(frame), 50) == 0 &&
					peer_receive(wires[1], frame, sizeof(frame), 50) == 0,
			"more than was sent");
}

static bool stop;
static unsigned int carried;

/* The busy one: a burst, and all of it back, for as long as the other comes and goes. */
static void *
carry(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		send_in(0, BURST);
		receive_in(0, BURST);
		__atomic_fetch_add(&carried, BURST, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void
come_and_go(void)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	unsigned int before = __atomic_load_n(&carried, __ATOMIC_ACQUIRE);

	port_id = ports[1];
	port_stop();
	CHECK(rte_eal_hotplug_remove("pci", PCI_OTHER) == 0, "remove");
	CHECK(rte_eth_dev_count_avail() == 1, "still there");
	CHECK(rte_eal_hotplug_add("pci", PCI_OTHER, "") == 0, "add");
	CHECK(rte_eth_dev_get_port_by_name(PCI_OTHER, &ports[1]) == 0, "no port again");
	open_port(1);
	send_in(1, BURST);
	receive_in(1, BURST);
	while (__atomic_load_n(&carried, __ATOMIC_ACQUIRE) == before)
		CHECK(rte_get_timer_cycles() < end, "the other NIC stands still");
}

void
case_nics(const struct test_case *c)
{
	pthread_t t;
	unsigned int i;

	(void)c;
	unlink(file);
	CHECK(rte_eth_dev_count_avail() == N, "%u ports", rte_eth_dev_count_avail());
	for (i = 0; i < N; i++)
		check_identity(&nics[i], &ports[i]);
	for (i = 0; i < N; i++) {
		open_port(i);
		wires[i] = peer_open(nics[i].wire);
	}
	check_traffic();
	CHECK(pthread_create(&t, NULL, carry, NULL) == 0, "thread");
	for (i = 0; i < ROUNDS; i++)
		come_and_go();
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	CHECK(pthread_join(t, NULL) == 0, "join");
	for (i = 0; i < N; i++) {
		port_id = ports[i];
		port_stop();
	}
}

/* ---- as many as there can be ---- */
#define MANY 32

void
before_many(void)
{
	char text[MANY * 16] = "";
	unsigned int i;

	/* all that must differ counts on by itself */
	for (i = 0; i < MANY; i++)
		strcat(text, "wire=loop;");
	setenv("CONNECTX_NICS", text, 1);
}

/* a: NICs */
void
case_many(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 64 };
	struct rte_eth_dev_info info;
	unsigned int i, k, index[MANY];
	char pci[32];

	CHECK(rte_eth_dev_count_avail() == c->a, "%u ports", rte_eth_dev_count_avail());
	for (i = 0; i < c->a; i++) {
		snprintf(pci, sizeof(pci), "0000:%02x:00.0", 3 + i);
		CHECK(rte_eth_dev_get_port_by_name(pci, &port_id) == 0, "no port %s", pci);
		CHECK(rte_eth_dev_info_get(port_id, &info) == 0, "info");
		index[i] = info.if_index;
		for (k = 0; k < i; k++)
			CHECK(index[k] != index[i], "%s: an interface twice", pci);
		port_start(&pc);
	}
	for (i = 0; i < c->a; i++) {
		snprintf(pci, sizeof(pci), "0000:%02x:00.0", 3 + i);
		CHECK(rte_eth_dev_get_port_by_name(pci, &port_id) == 0, "no port %s", pci);
		port_stop();
		CHECK(rte_eal_hotplug_remove("pci", pci) == 0, "remove %s", pci);
	}
	CHECK(rte_eth_dev_count_avail() == 0, "%u ports left", rte_eth_dev_count_avail());
	CHECK(strstr(ctl_ask("nics"), ", in use") == NULL, "%s", ctl_ask("nics"));
}
