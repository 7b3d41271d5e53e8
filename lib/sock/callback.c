/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks: who runs them, when, and what becomes of the packets.
 *
 * A delivery holds locks under which a program may not be called. So it stages what comes for a
 * socket with a callback and puts the socket into a list; a receive, poll, select or epoll call of
 * the application's looks at that list after it has turned rings, when it holds nothing. A socket
 * that is being run is not in the list: one thread at a time has it, and its packets in order. What
 * no such call comes to, as the internal thread delivered it, ends the sleep of one that waits.
 *
 * A socket with a callback has one reference more, from the first registration until its last name
 * is gone and nobody runs it. The lock of the list is taken with locks of deliveries held, and no
 * other is taken under it.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/net_tstamp.h>

#include "callback.h"
#include "fronts.h"
#include "sock_priv.h"

#define ROUNDS 4		      /**< batches of one socket before the next has its turn */
#define ASKED_NS UINT64_C(1000000000) /**< what a packet's verdict may take */

struct callback {
	struct sock *s;
	rte_spinlock_t lock; /**< of the two that follow */
	uint32_t generation;
	struct sock_callback now; /**< judge NULL: none */
	struct rte_mbuf *asking;  /**< that is being judged; NULL: none, and what it held is lent */
	/* lock of the list */
	enum { AT_REST, LISTED, RUN } state;
	bool again;  /**< more was staged while it ran */
	bool orphan; /**< the last name went while it ran */
	TAILQ_ENTRY(callback) next;
};

uint32_t callbacks_waiting;
static TAILQ_HEAD(, callback) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static rte_spinlock_t list_lock = RTE_SPINLOCK_INITIALIZER;
static uint32_t sleepers;
static int event_fd = -1; /**< readable while there are some in the list and somebody sleeps */
static bool signalled;
static __thread bool inside;

bool
sock_in_callback(void)
{
	return inside;
}

/** @name The list; lock held */
/** @{ */
static void
enlist(struct callback *c)
{
	uint64_t one = 1;

	c->state = LISTED;
	TAILQ_INSERT_TAIL(&waiting, c, next);
	/* a sleeper counts itself first and looks then: one of us sees the other */
	__atomic_add_fetch(&callbacks_waiting, 1, __ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) == 0 || signalled))
		return;
	signalled = os.write(event_fd, &one, sizeof(one)) == sizeof(one);
}

static void
delist(struct callback *c)
{
	uint64_t drained;

	TAILQ_REMOVE(&waiting, c, next);
	/* nobody misses anything who sees it late */
	__atomic_store_n(&callbacks_waiting, callbacks_waiting - 1, __ATOMIC_RELAXED);
	if (unlikely(signalled) && TAILQ_EMPTY(&waiting))
		signalled = os.read(event_fd, &drained, sizeof(drained)) < 0;
}
/** @} */

void
callbacks_staged(void *sock, struct ring *ring)
{
	struct sock *s = sock;
	struct callback *c = s->callback;

	(void)ring;
	rte_spinlock_lock(&list_lock);
	if (c->state == RUN)
		c->again = true;
	else if (c->state == AT_REST)
		enlist(c);
	rte_spinlock_unlock(&list_lock);
}

/** @name Running */
/** @{ */
static bool
wants_software(const struct sock *s)
{
	return (s->wants & (WANT_TIME | WANT_TIME_NS)) != 0 ||
			((s->wants & WANT_STAMPING) && (s->stamping & SOF_TIMESTAMPING_SOFTWARE));
}

static unsigned int
count_passed(const uint8_t *verdicts, struct rte_mbuf *const *pkts, unsigned int n, uint32_t *bytes)
{
	unsigned int passed = 0;

	for (unsigned int i = 0; i < n; i++)
		if (verdicts[i] == SOCK_PASS) {
			passed++;
			*bytes += pkts[i]->pkt_len;
		}
	return passed;
}

/* Until all are judged, by the callback that there is when a packet's turn comes. */
static void
judge_all(struct sock *s, struct sock_judging *j)
{
	struct callback *c = s->callback;
	struct sock_callback now;
	unsigned int done, left = j->n;

	for (;;) {
		rte_spinlock_lock(&c->lock);
		now = c->now;
		j->began = c->generation;
		rte_spinlock_unlock(&c->lock);
		if (unlikely(now.judge == NULL))
			break;
		j->fd = s->fd;
		j->n = left;
		done = now.judge(&now, j);
		__atomic_store_n(&c->asking, NULL, __ATOMIC_RELEASE);
		left -= done;
		if (likely(left == 0))
			return;
		j->ready_pkts += count_passed(j->verdicts, j->pkts, done, &j->ready_bytes);
		j->pkts += done;
		j->verdicts += done;
		if (j->one_passes_all && j->verdicts[-1] == SOCK_PASS)
			break;
	}
	memset(j->verdicts, SOCK_PASS, left);
}

unsigned int
callback_judge(struct sock *s, struct sock_judging *j)
{
	struct rte_mbuf **pkts = j->pkts, *drop[SOCK_BATCH];
	unsigned int n = j->n, passed = 0, dropped = 0;
	uint8_t verdicts[SOCK_BATCH];

	j->verdicts = verdicts;
	j->sock = s;
	j->serial = s->serial;
	j->asking = &s->callback->asking;
	j->generation = &s->callback->generation;
	j->wants_hw = (s->wants & WANT_STAMPING) && (s->stamping & SOF_TIMESTAMPING_RAW_HARDWARE);
	j->wants_sw = wants_software(s);
	judge_all(s, j);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(verdicts[i] == SOCK_DROP))
			drop[dropped++] = m;
		else if (verdicts[i] != SOCK_HOLD)
			pkts[passed++] = m;
	}
	rte_pktmbuf_free_bulk(drop, dropped);
	STAT_ADD(s->ops->counters(s), SOCK, rx_callback_drop, dropped);
	if (j->held != 0) {
		STAT_ADD(s->ops->counters(s), SOCK, rx_callback_hold, j->held);
		STAT_ADD(s->ops->counters(s), SOCK, rx_lent, j->held);
	}
	return passed;
}

bool
callback_asked(struct sock *s, const void *packet)
{
	const struct callback *c = __atomic_load_n(&s->callback, __ATOMIC_ACQUIRE);
	uint64_t end;

	if (c == NULL)
		return false;
	/* the function has passed it on and returns soon, unless it waits for us */
	end = clock_ns() + ASKED_NS;
	while (__atomic_load_n(&c->asking, __ATOMIC_ACQUIRE) == packet && clock_ns() < end)
		sched_yield();
	return true;
}

uint64_t
sock_judged_time(const struct sock_judging *j, const struct rte_mbuf *m)
{
	return cmsg_hardware_ns(j->sock, m);
}

static void
run(struct callback *c)
{
	struct sock *s = c->s;
	unsigned int n = SOCK_BATCH;
	bool orphan;

	for (int i = 0; i < ROUNDS && n == SOCK_BATCH; i++)
		n = s->ops->judge(s);
	rte_spinlock_lock(&list_lock);
	orphan = c->orphan;
	if (!orphan && (c->again || n == SOCK_BATCH))
		enlist(c);
	else
		c->state = AT_REST;
	rte_spinlock_unlock(&list_lock);
	if (unlikely(orphan))
		sock_release(s);
}

static struct callback *
next(void)
{
	struct callback *c;

	rte_spinlock_lock(&list_lock);
	c = TAILQ_FIRST(&waiting);
	if (c != NULL) {
		delist(c);
		c->state = RUN;
		c->again = false;
	}
	rte_spinlock_unlock(&list_lock);
	return c;
}

bool
callbacks_run(void)
{
	struct reader *reader;
	uint32_t left = __atomic_load_n(&callbacks_waiting, __ATOMIC_RELAXED);
	struct callback *c;
	bool any = false;
	int err = errno;

	if (inside)
		return false;
	inside = true;
	reader = front_hide();
	/* each at most once: what comes meanwhile does not keep this call for ever */
	for (; left != 0 && (c = next()) != NULL; left--) {
		run(c);
		any = true;
	}
	front_show(reader);
	inside = false;
	errno = err;
	return any;
}
/** @} */

/** @name Sleeping */
/** @{ */
int
callbacks_asleep(void)
{
	int fd = inside ? -1 : __atomic_load_n(&event_fd, __ATOMIC_ACQUIRE);

	if (fd >= 0)
		__atomic_add_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
	return fd;
}

bool
callbacks_pending(void)
{
	return __atomic_load_n(&callbacks_waiting, __ATOMIC_SEQ_CST) != 0 && !inside;
}

void
callbacks_awake(int fd)
{
	if (fd >= 0)
		__atomic_sub_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
}
/** @} */

/** @name Coming and going */
/** @{ */
static int
get_event_fd(void)
{
	rte_spinlock_lock(&list_lock);
	if (event_fd < 0)
		__atomic_store_n(&event_fd, sock_own(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
				__ATOMIC_RELEASE);
	rte_spinlock_unlock(&list_lock);
	return event_fd < 0 ? -errno : 0;
}

static struct callback *
make(struct sock *s)
{
	struct callback *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->s = s;
	rte_spinlock_init(&c->lock);
	sock_hold(s);
	return c;
}

static void
put(struct callback *c, const struct sock_callback *callback)
{
	static const struct sock_callback none;

	rte_spinlock_lock(&c->lock);
	c->now = callback != NULL ? *callback : none;
	__atomic_store_n(&c->generation, c->generation + 1, __ATOMIC_RELAXED);
	rte_spinlock_unlock(&c->lock);
}

/* The socket's lock is held. */
static int
set(struct sock *s, const struct sock_callback *callback)
{
	int ret;

	if (!s->offloaded || s->closing || s->ops->set_stage == NULL)
		return -EINVAL;
	if (callback == NULL) {
		if (s->callback != NULL) {
			put(s->callback, NULL);
			s->ops->set_stage(s, false);
		}
		return 0;
	}
	ret = get_event_fd();
	if (ret != 0)
		return ret;
	if (s->callback == NULL && (s->callback = make(s)) == NULL)
		return -ENOMEM;
	put(s->callback, callback);
	s->ops->set_stage(s, true);
	return 0;
}

int
sock_set_callback(int fd, const struct sock_callback *callback)
{
	struct sock *s;
	int ret;

	if (callback != NULL)
		sock_count_users();
	s = sock_get_named(fd);
	if (s == NULL)
		return -EINVAL;
	rte_spinlock_lock(&s->lock);
	ret = set(s, callback);
	rte_spinlock_unlock(&s->lock);
	/* sleepers that did not know of callbacks */
	if (ret == 0)
		sock_wake_all(s);
	sock_put(s);
	return ret;
}

void
callback_forget(struct sock *s)
{
	struct callback *c;
	bool runs;

	rte_spinlock_lock(&s->lock);
	c = s->callback;
	if (c != NULL) {
		put(c, NULL);
		s->ops->set_stage(s, false);
	}
	rte_spinlock_unlock(&s->lock);
	if (c == NULL)
		return;
	rte_spinlock_lock(&list_lock);
	if (c->state == LISTED) {
		delist(c);
		c->state = AT_REST;
	}
	runs = c->state == RUN;
	c->orphan = runs;
	rte_spinlock_unlock(&list_lock);
	if (!runs)
		sock_release(s);
}

void
callback_free(struct sock *s)
{
	free(s->callback);
	s->callback = NULL;
}

void
callbacks_forget(void)
{
	rte_spinlock_init(&list_lock);
	TAILQ_INIT(&waiting);
	callbacks_waiting = sleepers = 0;
	signalled = false;
	if (event_fd >= 0)
		sock_own_close(event_fd);
	event_fd = -1;
}
/** @} */
