/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_MAX_PACING_RATE of datagrams, in software: how many of a batch may go now, and when the next
 * one may. What is counted is the frame from its Ethernet header, as a device that paces counts.
 * Nothing of this exists for a socket without a rate.
 */
#include <stdlib.h>

#include "base/pace.h"
#include "udp/send_priv.h"

#define HDRS 42 /* Ethernet, IPv4, UDP */

struct udp_pace {
	struct pace bucket;
	uint32_t next; /* bytes of the frame that waits, or that went last */
};

uint64_t (*udp_pace_clock)(void) = clock_ns;

int
udp_set_pacing(struct udp_sock *s, uint64_t rate, uint32_t burst, uint16_t packet)
{
	struct udp_pace *p = NULL, *old;

	if (rate != 0) {
		p = calloc(1, sizeof(*p));
		if (p == NULL)
			return -ENOMEM;
		p->bucket.rate = rate;
		p->bucket.burst = burst;
		p->next = packet != 0 ? packet : HDRS;
	}
	rte_spinlock_lock(&s->tx_lock);
	old = s->pace;
	s->pace = p;
	rte_spinlock_unlock(&s->tx_lock);
	free(old);
	return 0;
}

/* Bytes of its frames; 0: it is too long to be sent at all, which the send says. */
static uint32_t
frame_bytes(const struct udp_sock *s, const struct udp_out *o)
{
	uint16_t gso = s->opt.gso_size;
	uint64_t len = 0;

	for (unsigned int i = 0; i < o->iovcnt; i++)
		len += o->iov[i].iov_len;
	if (unlikely(len > UINT16_MAX))
		return 0;
	if (gso != 0 && len > gso)
		return (uint32_t)(len + (len + gso - 1) / gso * HDRS);
	return (uint32_t)len + HDRS;
}

/* How many may go now, as far as the rate is concerned; the bucket is the one they leave behind. */
static unsigned int
room(const struct udp_sock *s, const struct udp_out *out, unsigned int n, uint64_t now,
		struct udp_pace *p)
{
	unsigned int i;
	uint32_t bytes;

	for (i = 0; i < n; i++) {
		bytes = frame_bytes(s, &out[i]);
		if (unlikely(bytes == 0))
			return i + 1;
		p->next = bytes;
		if (pace_at(&p->bucket, bytes) > now)
			break;
		pace_take(&p->bucket, bytes, now);
	}
	return i;
}

int
pace_send(struct udp_sock *s, const struct udp_out *out, unsigned int n)
{
	uint64_t now = udp_pace_clock();
	struct udp_pace after = *s->pace;
	unsigned int may = room(s, out, n, now, &after), done;
	int err = 0;

	done = may != 0 ? send_now(s, out, may, &err) : 0;
	/* what did not go left its bytes in the bucket */
	if (unlikely(done != may)) {
		after = *s->pace;
		room(s, out, done, now, &after);
	}
	*s->pace = after;
	if (may < n && done == may) {
		STAT_INC(&s->stats, SOCK, tx_paced);
		err = -EAGAIN;
	}
	return done != 0 ? (int)done : err;
}

uint64_t
udp_send_at(struct udp_sock *s)
{
	uint64_t at = 0;

	rte_spinlock_lock(&s->tx_lock);
	if (s->pace != NULL)
		at = pace_at(&s->pace->bucket, s->pace->next);
	rte_spinlock_unlock(&s->tx_lock);
	return at;
}
