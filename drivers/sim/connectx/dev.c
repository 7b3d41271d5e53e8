/* SPDX-License-Identifier: BSD-3-Clause */
/* The NICs of the process: made from the configuration, connected when a driver asks for them. */
#include "connectx.h"
#include <time.h>
#include <unistd.h>

#define NUMBERS (1u << 24) /* object numbers have 24 bits; a key is one and 8 bits of variant */
#define FIRST_OBJECT 0x100

struct cx_dev *cx_devs[CX_MAX_NICS];
unsigned int cx_n_devs;
__thread unsigned int cx_held;

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

/* The child's copy of a NIC has nobody who turns it: its driver waits for ever for completions. */
static void
warn_forked(void)
{
	static bool said;

	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		cx_log(0, "a forked child has no NICs: fork, or daemon(), before rte_eal_init()");
}

void
cx_lock(struct cx_dev *d)
{
	if (cx_unlikely(cx_forked))
		warn_forked();
	__atomic_fetch_add(&d->waiters, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_lock(&d->lock);
	cx_held++;
	__atomic_fetch_sub(&d->waiters, 1, __ATOMIC_ACQ_REL);
}

void
cx_unlock(struct cx_dev *d)
{
	cx_held--;
	pthread_mutex_unlock(&d->lock);
}

/* From CLOCK_MONOTONIC to the clock that a device of the real-time kind has. */
static uint64_t
of_real_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec - cx_clock();
}

static struct cx_dev *
make(const struct cx_nic_conf *conf, unsigned int index)
{
	struct cx_dev *d = aligned_alloc(64, (sizeof(*d) + 63) / 64 * 64);

	if (d == NULL)
		return NULL;
	memset(d, 0, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	d->index = index;
	d->conf = *conf;
	d->netdev_fd = d->ctl_fd = d->wire.fd = -1;
	d->objs = (struct cx_table){ .first = FIRST_OBJECT, .limit = NUMBERS };
	d->mrs = d->umems = (struct cx_table){ .first = 1, .limit = NUMBERS };
	d->frame = malloc(CX_MAX_FRAME);
	if (d->frame == NULL || cx_tx_init(d) != 0 || cx_impair_init(d) != 0) {
		free(d->frame);
		free(d);
		return NULL;
	}
	if (conf->wait_on_time)
		d->clock_offset = of_real_time();
	return d;
}

/* 0, or -1 after one log line. */
int
cx_devs_make(void)
{
	static struct cx_nic_conf conf[CX_MAX_NICS];
	unsigned int i, n = cx_conf_read(conf);

	for (i = 0; i < n; i++) {
		cx_devs[i] = make(&conf[i], i);
		if (cx_devs[i] == NULL) {
			cx_log(0, "no memory for NIC %s", conf[i].name);
			return -1;
		}
		cx_n_devs = i + 1;
	}
	return n > 0 ? 0 : -1;
}

bool
cx_dev_open(struct cx_dev *d)
{
	pthread_mutex_lock(&opening);
	if (!d->opened) {
		d->opened = true;
		d->broken = cx_netdev_open(d) != 0 || cx_wire_open(d) != 0;
		/* a new interface has its carrier, the wire perhaps no other end */
		if (!d->broken)
			cx_netdev_carrier(d, d->wire.carrier);
	}
	pthread_mutex_unlock(&opening);
	return !d->broken;
}

/* The device threads are gone. */
void
cx_devs_close(void)
{
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++) {
		struct cx_dev *d = cx_devs[i];

		cx_removal_end(d);
		if (!d->opened)
			continue;
		/* The end of an interface wakes EAL's interrupt thread, whose memory is unmapped
		 * too then: leave that to the end of the process. */
		if (!d->halted || d->wire.fd < 0)
			cx_wire_close(d);
		if (!d->halted)
			cx_netdev_close(d);
		cx_stat_summary(d);
		cx_lro_free(d);
		cx_impair_free(d);
	}
}

/* In a forked child: the parent's interfaces must end with the parent. */
void
cx_devs_forget(void)
{
	unsigned int i;

	pthread_mutex_init(&opening, NULL);
	for (i = 0; i < cx_n_devs; i++) {
		struct cx_dev *d = cx_devs[i];

		/* whoever held it is not in this process */
		pthread_mutex_init(&d->lock, NULL);
		d->waiters = 0;
		if (d->wire.ops != NULL && d->wire.ops->forget != NULL)
			d->wire.ops->forget(d);
		if (d->wire.fd >= 0)
			close(d->wire.fd);
		cx_netdev_close(d);
		d->wire.fd = -1;
	}
}
