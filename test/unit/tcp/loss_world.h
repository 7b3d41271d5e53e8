/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection's send queue and loss recovery over stand-ins for the rest of the engine, in
 * virtual time. Pieces have MSS bytes, sequence numbers of the tests count from the first byte.
 */
#ifndef TEST_TCP_LOSS_WORLD_H
#define TEST_TCP_LOSS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/loss_priv.h"

#define MSS 1000u
#define FIRST UINT32_C(0xfffff000) /* of the data: numbers wrap early */
#define START (10 * SEC)

/** What left: one segment. */
struct sent {
	uint64_t at;
	uint32_t seq, len; /**< seq from FIRST on */
	uint8_t times;	   /**< of this piece */
	bool fin;
};
struct world {
	struct tcp_engine engine;
	struct tcp_conn conn;
	struct sent sent[4096];
	unsigned int n_sent, taken; /**< segments, and those that a test has looked at */
	unsigned int probes, drops; /**< output_probe(), conn_drop() */
	int drop_error;
	unsigned int congestions, cc_timeouts, cc_undos, cc_acks;
	struct cc_ack cc_last;
	bool no_output; /**< output_piece() finds no buffer */
};
extern struct world w;
extern struct rte_mempool *world_pool;

int world_start(void **state);
int world_stop(void **state);
/** Per test: an established connection with an open window, SACK and timestamps. */
int world_open(void **state);
/** Fails the test if a buffer is missing. */
int world_close(void **state);

/** Put @p bytes into the queue, and output. */
void world_send(uint32_t bytes);
void world_queue(uint32_t bytes);
/** Let time pass; timers run. */
void world_wait(uint64_t ns);

/** An acknowledgement up to byte @p ack; pairs of bytes follow as SACK blocks, -1 ends. */
bool world_ack(uint32_t ack, ...);
/** The same, with other fields than usual. @p in is completed. */
bool world_ack_in(struct tcp_in *in, uint32_t ack);
/** After an acknowledgement: output, as the engine does. */
void world_output(void);

/** The next segment that left and no test has looked at: these bytes, or the test fails. */
void expect_sent(uint32_t seq, uint32_t len);
void expect_quiet(void);
/** The counts of struct loss against the flags of the pieces. */
void world_check(void);

#define L (&w.conn.loss)
#define STAT(name) ((unsigned int)w.engine.stats.c[TCP_STAT_##name])

#endif
