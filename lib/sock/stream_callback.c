/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks of streams: each buffer of what came is a packet. The first that passes ends
 * the asking until all that can be read was read.
 */
#include "callback.h"
#include "sock_priv.h"

void
stream_sock_set_stage(struct sock *s, bool on)
{
	stream_set_stage(s->stream, on ? callbacks_staged : NULL);
}

/* A chain as packets of a buffer each. */
static void
apart(struct rte_mbuf *m, struct rte_mbuf **pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = m->data_len;
		pkts[i] = m;
		m = next;
	}
}

/* And together; their bytes. */
static size_t
join(struct rte_mbuf **pkts, unsigned int n)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < n; i++) {
		bytes += pkts[i]->data_len;
		pkts[i]->next = i + 1 < n ? pkts[i + 1] : NULL;
	}
	return bytes;
}

/* TCP stamps nothing: it is the time of the turn that found them. */
static void
stamp(const struct sock *s, struct rte_mbuf **pkts, unsigned int n)
{
	uint64_t now;

	if (likely(s->wants == 0))
		return;
	now = note_now();
	for (unsigned int i = 0; i < n; i++)
		*ring_mbuf_swtime(pkts[i]) = now;
}

static struct sockaddr_in
name_of(const struct ip_addr *addr, uint16_t port_be)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = port_be, .sin_addr.s_addr = ip_v4(addr)
	};
}

unsigned int
stream_sock_judge(struct sock *s)
{
	struct rte_mbuf *pkts[SOCK_BATCH], *chain;
	struct sock_judging j = { .pkts = pkts, .one_passes_all = true };
	unsigned int n = stream_stage_take(s->stream, SOCK_BATCH, &chain), passed;
	struct ip_addr addr = ip_from_v4(0);
	struct sockaddr_in from, to;
	size_t bytes, returned;
	uint16_t port = 0;

	if (n == 0)
		return 0;
	bytes = chain->pkt_len;
	apart(chain, pkts, n);
	stamp(s, pkts, n);
	stream_remote(s->stream, &addr, &port);
	from = name_of(&addr, port);
	stream_local(s->stream, &addr, &port);
	to = name_of(&addr, port);
	j.from = &from;
	j.to = &to;
	j.n = n;
	passed = callback_judge(s, &j);
	returned = join(pkts, passed);
	stream_stage_settle(
			s->stream, passed != 0 ? pkts[0] : NULL, bytes - returned - j.held_bytes);
	return n;
}
