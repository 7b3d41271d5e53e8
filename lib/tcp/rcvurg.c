/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Urgent data as sockets have them (RFC 6093): one byte, the one before the pointer. It stays in
 * the queue; reading leaves it out unless SO_OOBINLINE is set (rcvread.c). A copy of it is kept for
 * MSG_OOB, and for POLLPRI, from when it comes until it is read so or the reader goes beyond it.
 *
 * Against RFC 9293 3.8.5 there is no urgent mode of any length: no sockets API gives one.
 */
#include "tcp/rcv.h"

static void
got_byte(struct tcp_conn *conn, uint8_t byte)
{
	conn->urg_byte = byte;
	conn->flags |= F_URG_BYTE;
	conn->flags &= ~(uint32_t)F_URG_WAIT;
}

static bool
is_new(const struct tcp_conn *conn, uint32_t mark)
{
	const struct rcvq *q = &conn->rcvq;

	if (seq_lt(mark, conn->rcv_nxt) || (q->fin && seq_geq(mark, q->fin_seq)))
		return false;
	return !(conn->flags & F_URG_IN) || seq_gt(mark, conn->rcv_up);
}

void
urgent_in(struct tcp_conn *conn, uint32_t seq, uint32_t len, uint16_t urg, const struct rte_mbuf *m)
{
	uint32_t mark = seq + urg - 1;

	if (urg == 0 || !is_new(conn, mark))
		return;
	/* An older urgent byte becomes ordinary data, but not for a reader who stands right at it:
	 * it was to be left out of what comes next. */
	if (tcp_at_mark(conn) && !conn->opt.oob_inline && conn->rcvq.bytes != 0)
		rcv_skip(conn, 1);
	conn->flags |= F_URG_IN | F_URG_WAIT;
	conn->flags &= ~(uint32_t)F_URG_BYTE;
	conn->rcv_up = mark;
	COUNT(conn->engine, urgent_in);
	if (urg <= len && seq_lt(mark, conn->rcv_adv))
		got_byte(conn, chain_byte(m, urg - 1u));
	conn_event(conn, TCP_E_URGENT);
}

void
urgent_look(struct tcp_conn *conn)
{
	uint32_t at = conn->rcv_up - rcv_read_seq(conn);

	if (at >= conn->rcvq.bytes)
		return;
	got_byte(conn, chain_byte(conn->rcvq.head, at));
	conn_event(conn, TCP_E_URGENT);
}

ssize_t
urgent_read(struct tcp_conn *conn, uint8_t *to, bool peek)
{
	if (conn->opt.oob_inline || !(conn->flags & (F_URG_BYTE | F_URG_WAIT)))
		return -EINVAL;
	if (!(conn->flags & F_URG_BYTE)) {
		if (conn->state == TCP_S_CLOSED || (conn->flags & (F_FIN_IN | F_SHUT_RD)))
			return 0;
		return -EAGAIN;
	}
	*to = conn->urg_byte;
	if (!peek)
		conn->flags &= ~(uint32_t)F_URG_BYTE;
	return 1;
}
