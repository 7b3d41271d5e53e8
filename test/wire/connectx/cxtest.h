/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the software ConnectX: the unmodified mlx5 PMD receives, and the peer behind the wire is
 * the model's own generator or a raw socket of this process. One case is one process, since devargs
 * and wire belong to it.
 */
#ifndef CXTEST_H
#define CXTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#define NETDEV "cx0"
#define WIRE "cxwire0"
#define PATIENCE 20 /* s, for what is sure to come */

/* Ends the process: what follows would only repeat the failure. */
#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: %s: ", __FILE__, __LINE__, #cond);                          \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

struct test_case {
	const char *name;
	const char *wire;
	const char *devargs; /* NULL: no -a, all NICs */
	void (*run)(const struct test_case *c);
	const char *env;      /* one more NAME=VALUE, or NULL */
	unsigned int a, b;    /* for the case */
	void (*before)(void); /* rte_eal_init() */
};

struct port_conf {
	uint16_t rxqs, rxd;
	uint64_t rx_offloads, tx_offloads, rss;
	uint32_t lro_size;
	bool isolated, intr, lsc, rmv;
	uint16_t buffer;	    /* bytes of an mbuf's, 0: one that holds a frame */
	void (*before_start)(void); /* once its queues are set up, or NULL */
};

extern const uint8_t toeplitz_key[40];
extern struct rte_mempool *pool;

/* port.c: all of it is about this port, 0 unless a case says otherwise; one for each thread */
extern __thread uint16_t port_id;
void port_start(const struct port_conf *pc);
void port_stop(void);
/* Polls all queues until n frames came or nothing came for a second. */
unsigned int port_receive(struct rte_mbuf **m, uint16_t *queue, unsigned int n, unsigned int rxqs);
/* All n from queue 0, which are sure to come: however long the machine is busy with other things.
 */
void port_receive_all(struct rte_mbuf **m, unsigned int n);
/* One that is sure to come, from a port with one queue; NULL when it did not. */
struct rte_mbuf *port_next(void);
/* One frame out; on the loop wire it comes back. */
void port_send(const void *frame, uint32_t len);
/* The next frame of one of the queues, which is sure to come. */
struct rte_mbuf *port_wait(uint16_t *queue, unsigned int rxqs, const char *what);
struct rte_flow *port_udp_rule(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport,
		uint32_t priority, const struct rte_flow_action *actions);

/* numbered.c: datagrams as the generator makes them, a number and a time first */
struct numbered {
	uint64_t number, stamp; /* ns, CLOCK_MONOTONIC */
	uint64_t arrived;	/* ns, the completion's */
	uint64_t seen;		/* ns, when it was polled */
};
extern int (*faults_add)(const char *nic, const char *text, char *error, size_t size);
uint64_t now_ns(void);
/* Looks up what the model offers to its process. */
void model_open(void);
void add_faults(const char *text);
void numbered_start(uint64_t rx_offloads);
void numbered_read(const struct rte_mbuf *m, struct numbered *n);
/* Receives until max came or none for a second; returns how many. */
unsigned int numbered_receive(struct numbered *n, unsigned int max);
/* Sends numbers first to first + count - 1, in one burst if there are 64 at most. */
void numbered_send(uint64_t first, unsigned int count);

/* peer.c: raw sockets on the two interfaces of the model */
struct segment {
	uint32_t src, dst; /* host order; 0: IPv6 */
	const uint8_t *src6, *dst6;
	uint16_t sport, dport, vlan;
	uint8_t proto, flags;
	uint32_t seq, ack;
	uint16_t win;
	uint8_t fill;
	uint32_t len;
};
int peer_open(const char *ifname);
uint32_t peer_frame(uint8_t *frame, const struct segment *s);
void peer_send(int s, const void *frame, uint32_t len);
void peer_segment(int s, const struct segment *seg);
/* Datagrams from the peer, which the first queue gets whole and in order. */
void peer_traffic(int s, const char *when);
/* The next frame of UDP or TCP over IPv4, or 0 when none came in ms. The kernel takes a VLAN tag
 * out of what it receives: it is in peer_vlan then, 0 without. */
extern uint16_t peer_vlan;
int peer_receive(int s, uint8_t *frame, size_t room, int ms);

/* ask.c: the control socket of this process */
int ctl_connect(void);
/* The answer to one line; it is static. */
char *ctl_ask(const char *request);
/* The number behind the first name of text, or UINT64_MAX. */
uint64_t ctl_number(const char *text, const char *name);

/* cases */
void case_gen(const struct test_case *c);
void case_overload(const struct test_case *c);
void case_stride(const struct test_case *c);
void case_flow(const struct test_case *c);
void case_rules(const struct test_case *c);
void case_hws(const struct test_case *c);
void case_hws_full(const struct test_case *c);
void case_hws_kinds(const struct test_case *c);
void case_control(const struct test_case *c);
void case_rss(const struct test_case *c);
void case_lro(const struct test_case *c);
void case_lro_rules(const struct test_case *c);
void case_rss_fields(const struct test_case *c);
void case_steer(const struct test_case *c);
void case_steer_many(const struct test_case *c);
void case_steer_churn(const struct test_case *c);
void case_rx_error(const struct test_case *c);
void case_timestamp(const struct test_case *c);
void case_wait(const struct test_case *c);
void case_intr(const struct test_case *c);
void case_restart(const struct test_case *c);
void case_loop(const struct test_case *c);
void case_csum(const struct test_case *c);
void case_tx(const struct test_case *c);
void case_ctl(const struct test_case *c);
void case_ctl_rates(const struct test_case *c);
void case_fork(const struct test_case *c);
void case_hold(const struct test_case *c);
void case_ids(const struct test_case *c);
void before_nics(void);
void before_nics_file(void);
void case_nics(const struct test_case *c);
void before_many(void);
void case_many(const struct test_case *c);
void before_quiet(void);
void case_fault(const struct test_case *c);
void case_fault_stamp(const struct test_case *c);
void case_fault_window(const struct test_case *c);
void case_fault_time(const struct test_case *c);
void case_fault_mixed(const struct test_case *c);
void case_fault_lost(const struct test_case *c);
void case_fault_error(const struct test_case *c);
void case_fault_tx_error(const struct test_case *c);
void case_fault_stall(const struct test_case *c);
void case_fault_stall_intr(const struct test_case *c);
void case_fault_tx_stall(const struct test_case *c);
void case_fault_no_buf(const struct test_case *c);
void case_link(const struct test_case *c);
void case_remove(const struct test_case *c);
void case_shape_rate(const struct test_case *c);
void case_shape_delay(const struct test_case *c);
void case_shape_queue(const struct test_case *c);
void case_shape_ecn(const struct test_case *c);
void case_pcap_in(const struct test_case *c);
void case_pcap_pace(const struct test_case *c);
void case_pcap_kernel(const struct test_case *c);
void case_pcap_pause(const struct test_case *c);
void case_pcap_rule(const struct test_case *c);
void case_pcap_lossy(const struct test_case *c);
void case_pcap_out(const struct test_case *c);
void before_pcap(void);
void before_bad_pcap(void);
void before_bad_wire(void);
void case_bad_wire(const struct test_case *c);
void before_tree(void);
void case_tree(const struct test_case *c);

#endif
