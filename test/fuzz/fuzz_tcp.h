/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The language of fuzz_tcp's inputs, for the fuzzer and for the program that writes the first ones;
 * and what the parts of the fuzzer share.
 *
 * An input is FUZZ_CONFIG_* and the listener's options (6 bytes, see OP_OPTIONS), then a row of
 * operations. The first byte of each is an operation and, in the upper three bits, one of eight
 * peers: 0 to 3 connect to our listener, 4 to 7 are connected to. What is beyond the end is zero.
 */
#ifndef DPVMA_FUZZ_TCP_H
#define DPVMA_FUZZ_TCP_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FUZZ_MULTI_SEG = 0x01,
	FUZZ_TSO = 0x02,
	FUZZ_HOLD = 0x04,   /* the device holds the last packets for a while */
	FUZZ_SCARCE = 0x08, /* few transmit buffers */
	FUZZ_SYN_RATE = 0x10,
	FUZZ_FEW_CONNS = 0x20,
	FUZZ_BACKLOG = 0x40,   /* of 1: SYN cookies */
	FUZZ_TIME_WAIT = 0x80, /* of 1 s */
};

enum op {
	OP_TIME,	 /* u8: (1 + low half) << (10 + 2 * high half) ns pass */
	OP_NEXT_TIMER,	 /* time until the next timer */
	OP_SEGMENT,	 /* flags, bases, extras, length / 8; then what these ask for (below) */
	OP_SEGMENT_MORE, /* the same; goes in with the next segment */
	OP_RAW,		 /* u8 length, bytes of a header */
	OP_ACK_ALL,	 /* everything sent is acknowledged, with a large window */
	OP_DATA,	 /* u8 length / 16: data in order, everything acknowledged */
	OP_OPEN,	 /* u8 OPEN_*: a handshake as it should be, and accept */
	OP_CONNECT,	 /* 6 bytes of options */
	OP_ACCEPT,
	OP_SEND,       /* u8 length / 64, u8: low bits TCP_SEND_*, 0xf0 how it is cut */
	OP_RECV,       /* u8 length / 64, u8: low bits TCP_RECV_*, 0xf0 how it is cut */
	OP_RECV_MBUFS, /* u8 length / 64 */
	OP_RECV_DONE,  /* u8 length / 64 */
	OP_SHUTDOWN,   /* u8 how */
	OP_CLOSE,
	OP_ABORT,
	OP_OPTIONS,  /* u8 x 6: two of toggles, cc, sndbuf, rcvbuf, times */
	OP_ICMP,     /* u8 which error, s8 offset to snd_una / 16, u8 MTU / 16 */
	OP_MTU,	     /* u8 MTU / 16 of the ways from now on */
	OP_LISTENER, /* u8: 0 close and open again, else its backlog */
	OP_LOOK,     /* everything that only looks; u8 & 1: takes the error */
	OP_RELEASE,  /* the device lets go of what it holds */
	OP_BUFFERS,  /* u8: transmit buffers left, 0: all */
	OP_FIN,	     /* the peer's FIN, in order */
	OP_RST,	     /* the peer's RST, in order */
	OP_SACK_ALL, /* u8: of what is on the way, everything beyond so many pieces has come */
	OP_MAX
};

/* OP_SEGMENT: the second byte after the operation. */
#define BASE_SEQ(n) (n)	       /* 3 bits, enum seq_base */
#define BASE_ACK(n) ((n) << 3) /* 3 bits, enum ack_base */
#define BASE_ECN(n) ((n) << 6)
enum seq_base {
	SEQ_NEXT,  /* rcv_nxt */
	SEQ_NEAR,  /* rcv_nxt + s8 */
	SEQ_FAR,   /* rcv_nxt + s16 */
	SEQ_EDGE,  /* rcv_adv + s8 */
	SEQ_FIRST, /* irs + s8 */
	SEQ_ANY,   /* u32 */
	SEQ_AGAIN, /* rcv_nxt - length */
	SEQ_HOLE,  /* rcv_nxt + 536 * s8 */
};
enum ack_base {
	ACK_NEXT,   /* snd_nxt */
	ACK_OLDEST, /* snd_una */
	ACK_FAR,    /* snd_una + s16 */
	ACK_NEAR,   /* snd_nxt + s8 */
	ACK_PIECE,  /* the end of piece u8 */
	ACK_FIRST,  /* iss + s8 */
	ACK_ANY,    /* u32 */
	ACK_PART,   /* snd_una + u8 */
};
/* The third byte. Their arguments follow in this order, behind those of seq and ack. */
enum {
	X_WINDOW = 0x01,  /* u16; else 65535 */
	X_TS = 0x02,	  /* s8, s8: offsets to the right TSval and TSecr */
	X_SACK = 0x04,	  /* u8 n; n times u8, u8, s8: first piece, pieces, offset */
	X_OPTIONS = 0x08, /* u8 length, bytes */
	X_SYN = 0x10,	  /* u16 MSS, u8 window scale, or 255, 0x80 with it: no SACK-permitted */
	X_SPLIT = 0x20,	  /* u8: the second buffer begins at byte 8 * u8 of the packet */
	X_LRO = 0x40,	  /* u8: coalesced of segments of 8 * u8 bytes */
	X_ODD = 0x80,	  /* u8 more bytes of data */
};
/* and behind them, with URG, u16 urgent pointer */

enum { OPEN_TS = 0x01, OPEN_SACK = 0x02, OPEN_SCALE = 0x04, OPEN_ECN = 0x08, OPEN_MSS = 0x10 };

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "not true: %s, %s:%d\n", #what, __FILE__, __LINE__);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct tcp_conn;
struct tcp_engine;
struct tcp_out;
struct rte_mbuf;

/** What the fuzzer keeps with each connection, in its extra bytes. */
struct note {
	uint32_t sent_end; /* of the highest number sent */
	uint32_t edge;	   /* of the window that was offered */
	uint32_t acked;	   /* the highest ACK number sent */
	uint8_t sent;	   /* sent_end is set */
	uint8_t offered;   /* edge and acked are */
	uint8_t urgent;	   /* the peer has sent URG */
};

/** The byte that has sequence number @p seq, in both directions. */
static inline uint8_t
stream_byte(uint32_t seq)
{
	return (uint8_t)(seq * 0x9du ^ seq >> 8);
}

/** Everything that holds of a connection between two calls. */
void check_conn(const struct tcp_conn *conn);
/** And of the engine and all of them. */
void check_engine(struct tcp_engine *engine);
/** A packet on its way out, from within the call. */
void check_output(const struct tcp_out *out, const struct rte_mbuf *m);

#endif
