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

struct gen {
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
	struct options opt;
} __attribute__((aligned(64)));

/* ---- options ---- */
enum opt_kind { OPT_ADDR, OPT_MAC, OPT_U32, OPT_U64 };

static const struct {
	const char *name;
	enum opt_kind kind;
	size_t at; /* in struct options */
	uint64_t min, max;
} options[] = {
	{ "dst", OPT_ADDR, offsetof(struct options, dst), 0, 0 },
	{ "src", OPT_ADDR, offsetof(struct options, src), 0, 0 },
	{ "dmac", OPT_MAC, offsetof(struct options, dmac), 0, 0 },
	{ "port", OPT_U32, offsetof(struct options, port), 1, 65535 },
	{ "ports", OPT_U32, offsetof(struct options, ports), 1, 65535 },
	{ "sport", OPT_U32, offsetof(struct options, sport), 1, 65535 },
	{ "flows", OPT_U32, offsetof(struct options, flows), 1, 65535 },
	{ "size", OPT_U32, offsetof(struct options, size), STAMP, SIZE_MAX_PAYLOAD },
	{ "burst", OPT_U32, offsetof(struct options, burst), 1, CX_RX_BATCH },
	{ "lossless", OPT_U32, offsetof(struct options, lossless), 0, 1 },
	{ "csum", OPT_U32, offsetof(struct options, csum), 0, 1 },
	{ "rate", OPT_U64, offsetof(struct options, rate), 1, RATE_MAX },
	{ "count", OPT_U64, offsetof(struct options, count), 1, UINT64_MAX },
};

static int
set_option(struct options *opt, const char *name, const char *value)
{
	size_t i, n = sizeof(options) / sizeof(options[0]);
	uint8_t *m = opt->dmac;
	void *field;
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
	field = (uint8_t *)opt + options[i].at;
	if (options[i].kind == OPT_ADDR) {
		if (inet_pton(AF_INET, value, field) == 1)
			return 0;
		cx_log(0, "gen wire: %s=%s: not an IPv4 address", name, value);
		return -1;
	}
	if (options[i].kind == OPT_MAC) {
		opt->has_dmac = true;
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
		*(uint32_t *)field = v;
	else
		*(uint64_t *)field = v;
	return 0;
}

static int
read_options(struct options *opt, const char *arg)
{
	char text[512], *p, *word, *value;

	*opt = (struct options){
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
		if (set_option(opt, word, value != NULL ? value : "") != 0)
			return -1;
	}
	if (opt->dst == 0 || opt->port == 0) {
		cx_log(0, "gen wire: dst=ADDRESS and port=NUMBER are needed");
		return -1;
	}
	if (opt->port + opt->ports - 1 > 65535 || opt->sport + opt->flows - 1 > 65535) {
		cx_log(0, "gen wire: port+ports and sport+flows must stay below 65536");
		return -1;
	}
	return 0;
}

/* ---- the frame ---- */
static int
set_macs(const struct cx_dev *d, const struct options *opt, struct ether_header *eth)
{
	static const uint8_t source[6] = { 0x02, 0, 0, 0, 0, 0x01 };
	uint32_t dst = ntohl(opt->dst);
	const uint8_t group[6] = { 0x01, 0x00, 0x5e, (dst >> 16) & 0x7f, dst >> 8, dst };

	memcpy(eth->ether_shost, source, 6);
	if (opt->has_dmac) {
		memcpy(eth->ether_dhost, opt->dmac, 6);
	} else if (IN_MULTICAST(dst)) {
		memcpy(eth->ether_dhost, group, 6); /* RFC 1112, 6.4 */
	} else if (cx_netdev_mac(d, eth->ether_dhost) != 0) {
		cx_log(0, "gen wire: cannot read the address of %s: %m", d->conf.netdev);
		return -1;
	}
	return 0;
}

static int
make_frame(const struct cx_dev *d, struct gen *g)
{
	const struct options *opt = &g->opt;
	struct ether_header *eth = (void *)g->frame;
	struct iphdr *ip = (void *)(g->frame + 14);
	struct udphdr *udp = (void *)(g->frame + 34);

	if (set_macs(d, opt, eth) != 0)
		return -1;
	eth->ether_type = htons(ETHERTYPE_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(28 + opt->size);
	ip->frag_off = htons(IP_DF);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = opt->src;
	ip->daddr = opt->dst;
	ip->check = ~cx_fold(cx_sum(ip, 20));
	udp->len = htons(8 + opt->size);
	g->len = HEADERS + opt->size;
	if (g->len < ETHER_MIN_LEN - ETHER_CRC_LEN)
		g->len = ETHER_MIN_LEN - ETHER_CRC_LEN;
	g->base_sum = cx_sum(&ip->saddr, 8) + htons(IPPROTO_UDP) + 2 * (uint64_t)udp->len;
	g->fill_words = (opt->size - STAMP) / 2;
	g->odd = opt->size & 1;
	return 0;
}

static uint64_t
sum64(uint64_t v)
{
	return (v & 0xffffffff) + (v >> 32);
}

/* Writes datagram number n of the current port and flow. */
static void
next_frame(const struct cx_dev *d, struct gen *g, uint64_t n)
{
	const struct options *opt = &g->opt;
	struct udphdr *udp = (void *)(g->frame + 34);
	uint8_t *payload = g->frame + HEADERS, fill = n;
	uint64_t number = htobe64(n), time = htobe64(d->now), s;
	uint16_t v;

	udp->source = htons(opt->sport + g->flow);
	udp->dest = htons(opt->port + g->port);
	memcpy(payload, &number, 8);
	memcpy(payload + 8, &time, 8);
	memset(payload + STAMP, fill, opt->size - STAMP);
	if (!opt->csum)
		return;
	s = g->base_sum + udp->source + udp->dest + sum64(number) + sum64(time) +
			g->fill_words * (fill * 0x0101u);
	if (g->odd)
		s += fill; /* low byte of a native word, as in cx_sum() */
	v = ~cx_fold(s);
	udp->check = v != 0 ? v : 0xffff;
}

/* ---- the wire ---- */
static int
gen_open(struct cx_dev *d, const char *arg)
{
	struct gen *g = aligned_alloc(64, sizeof(*g));

	if (g == NULL) {
		cx_log(0, "gen wire: no memory");
		return -1;
	}
	memset(g, 0, sizeof(*g));
	if (read_options(&g->opt, arg) != 0 || make_frame(d, g) != 0)
		goto fail;
	g->next = calloc(g->opt.ports, sizeof(*g->next));
	if (g->next == NULL) {
		cx_log(0, "gen wire: no memory for %u ports", g->opt.ports);
		goto fail;
	}
	d->wire.priv = g;
	d->wire.busy = true;
	return 0;
fail:
	free(g);
	return -1;
}

static void
gen_close(struct cx_dev *d)
{
	struct gen *g = d->wire.priv;

	cx_log(1, "%s: gen: %lu datagrams", d->conf.name, g->sent);
	free(g->next);
	free(g);
}

/* How many datagrams the rate allows now. */
static uint64_t
due(const struct cx_dev *d, struct gen *g)
{
	uint64_t n;

	if (g->opt.rate == RATE_MAX)
		return g->opt.burst;
	if (g->start == 0) {
		g->start = d->now;
		g->accounted = 0;
	}
	n = (unsigned __int128)(d->now - g->start) * g->opt.rate / NS;
	n -= n < g->accounted ? n : g->accounted;
	if (n > g->opt.burst) {
		/* behind: what cannot be sent in a burst is not made up for */
		g->accounted += n - g->opt.burst;
		n = g->opt.burst;
	}
	return n;
}

static void
advance(struct gen *g)
{
	g->next[g->port]++;
	g->sent++;
	if (++g->port == g->opt.ports) {
		g->port = 0;
		if (++g->flow == g->opt.flows)
			g->flow = 0;
	}
}

static bool
gen_poll(struct cx_dev *d)
{
	struct gen *g = d->wire.priv;
	uint64_t i, n = due(d, g);
	enum cx_rx_result ret;
	unsigned int flags;

	if (n > g->opt.count - g->sent)
		n = g->opt.count - g->sent;
	for (i = 0; i < n; i++) {
		next_frame(d, g, g->next[g->port]);
		/*
		 * The first one waits for a queue in any case: traffic starts when it can arrive. A
		 * driver that tries what the device can do has rules that drop everything.
		 */
		flags = CX_RX_CSUM_OK | (g->opt.lossless || g->sent == 0 ? CX_RX_HOLD : 0) |
				(g->sent == 0 ? CX_RX_FIRST : 0);
		ret = cx_port_rx(d, g->frame, g->len, flags);
		if (flags & CX_RX_HOLD && ret != CX_RX_TAKEN && ret != CX_RX_ERROR)
			break;
		advance(g);
	}
	g->accounted += i;
	/* Without a queue that takes anything, or at the end, the thread may sleep. */
	g->refused = i > 0 ? 0 : g->refused + 1;
	d->wire.busy = g->sent < g->opt.count && g->refused < PAUSE_TURNS;
	return i > 0;
}

static void
gen_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	(void)d;
	(void)frame;
	(void)len;
	(void)flags;
}

const struct cx_wire_ops cx_wire_gen = {
	.name = "gen",
	.help = "gen:dst=IP,port=N[,ports=K][,src=IP][,sport=N][,flows=K][,size=BYTES]"
		"[,rate=PPS|max][,count=N][,dmac=MAC][,burst=N][,lossless=0|1][,csum=0|1]: makes "
		"UDP datagrams itself; what is sent is gone",
	.open = gen_open,
	.close = gen_close,
	.poll = gen_poll,
	.send = gen_send,
};
