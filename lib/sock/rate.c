/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_MAX_PACING_RATE: its three forms, and what waits for a datagram's time: blocking sends, and
 * epolls, which are told when there is room again. Streams wait in their engine.
 */
#include <poll.h>
#include <string.h>

#include "rate.h"
#include "sock_priv.h"
#include "user.h"

#define SPIN_NS 100000u /* before the time: a sleep may end that much late */
#define ROOM (POLLOUT | POLLWRNORM | POLLWRBAND)

/** @name The option */
/** @{ */
/* vma_rate_limit_t, which is above this room. */
struct rate_limit {
	uint32_t kbits; /**< 0: none */
	uint32_t burst;
	uint16_t packet;
};
_Static_assert(sizeof(struct rate_limit) == SOCK_RATE_LIMIT, "as programs were compiled with");

static int
parse(const void *val, socklen_t len, struct sock_rate *r)
{
	struct rate_limit limit;
	uint32_t small;

	if (len != sizeof(small) && len != sizeof(r->bytes) && len != sizeof(limit))
		return -EINVAL;
	if (val == NULL)
		return -EFAULT;
	*r = (struct sock_rate){ 0 };
	if (len == sizeof(small)) {
		memcpy(&small, val, sizeof(small));
		r->bytes = small == UINT32_MAX ? UINT64_MAX : small;
	} else if (len == sizeof(r->bytes)) {
		memcpy(&r->bytes, val, sizeof(r->bytes));
	} else {
		memcpy(&limit, val, sizeof(limit));
		r->bytes = sock_rate_bytes(limit.kbits);
		r->burst = limit.burst;
		r->packet = limit.packet;
	}
	return 0;
}

static int
apply(struct sock *s, const struct sock_rate *r)
{
	uint64_t rate = r->bytes == UINT64_MAX ? 0 : r->bytes;
	int ret;

	if (s->stream != NULL) {
		stream_options(s->stream)->tcp.pacing_rate = rate;
		stream_options(s->stream)->tcp.pacing_burst = r->burst;
		stream_apply(s->stream);
		return 0;
	}
	ret = udp_set_pacing(s->udp, rate, r->burst, r->packet);
	if (ret == 0)
		s->paced = rate != 0;
	/* who waits for the old one's time */
	if (__atomic_load_n(&s->room_at, __ATOMIC_RELAXED) != 0)
		epoll_no_room(s);
	/* who counts itself as a sleeper asks then: one of us sees the other */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	sock_wake_sleepers(s);
	return ret;
}

int
rate_set(struct sock *s, int name, const void *val, socklen_t len)
{
	struct sock_rate r;
	int ret = parse(val, len, &r);

	if (ret == 0)
		ret = apply(s, &r);
	if (ret != 0)
		return ret;
	s->rate = r;
	/* for what the kernel's socket sends; one that does not know it has none */
	os.setsockopt(s->fd, SOL_SOCKET, name, &r.bytes, sizeof(r.bytes));
	return 0;
}

int
rate_get(struct sock *s, int name, void *val, socklen_t *len)
{
	const struct sock_rate *r = &s->rate;
	uint64_t kbits = r->bytes == UINT64_MAX ? 0 : r->bytes / 125 + (r->bytes % 125 != 0);
	uint32_t small = (uint32_t)RTE_MIN(r->bytes, (uint64_t)UINT32_MAX);
	struct rate_limit limit = { .kbits = (uint32_t)RTE_MIN(kbits, (uint64_t)UINT32_MAX),
		.burst = r->burst,
		.packet = r->packet };

	(void)name;
	switch (*len) {
	case sizeof(small):
		return option_give(val, len, &small, sizeof(small));
	case sizeof(r->bytes):
		return option_give(val, len, &r->bytes, sizeof(r->bytes));
	case sizeof(limit):
		return option_give(val, len, &limit, sizeof(limit));
	default:
		return -EINVAL;
	}
}

int
rate_set_kernels(int fd, const void *val, socklen_t len)
{
	struct sock_rate r;

	if (!user_in(val, len))
		return fail(-EFAULT);
	parse(val, len, &r);
	return os.setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &r.bytes, sizeof(r.bytes));
}

int
rate_get_kernels(int fd, void *val, socklen_t *len)
{
	struct sock kernels = { 0 };
	socklen_t size = sizeof(kernels.rate.bytes);
	int ret;

	if (os.getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &kernels.rate.bytes, &size) != 0)
		return -1;
	ret = rate_get(&kernels, SO_MAX_PACING_RATE, val, len);
	return ret == 0 ? 0 : fail(ret);
}
/** @} */

/** @name A blocking send */
/** @{ */
/* Asleep as long as it is far, with signals let through; another thread may close the socket or set
 * another rate. */
static int
sleep_until(struct sock *s, struct sock_wait *w)
{
	struct pollfd fd = { .events = POLLIN };
	struct timespec left;
	sigset_t before;
	uint64_t at;
	int ret = 0;

	signals_hold(&before);
	fd.fd = sock_asleep(s);
	/* asked now: from here on another rate wakes us */
	at = udp_send_at(s->udp);
	at = at > SPIN_NS ? at - SPIN_NS : 0;
	left = timespec_until(RTE_MIN(at, w->deadline_ns), fd.fd < 0);
	if (sock_interrupted(w))
		ret = -EINTR;
	else if (!s->closing && os.ppoll(&fd, 1, &left, &before) < 0 && errno == EINTR &&
			sock_sleep_interrupted(w))
		ret = -EINTR;
	sock_awake(s);
	signals_release(&before);
	return ret;
}

int
rate_wait(struct sock *s, struct sock_wait *w)
{
	uint64_t at, now;
	int ret;

	sock_wait_begin(w);
	do {
		at = udp_send_at(s->udp);
		now = clock_ns();
		if (unlikely(s->closing))
			return -EBADF;
		if (now >= w->deadline_ns)
			return -EAGAIN;
		if (sock_interrupted(w))
			return -EINTR;
		if (at > now + SPIN_NS) {
			ret = sleep_until(s, w);
			if (ret != 0)
				return ret;
		} else {
			rte_pause();
		}
	} while (now < at);
	return 0;
}
/** @} */

/** @name Room again, for epolls */
/** @{ */
static rte_spinlock_t waiting_lock = RTE_SPINLOCK_INITIALIZER;
static TAILQ_HEAD(, sock) waiting = TAILQ_HEAD_INITIALIZER(waiting);
uint64_t rate_next = UINT64_MAX;

static void
earliest(void)
{
	uint64_t next = UINT64_MAX;
	struct sock *s;

	TAILQ_FOREACH (s, &waiting, of_rate)
		next = RTE_MIN(next, s->room_at);
	__atomic_store_n(&rate_next, next, __ATOMIC_RELAXED);
}

bool
rate_has_room(struct sock *s)
{
	uint64_t at = udp_send_at(s->udp);

	if (at <= clock_ns())
		return true;
	if (__atomic_load_n(&s->watched, __ATOMIC_ACQUIRE) == 0)
		return false;
	rte_spinlock_lock(&waiting_lock);
	if (s->room_at == 0)
		TAILQ_INSERT_TAIL(&waiting, s, of_rate);
	s->room_at = at;
	earliest();
	rte_spinlock_unlock(&waiting_lock);
	return false;
}

void
rate_turn_due(void)
{
	struct sock *s, *next;
	uint64_t now = clock_ns();

	if (now < __atomic_load_n(&rate_next, __ATOMIC_RELAXED))
		return;
	rte_spinlock_lock(&waiting_lock);
	for (s = TAILQ_FIRST(&waiting); s != NULL; s = next) {
		next = TAILQ_NEXT(s, of_rate);
		if (s->room_at > now)
			continue;
		TAILQ_REMOVE(&waiting, s, of_rate);
		s->room_at = 0;
		/* with the lock, so that it is not closed meanwhile */
		epoll_notify(s, ROOM);
	}
	earliest();
	rte_spinlock_unlock(&waiting_lock);
}

void
rate_forget_all(void)
{
	/* another thread may have held the lock */
	rte_spinlock_init(&waiting_lock);
	TAILQ_INIT(&waiting);
	rate_next = UINT64_MAX;
}

void
rate_forget(struct sock *s)
{
	if (!s->paced && s->room_at == 0)
		return;
	rte_spinlock_lock(&waiting_lock);
	if (s->room_at != 0) {
		TAILQ_REMOVE(&waiting, s, of_rate);
		s->room_at = 0;
		earliest();
	}
	rte_spinlock_unlock(&waiting_lock);
}
/** @} */
