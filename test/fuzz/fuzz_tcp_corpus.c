/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes fuzz_tcp's first inputs: fuzz_tcp_corpus DIRECTORY. Each leads to a state or through a
 * mechanism of the engine, so that the fuzzer need not find the way by itself.
 */
#include "fuzz_tcp.h"

#include <stdint.h>
#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };
#define OPEN_ALL (OPEN_TS | OPEN_SACK | OPEN_SCALE)
#define MS(n) 0x90 | ((n)-1) /* 0.27 s a unit */

static const char *directory;

static void
write_input(const char *name, const uint8_t *bytes, size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

/* A configuration, the listener's options as they are by default, and operations. */
#define INPUT(name, config, ...)                                                                   \
	do {                                                                                       \
		const uint8_t b_[] = { (config), 0, 0, 0, 0, 0, 0, __VA_ARGS__ };                  \
		write_input(name, b_, sizeof(b_));                                                 \
	} while (0)
/* The same with options: two of toggles, cc, sndbuf, rcvbuf, times. */
#define INPUT_WITH(name, config, a, b, cc, snd, rcv, times, ...)                                   \
	do {                                                                                       \
		const uint8_t b_[] = { (config), a, b, cc, snd, rcv, times, __VA_ARGS__ };         \
		write_input(name, b_, sizeof(b_));                                                 \
	} while (0)

/* All bytes as they are. */
#define FOUND(name, ...)                                                                           \
	do {                                                                                       \
		const uint8_t b_[] = { __VA_ARGS__ };                                              \
		write_input(name, b_, sizeof(b_));                                                 \
	} while (0)

/* Operation @p op with peer @p peer. */
#define P(peer, op) ((uint8_t)((peer) << 5 | (op)))
#define SEG(peer, flags, base, extra, len8) P(peer, OP_SEGMENT), flags, base, extra, len8
#define SEND(peer, len64) P(peer, OP_SEND), len64, 0
#define RECV(peer, len64) P(peer, OP_RECV), len64, 0
#define WAIT(units) OP_TIME, MS(units)
#define NO_OPTIONS 0, 0, 0, 0, 0, 0

static void
opening(void)
{
	INPUT("open_passive", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_DATA), 10, RECV(0, 20));
	INPUT("open_active", 0, P(4, OP_OPEN), OPEN_ALL, SEND(4, 2), P(4, OP_ACK_ALL));
	INPUT("open_plain", 0, P(0, OP_OPEN), 0, P(0, OP_DATA), 100, SEND(0, 100));
	INPUT("open_ecn", 0, P(0, OP_OPEN), OPEN_ALL | OPEN_ECN, SEND(0, 100),
			SEG(0, ACK | ECE, BASE_ACK(ACK_PIECE), X_TS, 0), 2, 0, 0,
			SEG(0, ACK | CWR, BASE_ECN(3), X_TS, 9), 0, 0, SEND(0, 10));
	INPUT("open_simultaneous", 0, P(5, OP_CONNECT), NO_OPTIONS,
			SEG(5, SYN, SEQ_NEXT, X_SYN | X_TS, 0), 0, 0, 5, 0xb4, 7,
			SEG(5, SYN | ACK, SEQ_FIRST, X_SYN | X_TS, 0), 0, 0, 0, 5, 0xb4, 7,
			P(5, OP_ACK_ALL), SEND(5, 9));
	INPUT("open_refused", 0, P(4, OP_CONNECT), NO_OPTIONS, P(4, OP_RST), P(4, OP_LOOK), 1,
			P(4, OP_CLOSE), P(4, OP_CONNECT), NO_OPTIONS, P(4, OP_ICMP), 0, 0, 0);
	INPUT("open_no_answer", 0, P(4, OP_CONNECT), NO_OPTIONS, OP_NEXT_TIMER, OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER,
			OP_NEXT_TIMER, P(4, OP_LOOK), 1);
	INPUT("half_open", 0, SEG(0, SYN, 0, X_SYN, 0), 5, 0xb4, 7, OP_NEXT_TIMER, OP_NEXT_TIMER,
			SEG(0, SYN, SEQ_FIRST, X_SYN, 0), 0, 5, 0xb4, 7, P(0, OP_RST));
	INPUT("cookies", FUZZ_BACKLOG, SEG(1, SYN, 0, X_SYN, 0), 5, 0xb4, 7,
			SEG(0, SYN, 0, X_SYN | X_TS, 0), 0, 0, 5, 0xb4, 7, SEG(0, ACK, 0, X_TS, 9),
			0, 0, P(0, OP_ACCEPT), RECV(0, 4), SEND(0, 4));
	INPUT("backlog", FUZZ_BACKLOG, SEG(0, SYN, 0, 0, 0), P(0, OP_ACK_ALL), SEG(1, SYN, 0, 0, 0),
			P(1, OP_ACK_ALL), P(0, OP_ACCEPT), P(1, OP_ACK_ALL), P(0, OP_LISTENER), 0,
			SEG(2, SYN, 0, 0, 0));
	INPUT("syn_rate", FUZZ_SYN_RATE | FUZZ_FEW_CONNS, SEG(0, SYN, 0, 0, 0),
			SEG(1, SYN, 0, 0, 0), SEG(2, SYN, 0, 0, 0), WAIT(8), SEG(3, SYN, 0, 0, 0),
			P(6, OP_CONNECT), NO_OPTIONS, P(7, OP_CONNECT), NO_OPTIONS);
	INPUT_WITH("defer_accept", 0, 0, 0x10, 0, 0, 0, 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_DATA),
			4, P(0, OP_ACCEPT), RECV(0, 4), SEND(0, 4));
	INPUT("stray", 0, SEG(6, ACK, 0, 0, 3), SEG(6, SYN, 0, 0, 0), SEG(6, RST, 0, 0, 0),
			SEG(0, FIN, 0, 0, 0), SEG(0, SYN | FIN, 0, 0, 0),
			SEG(0, SYN | ACK, 0, 0, 0));
}

static void
sending(void)
{
	INPUT("bulk", FUZZ_MULTI_SEG | FUZZ_TSO | FUZZ_HOLD, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255),
			SEND(0, 255), P(0, OP_ACK_ALL), P(0, OP_ACK_ALL), SEND(0, 255),
			P(0, OP_ACK_ALL), OP_RELEASE, P(0, OP_ACK_ALL));
	INPUT("nagle", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 1), SEND(0, 1), SEND(0, 1),
			P(0, OP_ACK_ALL), P(0, OP_OPTIONS), 1, 0, 0, 0, 0, 0, SEND(0, 1),
			SEND(0, 1));
	INPUT("cork", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_SEND), 1, 1, P(0, OP_SEND), 1, 1, WAIT(1),
			P(0, OP_OPTIONS), 2, 0, 0, 0, 0, 0, SEND(0, 30), WAIT(1));
	INPUT("pacing", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_OPTIONS), 0x90, 0, 0, 0, 0, 0,
			SEND(0, 255), OP_NEXT_TIMER, OP_NEXT_TIMER, P(0, OP_ACK_ALL),
			OP_NEXT_TIMER);
	INPUT("urgent_out", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_SEND), 1, 2, P(0, OP_ACK_ALL),
			P(0, OP_SEND), 60, 2);
	INPUT("small_buffer", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_OPTIONS), 0, 0x40, 0, 2, 0, 0,
			SEND(0, 255), SEND(0, 255), P(0, OP_ACK_ALL), SEND(0, 255),
			P(0, OP_ACK_ALL));
	INPUT("window_closed", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 100),
			SEG(0, ACK, 0, X_WINDOW | X_TS, 0), 0, 0, 0, 0, SEND(0, 20), OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, SEG(0, ACK, 0, X_WINDOW | X_TS, 0), 0, 1, 0,
			0, OP_NEXT_TIMER, P(0, OP_ACK_ALL));
	INPUT("window_shrinks", 0, P(0, OP_OPEN), 0, SEND(0, 255),
			SEG(0, ACK, BASE_ACK(ACK_PIECE), X_WINDOW, 0), 1, 1, 0, OP_NEXT_TIMER,
			OP_NEXT_TIMER, SEG(0, ACK, BASE_ACK(ACK_PART), X_WINDOW, 0), 9, 2, 0);
	INPUT("window_small", 0, P(0, OP_OPEN), OPEN_SMALL, SEND(0, 99),
			SEG(0, ACK, 0, X_WINDOW, 0), 3, 0xe8, SEG(0, ACK, 0, X_WINDOW, 0), 2, 0,
			OP_NEXT_TIMER, SEG(0, ACK, 0, X_WINDOW, 0), 3, 0xe8);
	INPUT("mtu", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255), P(0, OP_ICMP), 2, 0, 40,
			P(0, OP_ACK_ALL), SEND(0, 100), P(0, OP_ICMP), 2, 1, 36, P(0, OP_ACK_ALL));
	INPUT("black_hole", 0, P(0, OP_OPEN), OPEN_ALL, OP_MTU, 40, SEND(0, 255), OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER);
	INPUT("scarce", FUZZ_SCARCE | FUZZ_HOLD, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255),
			P(0, OP_ACK_ALL), OP_RELEASE, SEND(0, 255), OP_NEXT_TIMER, OP_BUFFERS, 1,
			OP_NEXT_TIMER, P(0, OP_SHUTDOWN), 1, OP_BUFFERS, 0, OP_NEXT_TIMER);
	INPUT("idle", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255), P(0, OP_ACK_ALL), P(0, OP_ACK_ALL),
			OP_TIME, 0xb0, SEND(0, 255), P(0, OP_ACK_ALL));
	INPUT_WITH("no_congestion_control", FUZZ_HOLD, 0, 0, 2, 0, 0, 0, P(0, OP_OPEN), OPEN_ALL,
			SEND(0, 255), SEND(0, 255), P(0, OP_SACK_ALL), 3, OP_NEXT_TIMER,
			P(0, OP_OPTIONS), NO_OPTIONS, P(0, OP_ACK_ALL), SEND(0, 255));
	INPUT_WITH("newreno", 0, 0, 0, 1, 0, 0, 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255),
			P(0, OP_SACK_ALL), 3, P(0, OP_ACK_ALL), OP_NEXT_TIMER);
}

static void
losing(void)
{
	INPUT("sack", FUZZ_HOLD, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255),
			SEG(0, ACK, BASE_ACK(ACK_OLDEST), X_TS | X_SACK, 0), 0, 0, 1, 2, 0, 0,
			SEG(0, ACK, BASE_ACK(ACK_OLDEST), X_TS | X_SACK, 0), 0, 0, 2, 5, 2, 0, 2, 0,
			0, OP_NEXT_TIMER, P(0, OP_ACK_ALL));
	INPUT("sack_all", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 200), P(0, OP_SACK_ALL), 1,
			OP_NEXT_TIMER, P(0, OP_SACK_ALL), 2, OP_NEXT_TIMER, P(0, OP_ACK_ALL));
	INPUT("dsack", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 100), OP_NEXT_TIMER, OP_NEXT_TIMER,
			SEG(0, ACK, BASE_ACK(ACK_PIECE), X_TS | X_SACK, 0), 2, 0, 0, 1, 0, 0, 0);
	INPUT("duplicates", 0, P(0, OP_OPEN), 0, SEND(0, 255), SEG(0, ACK, BASE_ACK(1), 0, 0),
			SEG(0, ACK, BASE_ACK(1), 0, 0), SEG(0, ACK, BASE_ACK(1), 0, 0),
			SEG(0, ACK, BASE_ACK(1), 0, 0), SEG(0, ACK, BASE_ACK(ACK_PIECE), 0, 0), 1,
			P(0, OP_ACK_ALL));
	INPUT("timeouts", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 100), OP_NEXT_TIMER, OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER);
	INPUT("frto", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 200), OP_NEXT_TIMER, OP_NEXT_TIMER,
			SEG(0, ACK, BASE_ACK(ACK_PIECE), X_TS, 0), 0, 0xc0, 0xc0, SEND(0, 99),
			SEG(0, ACK, BASE_ACK(ACK_PIECE), X_TS, 0), 0, 0xc0, 0xc0);
	INPUT("renege", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 200), P(0, OP_SACK_ALL), 1,
			OP_NEXT_TIMER, OP_NEXT_TIMER, SEG(0, ACK, BASE_ACK(ACK_PART), X_TS, 0), 9,
			0, 0, OP_NEXT_TIMER, OP_NEXT_TIMER);
	INPUT("user_timeout", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_OPTIONS), 0, 0, 0, 0, 0, 1,
			SEND(0, 20), OP_NEXT_TIMER, WAIT(16), WAIT(16), OP_NEXT_TIMER,
			P(0, OP_LOOK), 1);
	INPUT("keepalive", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_OPTIONS), 0x20, 0, 0, 0, 0, 0x40,
			OP_NEXT_TIMER, OP_NEXT_TIMER, P(0, OP_ACK_ALL), OP_NEXT_TIMER,
			OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER, OP_NEXT_TIMER);
}

static void
receiving(void)
{
	INPUT("holes", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK, SEQ_HOLE, X_TS, 67), 1, 0, 0,
			SEG(0, ACK, SEQ_HOLE, X_TS, 67), 3, 0, 0, SEG(0, ACK, SEQ_HOLE, X_TS, 67),
			5, 0, 0, SEG(0, ACK, SEQ_HOLE, X_TS, 200), 0, 0, 0, RECV(0, 99),
			P(0, OP_DATA), 250, RECV(0, 99));
	INPUT("overlaps", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK, SEQ_NEAR, X_TS, 10), 40, 0, 0,
			SEG(0, ACK, SEQ_NEAR, X_TS, 10), 20, 0, 0, SEG(0, ACK, SEQ_NEAR, X_TS, 30),
			9, 0, 0, SEG(0, ACK, SEQ_AGAIN, X_TS, 9), 0, 0, SEG(0, ACK, 0, X_TS, 6), 0,
			0);
	INPUT("fin_early", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK | FIN, SEQ_HOLE, X_TS, 67), 1, 0,
			0, SEG(0, ACK, SEQ_HOLE, X_TS, 99), 3, 0, 0, SEG(0, ACK, 0, X_TS, 67), 0, 0,
			RECV(0, 99), RECV(0, 9), P(0, OP_CLOSE), P(0, OP_ACK_ALL));
	INPUT_WITH("window_full", 0, 0, 0, 0, 0, 16, 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_DATA), 250,
			P(0, OP_DATA), 250, P(0, OP_DATA), 9, SEG(0, ACK, SEQ_EDGE, X_TS, 1), 0xff,
			0, 0, RECV(0, 9), RECV(0, 99), P(0, OP_DATA), 9);
	INPUT("tiny", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK, 0, X_TS | X_ODD, 0), 0, 0, 1,
			SEG(0, ACK, 0, X_TS | X_ODD, 0), 0, 0, 1,
			SEG(0, ACK, SEQ_NEAR, X_TS | X_ODD, 0), 5, 0, 0, 1,
			SEG(0, ACK, SEQ_NEAR, X_TS | X_ODD, 0), 3, 0, 0, 1, OP_NEXT_TIMER,
			RECV(0, 9));
	INPUT("split", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK, 0, X_TS | X_SPLIT, 90), 0, 0, 20,
			SEG(0, ACK, 0, X_TS | X_SPLIT, 90), 0, 0, 5, P(0, OP_RECV_MBUFS), 40,
			P(0, OP_RECV_DONE), 20, RECV(0, 9), P(0, OP_RECV_DONE), 99);
	INPUT("lro", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK, 0, X_TS | X_LRO, 255), 0, 0, 100,
			P(0, OP_SEGMENT_MORE), ACK, 0, X_TS | X_LRO, 255, 0, 0, 100,
			SEG(0, ACK, SEQ_NEAR, X_TS | X_LRO, 200), 3, 0, 0, 60);
	INPUT("urgent_in", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK | URG, 0, X_TS, 10), 0, 0, 0, 9,
			P(0, OP_RECV), 1, 2, RECV(0, 9), RECV(0, 9), SEG(0, ACK | URG, 0, X_TS, 3),
			0, 0, 1, 0, P(0, OP_DATA), 64, RECV(0, 99), P(0, OP_RECV), 0, 0x12);
	INPUT("peek", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_DATA), 99, P(0, OP_RECV), 9, 0x71,
			P(0, OP_RECV), 3, 4, P(0, OP_LOOK), 0, RECV(0, 99));
	INPUT("delayed_ack", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_OPTIONS), 4, 0, 0, 0, 0, 0,
			P(0, OP_DATA), 9, P(0, OP_OPTIONS), NO_OPTIONS, P(0, OP_DATA), 90,
			P(0, OP_DATA), 90, P(0, OP_DATA), 9, OP_NEXT_TIMER);
	INPUT("paws", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, ACK, 0, X_TS, 9), 0x80, 0,
			SEG(0, ACK, 0, 0, 9), OP_TIME, 0xf0, SEG(0, ACK, 0, X_TS, 9), 0, 0);
	INPUT("burst", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_SEGMENT_MORE), ACK, 0, X_TS, 9, 0, 0,
			P(0, OP_SEGMENT_MORE), ACK, SEQ_NEAR, X_TS, 9, 72, 0, 0,
			P(0, OP_SEGMENT_MORE), ACK | FIN, SEQ_FAR, X_TS, 9, 0, 144, 0, 0,
			P(1, OP_SEGMENT_MORE), SYN, 0, 0, 0, P(0, OP_DATA), 4, RECV(0, 99));
}

static void
closing(void)
{
	INPUT("close_active", FUZZ_TIME_WAIT, P(4, OP_OPEN), OPEN_ALL, SEND(4, 9), P(4, OP_CLOSE),
			P(4, OP_ACK_ALL), P(4, OP_FIN), SEG(4, ACK | FIN, SEQ_AGAIN, X_TS, 0), 0, 0,
			OP_NEXT_TIMER);
	INPUT("close_passive", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_FIN), RECV(0, 1), SEND(0, 9),
			P(0, OP_CLOSE), P(0, OP_ACK_ALL));
	INPUT("close_simultaneous", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_SHUTDOWN), 1,
			SEG(0, ACK | FIN, BASE_ACK(ACK_OLDEST), X_TS, 0), 0, 0, P(0, OP_ACK_ALL));
	INPUT("close_half", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_SHUTDOWN), 1, P(0, OP_ACK_ALL),
			P(0, OP_DATA), 99, RECV(0, 99), P(0, OP_FIN), P(0, OP_LOOK), 1);
	INPUT("close_unread", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_DATA), 9, P(0, OP_CLOSE));
	INPUT("close_orphan", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255), P(0, OP_CLOSE),
			P(0, OP_DATA), 9, P(1, OP_OPEN), 0, P(1, OP_CLOSE), P(1, OP_ACK_ALL),
			WAIT(16), OP_NEXT_TIMER, OP_NEXT_TIMER);
	INPUT("close_orphan_stuck", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 255), P(0, OP_CLOSE),
			SEG(0, ACK, 0, X_TS | X_WINDOW, 0), 0, 0, 0, 0, OP_TIME, 0xc7,
			OP_NEXT_TIMER, OP_TIME, 0xc7, OP_NEXT_TIMER);
	INPUT("reset", 0, P(0, OP_OPEN), OPEN_ALL, SEG(0, RST, SEQ_NEAR, 0, 0), 9,
			SEG(0, SYN, 0, 0, 0), P(0, OP_RST), P(0, OP_LOOK), 1, RECV(0, 9),
			P(0, OP_CLOSE));
	INPUT("abort", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 99), P(0, OP_ABORT), P(5, OP_CONNECT),
			NO_OPTIONS, P(5, OP_ABORT), P(0, OP_OPEN), 0);
	INPUT("time_wait_again", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_CLOSE), P(0, OP_ACK_ALL),
			P(0, OP_FIN), WAIT(8), SEG(0, SYN, SEQ_HOLE, X_SYN | X_TS, 0), 9, 0, 0, 5,
			0xb4, 7, P(0, OP_ACK_ALL), P(0, OP_ACCEPT), SEND(0, 3));
	INPUT("time_wait_connect", 0, P(4, OP_OPEN), OPEN_ALL, P(4, OP_CLOSE), P(4, OP_ACK_ALL),
			P(4, OP_FIN), WAIT(8), P(4, OP_OPEN), OPEN_ALL, SEND(4, 3));
	INPUT("close_reset", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_SHUTDOWN), 1,
			SEG(0, ACK | FIN, BASE_ACK(ACK_OLDEST), X_TS, 0), 0, 0, P(0, OP_RST),
			P(0, OP_LOOK), 1, P(1, OP_OPEN), 0, P(1, OP_FIN), P(1, OP_SHUTDOWN), 2,
			P(1, OP_RST), P(1, OP_LOOK), 1);
	INPUT("listener_closes", 0, SEG(0, SYN, 0, 0, 0), SEG(1, SYN, 0, 0, 0), P(1, OP_ACK_ALL),
			P(0, OP_LISTENER), 0, SEG(0, ACK, 0, 0, 0));
	INPUT("ack_attacks", 0, P(0, OP_OPEN), OPEN_ALL, SEND(0, 9),
			SEG(0, ACK, BASE_ACK(ACK_ANY), X_TS, 0), 1, 2, 3, 4, 0, 0,
			SEG(0, ACK, BASE_ACK(ACK_NEAR), X_TS, 0), 5, 0, 0, SEG(0, 0, 0, X_TS, 5), 0,
			0, SEG(0, ACK, SEQ_ANY, X_TS, 5), 9, 9, 9, 9, 0, 0);
	INPUT("raw", 0, P(0, OP_OPEN), OPEN_ALL, P(0, OP_RAW), 44, 0, 0, 0, 0, 0, 0, 0, 0, 0xb0,
			0x10, 1, 0, 0, 0, 0, 0, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9, 8, 10, 0, 0, 0,
			1, 0, 0, 0, 1, 254, 2);
	INPUT("options_bad", 0, SEG(0, SYN, 0, X_OPTIONS, 0), 8, 2, 3, 5, 3, 2, 4, 0, 0,
			SEG(1, SYN, 0, X_OPTIONS, 0), 4, 2, 40, 5, 180);
}

/* What the fuzzer has found, as it found it: each fails without its fix. */
static void
found(void)
{
	/* A buffer was missing and nothing on the way: the connection stood still for ever. */
	FOUND("no_buffer_nothing_on_the_way", 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x07,
			0x0a, 0xdd, 0xc3, 0x05, 0x16, 0x0a, 0xff, 0x00, 0x01, 0x17, 0x01, 0x01,
			0x0e, 0xe5, 0xe6, 0xd6, 0x26, 0xf2, 0x55, 0x00, 0x00, 0x00, 0x01, 0x00,
			0x00, 0x07, 0x07, 0x02, 0x30, 0x00, 0x02, 0x0a, 0x00, 0x00);
	/* From none to another algorithm in recovery: a window of 2^32 - 1. */
	FOUND("none_changed_in_recovery", 0x04, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x07, 0x07,
			0x0a, 0x11, 0x00, 0x00, 0x00, 0x0a, 0xff, 0x00, 0x1a, 0x01, 0x11, 0x00,
			0x00, 0x00, 0x00, 0x00, 0x00, 0x05);
	/* A timer that ran hid another's earlier deadline. */
	FOUND("timer_behind_another", 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x07, 0x11,
			0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0xff, 0x00, 0x01, 0x01, 0x00,
			0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
			0x00, 0x00, 0x05, 0x01);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 1;
	}
	directory = argv[1];
	opening();
	sending();
	losing();
	receiving();
	closing();
	found();
	return 0;
}
