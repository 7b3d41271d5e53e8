/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside room sock: all that is told of one descriptor, gathered at one time, for those who print
 * it as text, as JSON or as an answer of telemetry.
 */
#ifndef DPVMA_FACTS_H
#define DPVMA_FACTS_H

#include <stdbool.h>
#include <stdio.h>

#include "ring/ring.h"
#include "sock_priv.h"

#define FACTS_NAME (IP_ADDR_STRLEN + 6) /**< bytes of an address and a port */
#define FACTS_RINGS 16
#define FACTS_FLOWS 16
#define FACTS_FDS 65536 /**< descriptors of one list */

struct facts {
	int fd;
	bool table;	     /**< in dpvma's table: has counters, whoever carries it */
	const char *type;    /**< udp, tcp, or other */
	const char *carrier; /**< offloaded, kernel; mixed: a direction each */
	const char *decided; /**< a word: what the carrier was decided by */
	const char *state;
	char why[SOCK_WHY];
	char local[FACTS_NAME], remote[FACTS_NAME]; /**< "" for none */
	unsigned int rings_n;			    /**< FACTS_RINGS at most */
	struct {
		unsigned int index, queue;
		char port[RTE_ETH_NAME_MAX_LEN], netdev[IF_NAMESIZE];
	} rings[FACTS_RINGS];
	unsigned int flows_n; /**< the same */
	char flows[FACTS_FLOWS][RING_FLOW_TEXT];
	struct sock_stats stats;
};

/** @return false: no socket that anything is known of */
bool facts_get(int fd, struct facts *f);
/** Descriptors in ascending order, from @p first; at most @p max. */
unsigned int facts_list(int first, int *fds, unsigned int max);

/** The word of a reason. */
const char *reason_word(enum sock_reason reason);

/** In quotation marks, with what JSON wants escaped. */
void json_string(FILE *f, const char *text);

#endif
