/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cyclic read: runs of packets at equal distances, in memory the device wrote, returned without
 * touching the packets. A reader belongs to a ring whose profile is cyclic; all UDP sockets of that
 * ring share it, and deliver nothing to recv().
 *
 * A reader takes packets from a *stride source*: runs over mbufs whose data the device or an ordered
 * pool put at consecutive strides, else a copy into strides of its own.
 */
#ifndef DPVMA_CYCLIC_H
#define DPVMA_CYCLIC_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ring/ring.h"
#include "stat/stat.h"

struct cyclic;

/** What a read returns. */
struct cyclic_run {
	void *payload;
	size_t payload_len;
	size_t packets;
	void *usr_hdr;          /**< NULL when the mode has none */
	size_t usr_hdr_len;
	struct timespec hw_timestamp; /**< of the first packet; 0 when the device gives none */
};

/**
 * The reader of a ring with a cyclic profile; made with the first call.
 * @return 0, -EOPNOTSUPP (profile is not cyclic), -ENOMEM (one log line: num, bytes, what would do)
 */
int cyclic_get(struct ring *ring, struct cyclic **cyclic);
/** Give back everything it holds; the ring works the ordinary way again. */
void cyclic_put(struct cyclic *cyclic);

/**
 * Return the next run: up to @p max packets at equal distances. What a read returned stays valid and
 * unchanged until the next read of the same ring.
 *
 * @param min fewer waiting: 0 is returned with run->packets 0, and they are kept for the next read
 * @param want_time fill hw_timestamp
 * @return 0; -EINVAL (min > max, max 0); -EMSGSIZE (a datagram larger than the profile in a mode
 *         that is not padded; it is consumed); -EBUSY (another thread is reading)
 */
int cyclic_read(struct cyclic *cyclic, size_t min, size_t max, bool want_time, struct cyclic_run *run);

const struct cyclic_stats *cyclic_stats(const struct cyclic *cyclic);
/** "zero-copy over device strides", "zero-copy over an ordered pool", "copy". */
const char *cyclic_source_name(const struct cyclic *cyclic);
/** The memory region runs lie in: of the ordered pool or copy buffer; of one device buffer on mlx5. */
int cyclic_memory(const struct cyclic *cyclic, void **addr, size_t *len);

#endif
