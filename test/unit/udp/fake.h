/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stand-ins for the rooms below udp: two ports, rings without queues, a flow table that is a list,
 * routes by prefix, a wire that is an array. A test hands packets to fake_rx(), which steers them
 * as the real flow table does, and looks at what was added, sent and reported.
 */
#ifndef TEST_UDP_FAKE_H
#define TEST_UDP_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka last: it needs the four above */
#include <cmocka.h>

#include "udp/udp.h"

#define PORTS 2
#define A0 "10.0.0.1" /* port 0: 10.0.0.1/24, broadcast 10.0.0.255 */
#define A1 "10.0.1.1" /* port 1: 10.0.1.1/24 */
#define PEER "10.0.0.9"
#define GROUP "239.1.2.3"

extern struct port fake_ports[PORTS];
extern unsigned int fake_ports_n;

struct fake_sent {
	struct ip_addr dst, src;
	uint16_t sport, dport;
	uint8_t ttl, tos;
	bool df, no_check;
	uint32_t len;
	uint16_t segs, dgram_len;
	struct ring *ring;
	uint64_t at;	    /* the device sends it then, 0: at once */
	uint8_t data[2048]; /* the first bytes of the payload */
	uint8_t last;	    /* byte of the payload */
};
#define FAKE_SENT_MAX 512
extern struct fake_sent fake_sent[FAKE_SENT_MAX];
extern unsigned int fake_sent_n, fake_bursts;
extern unsigned int fake_tx_room;	   /* packets that net_output() accepts from now on */
extern unsigned int fake_tx_buffers;	   /* buffers that ring_tx_alloc() gives from now on */
#define FAKE_SILENT RTE_IPV4(10, 0, 0, 99) /* a neighbour that does not answer */
extern unsigned int fake_routes;	   /* calls of net_route() */
extern unsigned int fake_dummies;	   /* packets of net_dummy() */
extern unsigned int fake_loops;
extern struct ring *fake_loop_ring;
extern int fake_flow_error; /* what ring_flow_add() says from the next call on */
extern int fake_flow_error_port;
extern bool fake_flow_refuse_rules;
extern bool fake_refuse_spread; /* all of a spread arrive at its first ring, which hands over */
extern int fake_filter_error;
extern unsigned int fake_flow_dels, fake_flow_moves, fake_polls;
extern uint64_t fake_here;   /* where the caller runs, for rings per thread and core */
extern bool fake_moved_away; /* what ring_alloc_migrate() says */
extern uint64_t fake_no_socket, fake_source_filter; /* not counted in a ring: no flow */

struct fake_filter {
	bool present, exclude;
	unsigned int n;
	struct ip_addr sources[UDP_SOURCES_MAX];
};
struct fake_filter *fake_filter(unsigned int port, const char *group);

/* Once a program, then before each test. */
int fake_start(void **state);
int fake_stop(void **state);
int fake_reset(void **state);
/* Every socket was closed: nothing is left of flows, rings, packets. */
int fake_check_clean(void **state);

void fake_port_changed(unsigned int port);
/* What udp_init() registered for ICMP errors. */
extern net_error_cb fake_icmp;
unsigned int fake_flows(void);
/* A flow of that key on the port; NULL for none. */
struct flow *fake_flow(unsigned int port, const char *local, uint16_t lport, const char *remote,
		uint16_t rport);
/* Of several of one key, FLOW_SPREAD, that of the ring. The peer's port number modulo how many
 * there are chooses among them, in the order they were added. */
struct flow *fake_leg(
		unsigned int port, const char *local, uint16_t lport, const struct ring *ring);
unsigned int fake_rings(void);
uint64_t fake_ring_count(unsigned int port, enum ring_stat stat);

/* A datagram as it stands before a sink: host order ports, payload of len bytes, byte i is seq + i.
 */
struct fake_pkt {
	const char *src, *dst;
	uint16_t sport, dport;
	uint16_t len;
	uint8_t seq;
};
struct rte_mbuf *fake_frame(const struct fake_pkt *p);
/* One delivered by that flow, wherever it would arrive. */
void fake_rx_by(struct flow *f, const struct fake_pkt *p);
/* Several at once, delivered in runs of one flow; what has none is freed and counted. */
void fake_rx(unsigned int port, const struct fake_pkt *p, unsigned int n);
void fake_rx1(unsigned int port, const char *src, uint16_t sport, const char *dst, uint16_t dport,
		uint8_t seq);

struct ip_addr addr(const char *text);
struct udp_sock *sock_new(void);
/* udp_bind() with text and host order; port 0 chooses. */
int sock_bind(struct udp_sock *s, const char *local, uint16_t port);
int sock_connect(struct udp_sock *s, const char *peer, uint16_t port);
int sock_mc(struct udp_sock *s, enum udp_mc_op op, const char *group, int port, const char *src);
/* What waits, as the first payload bytes in hexadecimal: "01 02 "; the packets are freed. */
const char *sock_read(struct udp_sock *s);
uint16_t sock_port(struct udp_sock *s);

#endif
