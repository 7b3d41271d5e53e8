/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pcap wire: what a capture holds arrives, and what is sent is in the other one. Files are
 * written and read here by hand, as the formats' definitions have it
 * (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng), so that the model's reader is not its own
 * judge.
 *
 * before_pcap() forks: the child is the client, and the parent waits for it, reads what the child's
 * model wrote up to its end, and removes the files.
 */
#include "cxtest.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES 300
#define GAP_NS 2000001ull /* between two frames of a capture: not a number of microseconds */
#define CUT_NS 3000	  /* more than what a capture in microseconds cuts off its times */
#define NS 1000000000ull
#define PORT_A 5000
#define PORT_B 6000
#define OUT_FILE "sent"
#define OUT_FRAMES 200

#define MAGIC_MICRO 0xa1b2c3d4
#define MAGIC_NANO 0xa1b23c4d
#define ETHERNET 1
#define LINUX_COOKED 113

static char dir[] = "/tmp/cxtest-XXXXXX";
static char wire[512];

/* ---- the frames: frame i has its own length and bytes, and is for one of two ports ---- */
static uint32_t
frame_of(uint8_t *f, unsigned int i)
{
	struct segment seg = {
		.src = 0x0a630001,
		.dst = 0x0a630002,
		.sport = 1000 + i,
		.dport = i % 3 == 1 ? PORT_B : PORT_A,
		.proto = IPPROTO_UDP,
		.fill = i,
		.len = 18 + i * 37 % 1400,
	};

	return peer_frame(f, &seg);
}

static uint64_t
time_of(unsigned int i)
{
	return 1700000000 * NS + 999999999 + i * GAP_NS;
}

/* ---- files ---- */
static FILE *
create(const char *name)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	CHECK(f != NULL, "%s: %m", path);
	return f;
}

static void
put(FILE *f, const void *data, size_t n)
{
	CHECK(fwrite(data, 1, n, f) == n, "%m");
}

static void
put_words(FILE *f, const uint32_t *w, size_t n)
{
	put(f, w, n * 4);
}

static void
pcap_header(FILE *f, uint32_t magic, uint32_t link)
{
	/* version 2.4, time zone and accuracy 0, snap length */
	const uint32_t h[] = { magic, 4 << 16 | 2, 0, 0, 262144, link };

	put_words(f, h, RTE_DIM(h));
}

static void
pcap_record(FILE *f, uint32_t magic, uint64_t ns, const uint8_t *frame, uint32_t len)
{
	const uint32_t h[] = { ns / NS, ns % NS / (magic == MAGIC_NANO ? 1 : 1000), len, len };

	put_words(f, h, RTE_DIM(h));
	put(f, frame, len);
}

static void
write_pcap(const char *name, uint32_t magic)
{
	FILE *f = create(name);
	uint8_t frame[2048];
	unsigned int i;

	pcap_header(f, magic, ETHERNET);
	for (i = 0; i < FRAMES; i++) {
		uint32_t len = frame_of(frame, i);

		pcap_record(f, magic, time_of(i), frame, len);
	}
	fclose(f);
}

/* Section header, interfaces of nano- and microseconds, frames on both in turn. */
static void
write_pcapng(const char *name)
{
	static const uint32_t section[] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX,
		28 };
	/* option 9, if_tsresol, one byte: 10^-9; then the end of options */
	static const uint32_t nano[] = { 1, 32, ETHERNET, 0, 1 << 16 | 9, 9, 0, 32 };
	static const uint32_t micro[] = { 1, 20, ETHERNET, 0, 20 };
	static const uint8_t zero[4];
	FILE *f = create(name);
	uint8_t frame[2048];
	unsigned int i;

	put_words(f, section, RTE_DIM(section));
	put_words(f, nano, RTE_DIM(nano));
	put_words(f, micro, RTE_DIM(micro));
	for (i = 0; i < FRAMES; i++) {
		uint32_t len = frame_of(frame, i), pad = -len % 4, total = 32 + len + pad;
		uint64_t t = i % 2 ? time_of(i) / 1000 : time_of(i);
		const uint32_t h[] = { 6, total, i % 2, t >> 32, t, len, len };

		put_words(f, h, RTE_DIM(h));
		put(f, frame, len);
		put(f, zero, pad);
		put_words(f, &total, 1);
	}
	fclose(f);
}

static void
write_bad(void)
{
	static uint8_t big[100000];
	uint8_t frame[2048];
	FILE *f = create("text");

	fprintf(f, "this is no capture, though it is long enough for the header of one\n");
	fclose(f);
	f = create("empty");
	pcap_header(f, MAGIC_NANO, ETHERNET);
	fclose(f);
	f = create("cooked");
	pcap_header(f, MAGIC_NANO, LINUX_COOKED);
	pcap_record(f, MAGIC_NANO, time_of(0), frame, frame_of(frame, 0));
	fclose(f);
	f = create("long");
	pcap_header(f, MAGIC_NANO, ETHERNET);
	pcap_record(f, MAGIC_NANO, time_of(0), big, sizeof(big));
	fclose(f);
	f = create("runt");
	pcap_header(f, MAGIC_NANO, ETHERNET);
	pcap_record(f, MAGIC_NANO, time_of(0), frame, 13);
	fclose(f);
}

static void
write_files(void)
{
	char path[64];
	struct stat st;

	write_pcap("micro", MAGIC_MICRO);
	write_pcap("nano", MAGIC_NANO);
	write_pcapng("ng");
	write_bad();
	/* cut in the middle of the last frame */
	write_pcap("cut", MAGIC_NANO);
	snprintf(path, sizeof(path), "%s/cut", dir);
	CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - 5) == 0, "%m");
}

static void
remove_files(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[300];

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

/* ---- what was written ---- */
static uint8_t *
read_file(const char *name, size_t *n)
{
	char path[64];
	struct stat st;
	uint8_t *b;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return NULL;
	CHECK(fstat(fileno(f), &st) == 0 && (b = malloc(st.st_size + 1)) != NULL, "%m");
	*n = fread(b, 1, st.st_size, f);
	fclose(f);
	return b;
}

/* Counts the frames that case_pcap_out() sends, in order, with their times; others are the
 * kernel's. */
static unsigned int
check_out(bool whole)
{
	uint8_t frame[2048], *b;
	uint64_t last = 0, now;
	struct timespec ts;
	size_t n, at = 24;
	unsigned int got = 0;
	uint32_t h[6];

	b = read_file(OUT_FILE, &n);
	if (b == NULL || n < 24)
		return 0;
	memcpy(h, b, 24);
	CHECK(h[0] == MAGIC_NANO && h[1] == (4 << 16 | 2) && h[5] == ETHERNET, "header of out");
	clock_gettime(CLOCK_REALTIME, &ts);
	now = ts.tv_sec * NS + ts.tv_nsec;
	while (at + 16 <= n) {
		memcpy(h, b + at, 16);
		CHECK(h[2] == h[3] && h[1] < NS, "record at %zu", at);
		if (at + 16 + h[2] > n)
			break;
		CHECK(h[0] * NS + h[1] >= last, "frame %u: time goes backwards", got);
		last = h[0] * NS + h[1];
		CHECK(last <= now && now - last < 300 * NS, "frame %u: %lu ns, now %lu", got, last,
				now);
		if (got < OUT_FRAMES && h[2] == frame_of(frame, got) &&
				memcmp(b + at + 16, frame, h[2]) == 0)
			got++;
		at += 16 + h[2];
	}
	CHECK(!whole || at == n, "%zu bytes behind the last frame", n - at);
	free(b);
	return got;
}

/* ---- the child is the client ---- */
static int
check_child(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child, "%m");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("client: status %x\n", status);
		return 1;
	}
	if (strstr(wire, "/" OUT_FILE) != NULL)
		CHECK(check_out(true) == OUT_FRAMES, "out file: %u frames", check_out(true));
	return 0;
}

/* Replaces each DIR in the wire's text by the directory of the files. */
static void
set_wire(void)
{
	const char *text = getenv("CONNECTX_WIRE"), *p;

	wire[0] = '\0';
	for (; (p = strstr(text, "DIR")) != NULL; text = p + 3)
		snprintf(wire + strlen(wire), sizeof(wire) - strlen(wire), "%.*s%s",
				(int)(p - text), text, dir);
	snprintf(wire + strlen(wire), sizeof(wire) - strlen(wire), "%s", text);
	setenv("CONNECTX_WIRE", wire, 1);
}

void
before_pcap(void)
{
	pid_t child;

	CHECK(mkdtemp(dir) != NULL, "%s: %m", dir);
	set_wire();
	fflush(NULL);
	child = fork();
	CHECK(child >= 0, "%m");
	if (child == 0) {
		write_files();
		return;
	}
	atexit(remove_files);
	exit(check_child(child));
}

void
before_bad_pcap(void)
{
	before_pcap();
	before_bad_wire();
}

/* ---- in ---- */
static void
check_frame(const struct rte_mbuf *m, unsigned int i)
{
	static uint8_t copy[2048];
	uint8_t frame[2048];
	uint32_t len = frame_of(frame, i);
	const void *f = rte_pktmbuf_read(m, 0, m->pkt_len, copy);

	CHECK(m->pkt_len == len, "frame %u: %u bytes, not %u", i, m->pkt_len, len);
	CHECK(memcmp(f, frame, len) == 0, "frame %u differs", i);
}

/* a: frames of the file, b: rounds */
void
case_pcap_in(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024 };
	struct rte_eth_stats st;
	struct rte_mbuf *m;
	unsigned int i;

	port_start(&pc);
	/* time to fill the queue, for a wire that is faster than we are */
	if (c->b > 1)
		rte_delay_us_sleep(100000);
	for (i = 0; i < c->a * c->b; i++) {
		CHECK((m = port_next()) != NULL, "%u frames came, not %u", i, c->a * c->b);
		check_frame(m, i % c->a);
		rte_pktmbuf_free(m);
	}
	CHECK(port_receive(&m, NULL, 1, 1) == 0, "more than %u frames", c->a * c->b);
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	CHECK(st.imissed == 0, "%lu missed by a wire that waits", st.imissed);
	port_stop();
}

static uint64_t
monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

/*
 * a: frames of the file, b: ns between two. No frame may be early. One may be late, as the machine
 * is busy, but being late must not add up: of the last quarter at least one is nearly on time.
 */
void
case_pcap_pace(const struct test_case *c)
{
	struct port_conf pc = {
		.rxqs = 1, .rxd = 1024, .rx_offloads = RTE_ETH_RX_OFFLOAD_TIMESTAMP
	};
	uint64_t first = 0, stamp, due, least = UINT64_MAX;
	unsigned int i, n = c->a * 2;
	struct rte_mbuf *m;
	int offset;

	CHECK(rte_mbuf_dyn_rx_timestamp_register(&offset, NULL) == 0, "no time stamps");
	port_start(&pc);
	for (i = 0; i < n; i++) {
		CHECK((m = port_next()) != NULL, "%u frames came, not %u", i, n);
		check_frame(m, i % c->a);
		stamp = *RTE_MBUF_DYNFIELD(m, offset, rte_mbuf_timestamp_t *);
		CHECK(monotonic() - stamp < 300 * NS, "frame %u: stamp %lu, it is %lu", i, stamp,
				monotonic());
		if (i == 0)
			first = stamp;
		due = (uint64_t)i * c->b;
		CHECK(stamp + CUT_NS - first >= due, "frame %u: after %lu ns, not %lu", i,
				stamp - first, due);
		if (i >= n - n / 4)
			least = RTE_MIN(least, stamp + CUT_NS - first - due);
		rte_pktmbuf_free(m);
	}
	CHECK(least < 20000000, "always late at the end, %lu ns at least", least);
	printf("%u frames in %lu ns, the last ones late by %lu ns at least\n", n, stamp - first,
			least);
	port_stop();
}

static struct rte_flow *
queue_rule(uint16_t port)
{
	struct rte_flow_action_queue queue = { .index = 0 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	return port_udp_rule(0, 0, 0, port, 0, actions);
}

/*
 * Isolated: nothing comes before there is a rule, then the frames of port B arrive, though the
 * first of the capture is none of them, and the others are the kernel's.
 */
void
case_pcap_kernel(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024, .isolated = true };
	uint8_t f[2048], want[2048];
	struct rte_mbuf *m;
	unsigned int i;
	uint32_t len;
	int s;

	(void)c;
	port_start(&pc);
	s = peer_open(NETDEV);
	CHECK(peer_receive(s, f, sizeof(f), 300) == 0, "traffic without a rule");
	queue_rule(PORT_B);
	for (i = 0; i < FRAMES; i++) {
		if (i % 3 == 1) {
			CHECK((m = port_next()) != NULL, "frame %u", i);
			check_frame(m, i);
			rte_pktmbuf_free(m);
			continue;
		}
		len = frame_of(want, i);
		CHECK(peer_receive(s, f, sizeof(f), PATIENCE * 1000) == (int)len, "frame %u", i);
		CHECK(memcmp(f, want, len) == 0, "frame %u differs", i);
	}
	port_stop();
}

/* The only rule goes and comes back: no frame of it is lost to the kernel in between. */
void
case_pcap_pause(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024, .isolated = true };
	struct rte_flow_error fe = { 0 };
	struct rte_flow *b;
	struct rte_mbuf *m;
	unsigned int i;

	(void)c;
	port_start(&pc);
	b = queue_rule(PORT_B);
	for (i = 1; i < FRAMES; i += 3) {
		if (i == 1 + FRAMES / 2) {
			CHECK(rte_flow_destroy(0, b, &fe) == 0, "%s", fe.message);
			while (port_receive(&m, NULL, 1, 1) == 1) {
				check_frame(m, i);
				rte_pktmbuf_free(m);
				i += 3;
			}
			CHECK(i < FRAMES, "no frame left to wait");
			b = queue_rule(PORT_B);
		}
		CHECK((m = port_next()) != NULL, "frame %u", i);
		check_frame(m, i);
		rte_pktmbuf_free(m);
	}
	port_stop();
}

/* lossless=2: a frame waits for its rule, and after the rule is gone. */
void
case_pcap_rule(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024, .isolated = true };
	struct rte_flow_error fe = { 0 };
	struct rte_flow *a;
	struct rte_mbuf *m;
	unsigned int i;

	(void)c;
	port_start(&pc);
	queue_rule(PORT_B);
	CHECK(port_receive(&m, NULL, 1, 1) == 0, "the second frame is before the first");
	a = queue_rule(PORT_A);
	for (i = 0; i < FRAMES / 2; i++) {
		CHECK((m = port_next()) != NULL, "frame %u", i);
		check_frame(m, i);
		rte_pktmbuf_free(m);
	}
	/* what is in the queue already comes; then it stops */
	CHECK(rte_flow_destroy(0, a, &fe) == 0, "%s", fe.message);
	while (port_receive(&m, NULL, 1, 1) == 1) {
		check_frame(m, i++);
		rte_pktmbuf_free(m);
	}
	queue_rule(PORT_A);
	for (; i < FRAMES; i++) {
		CHECK((m = port_next()) != NULL, "frame %u", i);
		check_frame(m, i);
		rte_pktmbuf_free(m);
	}
	port_stop();
}

/* lossless=0 at full speed, with nobody polling: the rest is counted. */
void
case_pcap_lossy(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 64, .isolated = true };
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_eth_stats st = { 0 };
	uint64_t want = FRAMES / 3 * c->a;
	struct rte_mbuf *m;
	uint64_t got = 0;

	port_start(&pc);
	queue_rule(PORT_B);
	while (st.imissed == 0 && rte_get_timer_cycles() < end) {
		rte_delay_us_sleep(1000);
		CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	}
	while (port_receive(&m, NULL, 1, 1) == 1) {
		rte_pktmbuf_free(m);
		got++;
	}
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	CHECK(st.imissed > 0 && got > 0 && got + st.imissed == want,
			"%lu came and %lu were missed of %lu", got, st.imissed, want);
	port_stop();
}

/* ---- out ---- */
static void
fork_and_exit(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		exit(0);
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child: %x", status);
}

void
case_pcap_out(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .tx_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	uint8_t frame[2048];
	struct rte_mbuf *m;
	unsigned int i;

	(void)c;
	port_start(&pc);
	for (i = 0; i < OUT_FRAMES; i++) {
		uint32_t len = frame_of(frame, i);

		m = rte_pktmbuf_alloc(pool);
		CHECK(m != NULL, "no mbuf");
		memcpy(rte_pktmbuf_append(m, len), frame, len);
		while (rte_eth_tx_burst(0, 0, &m, 1) == 0)
			CHECK(rte_get_timer_cycles() < end, "frame %u: not sent", i);
		/* a child that ends has a copy of what is not in the file yet */
		if (i % 16 == 8)
			fork_and_exit();
		/* meanwhile, too, a reader sees what was sent */
		while (i == OUT_FRAMES / 2 && check_out(false) <= i)
			CHECK(rte_get_timer_cycles() < end, "%u frames to be seen",
					check_out(false));
	}
	/* the device sends what was posted before the port is stopped */
	while (check_out(false) < OUT_FRAMES)
		CHECK(rte_get_timer_cycles() < end, "%u frames to be seen", check_out(false));
	port_stop();
}
