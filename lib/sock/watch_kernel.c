/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose a socket in an epoll is, the kernel's half of one that is ours, and what holds of both.
 */
#include <unistd.h>

#include "epoll_priv.h"

#define HARVEST 64

static void
to_kernel(struct watch *w)
{
	struct epoll_event ev = { .events = w->events, .data.u64 = w->data };

	w->in_kernel = w->ep->kernel_used = true;
	w->ep->n_ours--;
	if (os.epoll_ctl(w->ep->s->fd, EPOLL_CTL_ADD, w->fd, &ev) != 0 && errno != EEXIST)
		LOG_WARNING("fd %d: the kernel did not take it into epoll %d: %s", w->fd,
				w->ep->s->fd, strerror(errno));
}

/* A number that is no name of the socket any more may be another's that is in there, too. */
static void
leave_kernel(const struct watch *w)
{
	if (sock_held(w->fd) == w->s)
		os.epoll_ctl(w->ep->s->fd, EPOLL_CTL_DEL, w->fd, NULL);
}

static void
from_kernel(struct watch *w)
{
	w->in_kernel = false;
	w->ep->n_ours++;
	leave_kernel(w);
	watch_look(w);
}

static void
enter_own(const struct watch *w, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = (uint32_t)w->fd };

	if (os.epoll_ctl(w->ep->own_fd, EPOLL_CTL_ADD, fd, &ev) != 0 && errno != EEXIST)
		LOG_WARNING("fd %d: the kernel did not take it into epoll %d: %s", fd,
				w->ep->own_fd, strerror(errno));
}

static void
half_follow(struct watch *w, bool is)
{
	const struct epoll *inner = w->s->epoll;

	w->ep->n_halves += (unsigned int)is - (unsigned int)w->half;
	if (is) {
		/* though it was there: another file may be behind the number */
		enter_own(w, w->s->fd);
		if (inner != NULL)
			enter_own(w, inner->own_fd);
	} else if (w->half) {
		/* which it leaves by itself with its last name */
		if (w->s->fd >= 0)
			os.epoll_ctl(w->ep->own_fd, EPOLL_CTL_DEL, w->s->fd, NULL);
		if (inner != NULL)
			os.epoll_ctl(w->ep->own_fd, EPOLL_CTL_DEL, inner->own_fd, NULL);
		w->kernel_ready = false;
	}
	w->half = is;
}

int
watch_follow(struct watch *w)
{
	bool kernel = !sock_has_events(w->s);
	int err = errno, ret;

	if (kernel && !w->in_kernel)
		to_kernel(w);
	else if (!kernel && w->in_kernel)
		from_kernel(w);
	if (kernel ? w->half : w->half || w->s->os_pollable)
		half_follow(w, !kernel && w->s->os_pollable);
	ret = rings_follow(w, kernel);
	errno = err;
	return ret;
}

void
watch_leave_kernel(struct watch *w)
{
	if (w->half)
		half_follow(w, false);
	if (w->in_kernel)
		leave_kernel(w);
}

void
watches_follow(struct epoll *ep)
{
	struct watch *w;

	if (likely(__atomic_load_n(&ep->n_stale, __ATOMIC_ACQUIRE) == 0))
		return;
	pthread_mutex_lock(&ep->lock);
	while ((w = watch_next_stale(ep)) != NULL) {
		if (watch_follow(w) != 0)
			LOG_WARNING("fd %d: no memory for its rings in epoll %d: others must poll "
				    "them",
					w->fd, ep->s->fd);
	}
	pthread_mutex_unlock(&ep->lock);
}

/* A number may have been closed and opened since: what is found there by it is asked. */
static void
harvested(struct epoll *ep, int fd)
{
	struct watch *w = watch_chain(ep, fd);

	for (; w != NULL; w = w->same_hash)
		if (w->fd == fd && w->half) {
			w->kernel_ready = true;
			__atomic_store_n(&w->s->os_told, true, __ATOMIC_RELAXED);
			watch_ready_again(w, false);
			sock_wake(ep->s, NULL, POLLIN);
		}
}

void
watches_harvest(struct epoll *ep)
{
	struct epoll_event ev[HARVEST];
	uint64_t note;
	int n, i, err = errno;

	do {
		n = os.epoll_pwait(ep->own_fd, ev, HARVEST, 0, NULL);
		for (i = 0; i < n; i++) {
			if (ev[i].data.u64 != UINT64_MAX)
				harvested(ep, (int)ev[i].data.u64);
			else if (os.read(ep->s->wake_fd, &note, sizeof(note)) < 0)
				note = 0; /* another thread took it */
		}
	} while (n == HARVEST);
	errno = err;
}

uint32_t
watch_revents(struct watch *w)
{
	uint32_t wanted = w->events, got;

	if ((wanted & ~WATCH_HOW) == 0 || w->in_kernel)
		return 0;
	got = (uint32_t)(uint16_t)w->s->ops->revents(w->s) & wanted;
	if (w->kernel_ready && (wanted & (EPOLLIN | EPOLLRDNORM)) && !(got & EPOLLIN)) {
		w->kernel_ready = kernel_readable(w->s->fd);
		if (w->kernel_ready)
			got |= wanted & (EPOLLIN | EPOLLRDNORM);
	}
	return got;
}
