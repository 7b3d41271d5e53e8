/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The world around the room net, for its tests: ports, rings, flows and a kernel that do what the
 * test says, and frames to throw in. What is sent is kept as bytes to be looked at. Nothing here
 * has a clock.
 */
#ifndef TEST_NET_WORLD_H
#define TEST_NET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kern/kern.h"
#include "net/net.h"
#include "net/net_priv.h"

#define IP(a, b, c, d) RTE_BE32(RTE_IPV4(a, b, c, d))
#define V4(a, b, c, d) ip_from_v4(IP(a, b, c, d))

/* Port 0 is 10.1.0.1/24 and, on VLAN 5, 10.5.0.1/24; the peer is 10.1.0.2. */
#define OUR IP(10, 1, 0, 1)
#define PEER IP(10, 1, 0, 2)
#define OUR_VLAN IP(10, 5, 0, 1)
#define PEER_VLAN IP(10, 5, 0, 2)
extern const struct rte_ether_addr our_mac, peer_mac;

extern struct port port0, port1;
extern struct ring ring0, ring1; /* both of port 0 */
extern struct ring ring_p1;	 /* of port 1 */
extern struct rte_mempool *pool;

/* EAL, pool, device; once a program. For cmocka's group setup and teardown. */
int world_start(void **state);
int world_stop(void **state);
/* Everything as described above, nothing sent, no flows; net_init() done. Before and after a test.
 */
int world_setup(void **state);
int world_teardown(void **state); /* fails when a packet was leaked */
/* The addresses, role or configuration of a port changed: start the room anew. */
void world_restart(void);
void world_advance(uint64_t ms); /* virtual time, in one step, and net_progress() */
extern uint64_t world_ms;

uint64_t counted(struct ring *ring, enum ring_stat stat);
#define RX(stat) counted(&ring0, RING_STAT_##stat)
#define TX(stat) (ring0.tx_stats.c[RING_STAT_##stat])
/* All reasons for which a received packet is dropped, together. */
uint64_t dropped(struct ring *ring);

/** @name Flows */
/** @{ */
#define TAKEN_MAX 512
struct receiver {
	struct sink sink; /* first */
	struct flow flow;
	unsigned int n, calls;
	uint16_t len[TAKEN_MAX];     /* of the frame */
	uint16_t payload[TAKEN_MAX]; /* its first two bytes behind the UDP header */
	uint16_t l2, l3;
	uint8_t *whole;	       /* the last frame, freed by the world */
	uint64_t flags;	       /* and its mbuf's, and segment size */
	uint16_t segsz, first; /* bytes in its first buffer */
	uint32_t whole_len;
};
/* local 0: any */
struct receiver *receiver(struct ring *ring, uint32_t local, uint16_t lport, uint32_t remote,
		uint16_t rport, uint16_t vlan);
/* Flows of one key on several rings: even and odd numbers of the peer's. */
struct spread {
	struct flow *of_rport[2];
};
extern unsigned int lookups; /* keys looked up in the flow table */
extern unsigned int given;   /* packets given to other rings; they wait in it */
struct rte_mbuf *given_packet(void);
/** @} */

/** @name Frames */
/** @{ */
struct frame {
	uint8_t b[70000];
	uint32_t len;
	uint16_t l2, l3;
	uint64_t flags; /* of the mbuf, GOOD checksums at first */
	uint32_t mark;
	uint16_t tci;	  /* with RTE_MBUF_F_RX_VLAN_STRIPPED */
	uint16_t segment; /* bytes an mbuf holds; 0: all */
};
#define GOOD_SUMS (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

/* peer:1000 -> us:2000, payload of len bytes that begins with tag */
void frame_udp(struct frame *f, uint16_t len, uint16_t tag);
void frame_udp_to(struct frame *f, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
		uint16_t vlan, uint16_t len, uint16_t tag);
/* Any IP protocol; the body is copied. */
void frame_ip(struct frame *f, uint32_t src, uint32_t dst, uint8_t proto, uint16_t vlan,
		const void *body, uint16_t len);
struct frame_tcp {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags, options; /* bytes of them, NOPs */
	uint16_t len;
};
void frame_tcp_to(struct frame *f, uint32_t src, uint32_t dst, uint16_t vlan,
		const struct frame_tcp *tcp);
void frame_arp(struct frame *f, uint16_t op, const struct rte_ether_addr *to,
		const struct rte_ether_addr *sha, uint32_t sip, uint32_t tip, uint16_t vlan);
/* Put right after changes: IP header checksum; UDP checksum. */
void frame_sum_ip(struct frame *f);
void frame_sum_udp(struct frame *f);
struct rte_ipv4_hdr *frame_ip_hdr(struct frame *f);
struct rte_udp_hdr *frame_udp_hdr(struct frame *f);
/* Cut a frame's IP payload: bytes [at, at + len) as a fragment. */
void frame_fragment(const struct frame *whole, uint32_t at, uint32_t len, struct frame *f);

struct rte_mbuf *frame_mbuf(const struct frame *f);
/* Through the device and net_poll(). */
void wire_put(const struct frame *f);
unsigned int wire_poll(void);
/* Through net_input(), alone. */
void input_one(const struct frame *f);
/** @} */

/** @name What was sent */
/** @{ */
struct sent {
	uint8_t b[10000]; /* what is longer is cut here */
	uint32_t len;
	uint64_t flags;
	uint16_t l2, l3, l4, segsz, segs;
	struct ring *ring;
};
#define SENT_MAX 512
extern struct sent sent[SENT_MAX];
extern unsigned int n_warmed; /* calls of ring_tx_warm() */
extern unsigned int n_sent;
extern unsigned int tx_room; /* packets the device still takes */
/* Its IP header, wherever a VLAN tag pushes it. */
struct rte_ipv4_hdr *sent_ip(const struct sent *s);
/* IP header checksum, and UDP's or TCP's with the offload done, are right. */
bool sent_good(struct sent *s);
/* What the device makes of a packet to be segmented; returns how many. */
unsigned int sent_cut(const struct sent *s, struct sent *parts, unsigned int max);
struct rte_mbuf *out_udp(uint16_t sport, uint16_t dport, uint16_t len, uint16_t tag);
/* OUR:sport -> PEER:dport, checksum zero; segment: bytes an mbuf holds, 0: all */
struct rte_mbuf *out_tcp(const struct frame_tcp *tcp, uint16_t segment);
/** @} */

/** @name The kernel and the MAC filter */
/** @{ */
extern const struct kern_events *kernel; /* as net subscribed, NULL without */
extern bool kernel_there;		 /* netlink is open */
extern unsigned int kernel_asked;	 /* neighbours asked for */
extern struct ip_addr kernel_asked_for;
extern struct kern_link kernel_vlan; /* the only link kern_link_by_index() knows */
extern int macs;		     /* multicast addresses let in */
extern int mac_result;
extern port_change_cb on_change;
extern char last_log[512];
extern unsigned int logs;
/** @} */

#endif
