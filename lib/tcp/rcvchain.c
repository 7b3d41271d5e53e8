/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains of data buffers: cutting, joining, copying between them. Knows no connection and no
 * sequence number.
 */
#include "tcp/rcv.h"

static void
append_copy(struct rte_mbuf *tail, struct rte_mbuf *m)
{
	memcpy(rte_pktmbuf_mtod_offset(tail, char *, tail->data_len),
			rte_pktmbuf_mtod(m, const char *), m->data_len);
	tail->data_len += m->data_len;
	m->next = NULL;
	rte_pktmbuf_free_seg(m);
}

/*
 * Few bytes in memory that the buffer only refers to, as a stride of an mlx5 receive queue, keep
 * all of that memory from being used again; the buffer's own room is empty meanwhile.
 */
static void
own_small(struct rte_mbuf *m)
{
	uint8_t data[COPY_MAX];
	uint16_t len = m->data_len;

	if (likely(RTE_MBUF_DIRECT(m)) || len > COPY_MAX || rte_mbuf_refcnt_read(m) != 1 ||
			RTE_MBUF_HAS_PINNED_EXTBUF(m) ||
			rte_pktmbuf_data_room_size(m->pool) < RTE_PKTMBUF_HEADROOM + 2 * COPY_MAX)
		return;
	memcpy(data, rte_pktmbuf_mtod(m, const uint8_t *), len);
	rte_pktmbuf_detach(m);
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), data, len);
	m->data_len = len;
}

unsigned int
chain_pack(struct rte_mbuf **head, struct rte_mbuf **tail)
{
	struct rte_mbuf *m = *head, *last = NULL, *next;
	unsigned int n = 0;

	*head = NULL;
	for (; m != NULL; m = next) {
		next = m->next;
		m->next = NULL;
		if (m->data_len == 0) {
			rte_pktmbuf_free_seg(m);
			continue;
		}
		if (last != NULL && chain_fits(last, m)) {
			append_copy(last, m);
			continue;
		}
		if (next != NULL || last != NULL)
			own_small(m);
		if (last == NULL)
			*head = m;
		else
			last->next = m;
		last = m;
		n++;
	}
	*tail = last;
	return n;
}

struct rte_mbuf *
chain_cut(struct rte_mbuf *m, uint32_t skip, uint32_t len, struct rte_mbuf **tail)
{
	struct rte_mbuf *head = NULL, **link = &head, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		if (skip >= m->data_len || len == 0) {
			skip -= RTE_MIN(skip, m->data_len);
			m->next = NULL;
			rte_pktmbuf_free_seg(m);
			continue;
		}
		m->data_off += (uint16_t)skip;
		m->data_len = (uint16_t)RTE_MIN(m->data_len - skip, len);
		skip = 0;
		len -= m->data_len;
		*link = m;
		link = &m->next;
	}
	*link = NULL;
	chain_pack(&head, tail);
	return head;
}

unsigned int
chain_join(struct rte_mbuf **head, struct rte_mbuf **tail, struct rte_mbuf *b,
		struct rte_mbuf *b_tail)
{
	unsigned int freed = 0;

	while (*tail != NULL && b != NULL && chain_fits(*tail, b)) {
		struct rte_mbuf *next = b->next;

		append_copy(*tail, b);
		b = next;
		freed++;
	}
	if (b == NULL)
		return freed;
	own_small(b);
	if (*tail == NULL)
		*head = b;
	else
		(*tail)->next = b;
	*tail = b_tail;
	return freed;
}

static bool
writable(const struct rte_mbuf *m)
{
	return rte_mbuf_refcnt_read(m) == 1 && !RTE_MBUF_CLONED(m) &&
			(!RTE_MBUF_HAS_EXTBUF(m) || RTE_MBUF_HAS_PINNED_EXTBUF(m) ||
					rte_mbuf_ext_refcnt_read(m->shinfo) == 1);
}

bool
chain_overwrite(struct rte_mbuf *dst, uint32_t off, const struct rte_mbuf *src, uint32_t len)
{
	uint32_t from = 0;

	for (const struct rte_mbuf *m = dst; m != NULL; m = m->next) {
		if (!writable(m))
			return false;
	}
	while (len != 0) {
		uint32_t n;

		if (off >= dst->data_len) {
			off -= dst->data_len;
			dst = dst->next;
			continue;
		}
		if (from == src->data_len) {
			from = 0;
			src = src->next;
			continue;
		}
		n = RTE_MIN(dst->data_len - off, src->data_len - from);
		n = RTE_MIN(n, len);
		memcpy(rte_pktmbuf_mtod_offset(dst, char *, off),
				rte_pktmbuf_mtod_offset(src, const char *, from), n);
		off += n;
		from += n;
		len -= n;
	}
	return true;
}

uint8_t
chain_byte(const struct rte_mbuf *m, uint32_t off)
{
	for (; off >= m->data_len; m = m->next)
		off -= m->data_len;
	return *rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
}

unsigned int
chain_count(const struct rte_mbuf *m)
{
	unsigned int n = 0;

	for (; m != NULL; m = m->next)
		n++;
	return n;
}
