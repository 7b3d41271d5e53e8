/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire for tests of room cyclic: a ring port that the test fills with mbufs as a striding device,
 * an ordered pool or an ordinary one would, and stand-ins for what the rooms below do (wire.c).
 * Every packet says in its payload who it is, so that what a read returns can be checked.
 */
#ifndef TEST_CYCLIC_WIRE_H
#define TEST_CYCLIC_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "cyclic/cyclic.h"
#include "net/net.h"

/** What becomes of a packet on its way. */
enum kind {
	GOOD,
	UNCHECKED, /**< good, but the device says nothing of checksums */
	BAD,	   /**< checksum */
	FOREIGN,   /**< another flow */
	MISSENT,   /**< our port, but an address that is nobody's here */
	SLOW,	   /**< an ARP request or the like */
	COPIED,	   /**< the driver copied it out of its stride */
	MALFORMED, /**< of our flow by its steering, but no UDP inside */
	SEGMENTED, /**< in two segments */
	SKIP,	   /**< good, a stride was left out before it */
	KINDS
};

struct wire_packet {
	uint32_t seq;
	enum kind kind;
	uint32_t payload; /**< bytes, 8 at least */
	bool vlan;
	uint64_t time_ns; /**< of the device, 0: none */
};

enum wire_source { WIRE_DEVICE, WIRE_ORDERED, WIRE_PLAIN };

struct wire_conf {
	enum wire_source source;
	bool isolated;
	struct ring_profile profile;
	uint32_t strides; /**< in a device buffer, or in the ordered pool */
	uint16_t burst;
	bool any;    /**< the flow is for any local address */
	bool shared; /**< by cyclic_get_shared() */
};

extern struct ring wire_ring;
extern struct cyclic *wire_cyclic;
/** Packets net_input() was given, and net_poll() calls. */
extern unsigned int wire_foreign, wire_polls;
/** Called by net_poll(). */
extern void (*wire_in_poll)(void);

/** EAL and the port, once a process. */
int wire_init(void);
void wire_fini(void);

/** A ring and its reader; wire_down() checks that every mbuf and buffer came back. */
void wire_up(const struct wire_conf *conf);
void wire_down(void);

/** One packet arrives. False when the device has no buffer or the queue is full. */
bool wire_send(const struct wire_packet *p);
/** n good ones with consecutive numbers from *seq on. */
void wire_send_good(uint32_t *seq, unsigned int n, uint32_t payload);

/** Bytes of the frame, and of its network headers. */
uint32_t wire_frame_len(const struct wire_packet *p);
uint32_t wire_net_len(const struct wire_packet *p);
/** The packet's number as its payload has it. */
uint32_t wire_seq_of(const uint8_t *payload);
/** Is this what the packet's payload looks like from byte @p from on? */
bool wire_payload_is(const uint8_t *bytes, uint32_t seq, uint32_t from, uint32_t len);
/** Device buffers that something holds. */
unsigned int wire_buffers_held(void);

#define STAT(name) (cyclic_stats(wire_cyclic)->c[CYCLIC_STAT_##name])

#endif
