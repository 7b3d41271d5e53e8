/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every option, differentially: each name of four levels is set to several values of several sizes
 * and read back, on a kernel's socket and on one of ours in the same state. Return, errno and what
 * is read must be the same, but for the differences in the table below, each with its reason.
 */
#include <netinet/tcp.h>
#include <poll.h>
#include <time.h>
#include <linux/udp.h>

#include "cable.h"

enum state { FRESH, BOUND, LISTENING, CONNECTED, ACCEPTED, STATES };
static const char *const state_names[] = { "fresh", "bound", "listening", "connected", "accepted" };

enum { ANY_TYPE = -1 };

/* What is meant to differ. */
static const struct difference {
	int type, level, name;
	const char *why;
} meant[] = {
#define D(type, level, name, why)                                                                  \
	{                                                                                          \
		type, level, name, why                                                             \
	}
	D(ANY_TYPE, SOL_SOCKET, SO_RCVBUF, "our memory: not the kernel's limits, and a floor"),
	D(ANY_TYPE, SOL_SOCKET, SO_SNDBUF, "the same"),
	D(ANY_TYPE, SOL_SOCKET, 32 /* SO_SNDBUFFORCE */, "the same"),
	D(ANY_TYPE, SOL_SOCKET, 33 /* SO_RCVBUFFORCE */, "the same"),
	D(ANY_TYPE, SOL_SOCKET, 55 /* SO_MEMINFO */, "the kernel's memory"),
	D(ANY_TYPE, SOL_SOCKET, 57 /* SO_COOKIE */, "a number of each socket's own"),
	D(ANY_TYPE, SOL_SOCKET, 56 /* SO_INCOMING_NAPI_ID */, "the kernel's queue"),
	D(ANY_TYPE, SOL_SOCKET, 49 /* SO_INCOMING_CPU */, "the kernel's processor"),
	D(ANY_TYPE, SOL_SOCKET, 28 /* SO_PEERNAME */, "another peer"),
	D(ANY_TYPE, SOL_SOCKET, SO_MAX_PACING_RATE, "4, 8 or 12 bytes, as the extra API has it"),
	D(ANY_TYPE, SOL_SOCKET, SO_PEEK_OFF, "MSG_PEEK begins at the first byte: refused"),
	D(ANY_TYPE, IPPROTO_IP, 52 /* IP_PROTOCOL */, "tells the kernel's port number"),
	D(SOCK_STREAM, IPPROTO_IP, IP_MULTICAST_TTL, "nothing to a stream"),
	D(SOCK_DGRAM, IPPROTO_UDP, 1 /* UDP_CORK */, "refused: datagrams are not put together"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_WINDOW_CLAMP, "as the connection negotiated it"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_QUICKACK, "how a connection stands at the moment"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_CONGESTION, "our algorithms"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_CC_INFO, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_TIMESTAMP, "another clock"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_REPAIR, "refused to everybody"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_REPAIR_QUEUE, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_QUEUE_SEQ, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_REPAIR_OPTIONS, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, 42 /* TCP_AO_REPAIR */, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_ULP, "refused: TLS is the program's own"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_MD5SIG, "refused: segments are not signed"),
	D(SOCK_STREAM, IPPROTO_TCP, 32 /* TCP_MD5SIG_EXT */, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, 38 /* TCP_AO_ADD_KEY */, "the same"),
	D(SOCK_STREAM, IPPROTO_TCP, 35 /* TCP_ZEROCOPY_RECEIVE */, "refused: no pages to map"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_INFO, "another connection"),
	D(SOCK_STREAM, IPPROTO_TCP, TCP_MAXSEG, "another MTU than loopback's"),
	D(ANY_TYPE, IPPROTO_IP, IP_MTU, "another MTU than loopback's"),
#undef D
};

#define MAX_FOUND 256
static struct {
	int type, level, name;
	char text[200];
} found[MAX_FOUND];
static unsigned int n_found;

struct pair {
	int kernel, ours;
	int more[6]; /* what goes with them: kernel's and ours, -1: none */
};

static int
server(bool ours, int type, struct sockaddr_in *sin)
{
	int fd = ours ? dpvma_socket(AF_INET, type, 0) : socket(AF_INET, type, 0);
	socklen_t len = sizeof(*sin);

	*sin = test_addr(ours ? B : "127.0.0.1", 0);
	assert_int_equal(ours ? dpvma_bind(fd, (void *)sin, sizeof(*sin))
			      : bind(fd, (void *)sin, sizeof(*sin)),
			0);
	assert_int_equal(ours ? dpvma_getsockname(fd, (void *)sin, &len)
			      : getsockname(fd, (void *)sin, &len),
			0);
	return fd;
}

static void
await(bool ours, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(ours ? dpvma_poll(&p, 1, 5000) : poll(&p, 1, 5000), 1);
}

static int
in_state(bool ours, int type, enum state state, int *more)
{
	struct sockaddr_in sin;
	int fd, l;

	more[0] = more[1] = -1;
	if (state == FRESH)
		return ours ? dpvma_socket(AF_INET, type, 0) : socket(AF_INET, type, 0);
	l = server(ours, type, &sin);
	if (state == BOUND)
		return l;
	if (type == SOCK_STREAM)
		assert_int_equal(ours ? dpvma_listen(l, 4) : listen(l, 4), 0);
	if (state == LISTENING)
		return l;
	if (ours)
		sin = test_addr(B_SEEN, ntohs(sin.sin_port));
	fd = ours ? dpvma_socket(AF_INET, type, 0) : socket(AF_INET, type, 0);
	assert_int_equal(ours ? dpvma_connect(fd, (void *)&sin, sizeof(sin))
			      : connect(fd, (void *)&sin, sizeof(sin)),
			0);
	more[0] = l;
	if (type != SOCK_STREAM)
		return fd;
	await(ours, l);
	more[1] = ours ? dpvma_accept(l, NULL, NULL) : accept(l, NULL, NULL);
	assert_true(more[1] >= 0);
	if (state == CONNECTED)
		return fd;
	l = more[1];
	more[1] = fd;
	return l;
}

static void
open_pair(struct pair *p, int type, enum state state)
{
	p->kernel = in_state(false, type, state, p->more);
	p->ours = in_state(true, type, state, p->more + 2);
}

static void
close_pair(struct pair *p)
{
	struct linger abort = { .l_onoff = 1 };

	/* no TIME-WAIT is to be left behind */
	setsockopt(p->kernel, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	dpvma_setsockopt(p->ours, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	close(p->kernel);
	dpvma_close(p->ours);
	for (unsigned int i = 0; i < 4; i++) {
		if (p->more[i] < 0)
			continue;
		if (i < 2)
			close(p->more[i]);
		else
			dpvma_close(p->more[i]);
	}
}

static void __attribute__((format(printf, 4, 5)))
note(int type, int level, int name, const char *fmt, ...)
{
	va_list ap;

	for (unsigned int i = 0; i < n_found; i++)
		if (found[i].type == type && found[i].level == level && found[i].name == name)
			return;
	assert_true(n_found < MAX_FOUND);
	found[n_found].type = type;
	found[n_found].level = level;
	found[n_found].name = name;
	va_start(ap, fmt);
	vsnprintf(found[n_found].text, sizeof(found[0].text), fmt, ap);
	va_end(ap);
	n_found++;
}

struct got {
	int ret, err;
	socklen_t len;
	uint8_t bytes[32];
};

static struct got
get(bool ours, int fd, int level, int name, socklen_t len)
{
	struct got g = { .len = len };

	errno = 0;
	g.ret = ours ? dpvma_getsockopt(fd, level, name, g.bytes, &g.len)
		     : getsockopt(fd, level, name, g.bytes, &g.len);
	g.err = errno;
	return g;
}

static void
compare_get(const struct pair *p, int type, enum state state, int level, int name,
		const char *after)
{
	static const socklen_t lens[] = { 4, 0, 1, 8, 16, 32 };

	for (unsigned int i = 0; i < RTE_DIM(lens); i++) {
		struct got k = get(false, p->kernel, level, name, lens[i]);
		struct got o = get(true, p->ours, level, name, lens[i]);

		if (k.ret != o.ret || k.err != o.err ||
				(k.ret == 0 &&
						(k.len != o.len ||
								memcmp(k.bytes, o.bytes, k.len) !=
										0))) {
			int kv, ov;

			memcpy(&kv, k.bytes, sizeof(kv));
			memcpy(&ov, o.bytes, sizeof(ov));
			note(type, level, name,
					"%s, get of %u bytes%s: kernel %d errno %d, %u bytes, %d; "
					"we %d errno %d, %u bytes, %d",
					state_names[state], lens[i], after, k.ret, k.err, k.len, kv,
					o.ret, o.err, o.len, ov);
		}
	}
}

static void
compare_set(const struct pair *p, int type, enum state state, int level, int name, int64_t value,
		socklen_t len)
{
	uint8_t bytes[16] = { 0 };
	char after[48];
	int ret[2], err[2];

	memcpy(bytes, &value, sizeof(value));
	errno = 0;
	ret[0] = setsockopt(p->kernel, level, name, bytes, len);
	err[0] = errno;
	errno = 0;
	ret[1] = dpvma_setsockopt(p->ours, level, name, bytes, len);
	err[1] = errno;
	if (ret[0] != ret[1] || err[0] != err[1])
		note(type, level, name,
				"%s, set to %lld in %u bytes: kernel %d errno %d, we %d errno %d",
				state_names[state], (long long)value, len, ret[0], err[0], ret[1],
				err[1]);
	snprintf(after, sizeof(after), " after %lld in %u", (long long)value, len);
	compare_get(p, type, state, level, name, after);
}

static void
compare(int type, enum state state, int level, int name)
{
	static const int64_t values[] = { 1, 0, -1, 2, 3, 100, 5000, 70000, INT32_MAX };
	static const socklen_t lens[] = { 4, 0, 1, 2, 8, 16 };
	struct pair p;

	open_pair(&p, type, state);
	compare_get(&p, type, state, level, name, "");
	for (unsigned int v = 0; v < RTE_DIM(values); v++)
		for (unsigned int l = 0; l < RTE_DIM(lens); l++)
			compare_set(&p, type, state, level, name, values[v], lens[l]);
	close_pair(&p);
}

static bool
is_meant(unsigned int f)
{
	for (unsigned int i = 0; i < RTE_DIM(meant); i++)
		if ((meant[i].type == ANY_TYPE || meant[i].type == found[f].type) &&
				meant[i].level == found[f].level && meant[i].name == found[f].name)
			return true;
	return false;
}

static void
verdict(void)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < n_found; i++) {
		if (is_meant(i))
			continue;
		fprintf(stderr, "%s level %d option %d: %s\n",
				found[i].type == SOCK_STREAM ? "stream" : "datagram",
				found[i].level, found[i].name, found[i].text);
		bad++;
	}
	n_found = 0;
	assert_int_equal(bad, 0);
}

static void
all(int type, enum state state)
{
	for (int name = 0; name <= 85; name++)
		compare(type, state, SOL_SOCKET, name);
	for (int name = 0; name <= 55; name++)
		compare(type, state, IPPROTO_IP, name);
	for (int name = 0; name <= 46; name++)
		compare(type, state, type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP, name);
	for (int name = 100; name <= 105 && type == SOCK_DGRAM; name++)
		compare(type, state, IPPROTO_UDP, name);
	compare(type, state, 31337, 1);
	verdict();
}

#define TEST(name, type, state)                                                                    \
	static void name(void **unused)                                                            \
	{                                                                                          \
		(void)unused;                                                                      \
		all(type, state);                                                                  \
	}
TEST(stream_fresh, SOCK_STREAM, FRESH)
TEST(stream_bound, SOCK_STREAM, BOUND)
TEST(stream_listening, SOCK_STREAM, LISTENING)
TEST(stream_connected, SOCK_STREAM, CONNECTED)
TEST(stream_accepted, SOCK_STREAM, ACCEPTED)
TEST(datagram_fresh, SOCK_DGRAM, FRESH)
TEST(datagram_bound, SOCK_DGRAM, BOUND)
TEST(datagram_connected, SOCK_DGRAM, CONNECTED)

static int
start(void **state)
{
	(void)state;
	cable_start("VMA_TCP_TIMESTAMP_OPTION=1", NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_fresh),
		cmocka_unit_test(stream_bound),
		cmocka_unit_test(stream_listening),
		cmocka_unit_test(stream_connected),
		cmocka_unit_test(stream_accepted),
		cmocka_unit_test(datagram_fresh),
		cmocka_unit_test(datagram_bound),
		cmocka_unit_test(datagram_connected),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
