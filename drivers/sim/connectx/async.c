/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts and their asynchronous events: a queue of them for each context that is open, and an
 * eventfd that is readable while it is not empty. It blocks until somebody says otherwise, as that
 * of libibverbs does.
 */
#include "connectx.h"
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS 64 /* unread ones of a context; the last place is kept for the end of the device */

struct cx_context {
	struct verbs_context v;
	struct cx_context *next;
	bool gone;
	uint32_t head, tail;
	struct {
		enum ibv_event_type type;
		int port;
	} event[EVENTS];
};

struct verbs_context *
cx_context_verbs(struct cx_context *c)
{
	return &c->v;
}

struct cx_context *
cx_context_of(struct ibv_context *c)
{
	return (struct cx_context *)((uint8_t *)c - offsetof(struct cx_context, v.context));
}

bool
cx_context_gone(const struct ibv_context *c)
{
	const struct cx_context *x = (const struct cx_context *)((const uint8_t *)c -
			offsetof(struct cx_context, v.context));

	if (cx_likely(!__atomic_load_n(&x->gone, __ATOMIC_ACQUIRE)))
		return false;
	errno = EIO;
	return true;
}

/* NULL and errno, EIO when the NIC is not there. */
struct cx_context *
cx_context_new(struct cx_dev *d)
{
	struct cx_context *x = calloc(1, sizeof(*x));
	struct ibv_context *c;

	if (x == NULL)
		return NULL;
	c = &x->v.context;
	x->v.sz = sizeof(x->v);
	c->abi_compat = __VERBS_ABI_IS_EXTENDED;
	c->device = &d->ibdev;
	/* nothing ever arrives on it */
	c->cmd_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->async_fd = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
	c->num_comp_vectors = 8;
	pthread_mutex_init(&c->mutex, NULL);
	cx_lock(d);
	if (c->cmd_fd < 0 || c->async_fd < 0 || d->gone) {
		if (d->gone)
			errno = EIO;
		cx_unlock(d);
		cx_context_free(x);
		return NULL;
	}
	if (d->epoch == 0)
		d->epoch = cx_clock();
	x->next = d->ctxs;
	d->ctxs = x;
	cx_unlock(d);
	return x;
}

void
cx_context_free(struct cx_context *x)
{
	struct ibv_context *c = &x->v.context;
	struct cx_dev *d = cx_dev_of(c);
	struct cx_context **p;
	int error = errno;

	cx_lock(d);
	for (p = &d->ctxs; *p != NULL; p = &(*p)->next) {
		if (*p == x) {
			*p = x->next;
			break;
		}
	}
	cx_unlock(d);
	if (c->cmd_fd >= 0)
		close(c->cmd_fd);
	if (c->async_fd >= 0)
		close(c->async_fd);
	pthread_mutex_destroy(&c->mutex);
	free(x);
	errno = error;
}

static void
post(struct cx_context *x, enum ibv_event_type type, int port)
{
	uint64_t one = 1;

	if (x->head - x->tail >= EVENTS - (type != IBV_EVENT_DEVICE_FATAL))
		return;
	x->event[x->head % EVENTS].type = type;
	x->event[x->head++ % EVENTS].port = port;
	if (write(x->v.context.async_fd, &one, sizeof(one)) != sizeof(one))
		cx_log(0, "asynchronous event: %m");
}

void
cx_async_post(struct cx_dev *d, enum ibv_event_type type, int port)
{
	struct cx_context *x;

	for (x = d->ctxs; x != NULL; x = x->next)
		if (!x->gone)
			post(x, type, port);
}

/* The contexts of now stay in error for ever, even when the NIC comes back. */
void
cx_async_removed(struct cx_dev *d)
{
	struct cx_context *x;

	for (x = d->ctxs; x != NULL; x = x->next) {
		if (x->gone)
			continue;
		__atomic_store_n(&x->gone, true, __ATOMIC_RELEASE);
		post(x, IBV_EVENT_DEVICE_FATAL, 0);
	}
}

CX_EXPORT int
ibv_get_async_event(struct ibv_context *c, struct ibv_async_event *e)
{
	struct cx_context *x = cx_context_of(c);
	struct cx_dev *d = cx_dev_of(c);
	uint64_t one;

	/* EAGAIN of a descriptor that does not block */
	if (read(c->async_fd, &one, sizeof(one)) != sizeof(one))
		return -1;
	memset(e, 0, sizeof(*e));
	cx_lock(d);
	e->event_type = x->event[x->tail % EVENTS].type;
	e->element.port_num = x->event[x->tail++ % EVENTS].port;
	cx_unlock(d);
	return 0;
}

/* Needed for events of objects, whose destruction waits for it: there are none. */
CX_EXPORT void
ibv_ack_async_event(struct ibv_async_event *e)
{
	(void)e;
}
