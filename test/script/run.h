/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A script while it runs: the engine, the flows, what was sent and not yet expected, the trace.
 */
#ifndef TEST_SCRIPT_RUN_H
#define TEST_SCRIPT_RUN_H

#include "script.h"

#define FLOWS_MAX 64
#define OUT_MAX 1024
#define TRACE_MAX 40
#define HELD_MAX 4096
#define BURST_MAX 64
#define TIME_BASE UINT64_C(1000000000000) /* engine time at which a script begins */

struct out {
	struct segment seg;
	int64_t at;
	struct flow *flow;
	bool taken;
};

/** A pair of ports, and what is relative in it. */
struct flow {
	char name[32];
	struct tcp_key key;
	struct tcp_conn *conn; /**< ours: connected or accepted, until closed */
	struct runner *runner;
	uint32_t iss, irs; /**< iss: the engine's, irs: the script's side */
	bool iss_known, ts_known, ts_auto;
	uint32_t ts_base;   /**< the engine's first timestamp less 1000 */
	uint32_t ts_last;   /**< the latest it sent, absolute */
	uint32_t sent;	    /**< bytes given to send: offset of the pattern */
	uint32_t read;	    /**< bytes read */
	uint32_t urgent[8]; /**< offsets of urgent bytes that were injected */
	unsigned int n_urgent;
	unsigned int events; /**< since the last event line */
};

struct runner {
	const struct script *script;
	const struct step *step; /**< being run */
	FILE *log;
	bool failed;
	struct tcp_engine *engine;
	unsigned int dummies; /**< packets that were to go as far as the device */
	struct tcp_config config;
	struct tcp_options opt; /**< of listen and connect */
	struct tcp_options lopt;
	struct tcp_listener *listener;
	struct flow listening; /**< owner of the listener */
	struct flow flows[FLOWS_MAX];
	unsigned int n_flows;
	struct flow *flow; /**< lines without @ mean this one */
	int64_t now;	   /**< of the engine, from the script's start */
	int64_t reference; /**< what + counts from */
	int64_t mtu;
	unsigned int link;
	struct out out[OUT_MAX];
	unsigned int n_out;		   /**< all that were not taken are among these */
	struct rte_mbuf *burst[BURST_MAX]; /**< not given to the engine yet */
	unsigned int n_burst;
	struct rte_mbuf *held[HELD_MAX];
	unsigned int n_held;
	bool hold, lazy;		   /**< lazy: until the engine asks for them */
	unsigned int rx_in_use, tx_in_use; /**< buffers, before */
	char trace[TRACE_MAX][320];
	unsigned int n_trace;
};

/** The script failed here; prints where, what and the trace. The first counts. */
void run_fail(struct runner *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void run_trace(struct runner *r, int64_t at, const struct flow *flow, const char *fmt, ...)
		__attribute__((format(printf, 4, 5)));
/** To @p until, or to the first output of @p flow if that is not NULL. */
void run_pass_time(struct runner *r, int64_t until, const struct flow *flow);
/** What @p at of the step means. */
int64_t run_line_time(const struct runner *r, int64_t at);

/** @name Flows (flow.c) */
/** @{ */
/** By name; made if it is new. */
struct flow *run_flow_get(struct runner *r, const char *name);
void run_flow_line(struct runner *r);
/** The ports stay, what is relative begins anew. */
void run_flow_again(struct flow *flow);
struct flow *run_flow_by_key(struct runner *r, const struct tcp_key *key);
/** The connection of a flow, whoever owns it; NULL for none. */
struct tcp_conn *run_conn(struct runner *r, struct flow *flow);
/** @} */

/** @name The step's segment or events (expect.c) */
/** @{ */
/** Whether something was sent in @p flow (NULL: in any) that no line has expected yet. */
bool run_has_output(const struct runner *r, const struct flow *flow);
void run_inject(struct runner *r, struct flow *flow);
void run_expect(struct runner *r, struct flow *flow);
void run_expect_events(struct runner *r, struct flow *flow);
/** @} */

/** The patterns: byte @p offset of what the engine (out) or the script sends. */
uint8_t pattern_out(uint32_t offset);
uint8_t pattern_in(uint32_t offset);

/** @name Wire (packet.c) */
/** @{ */
/** What is in a packet of the engine's, checked as tcp_ops.output promises, relative to @p flow. */
void packet_decode(struct runner *r, struct flow *flow, const struct tcp_out *to,
		struct rte_mbuf *m, struct segment *seg);
struct rte_mbuf *packet_make(struct runner *r, struct flow *flow, const struct segment *seg);
/** @} */

/** The step's call of the application (call.c). */
void call_run(struct runner *r, struct flow *flow);
/** The step's assertions (look.c). */
void look_run(struct runner *r, struct flow *flow);

extern struct rte_mempool *script_rx_pool, *script_tx_pool;

#endif
