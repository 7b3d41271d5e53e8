/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader of one ring, shared by its files: reader.c (reads, runs), intake.c (packets from the
 * ring), source_mbuf.c (packets that stay where they are), source_copy.c (packets that are packed).
 *
 * A packet is pending between the burst that brought it and the moment it is put into the run. The
 * run is open while packets are added to it, and returned from the read that gives it to the
 * application until the next read, which releases what holds its memory.
 */
#ifndef DPVMA_CYCLIC_PRIV_H
#define DPVMA_CYCLIC_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "cyclic/cyclic.h"
#include "net/net.h"

/** Packets that can wait: the rest of a reader's burst, and one that another thread took. */
#define PENDING_MAX (2 * RING_BURST_MAX)

/** A run's end: the counter of it, an enum cyclic_stat; no end is 0 (which counts something else).
 */
#define RUN_GOES_ON 0

/** Ethernet, IPv4, UDP; the layout that the non-padded modes speak of. */
#define NET_LEN 42
#define NET_LEN_VLAN 46

/** Where packets of a run lie. */
enum place { PLACE_DEVICE, PLACE_ORDERED, PLACE_COPY };

/** What stood in the queue before a packet and is gone: why an address is missing. */
enum { BEFORE_NOTHING, BEFORE_FOREIGN, BEFORE_BAD };

struct run {
	uint8_t *next; /**< address that continues it */
	uint32_t packets;
	uint64_t bytes; /**< of the frames */
	uint8_t *start;
	uint8_t *hdr_start;
	uint32_t strides;  /**< in place and in padded mode; else packets */
	uint32_t slot;	   /**< bytes from one packet to the next */
	uint32_t hdr_slot; /**< and from one user header to the next */
	enum place place;
	bool returned;
	uint64_t time_ns;	 /**< of the first packet, 0: none */
	struct rte_mbuf *anchor; /**< holds the device's buffer */
	void *buffer;		 /**< that buffer's name, to see a change */
	uint32_t held_n;	 /**< ordered: mbufs in cyclic.held */
};

/** The buffer of the copying source: a payload area and a user header area of n slots each. */
struct copy_area {
	uint8_t *payload, *hdr;
	size_t payload_len;		  /**< bytes, without the slack behind it */
	uint32_t n;			  /**< slots */
	uint32_t at;			  /**< the next free one */
	uint16_t stride_bytes, hdr_bytes; /**< as in the profile */
	enum cyclic_mode mode;
	bool external; /**< the application's memory */
	/** Packs packets until one needs a second look; number packed. */
	unsigned int (*pack)(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n);
};

struct cyclic {
	/* read by every burst and packet */
	struct ring *ring;
	uint64_t flags_mask; /**< of ol_flags: bits that decide whether a packet needs a second look
			      */
	uint64_t flags_want; /**< what they are when it does not */
	uint32_t stride;     /**< bytes, of packets in place and of padded copies */
	uint16_t burst;
	enum place place;	  /**< of most packets */
	bool filter;		  /**< packets for others may come: look each one's flow up */
	bool iova_va;		  /**< an mbuf's IO address is its address */
	struct rte_mempool *pool; /**< of the ring */
	uint64_t time_flag;	  /**< ol_flags bit of a timestamp, 0: none */

	/* written by every burst */
	struct run run __rte_cache_aligned;
	uint32_t head, tail; /**< of pending */
	uint8_t before;	     /**< what was dropped behind the last pending packet */
	bool reading;
	int error;	     /**< for the next read: -EMSGSIZE */
	bool drained;	     /**< the latest burst left nothing in the queue */
	uint32_t full_burst; /**< packets, the largest so far */
	uint32_t others;     /**< packets for others that this read may still meet */
	bool pool_low;	     /**< this read met a packet that a dry pool made the driver copy */
	struct cyclic_stats stats;

	struct copy_area copy __rte_cache_aligned;

	uint8_t *base; /**< ordered: the pool's strides */
	size_t base_len;
	uint32_t run_max;     /**< packets in a run, so that the pool cannot be emptied by one */
	uint8_t *device_base; /**< where the latest device buffer began, as far as seen */
	struct rte_mbuf **held;

	struct rte_mbuf *pending[PENDING_MAX] __rte_cache_aligned;
	uint8_t pending_before[PENDING_MAX];
	/* the filter's work space */
	struct net_packet parsed[RING_BURST_MAX];
};

/* intake.c */
/** Take a burst into pending; rx_lock held. Packets taken from the ring, ours or not. */
unsigned int cyclic_take(struct cyclic *c);
/** ring->intake. */
uint16_t cyclic_intake(struct ring *ring, void *reader);
/** How a packet looks that the device did not vouch for. */
enum cyclic_look { LOOK_GOOD, LOOK_BAD, LOOK_FOREIGN };
enum cyclic_look cyclic_look(struct cyclic *c, struct rte_mbuf *m);

/* source_mbuf.c */
/**
 * Add packets to the open run, which has at least one, as long as they stand at its next addresses
 * and need no second look. Takes them. Number added.
 */
unsigned int cyclic_extend_device(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n);
unsigned int cyclic_extend_ordered(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n);
/** Does the packet lie in a stride of the device or of the pool? */
bool cyclic_in_place(const struct cyclic *c, const struct rte_mbuf *m);
/** Why @p m, in place, does not continue the open run; RUN_GOES_ON when it does. */
int cyclic_break_in_place(const struct cyclic *c, const struct rte_mbuf *m);
/** Put one packet into the run, empty or not, where it lies. */
void cyclic_place(struct cyclic *c, struct rte_mbuf *m);
/** Give back what holds the run's memory. */
void cyclic_release(struct cyclic *c);

/* source_copy.c */
/** 0 or -ENOMEM with one log line. */
int cyclic_copy_init(struct cyclic *c, const struct ring_profile *profile);
void cyclic_copy_fini(struct cyclic *c);
/**
 * Copy one packet of any number of segments into the run; does not take it.
 * @return RUN_GOES_ON, or why the run must end first; -EMSGSIZE, -EBADMSG
 */
int cyclic_copy_one(struct cyclic *c, struct rte_mbuf *m);

/** A run begins. */
static inline void
cyclic_run_open(struct cyclic *c, const struct rte_mbuf *m, enum place place)
{
	struct run *r = &c->run;

	r->place = place;
	r->time_ns = unlikely((m->ol_flags & c->time_flag) != 0) ? ring_timestamp_ns(c->ring, m)
								 : 0;
}

#endif
