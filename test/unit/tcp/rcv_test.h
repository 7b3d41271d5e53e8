/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection whose receive queue is tested alone: an engine that only counts, a pool, segments
 * made of any buffers, and stand-ins for what the queue calls.
 */
#ifndef TEST_TCP_RCV_TEST_H
#define TEST_TCP_RCV_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/rcv.h"

#define ROOM 2048u /* bytes of data in a buffer of the pool */
#define N_MBUFS 8191u

extern struct tcp_engine engine;
extern struct tcp_conn conn;
extern struct rte_mempool *pool;
extern unsigned int events;   /* raised since rcv_begin() or since a test cleared them */
extern unsigned int n_events; /* calls */
extern unsigned int acks;     /* by output_ack() */
/** Buffers were lent in part, so that rcv_check() cannot say where small data should be. */
extern bool loose;

int rcv_setup(void **state);
int rcv_teardown(void **state);
/** A connection, established, that expects @p nxt; SACK and no window scale. */
void rcv_begin(uint32_t nxt, uint32_t rcvbuf);
/** Free what is left; every buffer must be back. */
void rcv_end(void);
/** An acknowledgement goes out: the window is offered. @return it */
uint32_t rcv_ack(void);

/** What kinds of buffers: of the pool, held by somebody else too, clones, in foreign memory. */
enum buf_kind { BUF_OWN, BUF_SHARED, BUF_CLONE, BUF_EXT, BUF_KINDS };
/** A buffer with a copy of @p len bytes. */
struct rte_mbuf *buf_make(enum buf_kind kind, const void *data, uint32_t len);
/** Put @p len bytes of @p data as one buffer. */
unsigned int put(uint32_t seq, const void *data, uint32_t len, bool fin);
/** The same in buffers of a kind, of @p each bytes. */
unsigned int put_as(enum buf_kind kind, uint32_t each, uint32_t seq, const void *data, uint32_t len,
		bool fin);
/** @p len bytes that tell their sequence numbers. */
unsigned int put_seq(uint32_t seq, uint32_t len);
uint8_t byte_of(uint32_t seq);
/** Read with one vector. */
ssize_t get(void *to, size_t len, unsigned int flags);
/** Everything is consistent: order, counts, sums, and the bound on small buffers. */
void rcv_check(void);
uint64_t rnd(void);
void rnd_seed(uint64_t seed);
/** Less than @p n. */
uint32_t below(uint32_t n);

#endif /* TEST_TCP_RCV_TEST_H */
