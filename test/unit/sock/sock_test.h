/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of sockets share: a stack on one port, 10.9.0.1/24, made of two rings, and the
 * wire at its other end, on which the test puts frames and from which it takes them. Nothing moves
 * unless a test calls, but for the internal thread's timers.
 */
#ifndef SOCK_TEST_H
#define SOCK_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "sock/dpvma.h"

#define LOCAL "10.9.0.1"
#define PEER "10.9.0.2"
#define PEER_PORT 7777

/** Set before the start: EAL answers telemetry. */
extern bool test_telemetry;
/** A request to it and its answer, in static memory. */
const char *test_ask(const char *request);

/** Start EAL, the wire and dpvma with options "NAME=VALUE" up to NULL, besides those all share. */
void test_start(const char *first, ...);
/** EAL and the wire alone, and the options. */
void test_eal(const char *first, ...);
void test_stop(void);

struct sockaddr_in test_addr(const char *ip, uint16_t port);

/** A dpvma socket bound to LOCAL and a port of its own choosing, which is returned. */
int test_bound(uint16_t *port);

/** What a frame that is put on the wire shall be; zero fields mean the usual. */
struct test_frame {
	const char *src, *dst; /**< PEER, LOCAL */
	uint16_t sport, dport; /**< PEER_PORT, must be given */
	uint8_t ttl, tos;
	const void *data;
	uint16_t len;
};
void test_inject(const struct test_frame *frame);
/** A datagram to this port with a text. */
void test_inject_text(uint16_t dport, const char *text);

/** Port unreachable, from the peer, for a frame that was sent and is quoted up to 548 bytes. */
void test_inject_unreachable(const struct rte_mbuf *sent);

/** The next IPv4 UDP frame that was sent, or NULL; the rest (ARP, IGMP) is passed over. */
struct rte_mbuf *test_sent(void);
/** Its headers and payload. */
const struct rte_ipv4_hdr *test_ip(const struct rte_mbuf *m);
const struct rte_udp_hdr *test_udp(const struct rte_mbuf *m);
const char *test_payload(const struct rte_mbuf *m);
/** Frees all frames that wait on the wire. */
void test_drain(void);

/** Lines logged at level warning and above since the start. */
extern char test_log[8192];

/** Whether the environment has the option of a pair "NAME=VALUE": a test's variants are made so. */
static inline bool
test_given(const char *pair)
{
	size_t n = strcspn(pair, "=");
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)n, pair);
	return getenv(name) != NULL;
}

#define assert_errno(call, err)                                                                    \
	do {                                                                                       \
		errno = 0;                                                                         \
		assert_int_equal((call), -1);                                                      \
		assert_int_equal(errno, (err));                                                    \
	} while (0)

/** The same as fixtures of a group. */
int test_group_start(void **state);
int test_group_stop(void **state);

#endif
