/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving without a copy: what room sock lends, as the extra API lays it out, and giving it back.
 *
 *   n_packet_num | packet_id sz_iov iov... | packet_id sz_iov iov... | ...
 *        8              16 + 16 a piece
 */
#include <limits.h>

#include "sock/front.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

#define HEAD sizeof(struct vma_packets_t)
#define PACKET sizeof(struct vma_packet_t)
#define PIECE sizeof(struct iovec)
#define FULL_PACKET (PACKET + SOCK_LOAN_BUFS * PIECE) /* of a stream, cut as it is lent */

/* Flags with which the next datagram at hand is what the call is for. */
#define PLAIN_FLAGS                                                                                \
	(MSG_DONTWAIT | MSG_WAITALL | MSG_TRUNC | MSG_NOSIGNAL | MSG_VMA_ZCOPY |                   \
			MSG_VMA_ZCOPY_FORCE)

#define FREE_CHUNK 64u /* packets that are given back at once */

/** @name Out */
/** @{ */
/** Pieces of a stream that a buffer has room for, in packets of SOCK_LOAN_BUFS. */
static unsigned int
pieces_in(size_t len)
{
	size_t rest, n;

	if (len < HEAD + PACKET + PIECE)
		return 0;
	len -= HEAD;
	rest = len % FULL_PACKET;
	n = len / FULL_PACKET * SOCK_LOAN_BUFS;
	if (rest >= PACKET + PIECE)
		n += (rest - PACKET) / PIECE;
	return (unsigned int)RTE_MIN(n, (size_t)UINT16_MAX);
}

/** Describe a packet at @p p, @p room pieces of it at most. @return bytes described */
static size_t
describe(struct vma_packet_t *p, struct rte_mbuf *first, size_t room)
{
	const struct rte_mbuf *m = first;
	size_t bytes = 0, n = 0;

	do {
		/* one that is not the first holds nothing where UDP's length is short of IP's */
		if (m->data_len != 0 || m == first) {
			p->iov[n].iov_base = rte_pktmbuf_mtod(m, void *);
			p->iov[n++].iov_len = m->data_len;
			bytes += m->data_len;
		}
		m = m->next;
	} while (m != NULL && n < room);
	p->packet_id = first;
	p->sz_iov = n;
	return bytes;
}

/**
 * Packets that there is room for, but that a datagram may have too many pieces.
 * @param bytes in all of them
 * @param[in,out] flags the call's
 * @return what the call does
 */
static int
lay_out(struct rte_mbuf *m, size_t bytes, struct vma_packets_t *packets, size_t len, int *flags)
{
	struct vma_packet_t *p = packets->pkts;
	char *end = (char *)packets + len;
	bool whole = (*flags & MSG_TRUNC) != 0;
	struct rte_mbuf *next;
	size_t described = 0, n = 0;

	for (; m != NULL; m = next) {
		next = *ring_mbuf_link(m);
		described += describe(p, m, (size_t)(end - (char *)p->iov) / PIECE);
		p = (struct vma_packet_t *)&p->iov[p->sz_iov];
		n++;
	}
	packets->n_packet_num = n;
	*flags = (*flags & ~MSG_TRUNC) | MSG_VMA_ZCOPY;
	if (unlikely(described < bytes)) {
		*flags |= MSG_TRUNC;
		described = whole ? bytes : described;
	}
	return (int)described;
}

static __rte_noinline int
receive(int fd, void *buf, size_t len, int *flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct sock_loan loan;
	ssize_t ret;

	if (unlikely(flags == NULL))
		return vma_result(-EFAULT);
	loan = (struct sock_loan){ .flags = *flags & ~(MSG_VMA_ZCOPY | MSG_VMA_ZCOPY_FORCE),
		.forced = (*flags & MSG_VMA_ZCOPY_FORCE) != 0,
		.pieces = pieces_in(len),
		.buf = buf,
		.len = len,
		.written = HEAD + FULL_PACKET,
		.from = from,
		.fromlen = fromlen };
	ret = sock_lend(fd, &loan);
	if (unlikely(ret < 0))
		return vma_result((int)ret);
	if (unlikely(loan.kernels))
		return (int)ret;
	if (likely(loan.first != NULL))
		return lay_out(loan.first, (size_t)ret, buf, len, flags);
	*flags = (*flags & ~(MSG_VMA_ZCOPY | MSG_TRUNC)) | (loan.got & MSG_TRUNC);
	return (int)ret;
}

/* A datagram of several pieces, or whose sender is asked for. */
static __rte_noinline int
in_full(struct rte_mbuf *m, struct vma_packets_t *packets, size_t len, int *flags,
		struct sockaddr *from, socklen_t *fromlen)
{
	if (from != NULL)
		sock_lent_name(m, from, fromlen);
	*ring_mbuf_link(m) = NULL;
	return lay_out(m, m->pkt_len, packets, len, flags);
}

/* From the front of the calling thread, if there is one; else sock_lend() knows. */
int
vma_zcopy_recv(int fd, void *buf, size_t len, int *flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct vma_packets_t *packets = buf;
	struct rte_mbuf *m;
	struct front *f;

	if (unlikely(flags == NULL || buf == NULL || len < HEAD + PACKET + PIECE ||
			    (*flags & ~PLAIN_FLAGS) != 0 || sock_lent_room(from, fromlen) != 0 ||
			    (f = front_enter(fd)) == NULL))
		return receive(fd, buf, len, flags, from, fromlen);
	m = front_take(f);
	front_leave();
	if (unlikely(m == NULL))
		return receive(fd, buf, len, flags, from, fromlen);
	if (unlikely(m->next != NULL || from != NULL))
		return in_full(m, buf, len, flags, from, fromlen);
	packets->n_packet_num = 1;
	packets->pkts[0].packet_id = m;
	packets->pkts[0].sz_iov = 1;
	packets->pkts[0].iov[0].iov_base = rte_pktmbuf_mtod(m, void *);
	packets->pkts[0].iov[0].iov_len = m->data_len;
	*flags = (*flags & ~MSG_TRUNC) | MSG_VMA_ZCOPY;
	return m->data_len;
}
/** @} */

/** @name Back */
/** @{ */
/** The packet behind one: of datagrams only the first fields are looked at, ever. */
static struct vma_packet_t *
behind(struct vma_packet_t *p, int type)
{
	return (struct vma_packet_t *)((char *)p + PACKET +
			(type == SOCK_STREAM ? p->sz_iov * PIECE : 0));
}

static int
free_many(int fd, struct vma_packet_t *p, size_t n)
{
	void *ids[FREE_CHUNK];
	int type = sock_lender(fd), ret;
	unsigned int i, part;

	for (; n != 0; n -= part) {
		part = (unsigned int)RTE_MIN(n, (size_t)FREE_CHUNK);
		for (i = 0; i < part; i++) {
			ids[i] = p->packet_id;
			/* what is behind the last is not ours to read */
			if (i + 1 < n)
				p = behind(p, type);
		}
		ret = sock_lent_back(fd, ids, part);
		if (ret < (int)part)
			return ret < 0 ? ret : -ENOENT;
	}
	return 0;
}

int
vma_zcopy_free(int fd, struct vma_packet_t *packets, size_t n)
{
	struct front *f;
	bool back;
	int ret;

	if (unlikely(packets == NULL))
		return vma_result(-EINVAL);
	if (likely(n == 1 && (f = front_enter(fd)) != NULL)) {
		back = front_take_back(f, packets->packet_id);
		front_leave();
		if (likely(back))
			return 0;
	}
	if (unlikely(n > 1))
		return vma_result(free_many(fd, packets, n));
	ret = sock_lent_back(fd, n != 0 ? &packets->packet_id : NULL, (unsigned int)n);
	return ret < 0 ? vma_result(ret) : 0;
}
/** @} */
