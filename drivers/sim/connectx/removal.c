/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NIC is taken out of the machine, and put in again. Who had it open gets a fatal event, and
 * EIO for everything but destroying what there is; the kernel's interface and the PCI directory are
 * gone. What was made before stays dead when the NIC is back: a driver has to open it anew.
 */
#include "connectx.h"
#include <time.h>

/* A thread that waits until it is time: nothing turns a NIC that nobody has open. */
struct cx_return {
	struct cx_dev *dev;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint64_t at;
	bool stop;
};

static void
come_back(struct cx_dev *d)
{
	cx_lock(d);
	if (cx_netdev_open(d) != 0) {
		/* one line was logged */
		cx_netdev_close(d);
	} else if (cx_sysfs_add(d) != 0) {
		cx_log(0, "%s: cannot make its PCI directory again: %m", d->conf.name);
		cx_sysfs_del(d);
		cx_netdev_close(d);
	} else {
		cx_netdev_carrier(d, d->wire.carrier);
		d->down_until = 0;
		d->max_frame = 0;
		d->mtu_asked = 0;
		__atomic_store_n(&d->gone, false, __ATOMIC_RELEASE);
		cx_log(1, "%s: back", d->conf.name);
	}
	cx_unlock(d);
}

static void *
wait_for_it(void *arg)
{
	struct cx_return *r = arg;
	struct timespec ts = { .tv_sec = r->at / 1000000000, .tv_nsec = r->at % 1000000000 };
	bool stop;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && cx_clock() < r->at)
		pthread_cond_timedwait(&r->wake, &r->lock, &ts);
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	if (!stop)
		come_back(r->dev);
	return NULL;
}

static void
start_waiting(struct cx_dev *d, uint64_t at)
{
	struct cx_return *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (r == NULL)
		goto fail;
	r->dev = d;
	r->at = at;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
	errno = pthread_create(&r->thread, NULL, wait_for_it, r);
	if (errno != 0)
		goto fail;
	pthread_setname_np(r->thread, "connectx-back");
	d->back = r;
	return;
fail:
	cx_log(0, "%s: stays away, no thread to wait: %m", d->conf.name);
	free(r);
}

void
cx_removal_end(struct cx_dev *d)
{
	struct cx_return *r = d->back;

	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	d->back = NULL;
}

/* Out of everything that the device threads look at. */
static void
abandon_objects(struct cx_dev *d)
{
	struct mlx5dv_dr_domain *domain;
	struct mlx5dv_devx_obj *o;
	uint32_t i;

	for (i = 0; i < d->objs.n_slots; i++) {
		o = cx_table_get(&d->objs, i);
		if (o == NULL)
			continue;
		o->gone = true;
		if (o->type == CX_CQ)
			cx_cq_release(&o->cq);
		else if (o->type == CX_RQ || o->type == CX_SQ)
			o->state = CX_QUEUE_ERROR;
	}
	for (domain = d->domains; domain != NULL; domain = domain->next)
		__atomic_store_n(&domain->gone, true, __ATOMIC_RELAXED);
	d->sqs = d->rqs = NULL;
	memset(d->definers, 0, sizeof(d->definers));
	d->event_cqs = NULL;
	d->domains = NULL;
	d->root = d->verbs_table = NULL;
	cx_lro_free(d);
}

void
cx_removal(struct cx_dev *d, uint64_t back_ns)
{
	/* the one of the last time has done its work */
	cx_removal_end(d);
	d->stat.removals++;
	d->link_up = false;
	__atomic_store_n(&d->gone, true, __ATOMIC_RELEASE);
	abandon_objects(d);
	cx_sysfs_del(d);
	cx_netdev_close(d);
	cx_async_removed(d);
	cx_log(1, "%s: removed", d->conf.name);
	if (back_ns != 0)
		start_waiting(d, d->now + back_ns);
}
