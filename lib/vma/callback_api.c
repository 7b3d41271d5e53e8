/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks of the extra API: a packet of ours as the program's function sees it, with its
 * buffers as an iovec and the rest in a vma_info_t. Both lie on the stack and are written anew for
 * each packet, as the function may write to them.
 */
#include <stdlib.h>

#include <rte_prefetch.h>

#include "sock/sock.h"
#include "udp/udp.h"
#include "vma/vma_priv.h"

#define IOVS 64	 /**< buffers of a packet that need no allocation: 64 KB of 1 KB each */
#define AHEAD 4u /**< packets whose data are on their way into the cache */

_Static_assert((int)SOCK_DROP == VMA_PACKET_DROP && (int)SOCK_PASS == VMA_PACKET_RECV &&
				(int)SOCK_HOLD == VMA_PACKET_HOLD,
		"verdicts are passed on as numbers");

/** What a packet is shown as. */
struct view {
	struct vma_info_t info;
	struct sockaddr_in from, to;
	struct iovec iov[IOVS];
};

static struct timespec
timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u) };
}

static __rte_noinline void
put_times(const struct sock_judging *j, struct rte_mbuf *m, struct vma_info_t *info)
{
	if (j->wants_hw)
		info->hw_timestamp = timespec_of(sock_judged_time(j, m));
	if (j->wants_sw)
		info->sw_timestamp = timespec_of(*ring_mbuf_swtime(m));
}

static __rte_always_inline void
put_names(const struct sock_judging *j, const struct rte_mbuf *m, struct view *v)
{
	if (unlikely(j->from != NULL)) {
		v->from = *j->from;
		v->to = *j->to;
		return;
	}
	v->from = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = udp_packet_udp(m)->src_port,
		.sin_addr.s_addr = udp_packet_ip(m)->src_addr };
	v->to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = udp_packet_udp(m)->dst_port,
		.sin_addr.s_addr = udp_packet_ip(m)->dst_addr };
}

/** A vector for more buffers than a view has room for; NULL for want of memory. */
static __rte_noinline struct iovec *
many(const struct rte_mbuf *m)
{
	return calloc(m->nb_segs, sizeof(struct iovec));
}

static __rte_noinline size_t
put_segments(const struct rte_mbuf *m, struct iovec *iov)
{
	size_t n = 0;

	for (; m != NULL; m = m->next)
		if (m->data_len != 0)
			iov[n++] = (struct iovec){ rte_pktmbuf_mtod(m, void *), m->data_len };
	return n;
}

static __rte_always_inline size_t
put_payload(const struct rte_mbuf *m, struct iovec *iov)
{
	if (unlikely(m->nb_segs != 1))
		return put_segments(m, iov);
	iov[0] = (struct iovec){ rte_pktmbuf_mtod(m, void *), m->data_len };
	return 1;
}

static __rte_always_inline uint8_t
ask(const struct sock_callback *cb, const struct sock_judging *j, struct rte_mbuf *m,
		struct view *v, uint32_t ready_pkts, uint32_t ready_bytes)
{
	vma_recv_callback_t function = (vma_recv_callback_t)cb->function;
	vma_recv_callback_retval_t verdict;
	struct iovec *iov = v->iov;

	if (unlikely(m->nb_segs > IOVS) && (iov = many(m)) == NULL)
		return SOCK_PASS;
	put_names(j, m, v);
	v->info = (struct vma_info_t){
		.struct_sz = sizeof(v->info),
		.packet_id = m,
		.src = &v->from,
		.dst = &v->to,
		.payload_sz = m->pkt_len,
		.socket_ready_queue_pkt_count = ready_pkts,
		.socket_ready_queue_byte_count = ready_bytes,
	};
	if (unlikely(j->wants_hw || j->wants_sw))
		put_times(j, m, &v->info);
	verdict = function(j->fd, put_payload(m, iov), iov, &v->info, cb->context);
	if (unlikely(iov != v->iov))
		free(iov);
	/* what it does not know it does not lose */
	return unlikely((unsigned int)verdict > SOCK_HOLD) ? SOCK_PASS : (uint8_t)verdict;
}

static unsigned int
judge(const struct sock_callback *cb, struct sock_judging *j)
{
	uint32_t pkts = j->ready_pkts, bytes = j->ready_bytes;
	struct view v;
	unsigned int i;

	for (i = 0; i < RTE_MIN(AHEAD, j->n); i++)
		rte_prefetch0(rte_pktmbuf_mtod(j->pkts[i], const void *));
	for (i = 0; i < j->n; i++) {
		struct rte_mbuf *m = j->pkts[i];

		if (likely(i + AHEAD < j->n))
			rte_prefetch0(rte_pktmbuf_mtod(j->pkts[i + AHEAD], const void *));
		sock_judging_ask(j, m);
		j->verdicts[i] = ask(cb, j, m, &v, pkts, bytes);
		if (unlikely(j->verdicts[i] == SOCK_HOLD)) {
			sock_judging_hold(j, m);
		} else if (j->verdicts[i] == SOCK_PASS) {
			pkts++;
			bytes += m->pkt_len;
			if (j->one_passes_all)
				return i + 1;
		}
		if (unlikely(__atomic_load_n(j->generation, __ATOMIC_RELAXED) != j->began))
			return i + 1;
	}
	return i;
}

int
vma_register_callback(int s, vma_recv_callback_t callback, void *context)
{
	const struct sock_callback cb = { judge, (void (*)(void))callback, context };

	return vma_result(sock_set_callback(s, callback != NULL ? &cb : NULL));
}
