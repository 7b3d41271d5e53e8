/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modes on TCP connections. Each thread is a worker with its own listeners, connections and
 * counts: it opens them, works on them and closes them itself, so that with a ring for each thread
 * nothing is shared.
 */
#ifndef TESTPMD_TCP_H
#define TESTPMD_TCP_H

#include <netinet/in.h>
#include <pthread.h>

#include <rte_common.h>

#include "testpmd.h"

#define TP_LISTENER (UINT64_C(1) << 32) /**< in an event: the number of a listener follows */
#define TP_EVENTS_MAX 256		/**< taken with one call */
#define TP_RINGS_MAX 4			/**< of a worker, watched for packets */
#define TP_POLLED_MAX 8			/**< connections that are asked in turn, without epoll */

enum tp_phase {
	TP_OPEN,
	/* of the mode connect */
	TP_CONNECTING,
	TP_ANSWER, /**< the question is out */
	TP_END,	   /**< the other end is to close */
};

struct tp_conn {
	int fd;
	bool over;
	bool wants_out; /**< of epoll: it has bytes that the socket did not take */
	uint8_t phase;
	uint64_t in, out; /**< bytes so far */
	uint64_t asked;	  /**< TSC; 0: nothing is */
};

struct tp_worker {
	struct tp *tp;
	pthread_t thread;
	uint32_t index;
	bool failed;  /**< to open */
	bool worked;  /**< epoll told of something, or somebody came */
	bool closing; /**< connect: no more are opened */
	int epfd;     /**< -1: connections are asked in turn */
	uint32_t n_listeners, max_conns;
	int *listeners;
	struct tp_conn *conns;
	uint32_t *unused; /**< places in conns that were given back */
	uint32_t n_unused;
	uint32_t n_conns; /**< places in conns that were ever used */
	uint32_t active;  /**< who connects: those that are no idle ones, the first */
	uint32_t over, next, turns;
	uint32_t opened;    /**< connections, ever */
	uint32_t not_ended; /**< connections whose other half did not follow */
	uint8_t *buffer;
	const struct ring *rings[TP_RINGS_MAX];
	uint32_t n_rings;
	struct tp_count count;
	struct tp_latency latency;
} __rte_cache_aligned;

static inline bool
tp_active(const struct tp *tp)
{
	return tp->args.peer[0] != '\0';
}

/* tcp_open.c */
/** Listen, or connect; with the memory for it. 0, or -1 with a line of why not. */
int tp_worker_open(struct tp_worker *w);
/** Our half of every connection ends; counts those whose other half did not follow in time. */
void tp_worker_end(struct tp_worker *w);
void tp_worker_close(struct tp_worker *w);
/** A place for a connection, NULL without one left; it is told to epoll, with these events. */
struct tp_conn *tp_conn_add(struct tp_worker *w, int fd, uint32_t events);
/** Close it and give its place back. */
void tp_conn_del(struct tp_worker *w, struct tp_conn *c);
/** Whoever waits at a listener comes in; those that were done at once. */
unsigned int tp_accept(struct tp_worker *w, uint32_t listener);
/** A socket towards one of the peers; a line of why not. */
int tp_conn_socket(struct tp_worker *w, int flags, struct sockaddr_in *to);

/* tcp_turn.c */
/** @param eals in EAL's memory, from which every device sends */
int tp_pattern_make(uint32_t size, bool eals);
void tp_pattern_free(void);
/** What is at that byte of a connection, and --size bytes more. */
const uint8_t *tp_pattern_at(uint64_t position);
/** Bytes out, bytes in; as send() and recv(). An error ends the connection. */
ssize_t tp_put(struct tp_worker *w, struct tp_conn *c, uint32_t len);
ssize_t tp_get(struct tp_worker *w, struct tp_conn *c, uint32_t len);
void tp_conn_over(struct tp_worker *w, struct tp_conn *c, int error);
/** What epoll is to tell of, for a connection whose bytes the socket did or did not take. */
void tp_want_out(struct tp_worker *w, struct tp_conn *c, bool out);
/** One turn of all: calls, or answers, that moved something. */
unsigned int tp_tcp_turn(struct tp_worker *w);

unsigned int tp_stream_step(struct tp_worker *w, struct tp_conn *c, uint32_t events);
unsigned int tp_rr_step(struct tp_worker *w, struct tp_conn *c, uint32_t events);
/** The first question of each; epoll tells of the answers. */
void tp_rr_begin(struct tp_worker *w);

/* tcp_connect.c */
unsigned int tp_connect_step(struct tp_worker *w, struct tp_conn *c, uint32_t events);
/** Who connects opens --sockets of them. */
void tp_connect_begin(struct tp_worker *w);
/** What is on the way comes to its end. */
void tp_connect_end(struct tp_worker *w);
/** The server need not wait for more. */
void tp_connect_goodbye(struct tp_worker *w);
/** A peer has come, and the connection may have to end at once: then 1. */
unsigned int tp_connect_accepted(struct tp_worker *w, struct tp_conn *c);

#endif
