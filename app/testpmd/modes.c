/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modes: each a single call of one way to receive or send. What a mode does beside that call
 * (looking at payloads) only happens with --check, so that cycles compare like with like.
 */
#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dpvma.h"
#include "mellanox/vma_extra.h"
#include "tcp.h"

/* The bare PMD on the queue of the sockets' ring: the yardstick. */
static unsigned int
rxonly_turn(struct tp *tp, struct tp_count *count)
{
	struct rte_mbuf *pkts[TP_BATCH_MAX];
	uint16_t i, n;

	n = rte_eth_rx_burst(tp->ring->port_id, tp->ring->queue, pkts, (uint16_t)tp->args.batch);
	if (n == 0)
		return 0;
	if (tp->args.check)
		for (i = 0; i < n; i++)
			tp_check_frame(tp, count, rte_pktmbuf_mtod(pkts[i], uint8_t *),
					pkts[i]->data_len);
	for (i = 0; i < n; i++)
		count->bytes += pkts[i]->pkt_len;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/* The library's internal thread attends to rings that nobody polls: it must not meet us here. */
static void
rxonly_begin(struct tp *tp, struct tp_count *count)
{
	(void)count;
	ring_rx_lock(tp->ring);
}

static void
rxonly_end(struct tp *tp, struct tp_count *count)
{
	(void)count;
	ring_rx_unlock(tp->ring);
}

static unsigned int
cyclic_turn(struct tp *tp, struct tp_count *count)
{
	struct vma_completion_cb_t done = { 0 };
	size_t stride, i;

	if (dpvma_get_api()->vma_cyclic_buffer_read(
			    tp->ring_fd, &done, 1, tp->args.batch, MSG_DONTWAIT) != 0 ||
			done.packets == 0)
		return 0;
	count->runs++;
	count->bytes += done.packets * (TP_FRAME_HEADERS + tp->args.size);
	if (!tp->args.check)
		return (unsigned int)done.packets;
	stride = done.payload_length / done.packets;
	for (i = 0; i < done.packets; i++) {
		const uint8_t *at = (const uint8_t *)done.payload_ptr + i * stride;

		if (tp->args.ring_mode[0] == 'p' || tp->args.ring_mode[0] == 'r')
			tp_check_frame(tp, count, at, (uint32_t)stride);
		else
			tp_check_payload(tp, count, 0, at, tp->args.size);
	}
	return (unsigned int)done.packets;
}

/* One socket after the other, each until it has nothing: with many, an event loop's pattern. */
static unsigned int
recv_turn(struct tp *tp, struct tp_count *count)
{
	static uint8_t buf[TP_BATCH_MAX][TP_DATAGRAM_MAX];
	static struct mmsghdr vec[TP_BATCH_MAX];
	static struct iovec iov[TP_BATCH_MAX];
	uint32_t socket = tp->next_fd;
	int i, n;

	if (iov[0].iov_base == NULL) {
		for (i = 0; i < TP_BATCH_MAX; i++) {
			iov[i].iov_base = buf[i];
			iov[i].iov_len = sizeof(buf[i]);
			vec[i].msg_hdr.msg_iov = &iov[i];
			vec[i].msg_hdr.msg_iovlen = 1;
		}
	}
	n = dpvma_recvmmsg(tp->fds[socket], vec, tp->args.batch, MSG_DONTWAIT, NULL);
	/*
	 * The sender serves its ports in turn, so the next datagram is this socket's: stay, unless
	 * it was lost.
	 */
	if (n <= 0 && ++tp->misses < TP_MISSES_MAX)
		return 0;
	tp->misses = 0;
	tp->next_fd = socket + 1 == tp->args.sockets ? 0 : socket + 1;
	if (n <= 0)
		return 0;
	for (i = 0; i < n; i++) {
		count->bytes += TP_FRAME_HEADERS + vec[i].msg_len;
		if (tp->args.check)
			tp_check_payload(tp, count, socket, buf[i], vec[i].msg_len);
	}
	return (unsigned int)n;
}

static unsigned int
send_turn(struct tp *tp, struct tp_count *count)
{
	static uint8_t buf[TP_BATCH_MAX][TP_DATAGRAM_MAX];
	struct mmsghdr vec[TP_BATCH_MAX] = { 0 };
	struct iovec iov[TP_BATCH_MAX];
	uint64_t now = rte_rdtsc();
	uint32_t i;
	int n;

	if (tp->args.rate != 0) {
		if (tp->send_due == 0)
			tp->send_due = now;
		if (now < tp->send_due)
			return 0;
		tp->send_due += (uint64_t)(tp->tsc_hz * tp->args.batch / tp->args.rate);
	}
	for (i = 0; i < tp->args.batch; i++) {
		tp_fill_payload(buf[i], tp->args.size, tp->send_seq + i);
		iov[i] = (struct iovec){ buf[i], tp->args.size };
		vec[i].msg_hdr.msg_iov = &iov[i];
		vec[i].msg_hdr.msg_iovlen = 1;
	}
	n = dpvma_sendmmsg(tp->fds[tp->next_fd], vec, tp->args.batch, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	if (++tp->next_fd == tp->args.sockets) {
		tp->next_fd = 0;
		tp->send_seq += (uint64_t)n;
	}
	count->bytes += (uint64_t)n * (TP_FRAME_HEADERS + tp->args.size);
	return (unsigned int)n;
}

static const struct tp_mode modes[] = {
	{
			.name = "cyclic",
			.help = "vma_cyclic_buffer_read on the sockets' ring",
			.wants_cyclic = true,
			.turn = cyclic_turn,
	},
	{
			.name = "recv",
			.help = "dpvma_recvmmsg on each socket in turn",
			.wants_queue = true,
			.turn = recv_turn,
	},
	{
			.name = "zcopy",
			.help = "recvfrom_zcopy and free_packets, a packet each, on each socket in "
				"turn",
			.wants_queue = true,
			.needs = VMA_EXTRA_API_RECVFROM_ZCOPY | VMA_EXTRA_API_FREE_PACKETS,
			.turn = tp_zcopy_turn,
	},
	{
			.name = "callback",
			.help = "a receive callback that drops each packet, in dpvma_recv",
			.wants_queue = true,
			.needs = VMA_EXTRA_API_REGISTER_RECV_CALLBACK,
			.begin = tp_callback_begin,
			.end = tp_callback_end,
			.turn = tp_callback_turn,
	},
	{
			.name = "xtreme",
			.help = "socketxtreme_poll on the sockets' ring; wants VMA_SOCKETXTREME=1",
			.wants_queue = true,
			.needs = VMA_EXTRA_API_SOCKETXTREME_POLL |
					VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_PACKETS,
			.turn = tp_xtreme_turn,
	},
	{
			.name = "rxonly",
			.help = "rte_eth_rx_burst and free on the same queue: the bare PMD",
			.bare = true,
			.begin = rxonly_begin,
			.end = rxonly_end,
			.turn = rxonly_turn,
	},
	{
			.name = "send",
			.help = "dpvma_sendmmsg of checked payloads to --peer",
			.sends = true,
			.turn = send_turn,
	},
	{
			.name = "txonly",
			.help = "rte_eth_tx_burst of frames with --size bytes of UDP to --peer: "
				"the "
				"bare PMD",
			.sends = true,
			.frames = true,
			.begin = tp_txonly_begin,
			.end = tp_txonly_end,
			.turn = tp_txonly_turn,
	},
	{
			.name = "trip",
			.help = "one such frame there and back: with --peer asks, without gives "
				"back",
			.frames = true,
			.trips = true,
			.begin = tp_trip_begin,
			.end = tp_trip_end,
			.turn = tp_trip_turn,
	},
	{
			.name = "stream",
			.help = "TCP: with --peer connect and send, without accept and receive",
			.step = tp_stream_step,
	},
	{
			.name = "rr",
			.help = "TCP: with --peer ask and wait for the answer, without answer",
			.step = tp_rr_step,
			.begin_tcp = tp_rr_begin,
	},
	{
			.name = "connect",
			.help = "TCP: with --peer open, ask, read the answer and close, without "
				"serve that",
			.connects = true,
			.step = tp_connect_step,
			.begin_tcp = tp_connect_begin,
			.end_tcp = tp_connect_end,
	},
};

const struct tp_mode *
tp_mode_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(modes); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

void
tp_modes_help(FILE *f)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(modes); i++)
		fprintf(f, "  %-8s %s\n", modes[i].name, modes[i].help);
}
