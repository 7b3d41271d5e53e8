/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A one-way link: a queue in front of a serialiser of some rate, then a wire of some delay, and all
 * that may go wrong on the way. It has no clock of its own: the caller says what time it is, puts
 * packets in and takes out what has arrived, in virtual time (sim_run.c) or in real time (a relay
 * between two TAP devices). Everything random comes from one seed, one stream of numbers for each
 * kind of fault.
 *
 * Not here: headers' meaning, but for the IPv4 bits DF and ECN.
 */
#ifndef TEST_SIM_LINK_H
#define TEST_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define SIM_NEVER UINT64_MAX
#define SIM_DROPS_MAX 32

/** All times ns, all probabilities 0 to 1, all sizes bytes; zero switches off. */
struct sim_link_params {
	uint64_t rate;	   /**< bit/s; 0: takes no time */
	uint64_t delay;	   /**< propagation */
	uint64_t jitter;   /**< added to it, uniform up to this; packets overtake each other */
	uint64_t queue;	   /**< bytes that may wait or be in sending; 0: without limit */
	uint32_t overhead; /**< counted on each packet beyond its bytes: preamble, gap, FCS */
	uint64_t ecn_mark; /**< bytes waiting from which ECT packets are marked */
	uint64_t codel;	   /**< RFC 8289: target; marks ECT packets, drops others */
	uint64_t codel_interval;
	double loss;	      /**< each packet by itself */
	double burst_enter;   /**< Gilbert-Elliott: good to bad, for each packet */
	double burst_leave;   /**< bad to good */
	double burst_loss;    /**< in the bad state */
	double reorder;	      /**< this many packets are late ... */
	uint64_t reorder_for; /**< ... by this */
	double duplicate;
	double corrupt;	     /**< one bit is flipped */
	uint32_t drop_every; /**< every n-th packet is lost */
	uint32_t n_drops;
	uint32_t drops[SIM_DROPS_MAX]; /**< these packets, counted from 1, are lost; ascending */
	uint32_t mtu;		       /**< of the IP packet; 0: without limit */
	uint32_t mtu_then;	       /**< and from mtu_at on */
	uint64_t mtu_at;
	uint64_t down_at; /**< packets put in are lost from here on ... */
	uint64_t down_for;
	uint64_t down_every; /**< ... and again after this, from start to start */
};

/** What became of a packet put in. */
enum sim_fate {
	SIM_PASSED,
	SIM_LOST,	/**< random, burst or pattern */
	SIM_QUEUE_FULL, /**< tail drop */
	SIM_AQM,	/**< CoDel */
	SIM_DOWN,
	SIM_TOO_BIG, /**< beyond the MTU with DF (or nobody here fragments) */
	SIM_FATES
};
const char *sim_fate_name(enum sim_fate fate);

struct sim_link_counts {
	uint64_t put, fate[SIM_FATES], bytes; /**< bytes of those that passed */
	uint64_t taken, duplicated, corrupted, reordered, marked;
	uint64_t queue_max;
};

/** On the wire. A heap by time, then by number, so that equal times keep their order. */
struct sim_flight {
	uint64_t at;
	uint64_t number;
	struct rte_mbuf *m;
};

enum sim_stream { SIM_R_LOSS, SIM_R_BURST, SIM_R_LATE, SIM_R_DUP, SIM_R_BITS, SIM_STREAMS };

struct sim_link {
	struct sim_link_params params;
	struct sim_link_counts counts;
	uint64_t random[SIM_STREAMS];
	uint64_t busy_until; /**< the serialiser */
	uint64_t busy_rest;  /**< of a ns: bits x 10^9 that did not divide by the rate */
	uint64_t number;
	uint32_t next_drop;
	bool bad; /**< Gilbert-Elliott */
	/* RFC 8289 */
	bool dropping;
	uint32_t drop_count, last_count;
	uint64_t above_at, drop_next;
	struct sim_flight *heap;
	size_t n, room;
};

/** @return 0, -EINVAL for parameters that make no sense */
int sim_link_init(struct sim_link *link, const struct sim_link_params *params, uint64_t seed);
/** Frees what is on the way. */
void sim_link_fini(struct sim_link *link);
/**
 * A packet comes to the link's queue at @p now, which never runs backwards. Its data begin at the
 * link header of m->l2_len bytes. Takes @p m, whatever its fate.
 */
enum sim_fate sim_link_put(struct sim_link *link, uint64_t now, struct rte_mbuf *m);
/** When the next packet arrives, SIM_NEVER for none on the way. */
static inline uint64_t
sim_link_next(const struct sim_link *link)
{
	return link->n > 0 ? link->heap[0].at : SIM_NEVER;
}
/** One that has arrived by @p now, NULL for none. */
struct rte_mbuf *sim_link_take(struct sim_link *link, uint64_t now);
/** Bytes that wait or are being sent. */
uint64_t sim_link_queued(const struct sim_link *link, uint64_t now);

/**
 * Parameters as text: "rate=1G,delay=10ms,loss=0.01,queue=256k,drops=3:5:9". Sets what is named,
 * leaves the rest. @return 0, or -EINVAL with the word that was not understood in @p bad
 */
int sim_link_parse(struct sim_link_params *params, const char *text, char *bad, size_t bad_len);
/** The other way round, without what is zero. @return @p buf */
char *sim_link_format(const struct sim_link_params *params, char *buf, size_t len);

#endif /* TEST_SIM_LINK_H */
