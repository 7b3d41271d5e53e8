/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_MAX_PACING_RATE of datagrams: how many of a batch may go now, and when the next one may; where
 * the device sends at a time, how many it is given before theirs. What is counted is the frame from
 * its Ethernet header, as a device that paces counts. Nothing of this exists for a socket without a
 * rate.
 */
#include <stdlib.h>

#include "base/pace.h"
#include "conf/conf.h"
#include "udp/send_priv.h"
#include "udp/way_priv.h"

#define HDRS 42 /* Ethernet, IPv4, UDP */

#define AHEAD_NS 10000000u /* what the device is given before its time, at most */

#define OFF_SAME 2000u /* ns between two readings of two clocks that mean nothing */

struct state {
	struct pace bucket;
	uint32_t next;	/* bytes of the frame that waits, or that went last */
	uint32_t ahead; /* ns that it may be given to the device before its time */
};

struct udp_pace {
	struct state state;
	/* of a batch for the device: its times, of which pace_time() tells one after the other */
	unsigned int told;
	uint64_t off; /* from the clock of the rate to the device's */
	uint64_t at[UDP_SEND_CHUNK];
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
		p->state.bucket.rate = rate;
		p->state.bucket.burst = burst;
		p->state.next = packet != 0 ? packet : HDRS;
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

/*
 * The ring whose device may be given this socket's datagrams before their time, or NULL: what is
 * behind them in the queue waits too, so the queue must be this socket's alone.
 */
static const struct ring *
scheduling(const struct udp_sock *s)
{
	const struct ring *r = s->tx->peer.valid ? s->tx->peer.ring : s->tx->last;

	if (r == NULL || !r->tx_times || r->alloc.logic != CONF_RING_PER_SOCKET ||
			r->alloc.sock != s->tx_alloc.sock)
		return NULL;
	/* another destination may be behind another port */
	return s->connected || port_count() == 1 ? r : NULL;
}

/* A quarter of the queue at most; what would be several packets goes when its time has come. */
static uint32_t
ahead(const struct ring *r, const struct state *p, uint32_t bytes)
{
	uint64_t quarter;

	if (r == NULL || bytes > r->port->mtu + (uint32_t)RTE_ETHER_HDR_LEN)
		return 0;
	quarter = (uint64_t)conf()->tx_wre / 4 * bytes * (PACE_SEC / 1000) / p->bucket.rate * 1000;
	return (uint32_t)RTE_MIN(quarter, (uint64_t)AHEAD_NS);
}

/* How many may go now, as far as the rate is concerned; the bucket is the one they leave behind. */
static unsigned int
room(const struct udp_sock *s, const struct udp_out *out, unsigned int n, uint64_t now,
		struct state *p, const struct ring *r)
{
	unsigned int i;
	uint32_t bytes;
	uint64_t at;

	for (i = 0; i < n; i++) {
		bytes = frame_bytes(s, &out[i]);
		if (r != NULL)
			s->pace->at[i] = 0;
		if (unlikely(bytes == 0))
			return i + 1;
		p->next = bytes;
		p->ahead = ahead(r, p, bytes);
		at = pace_at(&p->bucket, bytes);
		if (at > now + p->ahead)
			break;
		if (r != NULL && at > now)
			s->pace->at[i] = at;
		pace_take(&p->bucket, bytes, RTE_MAX(at, now));
	}
	return i;
}

static unsigned int
timed(const struct udp_pace *p, unsigned int n)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++)
		k += p->at[i] != 0;
	return k;
}

/*
 * The times as the device's clock has them. Two clocks are not read at one moment, so what they
 * differ by is the same until it has changed.
 */
static void
for_device(struct udp_pace *p, unsigned int n, uint64_t now)
{
	uint64_t off = ring_send_clock() - now;

	if (off - p->off + OFF_SAME > 2 * OFF_SAME)
		p->off = off;
	for (unsigned int i = 0; i < n; i++)
		p->at[i] = p->at[i] != 0 ? p->at[i] + p->off : 0;
	p->told = 0;
}

uint64_t
pace_time(struct udp_sock *s)
{
	return s->pace->at[s->pace->told++];
}

static int
send_batch(struct udp_sock *s, const struct udp_out *out, unsigned int n, const struct ring *r)
{
	uint64_t now = udp_pace_clock();
	struct state after = s->pace->state;
	unsigned int may = room(s, out, n, now, &after, r), done = 0;
	enum send_how how = SEND_NOW;
	int err = 0;

	if (r != NULL && timed(s->pace, may) != 0) {
		for_device(s->pace, may, now);
		how = SEND_TIMED;
	}
	if (may != 0)
		done = send_now(s, out, may, how, &err);
	/* what did not go left its bytes in the bucket */
	if (unlikely(done != may)) {
		after = s->pace->state;
		room(s, out, done, now, &after, r);
	}
	s->pace->state = after;
	if (how == SEND_TIMED)
		STAT_ADD(&s->stats, SOCK, tx_scheduled, timed(s->pace, done));
	if (may < n && done == may) {
		STAT_INC(&s->stats, SOCK, tx_paced);
		err = -EAGAIN;
	}
	return done != 0 ? (int)done : err;
}

int
pace_send(struct udp_sock *s, const struct udp_out *out, unsigned int n)
{
	unsigned int done = 0, part;
	const struct ring *r = scheduling(s);
	int ret;

	if (r == NULL)
		return send_batch(s, out, n, NULL);
	do {
		part = RTE_MIN(n - done, (unsigned int)UDP_SEND_CHUNK);
		ret = send_batch(s, out + done, part, r);
		done += ret > 0 ? (unsigned int)ret : 0;
	} while (ret == (int)part && done < n);
	return done != 0 ? (int)done : ret;
}

uint64_t
udp_send_at(struct udp_sock *s)
{
	const struct state *p;
	uint64_t at = 0;

	rte_spinlock_lock(&s->tx_lock);
	if (s->pace != NULL) {
		p = &s->pace->state;
		at = pace_at(&p->bucket, p->next);
		/* not for each: when half of what may be given ahead has left */
		at -= RTE_MIN(at, (uint64_t)p->ahead / 2);
	}
	rte_spinlock_unlock(&s->tx_lock);
	return at;
}
