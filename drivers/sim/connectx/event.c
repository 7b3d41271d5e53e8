/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion events: a CQ that the PMD armed raises one event on its channel, an eventfd, as soon
 * as it holds a completion beyond the armed index. Rx interrupts are made of this.
 */
#include "connectx.h"
#include "hw.h"
#include <sys/eventfd.h>
#include <unistd.h>

#define RING 1024
#define INDEX_MASK 0xffffff /* consumer indexes have 24 bits */

struct cx_channel {
	struct mlx5dv_devx_event_channel pub;
	struct cx_dev *dev;
	uint64_t cookie[RING];
	uint32_t head, tail;
};

CX_EXPORT struct mlx5dv_devx_event_channel *
mlx5dv_devx_create_event_channel(
		struct ibv_context *c, enum mlx5dv_devx_create_event_channel_flags flags)
{
	struct cx_channel *e = calloc(1, sizeof(*e));

	(void)flags;
	if (e == NULL || cx_context_gone(c)) {
		free(e);
		return NULL;
	}
	e->dev = cx_dev_of(c);
	e->pub.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
	if (e->pub.fd < 0) {
		free(e);
		return NULL;
	}
	return &e->pub;
}

CX_EXPORT void
mlx5dv_devx_destroy_event_channel(struct mlx5dv_devx_event_channel *pub)
{
	struct cx_channel *e = (struct cx_channel *)pub;
	struct cx_cq **p;

	cx_lock(e->dev);
	for (p = &e->dev->event_cqs; *p != NULL;) {
		if ((*p)->channel == e) {
			(*p)->channel = NULL;
			*p = (*p)->event_next;
		} else {
			p = &(*p)->event_next;
		}
	}
	cx_unlock(e->dev);
	close(pub->fd);
	free(e);
}

/* Events other than completions are never raised: asking for them is fine. A channel may go before
 * its CQs, which then raise nothing, as with the kernel's. */
CX_EXPORT int
mlx5dv_devx_subscribe_devx_event(struct mlx5dv_devx_event_channel *pub, struct mlx5dv_devx_obj *o,
		uint16_t size, uint16_t numbers[], uint64_t cookie)
{
	(void)size;
	(void)numbers;
	if (o == NULL || o->type != CX_CQ)
		return 0;
	if (o->dev != ((struct cx_channel *)pub)->dev) {
		errno = EINVAL;
		return -1;
	}
	cx_lock(o->dev);
	if (o->cq.channel == NULL) {
		o->cq.event_next = o->dev->event_cqs;
		o->dev->event_cqs = &o->cq;
	}
	o->cq.channel = (struct cx_channel *)pub;
	o->cq.cookie = cookie;
	cx_unlock(o->dev);
	return 0;
}

CX_EXPORT int
mlx5dv_devx_subscribe_devx_event_fd(struct mlx5dv_devx_event_channel *e, int fd,
		struct mlx5dv_devx_obj *o, uint16_t number)
{
	(void)e;
	(void)fd;
	(void)number;
	if (o == NULL || o->type != CX_CQ)
		return 0;
	errno = EOPNOTSUPP;
	return -1;
}

CX_EXPORT ssize_t
mlx5dv_devx_get_event(struct mlx5dv_devx_event_channel *pub, struct mlx5dv_devx_async_event_hdr *d,
		size_t len)
{
	struct cx_channel *e = (struct cx_channel *)pub;
	uint64_t one;

	if (len < sizeof(*d)) {
		errno = EINVAL;
		return -1;
	}
	if (read(pub->fd, &one, sizeof(one)) != sizeof(one)) {
		errno = EAGAIN;
		return -1;
	}
	cx_lock(e->dev);
	d->cookie = e->cookie[e->tail++ % RING];
	cx_unlock(e->dev);
	return sizeof(*d);
}

/* The device thread, once a turn. */
void
cx_events_fire(struct cx_dev *d)
{
	struct cx_cq *q;

	for (q = d->event_cqs; q != NULL; q = q->event_next) {
		uint32_t arm = q->db[DB_CQ_ARM];
		struct cx_channel *e = q->channel;
		uint64_t one = 1;

		/* nothing to be seen yet */
		if (cx_unlikely(q->stalled_until != 0))
			continue;
		if (arm == q->last_arm || ((q->pi - be32toh(arm)) & INDEX_MASK) == 0)
			continue;
		/* A full channel: the arm stays, and fires in a later turn. */
		if (e->head - e->tail == RING)
			continue;
		q->last_arm = arm;
		e->cookie[e->head++ % RING] = q->cookie;
		if (write(e->pub.fd, &one, sizeof(one)) != sizeof(one))
			cx_log(0, "completion event: %m");
	}
}

/* The caller holds the lock. */
void
cx_events_forget(struct cx_cq *q)
{
	struct cx_cq **p;

	for (p = &q->dev->event_cqs; *p != NULL; p = &(*p)->event_next) {
		if (*p == q) {
			*p = q->event_next;
			break;
		}
	}
}

/* Asynchronous commands: the PMD makes a channel for them, but asks nothing with them. */
CX_EXPORT struct mlx5dv_devx_cmd_comp *
mlx5dv_devx_create_cmd_comp(struct ibv_context *c)
{
	struct mlx5dv_devx_cmd_comp *s = cx_context_gone(c) ? NULL : calloc(1, sizeof(*s));

	if (s != NULL)
		s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return s;
}

CX_EXPORT void
mlx5dv_devx_destroy_cmd_comp(struct mlx5dv_devx_cmd_comp *s)
{
	close(s->fd);
	free(s);
}

CX_EXPORT int
mlx5dv_devx_get_async_cmd_comp(
		struct mlx5dv_devx_cmd_comp *s, struct mlx5dv_devx_async_cmd_hdr *r, size_t len)
{
	(void)s;
	(void)r;
	(void)len;
	errno = EAGAIN;
	return EAGAIN;
}

CX_EXPORT int
mlx5dv_devx_query_eqn(struct ibv_context *c, uint32_t vector, uint32_t *eqn)
{
	(void)c;
	*eqn = vector + 1;
	return 0;
}
