/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cyclic read: runs of packets at equal distances, in memory the device wrote, returned without
 * touching the packets. A reader belongs to a ring whose profile is cyclic; all UDP sockets of that
 * ring share it, and deliver nothing to recv().
 *
 * A reader takes packets from a *stride source*: runs over mbufs whose data the device or an
 * ordered pool put at consecutive strides, else a copy into strides of its own.
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
	void *usr_hdr; /**< NULL when the mode has none */
	size_t usr_hdr_len;
	struct timespec hw_timestamp; /**< of the first packet; 0 when the device gives none */
};

/**
 * The reader of a ring with a cyclic profile, or of one that a cyclic socket shares for want of a
 * queue (as cyclic_get_shared()); made with the first call. From then on it takes the ring's
 * packets. Every call gives the same reader: references are not counted. It ends with the ring.
 * @return 0, -EOPNOTSUPP (profile is not cyclic), -ENOMEM (one log line: num, bytes, what would do)
 */
int cyclic_get(struct ring *ring, struct cyclic **cyclic);
/**
 * The same for a ring whose own profile is another one, or that ordinary sockets share: packets of
 * flows with FLOW_CYCLIC are copied for the reader, all others go the ordinary way.
 * @param profile key of the cyclic profile
 */
int cyclic_get_shared(struct ring *ring, int profile, struct cyclic **cyclic);
/** The reader a ring has, NULL for none. */
struct cyclic *cyclic_of(const struct ring *ring);
/**
 * Give back everything it holds; the ring works the ordinary way again. Takes rx_lock; nobody
 * reads. A ring that ends does it by itself. NULL does nothing.
 */
void cyclic_put(struct cyclic *cyclic);

/**
 * Return the next run: up to @p max packets at equal distances. What a read returned stays valid
 * and unchanged until the next read of the same ring that does not fail with -EINVAL or -EBUSY.
 *
 * Packet k stands at payload + k * (payload_len / packets), but for a frame of several strides in
 * padded mode, which is a run of its own. Where the data is copied, bytes behind a packet that is
 * shorter than its slot are those of an earlier packet there; so they are in strides.
 *
 * @param min fewer waiting: 0 is returned with run->packets 0, the rest of @p run but for packets
 *        untouched, and they are kept for the next read. A run that has ended for another reason
 *        than want of packets is returned even when it is shorter, since nothing can be added.
 * @param max at most; a run over an ordered pool also ends at the profile's num
 * @param want_time fill hw_timestamp
 * @return 0; -EINVAL (min > max, max 0); -EMSGSIZE (a datagram larger than the profile in a mode
 *         that is not padded; it is consumed, and what came before it was returned first); -EBUSY
 *         (another thread is reading)
 */
int cyclic_read(struct cyclic *cyclic, size_t min, size_t max, bool want_time,
		struct cyclic_run *run);

/**
 * Packets have been taken from the queue and not returned: a read may find them, no interrupt will
 * tell of them. Any thread; a hint.
 */
bool cyclic_waiting(const struct cyclic *cyclic);

const struct cyclic_stats *cyclic_stats(const struct cyclic *cyclic);
/** "zero-copy over device strides", "zero-copy over an ordered pool", "copy". */
const char *cyclic_source_name(const struct cyclic *cyclic);
/**
 * The memory region runs lie in: of the ordered pool or copy buffer; of the device buffer that the
 * latest run lies in, where there are many.
 * @return 0, -EAGAIN (device strides, and no packet has shown where they are)
 */
int cyclic_memory(const struct cyclic *cyclic, void **addr, size_t *len);

#endif
