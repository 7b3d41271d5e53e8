/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes that are sent from the application's memory. Pieces of the send queue refer to them, and so
 * do packets, by buffers without memory of their own behind a buffer with the header. Only what is
 * sent for the first time is; what is sent again is copied, so that there is one packet of each
 * byte to wait for, and they leave the device in order.
 *
 * What all pieces have left waits in a list of the engine until the packets are freed as well. A
 * driver frees when it is asked to, if the device has told it: see port_driver.tx_tells.
 */
#include "tcp_priv.h"

#define LOOK (500 * UINT64_C(1000)) /* between looks at what the device still has */
#define TELLS_MAX 64u
#define REFS_MAX 60000u /* of 16 bits */

static void
last_free(void *addr, void *opaque)
{
	struct tcp_zc *zc = opaque;

	(void)addr;
	zc->done(zc);
}

void
tcp_zc_open(struct tcp_zc *zc, const void *base, uint32_t len, void (*done)(struct tcp_zc *))
{
	*zc = (struct tcp_zc){ .base = base, .len = len, .pieces = 1, .done = done };
	zc->shared.free_cb = last_free;
	zc->shared.fcb_opaque = zc;
	rte_mbuf_ext_refcnt_set(&zc->shared, 1);
}

void
zc_put(struct tcp_engine *engine, struct tcp_zc *zc)
{
	if (--zc->pieces != 0)
		return;
	TAILQ_INSERT_TAIL(&engine->zc, zc, next);
	/* with the next look at the timers, which is soon: the driver is asked once for all */
	engine->zc_at = engine->now;
}

void
tcp_zc_close(struct tcp_engine *engine, struct tcp_zc *zc)
{
	zc_put(engine, zc);
	if (!TAILQ_EMPTY(&engine->zc))
		zc_settle(engine);
}

static void
settle_some(struct tcp_engine *engine)
{
	struct tcp_zc *zc, *after;

	/* one whose packets a device keeps, or that wait for a neighbour, holds up no other */
	for (zc = TAILQ_FIRST(&engine->zc); zc != NULL; zc = after) {
		after = TAILQ_NEXT(zc, next);
		if (rte_mbuf_ext_refcnt_read(&zc->shared) != 1)
			continue;
		TAILQ_REMOVE(&engine->zc, zc, next);
		zc->done(zc);
	}
}

void
zc_settle(struct tcp_engine *engine)
{
	settle_some(engine);
	if (!TAILQ_EMPTY(&engine->zc) && engine->config.ops.reclaim != NULL) {
		engine->config.ops.reclaim(engine->config.ctx);
		settle_some(engine);
	}
	engine->zc_at = TAILQ_EMPTY(&engine->zc) ? UINT64_MAX : engine->now + LOOK;
}

/* From here on the packets have the only references. */
void
zc_fini(struct tcp_engine *engine)
{
	struct tcp_zc *zc;

	settle_some(engine);
	while ((zc = TAILQ_FIRST(&engine->zc)) != NULL) {
		TAILQ_REMOVE(&engine->zc, zc, next);
		if (rte_mbuf_ext_refcnt_update(&zc->shared, -1) == 0)
			zc->done(zc);
	}
}

/* Into how many buffers a packet is cut. */
static uint32_t
buffers_of(const struct tcp_conn *conn, const struct seg *last, uint32_t bytes)
{
	uint32_t n = RTE_MIN((uint32_t)conn->engine->config.zc_tells, TELLS_MAX);

	return last->lent_end && n > 1 ? RTE_MIN(n, bytes) : 1;
}

struct rte_mbuf *
zc_packet(struct tcp_conn *conn, uint32_t i, uint32_t n, uint32_t bytes)
{
	const struct seg *s = sndq_at(&conn->sndq, i), *last = sndq_at(&conn->sndq, i + n - 1);
	struct rte_mbuf *head = buffer_bare(conn->engine), *m[TELLS_MAX], *tail = head;
	uint32_t want = buffers_of(conn, last, bytes), got, at = 0, k;
	uint8_t *from = (uint8_t *)(uintptr_t)seg_lent(s);
	struct tcp_zc *zc = s->zc;

	if (head == NULL)
		return NULL;
	got = rte_mbuf_ext_refcnt_read(&zc->shared) > REFS_MAX
			? 0
			: buffers_data(conn->engine, m, want);
	if (got < want) {
		/* with fewer the device might never tell */
		rte_pktmbuf_free_bulk(m, got);
		rte_pktmbuf_free(head);
		return NULL;
	}
	rte_mbuf_ext_refcnt_update(&zc->shared, (int16_t)want);
	for (k = 0; k < want; k++) {
		uint16_t part = (uint16_t)((bytes - at) / (want - k));

		rte_pktmbuf_attach_extbuf(m[k], from + at, (rte_iova_t)(uintptr_t)(from + at), part,
				&zc->shared);
		m[k]->data_off = 0;
		m[k]->data_len = part;
		tail->next = m[k];
		tail = m[k];
		at += part;
	}
	head->nb_segs = (uint16_t)(1 + want);
	head->pkt_len = bytes;
	return head;
}
