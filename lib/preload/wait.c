/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that wait for many descriptors. */
#include <poll.h>
#include <sys/select.h>

#include "preload.h"

/*
 * A candidate has nothing to wait for that the kernel could not tell. Whose the others are dpvma
 * looks at, which can tell a bad address.
 */
EXPORT int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	const struct core *c = core_loaded();

	return c != NULL ? c->poll(fds, n, timeout_ms) : os.poll(fds, n, timeout_ms);
}
ALIAS(__poll, poll);

EXPORT int
ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask)
{
	const struct core *c = core_loaded();

	return c != NULL ? c->ppoll(fds, n, timeout, sigmask) : os.ppoll(fds, n, timeout, sigmask);
}

/* As compiled with _FORTIFY_SOURCE. */
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room);
int
__poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room)
{
	return likely(n <= room / sizeof(*fds)) ? poll(fds, n, timeout_ms)
						: libc.__poll_chk(fds, n, timeout_ms, room);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *sigmask, size_t room);
int
__ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask,
		size_t room)
{
	return likely(n <= room / sizeof(*fds)) ? ppoll(fds, n, timeout, sigmask)
						: libc.__ppoll_chk(fds, n, timeout, sigmask, room);
}

static bool
maybe_set(const fd_set *set)
{
	return set == NULL || maybe_memory(set);
}

/*
 * Only the bits of our own descriptors are looked at: a program may give a number that is far
 * beyond its sets, which the kernel cuts to the descriptors there are.
 */
static const struct core *
for_any_of(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	const struct core *c = core_loaded();
	int fd;

	if (likely(c == NULL) || !maybe_set(r) || !maybe_set(w) || !maybe_set(e))
		return NULL;
	for (fd = 0; (fd = mark_next(fd)) < n; fd++) {
		const fd_mask bit = (fd_mask)(UINT64_C(1) << fd % NFDBITS);
		const int word = fd / NFDBITS;

		if (mark_of(fd) == SOCK_MARK_OURS &&
				((r != NULL && __FDS_BITS(r)[word] & bit) ||
						(w != NULL && __FDS_BITS(w)[word] & bit) ||
						(e != NULL && __FDS_BITS(e)[word] & bit)))
			return c;
	}
	return NULL;
}

EXPORT int
select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	const struct core *c = for_any_of(n, r, w, e);

	return c != NULL ? c->select(n, r, w, e, timeout) : os.select(n, r, w, e, timeout);
}
ALIAS(__select, select);

EXPORT int
pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		const sigset_t *sigmask)
{
	const struct core *c = for_any_of(n, r, w, e);

	return c != NULL ? c->pselect(n, r, w, e, timeout, sigmask)
			 : os.pselect(n, r, w, e, timeout, sigmask);
}
