/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two hosts, each with a TCP engine, and a link in each direction between them, in virtual time.
 *
 * A scenario is: parameters, flows, run, look. The applications send bytes that a formula makes and
 * check every byte they get; the run ends when all is done, when nothing moves for too long, or
 * when somebody breaks a rule. The first thing that goes wrong is kept in sim->failure, and
 * everything random comes from the seed, so a run that failed can be had again with a trace.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim_link.h"
#include "tcp/tcp.h"

#define SIM_FLOWS_MAX 64
#define SIM_BURST 64

struct sim;
struct sim_flow;

/** The network card and its driver. */
struct sim_host_params {
	uint16_t mtu;	    /**< of the interface; 0: 1500 */
	uint32_t tso_max;   /**< 0: the card does not split */
	bool multi_seg;	    /**< takes chained buffers */
	uint8_t l2_len;	    /**< bytes of link header in front of what the engine gets */
	uint8_t lro;	    /**< enum sim_lro */
	uint16_t lro_max;   /**< segments put together at most; 0: 40 */
	uint64_t rx_delay;  /**< packets wait this long for others to share their burst */
	uint64_t tx_hold;   /**< the card gives buffers back this late */
	uint32_t max_conns; /**< as struct tcp_config has it, and the next */
	uint32_t time_wait_ms;
	uint32_t syn_rate;
};
enum sim_lro {
	SIM_LRO_OFF,
	SIM_LRO_SAME_ACK, /**< as software does it: headers alike but for the sequence number */
	SIM_LRO_LAST_ACK, /**< as cards do it: acknowledgement, window and time of the last */
};

enum sim_end {
	SIM_END_SHUT,  /**< all sent: shut, read to the end, close */
	SIM_END_WAIT,  /**< all sent and the peer's end read: close */
	SIM_END_CLOSE, /**< all sent and all there is to read was read: close */
	SIM_END_ABORT, /**< reset when send has been sent and abort_read been read */
	SIM_END_NOT,   /**< stays open; the run ends without it */
};

/** What an application does. */
struct sim_app_params {
	uint64_t send;	     /**< bytes in all; SIM_NEVER: without end */
	uint64_t send_first; /**< of these without waiting for anything */
	uint64_t send_each;  /**< and so many more ... */
	uint64_t per_read;   /**< ... for each full per_read bytes read; 0: all at once */
	uint32_t write_size; /**< of one call; 0: 64 KB */
	uint64_t write_gap;  /**< between two calls */
	uint32_t read_size;  /**< 0: 64 KB */
	uint64_t read_gap;
	uint64_t pause_at;  /**< bytes read after which it reads nothing ... */
	uint64_t pause_for; /**< ... for so long */
	uint64_t abort_read;
	bool zero_copy; /**< tcp_recv_mbufs() instead of tcp_recv() */
	uint8_t end;	/**< enum sim_end */
};

struct sim_flow_params {
	uint64_t start;
	struct tcp_options opt[2];
	struct sim_app_params app[2]; /**< of the host that connects, of the one that listens */
	bool simultaneous;	      /**< both connect */
	bool may_reset;		      /**< ECONNRESET, EPIPE and bytes never read are no failure */
	bool may_time_out;	      /**< nor is ETIMEDOUT */
};

struct sim_params {
	uint64_t seed;
	struct sim_link_params link[2]; /**< from host 0, from host 1 */
	struct sim_host_params host[2];
	uint64_t stall; /**< a run in which no byte arrives for so long has failed; 0: 120 s */
	uint64_t until; /**< virtual time; 0: 3600 s */
	bool no_icmp;	/**< what is too big vanishes without a word */
	bool linger;	/**< go on until the last connection has left TIME-WAIT */
	unsigned int check_each; /**< events between two checks of every connection; 0: 64 */
	FILE *trace;		 /**< a line for each packet */
};

struct sim_app {
	struct sim_flow *flow;
	struct sim_host *host;
	struct sim_app *peer;
	struct sim_app_params params;
	struct tcp_conn *conn;
	uint64_t pattern; /**< of what it sends */
	uint64_t sent, received;
	uint64_t next_write, next_read, paused_until;
	unsigned int events; /**< come and not yet looked at */
	bool connected, can_read, can_write, end_read, shut, closed, paused;
	int error;
	uint64_t connected_at, end_at, closed_at;
};

struct sim_flow {
	struct sim *sim;
	struct sim_flow_params params;
	struct tcp_listener *listener;
	bool started;
	uint16_t ports[2]; /**< host order */
	struct sim_app app[2];
	uint32_t isn[2]; /**< for the trace */
};

struct sim_held {
	uint64_t at, hash;
	struct rte_mbuf *m;
};
struct sim_host {
	struct sim *sim;
	struct sim_host_params params;
	struct ip_addr addr;
	struct tcp_engine *engine;
	struct sim_link *out;
	uint16_t path_mtu;
	uint16_t ip_id;
	uint64_t random;
	/* what has arrived and not been given to the engine */
	struct rte_mbuf *ring[SIM_BURST];
	unsigned int n_ring;
	uint64_t ring_at;
	/* what the card still has: a FIFO */
	struct sim_held *held;
	size_t held_head, held_n, held_room;
	uint64_t ran_at; /**< the time tcp_timers() ran last */
	/* ICMP on its way to us: the latest */
	uint64_t icmp_at;
	struct tcp_key icmp_key;
	uint32_t icmp_seq;
	uint16_t icmp_mtu;
	struct {
		uint64_t out, out_tso, wire_out, wire_in, bad, delivered, coalesced;
	} counts;
};

struct sim {
	struct sim_params params;
	uint64_t now, hash, random;
	struct sim_link link[2];
	struct sim_host host[2];
	struct sim_flow flow[SIM_FLOWS_MAX];
	unsigned int n_flows;
	uint64_t moved_at; /**< a byte was read or a connection changed */
	uint64_t events, same_time;
	char failure[512];
};

/** @name Scenarios (sim_run.c) */
/** @{ */
/** Pools for all simulations of a process. @return 0, -ENOMEM */
int sim_pools(unsigned int tx, unsigned int wire);
extern struct rte_mempool *sim_tx_pool, *sim_wire_pool;

/** @return 0; else see sim->failure */
int sim_init(struct sim *sim, const struct sim_params *params);
/** Defaults: everything on, close in order, the server after the client. */
void sim_flow_default(struct sim_flow_params *params);
struct sim_flow *sim_flow_add(struct sim *sim, const struct sim_flow_params *params);
/** Until all is done, @p until, or a failure. @return 0; else see sim->failure */
int sim_run(struct sim *sim, uint64_t until);
/** Everything back where it was. @return 0; else see sim->failure (a buffer is missing) */
int sim_fini(struct sim *sim);
/** The first counts. */
void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** @} */

/** @name Parts */
/** @{ */
/* sim_host.c */
int sim_host_init(struct sim *sim, unsigned int index);
void sim_host_fini(struct sim_host *host);
/** A packet arrives from the link. */
void sim_host_rx(struct sim_host *host, struct rte_mbuf *m);
/** When sim_host_turn() is due. */
uint64_t sim_host_next(const struct sim_host *host);
/** Deliver, run timers, take buffers back: what is due now. */
void sim_host_turn(struct sim_host *host);

/* sim_nic.c */
/** A packet of the engine as the frames that the card makes of it; @p m is left alone.
 * @return their number, or -1: breaks a rule (sim->failure) */
int sim_nic_split(struct sim_host *host, const struct tcp_out *out, struct rte_mbuf *m,
		struct rte_mbuf **frames, unsigned int max);
/** Segments of one burst that follow each other become one. @return how many are left */
unsigned int sim_nic_coalesce(struct sim_host *host, struct rte_mbuf **pkts, unsigned int n);
/** Whether both checksums are right and the lengths fit. */
bool sim_nic_good(const struct rte_mbuf *m);

/* sim_app.c */
void sim_app_start(struct sim_app *app);
void sim_app_event(struct sim_app *app, unsigned int events);
/** What events and time allow. */
void sim_app_turn(struct sim_app *app);
uint64_t sim_app_next(const struct sim_app *app);
bool sim_app_done(const struct sim_app *app);
void sim_pattern(uint64_t pattern, uint64_t offset, uint8_t *p, size_t len);
/** @return offset of the first byte that is wrong, len for none */
size_t sim_pattern_check(uint64_t pattern, uint64_t offset, const uint8_t *p, size_t len);

/* sim_check.c */
/** Everything a connection's parts have to agree about. */
void sim_check_conn(struct sim *sim, struct tcp_conn *conn);
void sim_check(struct sim *sim);
/** The inside of a connection, for whoever reads a failure. */
void sim_describe(const struct tcp_conn *conn, FILE *f);

/* sim_trace.c */
void sim_trace(struct sim *sim, const struct rte_mbuf *m, const char *what);
/** @} */

#endif /* TEST_SIM_H */
