/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving from a stream without a copy: what is queued is taken as one chain of buffers and cut
 * into packets, which the application gives back one by one.
 */
#include "callback.h"
#include "sock_priv.h"

/** A call that is under way. */
struct lending {
	struct sock *s;
	struct rte_mbuf *head, *tail;
	unsigned int pieces; /**< there is room for */
	size_t done, target; /**< bytes taken, and waited for */
};

static ssize_t
take(struct lending *l)
{
	struct rte_mbuf *chain;
	ssize_t ret = stream_recv_chain(l->s->stream, INT32_MAX - l->done, l->pieces, &chain);

	if (ret <= 0)
		return ret;
	l->pieces -= chain->nb_segs;
	l->done += (size_t)ret;
	if (l->head == NULL)
		l->head = chain;
	else
		l->tail->next = chain;
	l->tail = rte_pktmbuf_lastseg(chain);
	return ret;
}

static bool
enough(const struct lending *l)
{
	return l->done >= l->target || l->pieces == 0;
}

static ssize_t
take_more(struct lending *l, int flags)
{
	struct sock_wait w = sock_wait_of(l->s->rcv_timeout_ns);
	ssize_t ret;
	int wait;

	for (;;) {
		if (l->done != 0 && stream_sock_must_stop(l->s))
			return 0;
		ret = take(l);
		if (ret == 0 || (ret < 0 && ret != -EAGAIN) || enough(l))
			return ret;
		if (sock_dont_wait(l->s, flags) || callback_bars(l->s))
			return -EAGAIN;
		w.restarts &= l->done == 0;
		wait = stream_sock_wait(l->s, POLLIN, &w);
		if (wait != 0)
			return wait;
	}
}

/* The rest of a chain whose first buffers are a packet of their own now; NULL: it has no more. */
static struct rte_mbuf *
cut(struct rte_mbuf *first)
{
	struct rte_mbuf *m = first, *rest;
	uint32_t bytes = m->data_len;
	uint16_t n = 1;

	for (; n < SOCK_LOAN_BUFS && m->next != NULL; n++) {
		m = m->next;
		bytes += m->data_len;
	}
	rest = m->next;
	m->next = NULL;
	first->pkt_len = bytes;
	first->nb_segs = n;
	return rest;
}

static void
lend(struct lending *l, struct sock_loan *loan)
{
	struct rte_mbuf *m = l->head, *rest;
	unsigned int n = 0;

	loan->first = m;
	for (; m != NULL; m = rest) {
		rest = cut(m);
		*ring_mbuf_link(m) = rest;
		ring_lend(m, RING_LENT_PACKET, l->s->serial);
		n++;
	}
	STAT_ADD(stream_counters(l->s->stream), SOCK, rx_lent, n);
}

ssize_t
stream_sock_lend(struct sock *s, struct sock_loan *loan)
{
	const struct stream_options *o = stream_options(s->stream);
	struct lending l = { .s = s, .pieces = loan->pieces };
	ssize_t ret;

	if (unlikely(stream_phase(s->stream) == STREAM_LISTENING))
		return -ENOTCONN;
	/* what is lent stays in the window: more than it holds never comes */
	l.target = RTE_MIN(loan->len,
			loan->flags & MSG_WAITALL ? o->tcp.rcvbuf / 2 : (size_t)o->rcv_lowat);
	ret = take(&l);
	if (unlikely(ret == -EAGAIN || (ret > 0 && !enough(&l)))) {
		stream_poll(s->stream);
		callbacks_turn();
		ret = take_more(&l, loan->flags);
	}
	if (l.done == 0) {
		if (ret == -EAGAIN)
			STAT_INC(stream_counters(s->stream), SOCK, rx_eagain);
		return ret;
	}
	lend(&l, loan);
	return (ssize_t)l.done;
}
