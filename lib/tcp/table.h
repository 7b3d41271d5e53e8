/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections by key (table.c). */
#ifndef DPVMA_TCP_TABLE_H
#define DPVMA_TCP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/tcp.h"

struct table_slot {
	uint32_t hash;
	uint32_t used; /**< 0 ends a search; 1 with conn NULL: deleted while being moved out of */
	struct tcp_conn *conn;
};
/** Open addressing; grows and shrinks a little with each call, so that none takes long. */
struct table {
	struct table_slot *slots, *old; /**< old: being moved out of, NULL mostly */
	uint32_t mask, old_mask;
	uint32_t used, old_used; /**< connections in each */
	uint32_t moved;		 /**< slots of old below are empty, and their memory may be gone */
	uint32_t freed;		 /**< of these, slots whose memory is */
	uint32_t seed;
	bool frozen;	  /**< table_foreach() runs: nothing is moved */
	uint64_t key[11]; /**< of the hash, made from seed */
};
int table_init(struct table *t, uint32_t seed);
void table_fini(struct table *t);
/** Strongly universal: whoever does not know the seed finds no two keys with one hash. */
uint32_t table_hash(const struct table *t, const struct tcp_key *key);
struct tcp_conn *table_find(const struct table *t, const struct tcp_key *key, uint32_t hash);
/** The same for a burst: the cache misses of slots and connections overlap. NULL: not there. */
void table_find_bulk(const struct table *t, const struct tcp_key *const *keys,
		const uint32_t *hashes, struct tcp_conn **conns, unsigned int n);
static inline uint32_t
table_count(const struct table *t)
{
	return t->used + t->old_used;
}
/** The key is not there. conn->key and conn->hash are set. 0, -ENOMEM */
int table_add(struct table *t, struct tcp_conn *conn);
/** It is there. */
void table_del(struct table *t, struct tcp_conn *conn);
/** Each once; @p cb may delete the one it is given and no other, and may not add. */
void table_foreach(struct table *t, void (*cb)(struct tcp_conn *conn, void *ctx), void *ctx);

#endif
