/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire that makes its own traffic in the device thread, for benchmarks on few CPUs: UDP over IPv4
 * in which the first 16 bytes of the payload are the number of the datagram of its destination port
 * and the time it was made, both big-endian 64 bits, and the others are the low byte of the number.
 * One frame is rewritten each time; its UDP checksum is the sum of what does not change, made once,
 * and of what does.
 */
#include "connectx.h"
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <net/ethernet.h>

#define HEADERS (14 + 20 + 8)
#define STAMP 16 /* bytes of number and time */
#define SIZE_MAX_PAYLOAD (65535 - 28)
#define RATE_MAX UINT64_MAX
#define NS 1000000000ull
#define PAUSE_TURNS 1000 /* that nothing was taken before the thread may sleep */

struct options {
	uint32_t dst, src; /* network order */
	uint32_t port, ports, sport, flows, size, burst, lossless, csum;
	uint64_t rate, count;
	uint8_t dmac[6];
	bool has_dmac;
};

static struct options opt;

static struct {
	uint8_t pad[2]; /* Ethernet's header has 14 bytes: this aligns the others */
	uint8_t frame[HEADERS + SIZE_MAX_PAYLOAD + 8];
	uint32_t len;
	uint64_t base_sum;   /* pseudo header, lengths, addresses */
	uint64_t fill_words; /* of 16 bits after the stamp, and whether a byte is left */
	bool odd;
	uint64_t *next; /* number of each port's next datagram */
	uint32_t port, flow;
	uint64_t sent, start, accounted; /* sent or given up against the rate */
	unsigned int refused;
} __attribute__((aligned(64))) gen;

/* ---- options ---- */
enum opt_kind { OPT_ADDR, OPT_MAC, OPT_U32, OPT_U64 };

static const struct {
	const char *name;
	enum opt_kind kind;
	void *field;
	uint64_t min, max;
} options[] = {
	{ "dst", OPT_ADDR, &opt.dst, 0, 0 },
	{ "src", OPT_ADDR, &opt.src, 0, 0 },
	{ "dmac", OPT_MAC, &opt.dmac, 0, 0 },
	{ "port", OPT_U32, &opt.port, 1, 65535 },
	{ "ports", OPT_U32, &opt.ports, 1, 65535 },
	{ "sport", OPT_U32, &opt.sport, 1, 65535 },
	{ "flows", OPT_U32, &opt.flows, 1, 65535 },
	{ "size", OPT_U32, &opt.size, STAMP, SIZE_MAX_PAYLOAD },
	{ "burst", OPT_U32, &opt.burst, 1, CX_RX_BATCH },
	{ "lossless", OPT_U32, &opt.lossless, 0, 1 },
	{ "csum", OPT_U32, &opt.csum, 0, 1 },
	{ "rate", OPT_U64, &opt.rate, 1, RATE_MAX },
	{ "count", OPT_U64, &opt.count, 1, UINT64_MAX },
};

static int
set_option(const char *name, const char *value)
{
	size_t i, n = sizeof(options) / sizeof(options[0]);
	uint8_t *m = opt.dmac;
	uint64_t v;
	char *end;

	for (i = 0; i < n && strcmp(options[i].name, name) != 0; i++)
		;
	if (i == n) {
		cx_log(0,
				"gen wire: no option \"%s\": dst port ports src sport flows size "
				"rate count "
				"dmac burst lossless csum",
				name);
		return -1;
	}
	if (options[i].kind == OPT_ADDR) {
		if (inet_pton(AF_INET, value, options[i].field) == 1)
			return 0;
		cx_log(0, "gen wire: %s=%s: not an IPv4 address", name, value);
		return -1;
	}
	if (options[i].kind == OPT_MAC) {
		opt.has_dmac = true;
		if (sscanf(value, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1], &m[2], &m[3],
				    &m[4], &m[5]) == 6)
			return 0;
		cx_log(0, "gen wire: %s=%s: not a MAC address", name, value);
		return -1;
	}
	errno = 0;
	v = strcmp(name, "rate") == 0 && strcmp(value, "max") == 0 ? RATE_MAX
								   : strtoull(value, &end, 10);
	if (v != RATE_MAX &&
			(errno != 0 || end == value || *end != '\0' || v < options[i].min ||
					v > options[i].max)) {
		cx_log(0, "gen wire: %s=%s: not a number from %lu to %lu", name, value,
				options[i].min, options[i].max);
		return -1;
	}
	if (options[i].kind == OPT_U32)
		*(uint32_t *)options[i].field = v;
	else
		*(uint64_t *)options[i].field = v;
	return 0;
}

static int
read_options(const char *arg)
{
	char text[512], *p, *word, *value;

	opt = (struct options){
		.port = 0,
		.src = htonl(0x0a640001), /* 10.100.0.1 */
		.ports = 1,
		.sport = 40000,
		.flows = 1,
		.size = 18, /* 64 bytes on a real wire */
		.burst = CX_RX_BATCH / 2,
		.lossless = 1,
		.csum = 1,
		.rate = RATE_MAX,
		.count = UINT64_MAX,
	};
	snprintf(text, sizeof(text), "%s", arg);
	for (word = strtok_r(text, ",", &p); word != NULL; word = strtok_r(NULL, ",", &p)) {
		value = strchr(word, '=');
		if (value != NULL)
			*value++ = '\0';
		if (set_option(word, value != NULL ? value : "") != 0)
			return -1;
	}
	if (opt.dst == 0 || opt.port == 0) {
		cx_log(0, "gen wire: dst=ADDRESS and port=NUMBER are needed");
		return -1;
	}
	if (opt.port + opt.ports - 1 > 65535 || opt.sport + opt.flows - 1 > 65535) {
		cx_log(0, "gen wire: port+ports and sport+flows must stay below 65536");
		return -1;
	}
	return 0;
}

/* ---- the frame ---- */
static int
set_macs(struct ether_header *eth)
{
	static const uint8_t source[6] = { 0x02, 0, 0, 0, 0, 0x01 };
	uint32_t dst = ntohl(opt.dst);
	const uint8_t group[6] = { 0x01, 0x00, 0x5e, (dst >> 16) & 0x7f, dst >> 8, dst };

	memcpy(eth->ether_shost, source, 6);
	if (opt.has_dmac) {
		memcpy(eth->ether_dhost, opt.dmac, 6);
	} else if (IN_MULTICAST(dst)) {
		memcpy(eth->ether_dhost, group, 6); /* RFC 1112, 6.4 */
	} else if (cx_netdev_mac(eth->ether_dhost) != 0) {
		cx_log(0, "gen wire: cannot read the address of %s: %m", cx.conf.netdev);
		return -1;
	}
	return 0;
}

static int
make_frame(void)
{
	struct ether_header *eth = (void *)gen.frame;
	struct iphdr *ip = (void *)(gen.frame + 14);
	struct udphdr *udp = (void *)(gen.frame + 34);

	if (set_macs(eth) != 0)
		return -1;
	eth->ether_type = htons(ETHERTYPE_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(28 + opt.size);
	ip->frag_off = htons(IP_DF);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = opt.src;
	ip->daddr = opt.dst;
	ip->check = ~cx_fold(cx_sum(ip, 20));
	udp->len = htons(8 + opt.size);
	gen.len = HEADERS + opt.size;
	if (gen.len < ETHER_MIN_LEN - ETHER_CRC_LEN)
		gen.len = ETHER_MIN_LEN - ETHER_CRC_LEN;
	gen.base_sum = cx_sum(&ip->saddr, 8) + htons(IPPROTO_UDP) + 2 * (uint64_t)udp->len;
	gen.fill_words = (opt.size - STAMP) / 2;
	gen.odd = opt.size & 1;
	return 0;
}

static uint64_t
sum64(uint64_t v)
{
	return (v & 0xffffffff) + (v >> 32);
}

/* Writes datagram number n of the current port and flow. */
static void
next_frame(uint64_t n)
{
	struct udphdr *udp = (void *)(gen.frame + 34);
	uint8_t *payload = gen.frame + HEADERS, fill = n;
	uint64_t number = htobe64(n), time = htobe64(cx.now), s;
	uint16_t v;

	udp->source = htons(opt.sport + gen.flow);
	udp->dest = htons(opt.port + gen.port);
	memcpy(payload, &number, 8);
	memcpy(payload + 8, &time, 8);
	memset(payload + STAMP, fill, opt.size - STAMP);
	if (!opt.csum)
		return;
	s = gen.base_sum + udp->source + udp->dest + sum64(number) + sum64(time) +
			gen.fill_words * (fill * 0x0101u);
	if (gen.odd)
		s += fill; /* low byte of a native word, as in cx_sum() */
	v = ~cx_fold(s);
	udp->check = v != 0 ? v : 0xffff;
}

/* ---- the wire ---- */
static int
gen_open(const char *arg)
{
	if (read_options(arg) != 0 || make_frame() != 0)
		return -1;
	gen.next = calloc(opt.ports, sizeof(*gen.next));
	if (gen.next == NULL) {
		cx_log(0, "gen wire: no memory for %u ports", opt.ports);
		return -1;
	}
	cx_wire_gen.busy = true;
	return 0;
}

static void
gen_close(void)
{
	cx_log(1, "gen: %lu datagrams", gen.sent);
	free(gen.next);
	gen.next = NULL;
}

/* How many datagrams the rate allows now. */
static uint64_t
due(void)
{
	uint64_t n;

	if (opt.rate == RATE_MAX)
		return opt.burst;
	if (gen.start == 0) {
		gen.start = cx.now;
		gen.accounted = 0;
	}
	n = (unsigned __int128)(cx.now - gen.start) * opt.rate / NS;
	n -= n < gen.accounted ? n : gen.accounted;
	if (n > opt.burst) {
		/* behind: what cannot be sent in a burst is not made up for */
		gen.accounted += n - opt.burst;
		n = opt.burst;
	}
	return n;
}

static void
advance(void)
{
	gen.next[gen.port]++;
	gen.sent++;
	if (++gen.port == opt.ports) {
		gen.port = 0;
		if (++gen.flow == opt.flows)
			gen.flow = 0;
	}
}

static bool
gen_poll(void)
{
	uint64_t i, n = due();
	enum cx_rx_result ret;
	unsigned int flags;

	if (n > opt.count - gen.sent)
		n = opt.count - gen.sent;
	for (i = 0; i < n; i++) {
		next_frame(gen.next[gen.port]);
		/*
		 * The first one waits for a queue in any case: traffic starts when it can arrive. A
		 * driver that tries what the device can do has rules that drop everything.
		 */
		flags = CX_RX_CSUM_OK | (opt.lossless || gen.sent == 0 ? CX_RX_HOLD : 0) |
				(gen.sent == 0 ? CX_RX_FIRST : 0);
		ret = cx_rx_frame(gen.frame, gen.len, flags);
		if (flags & CX_RX_HOLD && ret != CX_RX_TAKEN && ret != CX_RX_ERROR)
			break;
		advance();
	}
	gen.accounted += i;
	/* Without a queue that takes anything, or at the end, the thread may sleep. */
	gen.refused = i > 0 ? 0 : gen.refused + 1;
	cx_wire_gen.busy = gen.sent < opt.count && gen.refused < PAUSE_TURNS;
	return i > 0;
}

static void
gen_send(const uint8_t *frame, size_t len)
{
	(void)frame;
	(void)len;
}

struct cx_wire cx_wire_gen = {
	.name = "gen",
	.help = "gen:dst=IP,port=N[,ports=K][,src=IP][,sport=N][,flows=K][,size=BYTES]"
		"[,rate=PPS|max][,count=N][,dmac=MAC][,burst=N][,lossless=0|1][,csum=0|1]: makes "
		"UDP datagrams itself; what is sent is gone",
	.open = gen_open,
	.close = gen_close,
	.poll = gen_poll,
	.send = gen_send,
	.fd = -1,
};
