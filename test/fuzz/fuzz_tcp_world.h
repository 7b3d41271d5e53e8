/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of fuzz_tcp share: the engine, its peers, and what is left of the input.
 */
#ifndef DPVMA_FUZZ_TCP_WORLD_H
#define DPVMA_FUZZ_TCP_WORLD_H

#include "fuzz_tcp.h"

#include <rte_mbuf.h>

#include "tcp/tcp_priv.h"

#define PEERS 8 /* the first half connects to our listener, the others are connected to */
#define OUR_PORT 80
#define BATCH_MAX 40
#define HELD_MAX 16
#define TX_BUFS 2048

struct peer {
	struct tcp_key key;
	struct tcp_conn *conn; /* the application has it */
	uint32_t seq;	       /* what it would send next, while there is no connection */
	uint32_t ack;	       /* the end of what we sent it last */
	uint32_t ts;	       /* our timestamp in that */
	size_t lent;	       /* taken by tcp_recv_mbufs() */
	bool opening;	       /* in tcp_connect() */
	bool urgent;	       /* has sent URG since its last packets were given */
};

struct world {
	struct tcp_engine *engine;
	struct tcp_listener *listener;
	struct tcp_options options; /* its own */
	struct peer peers[PEERS];
	const uint8_t *p, *end; /* what is left of the input */
	uint64_t now;
	uint16_t mtu;
	uint8_t config; /* FUZZ_* */
	bool inside;	/* a call of the engine, from which no other may come */
	struct rte_mempool *tx_pool, *rx_pool;
	struct rte_mbuf *batch[BATCH_MAX]; /* go in with the next packet */
	uint16_t n_batch;
	struct rte_mbuf *held[HELD_MAX]; /* by the device */
	uint32_t held_hash[HELD_MAX];
	unsigned int n_held;
	struct rte_mbuf *taken[TX_BUFS]; /* so that few are left */
	unsigned int n_taken;
	unsigned int packets; /* that peers have sent */
};
extern struct world w;

static inline uint8_t
u8(void)
{
	return w.p < w.end ? *w.p++ : 0;
}

static inline uint16_t
u16(void)
{
	uint16_t hi = u8();

	return (uint16_t)(hi << 8 | u8());
}

static inline uint32_t
u32(void)
{
	uint32_t hi = u16();

	return hi << 16 | u16();
}

/* Signed ones, to be added to a sequence number. */
static inline uint32_t
s8(void)
{
	return (uint32_t)(int8_t)u8();
}

static inline uint32_t
s16(void)
{
	return (uint32_t)(int16_t)u16();
}

static inline struct note *
note_of(struct tcp_conn *conn)
{
	return tcp_extra(conn);
}

struct peer *peer_of(const struct tcp_key *key);
/** The connection there is with it, owned or not. */
struct tcp_conn *conn_of(const struct peer *peer);

/* fuzz_tcp_peer.c: operations of peers */
void peer_op(unsigned int op, struct peer *peer);
/** A segment without data that acknowledges everything and offers 64 KB. */
void peer_ack(struct peer *peer);

/* fuzz_tcp_app.c: operations of the application */
void app_op(unsigned int op, struct peer *peer);
void app_listen(uint8_t backlog);
void app_accept(void);
void app_connect(struct peer *peer, const struct tcp_options *opt);
void app_close(struct peer *peer, bool abort);
void options_read(struct tcp_options *opt);

#endif
