/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modes on the receive interfaces of the extra API, through its table as any program calls
 * them. What else a mode does (looking at payloads) only happens with --check.
 */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "dpvma.h"
#include "mellanox/vma_extra.h"
#include "testpmd.h"

#define PIECES_MAX 16	/**< of a datagram, asked for at once */
#define DRAIN_SECONDS 1 /**< far above what a full queue takes */

static struct vma_api_t *api; /**< asked for once, as programs do */

/* Which socket a descriptor is, for those who are told of packets by it. */
static uint32_t
socket_of(const struct tp *tp, uint64_t fd)
{
	return fd < tp->n_socket_of ? tp->socket_of[fd] : UINT32_MAX;
}

static void
check_pieces(struct tp *tp, struct tp_count *count, uint32_t socket, const struct iovec *iov,
		size_t n)
{
	static uint8_t whole[TP_DATAGRAM_MAX];
	uint32_t len = 0;
	size_t i;

	if (n == 1) {
		tp_check_payload(tp, count, socket, iov[0].iov_base, (uint32_t)iov[0].iov_len);
		return;
	}
	for (i = 0; i < n && iov[i].iov_len <= sizeof(whole) - len; i++) {
		memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
		len += (uint32_t)iov[i].iov_len;
	}
	if (i < n)
		count->bad_payload++;
	else
		tp_check_payload(tp, count, socket, whole, len);
}

/** Room for one datagram, as recvfrom_zcopy() lays it out. */
union zcopy_room {
	struct vma_packets_t packets;
	uint8_t bytes[sizeof(struct vma_packets_t) + sizeof(struct vma_packet_t) +
			PIECES_MAX * sizeof(struct iovec)];
};

/** @return bytes of payload, -1 for none */
static int
zcopy_one(struct tp *tp, struct tp_count *count, uint32_t socket)
{
	union zcopy_room room;
	struct vma_packet_t *packet = &room.packets.pkts[0];
	int flags = MSG_DONTWAIT, fd = tp->fds[socket];
	int n = api->recvfrom_zcopy(fd, &room, sizeof(room), &flags, NULL, NULL);

	if (n < 0)
		return -1;
	if (unlikely((flags & MSG_VMA_ZCOPY) == 0)) {
		count->copied++;
		return n;
	}
	if (tp->args.check)
		check_pieces(tp, count, socket, packet->iov, packet->sz_iov);
	if (unlikely(api->free_packets(fd, packet, room.packets.n_packet_num) != 0))
		count->failed++;
	return n;
}

/* What a socket has, up to a batch; then the next socket has its turn, as with recv. */
unsigned int
tp_zcopy_turn(struct tp *tp, struct tp_count *count)
{
	uint32_t socket = tp->next_fd;
	unsigned int got;
	int n;

	for (got = 0; got < tp->args.batch; got++) {
		n = zcopy_one(tp, count, socket);
		if (n < 0)
			break;
		count->bytes += TP_FRAME_HEADERS + (uint32_t)n;
	}
	if (got == 0 && ++tp->misses < TP_MISSES_MAX)
		return 0;
	tp->misses = 0;
	tp->next_fd = socket + 1 == tp->args.sockets ? 0 : socket + 1;
	return got;
}

static vma_recv_callback_retval_t
on_packet(int fd, size_t sz_iov, struct iovec iov[], struct vma_info_t *info, void *context)
{
	struct tp *tp = context;
	struct tp_count *count = tp->called;
	size_t i;

	(void)info;
	tp->calls++;
	count->bytes += TP_FRAME_HEADERS;
	for (i = 0; i < sz_iov; i++)
		count->bytes += iov[i].iov_len;
	if (tp->args.check)
		check_pieces(tp, count, socket_of(tp, (uint64_t)fd), iov, sz_iov);
	return VMA_PACKET_DROP;
}

static void
register_all(struct tp *tp, vma_recv_callback_t callback)
{
	uint32_t i;

	for (i = 0; i < tp->args.sockets; i++)
		if (api->register_recv_callback(tp->fds[i], callback, tp) != 0)
			tp->called->failed++;
}

void
tp_callback_begin(struct tp *tp, struct tp_count *count)
{
	tp->called = count;
	register_all(tp, on_packet);
}

void
tp_callback_end(struct tp *tp, struct tp_count *count)
{
	tp->called = count;
	register_all(tp, NULL);
}

/* A receive call of one socket turns the ring, and the callbacks of all of them are called. */
unsigned int
tp_callback_turn(struct tp *tp, struct tp_count *count)
{
	static uint8_t buf[TP_DATAGRAM_MAX];
	ssize_t n;

	tp->calls = 0;
	n = dpvma_recv(tp->fds[tp->next_fd], buf, sizeof(buf), MSG_DONTWAIT);
	if (unlikely(n >= 0)) {
		/* was queued before there was a callback */
		tp->calls++;
		count->copied++;
		count->bytes += TP_FRAME_HEADERS + (uint64_t)n;
		if (tp->args.check)
			tp_check_payload(tp, count, tp->next_fd, buf, (uint32_t)n);
	}
	if (unlikely(tp->args.sockets > 1))
		tp->next_fd = tp->next_fd + 1 == tp->args.sockets ? 0 : tp->next_fd + 1;
	return tp->calls;
}

static void
check_packet(struct tp *tp, struct tp_count *count, const struct vma_completion_t *c)
{
	struct iovec iov[PIECES_MAX];
	const struct vma_buff_t *b;
	size_t n = 0;

	for (b = c->packet.buff_lst; b != NULL && n < PIECES_MAX; b = b->next)
		iov[n++] = (struct iovec){ b->payload, b->len };
	if (b != NULL || n != c->packet.num_bufs)
		count->bad_payload++;
	else
		check_pieces(tp, count, socket_of(tp, c->user_data), iov, n);
}

unsigned int
tp_xtreme_turn(struct tp *tp, struct tp_count *count)
{
	static struct vma_completion_t done[TP_BATCH_MAX];
	static struct vma_packet_desc_t packets[TP_BATCH_MAX];
	int n = api->socketxtreme_poll(tp->ring_fd, done, tp->args.batch, 0), i, got = 0;

	for (i = 0; i < n; i++) {
		if (unlikely((done[i].events & VMA_SOCKETXTREME_PACKET) == 0))
			continue;
		count->bytes += TP_FRAME_HEADERS + done[i].packet.total_len;
		if (tp->args.check)
			check_packet(tp, count, &done[i]);
		packets[got++] = done[i].packet;
	}
	if (got != 0 && unlikely(api->socketxtreme_free_vma_packets(packets, got) != 0))
		count->failed++;
	return (unsigned int)got;
}

/*
 * Between windows of different modes: what one left in the queues of its sockets is not the next
 * one's. With the ring's lock in hand nothing comes to them meanwhile.
 */
void
tp_drain(struct tp *tp)
{
	static uint8_t buf[TP_DATAGRAM_MAX];
	uint64_t end = rte_rdtsc() + (uint64_t)(DRAIN_SECONDS * tp->tsc_hz);
	uint32_t i;

	ring_rx_lock(tp->ring);
	for (i = 0; i < tp->args.sockets; i++)
		while (dpvma_recv(tp->fds[i], buf, sizeof(buf), MSG_DONTWAIT) >= 0 &&
				rte_rdtsc() < end)
			;
	ring_rx_unlock(tp->ring);
}

int
tp_mode_works(struct tp *tp, const struct tp_mode *mode)
{
	api = dpvma_get_api();
	if (api == NULL || (api->vma_extra_supported_mask & mode->needs) != mode->needs) {
		fprintf(stderr, "dpvma-testpmd: --modes=%s: this library does not offer it\n",
				mode->name);
		return -1;
	}
	/* it refuses a bad argument where it is switched on, and everything where it is not */
	if ((mode->needs & VMA_EXTRA_API_SOCKETXTREME_POLL) != 0 &&
			api->socketxtreme_poll(tp->ring_fd, NULL, 0, 0) != 0 &&
			errno == EOPNOTSUPP) {
		fprintf(stderr,
				"dpvma-testpmd: --modes=%s: socketxtreme is switched off: set "
				"VMA_SOCKETXTREME=1\n",
				mode->name);
		return -1;
	}
	return 0;
}
