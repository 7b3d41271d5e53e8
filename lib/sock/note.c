/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program wants to hear of its sends, in the error queue: that a send with MSG_ZEROCOPY is
 * done with its memory, and when a datagram was sent (SO_TIMESTAMPING). Nothing of this is on the
 * way of a socket that did not ask for it.
 */
#include <time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "errqueue.h"

#define FRAME_MAX 9216 /* what of a datagram is shown */

uint64_t
note_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The datagram as it went, from its link header on; 0: that is not known. */
static size_t
frame(struct sock *s, const struct udp_out *out, uint8_t *to)
{
	int len = udp_frame_headers(s->udp, out, to, FRAME_MAX);
	size_t used, part;

	if (len < 0)
		return 0;
	used = (size_t)len;
	for (unsigned int i = 0; i < out->iovcnt && used < FRAME_MAX; i++) {
		part = RTE_MIN(out->iov[i].iov_len, FRAME_MAX - used);
		memcpy(to + used, out->iov[i].iov_base, part);
		used += part;
	}
	return used;
}

static void
stamp(struct sock *s, const struct udp_out *out, uint32_t stamping, uint64_t before, uint64_t after)
{
	uint8_t data[FRAME_MAX];
	size_t len = 0;
	uint32_t key = 0;

	if ((stamping & (SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE)) == 0)
		return;
	if (stamping & SOF_TIMESTAMPING_OPT_ID)
		key = __atomic_fetch_add(&s->stamp_key, 1, __ATOMIC_RELAXED);
	if (!(stamping & SOF_TIMESTAMPING_OPT_TSONLY))
		len = frame(s, out, data);
	if (stamping & SOF_TIMESTAMPING_TX_SCHED)
		errqueue_stamp(s, SCM_TSTAMP_SCHED, key, before, data, len);
	if (stamping & SOF_TIMESTAMPING_TX_SOFTWARE)
		errqueue_stamp(s, SCM_TSTAMP_SND, key, after, data, len);
}

int
note_before(struct sock *s, int flags)
{
	return (flags & MSG_ZEROCOPY) && (s->notes & NOTE_ZEROCOPY) && !errqueue_zerocopy_room(s)
			? -ENOBUFS
			: 0;
}

static bool
empty(const struct udp_out *out)
{
	for (unsigned int i = 0; i < out->iovcnt; i++)
		if (out->iov[i].iov_len != 0)
			return false;
	return true;
}

void
note_sent(struct sock *s, const struct udp_out *out, const uint32_t *stamping, unsigned int n,
		int flags, uint64_t before)
{
	uint64_t after = note_now();

	for (unsigned int i = 0; i < n; i++) {
		if ((flags & MSG_ZEROCOPY) && (s->notes & NOTE_ZEROCOPY) && !empty(&out[i]))
			errqueue_zerocopy(s);
		if (s->errqueue != NULL)
			stamp(s, &out[i], stamping[i], before, after);
	}
}

void
note_written(struct sock *s, size_t len)
{
	unsigned int want = 0;

	s->stamp_key += (uint32_t)len;
	if (s->stamping & (SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE))
		want |= TCP_MARK_SENT;
	if (s->stamping & SOF_TIMESTAMPING_TX_ACK)
		want |= TCP_MARK_ACKED;
	if (stream_mark(s->stream, want,
			    s->stamping & SOF_TIMESTAMPING_OPT_ID ? s->stamp_key - 1 : 0) ==
			-ENOBUFS)
		STAT_INC(stream_counters(s->stream), SOCK, err_drop);
}

void
note_mark(void *sock, unsigned int what, uint32_t key)
{
	struct sock *s = sock;
	uint64_t now = note_now();

	if (what == TCP_MARK_ACKED) {
		errqueue_stamp(s, SCM_TSTAMP_ACK, key, now, NULL, 0);
		return;
	}
	if (s->stamping & SOF_TIMESTAMPING_TX_SCHED)
		errqueue_stamp(s, SCM_TSTAMP_SCHED, key, now, NULL, 0);
	if (s->stamping & SOF_TIMESTAMPING_TX_SOFTWARE)
		errqueue_stamp(s, SCM_TSTAMP_SND, key, now, NULL, 0);
}
