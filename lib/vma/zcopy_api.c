/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving without a copy: what room sock lends, as the extra API lays it out, and giving it back.
 *
 *   n_packet_num | packet_id sz_iov iov... | packet_id sz_iov iov... | ...
 *        8              16 + 16 a piece
 */
#include <limits.h>

#include "sock/sock.h"
#include "vma/vma_priv.h"

#define HEAD sizeof(struct vma_packets_t)
#define PACKET sizeof(struct vma_packet_t)
#define PIECE sizeof(struct iovec)
#define FULL_PACKET (PACKET + SOCK_LOAN_BUFS * PIECE) /* of a stream, cut as it is lent */

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

/** Packets that there is room for, but that a datagram may have too many pieces. */
static size_t
lay_out(const struct sock_loan *loan, struct vma_packets_t *packets, size_t len)
{
	struct vma_packet_t *p = packets->pkts;
	char *end = (char *)packets + len;
	size_t bytes = 0, n = 0;

	for (struct rte_mbuf *m = loan->first, *next; m != NULL; m = next) {
		next = *ring_mbuf_link(m);
		bytes += describe(p, m, (size_t)(end - (char *)p->iov) / PIECE);
		p = (struct vma_packet_t *)&p->iov[p->sz_iov];
		n++;
	}
	packets->n_packet_num = n;
	return bytes;
}

int
vma_zcopy_recv(int fd, void *buf, size_t len, int *flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct sock_loan loan;
	ssize_t ret;
	int in, out;

	if (unlikely(flags == NULL))
		return vma_result(-EFAULT);
	in = *flags & ~(MSG_VMA_ZCOPY | MSG_VMA_ZCOPY_FORCE);
	loan = (struct sock_loan){ .flags = in,
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
	out = loan.got & MSG_TRUNC;
	if (likely(loan.first != NULL)) {
		size_t bytes = lay_out(&loan, buf, len);

		out |= MSG_VMA_ZCOPY;
		if (unlikely(bytes < (size_t)ret)) {
			out |= MSG_TRUNC;
			ret = in & MSG_TRUNC ? ret : (ssize_t)bytes;
		}
	}
	*flags = (*flags & ~(MSG_VMA_ZCOPY | MSG_TRUNC)) | out;
	return (int)ret;
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
	int ret;

	if (unlikely(packets == NULL))
		return vma_result(-EINVAL);
	if (unlikely(n > 1))
		return vma_result(free_many(fd, packets, n));
	ret = sock_lent_back(fd, n != 0 ? &packets->packet_id : NULL, (unsigned int)n);
	return ret < 0 ? vma_result(ret) : 0;
}
/** @} */
