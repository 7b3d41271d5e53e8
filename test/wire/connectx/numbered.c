/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbered datagrams, sent and received, and the way to the model's own calls. */
#include "cxtest.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <rte_mbuf_dyn.h>

#define PAYLOAD 42
#define DST_PORT 5000
#define BURST 64

int (*faults_add)(const char *nic, const char *text, char *error, size_t size);

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void
model_open(void)
{
	void *f = dlsym(RTLD_DEFAULT, "connectx_faults_add");

	CHECK(f != NULL, "the model has no connectx_faults_add()");
	memcpy(&faults_add, &f, sizeof(f));
}

void
add_faults(const char *text)
{
	char error[256];

	CHECK(faults_add(NULL, text, error, sizeof(error)) == 0, "%s: %s", text, error);
}

/*
 * The port gets them, and nothing else, from one rule that stays: rules that are made anew while it
 * starts would lose what is on its way for long.
 */
void
numbered_start(uint64_t rx_offloads)
{
	struct port_conf pc = {
		.rxqs = 1, .rxd = 1024, .rx_offloads = rx_offloads, .isolated = true
	};
	struct rte_flow_action_queue queue = { .index = 0 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	port_start(&pc);
	port_udp_rule(0, 0, 0, DST_PORT, 0, actions);
}

/* Frames of the kernel's own would be counted too: none without IPv6. */
void
before_quiet(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);

	if (fd < 0)
		return; /* there is no IPv6 */
	CHECK(write(fd, "1", 1) == 1, "disable_ipv6: %m");
	close(fd);
}

static uint64_t
timestamp(const struct rte_mbuf *m)
{
	static int field = -1;
	static uint64_t flag;
	int bit;

	if (field < 0) {
		field = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
		bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
		if (field < 0 || bit < 0)
			return 0;
		flag = 1ull << bit;
	}
	return m->ol_flags & flag ? *RTE_MBUF_DYNFIELD(m, field, rte_mbuf_timestamp_t *) : 0;
}

void
numbered_read(const struct rte_mbuf *m, struct numbered *n)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);

	CHECK(m->data_len >= PAYLOAD + 16, "%u bytes", m->data_len);
	memcpy(&n->number, f + PAYLOAD, 8);
	memcpy(&n->stamp, f + PAYLOAD + 8, 8);
	n->number = rte_be_to_cpu_64(n->number);
	n->stamp = rte_be_to_cpu_64(n->stamp);
	n->arrived = timestamp(m);
	n->seen = now_ns();
}

unsigned int
numbered_receive(struct numbered *n, unsigned int max)
{
	struct rte_mbuf *m;
	unsigned int got = 0;

	while (got < max && port_receive(&m, NULL, 1, 1) == 1) {
		numbered_read(m, &n[got++]);
		rte_pktmbuf_free(m);
	}
	return got;
}

static struct rte_mbuf *
make(uint64_t number)
{
	struct segment seg = { .src = 0x0a630002,
		.dst = 0x0a630001,
		.sport = 1,
		.dport = DST_PORT,
		.proto = IPPROTO_UDP,
		.len = 58 };
	uint64_t v = rte_cpu_to_be_64(number), t = rte_cpu_to_be_64(now_ns());
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t f[128];
	uint32_t len = peer_frame(f, &seg);

	CHECK(m != NULL, "no mbuf");
	f[40] = f[41] = 0; /* no UDP checksum */
	memcpy(f + PAYLOAD, &v, 8);
	memcpy(f + PAYLOAD + 8, &t, 8);
	memcpy(rte_pktmbuf_append(m, len), f, len);
	return m;
}

void
numbered_send(uint64_t first, unsigned int count)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_mbuf *m[BURST];
	unsigned int i, n, sent;

	for (; count > 0; count -= n, first += n) {
		n = RTE_MIN(count, RTE_DIM(m));
		for (i = 0; i < n; i++)
			m[i] = make(first + i);
		for (sent = 0; sent < n;) {
			CHECK(rte_get_timer_cycles() < end, "not sent");
			sent += rte_eth_tx_burst(0, 0, m + sent, n - sent);
		}
	}
}
