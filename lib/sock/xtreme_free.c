/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of socketxtreme come back. Each names the socket by its serial number, for what it counts
 * and for the window of a connection; a run of buffers of one socket asks for it once. What becomes
 * free does so in bulk.
 */
#include "xtreme.h"
#include "xtreme_note.h"

#define BULK 64

/** Buffers that are being given back. */
struct returning {
	unsigned int n; /**< free, in bulk */
	uint32_t owner; /**< of the run */
	uint32_t run;	/**< packets of it */
	size_t bytes;	/**< of it that count no more */
	struct ring_found found;
	struct rte_mbuf *bulk[BULK];
};

static int
refused(int ret)
{
	switch (ret) {
	case -EFAULT:
		sock_misused(EXTRA_STAT_unknown_buffer);
		break;
	case -EALREADY:
		sock_misused(EXTRA_STAT_given_back_twice);
		break;
	case -ENOENT:
		sock_misused(EXTRA_STAT_foreign_buffer);
		break;
	default:
		break;
	}
	return -EINVAL;
}

static void
end_run(struct returning *b)
{
	struct sock *s;

	if (b->run == 0 && b->bytes == 0)
		return;
	s = xtreme_of_serial(b->owner);
	if (s != NULL) {
		STAT_ADD(s->ops->counters(s), SOCK, rx_lent_back, b->run);
		if (s->stream != NULL && b->bytes != 0)
			stream_recv_done(s->stream, b->bytes);
		sock_put(s);
	}
	b->run = 0;
	b->bytes = 0;
}

static void
end_bulk(struct returning *b)
{
	rte_pktmbuf_free_bulk(b->bulk, b->n);
	b->n = 0;
}

/* @return references that are left, or as ring_lent_less() */
static __rte_always_inline int
give_back(struct returning *b, struct ring_meta *meta)
{
	struct rte_mbuf *m = ring_mbuf_of_meta(meta);
	bool unpaid = false;
	int ret;

	ret = ring_lent_less(m, &unpaid);
	if (unlikely(ret < 0))
		return ret;
	if (unpaid)
		b->bytes += meta->len;
	if (unlikely(ret != 0))
		return ret;
	b->bulk[b->n++] = m;
	if (unlikely(b->n == BULK))
		end_bulk(b);
	return 0;
}

/* A buffer that this very call has freed is not looked at again: its chain is read first. */
static __rte_always_inline int
free_packet(struct returning *b, const struct sock_packet *p)
{
	struct ring_meta *meta = p->buffs, *next;
	int ret;

	if (unlikely(meta == NULL))
		return -EINVAL;
	if (unlikely(!ring_mbuf_near(ring_mbuf_of_meta(meta), &b->found)))
		return refused(-EFAULT);
	if (unlikely(meta->owner != b->owner)) {
		end_run(b);
		b->owner = meta->owner;
	}
	for (; meta != NULL; meta = next) {
		/* what is not ours must not be read */
		if (unlikely(meta != p->buffs &&
				    !ring_mbuf_near(ring_mbuf_of_meta(meta), &b->found)))
			return refused(-EFAULT);
		next = meta->next;
		ret = give_back(b, meta);
		if (unlikely(ret < 0))
			return refused(ret);
	}
	b->run++;
	return 0;
}

int
sock_xtreme_free(const struct sock_packet *packets, int n)
{
	struct returning b;
	int i, ret = 0;

	if (unlikely(!conf()->socketxtreme))
		return -EOPNOTSUPP;
	if (unlikely(packets == NULL || n < 0))
		return -EINVAL;
	ring_thread();
	b.n = b.run = b.owner = 0;
	b.bytes = 0;
	b.found = (struct ring_found){ 0 };
	for (i = 0; i < n && ret == 0; i++)
		ret = free_packet(&b, &packets[i]);
	end_run(&b);
	end_bulk(&b);
	return ret;
}

int
sock_xtreme_ref_buff(struct ring_meta *buff)
{
	int ret;

	if (unlikely(!conf()->socketxtreme))
		return -EOPNOTSUPP;
	if (buff == NULL)
		return -EINVAL;
	ret = ring_lent_more(ring_mbuf_of_meta(buff));
	return ret < 0 ? refused(ret) : ret;
}

int
sock_xtreme_free_buff(struct ring_meta *buff)
{
	struct returning b;
	int ret;

	if (unlikely(!conf()->socketxtreme))
		return -EOPNOTSUPP;
	if (buff == NULL)
		return -EINVAL;
	if (!ring_mbuf_is(ring_mbuf_of_meta(buff)))
		return refused(-EFAULT);
	ring_thread();
	b.n = b.run = 0;
	b.bytes = 0;
	b.owner = buff->owner;
	ret = give_back(&b, buff);
	end_run(&b);
	end_bulk(&b);
	return ret < 0 ? refused(ret) : ret;
}
