/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of libc that room sock makes on descriptors of the program, and the marks. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "port/port.h"
#include "sock_priv.h"

struct sock_os os = {
#define AS_LINKED(ret, name, params) .name = name,
	SOCK_OS_CALLS(AS_LINKED)
#undef AS_LINKED
};

uint8_t *sock_marks;
static unsigned int stacks_top;
static bool (*adopt_candidate)(int fd);
static void (*host_started)(void);
static const struct sock_signals *(*signals_of)(void);
bool sock_faults;
bool (*sock_epoll_waits)(int epfd);

void
sock_mark(int fd, enum sock_mark mark)
{
	if (sock_marks != NULL && (uint32_t)fd < SOCK_MARKS)
		__atomic_store_n(&sock_marks[fd], (uint8_t)mark, __ATOMIC_RELEASE);
}

enum sock_mark
sock_marked(int fd)
{
	if (sock_marks == NULL || (uint32_t)fd >= SOCK_MARKS)
		return SOCK_MARK_NONE;
	return (enum sock_mark)__atomic_load_n(&sock_marks[fd], __ATOMIC_ACQUIRE);
}

/** @name The stack's own */
/** @{ */
int
sock_own(int fd)
{
	unsigned int top = sock_stacks_top();

	if (sock_marks == NULL || (uint32_t)fd >= SOCK_MARKS)
		return fd;
	while ((unsigned int)fd >= top &&
			!__atomic_compare_exchange_n(&stacks_top, &top, (unsigned int)fd + 1, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	sock_mark(fd, SOCK_MARK_STACK);
	return fd;
}

void
dpvma_own(int fd)
{
	sock_own(fd);
}

void
sock_own_told(int fd, bool own)
{
	if (own)
		sock_own(fd);
	else if (sock_marked(fd) == SOCK_MARK_STACK)
		sock_mark(fd, SOCK_MARK_NONE);
}

void
sock_own_close(int fd)
{
	sock_own_told(fd, false);
	os.close(fd);
}

bool
sock_is_stacks(int fd)
{
	if (likely(sock_marked(fd) != SOCK_MARK_STACK))
		return false;
	/* DPDK closed it where nobody saw it */
	if (port_fork_is_gone(fd)) {
		port_fork_disown(fd);
		return false;
	}
	return true;
}

unsigned int
sock_stacks_top(void)
{
	return __atomic_load_n(&stacks_top, __ATOMIC_RELAXED);
}
/** @} */

struct sock *
sock_get_named(int fd)
{
	if (sock_marked(fd) == SOCK_MARK_CANDIDATE && adopt_candidate != NULL)
		adopt_candidate(fd);
	return sock_get(fd);
}

const struct sock_signals *
sock_signals(void)
{
	static const struct sock_signals none;

	return signals_of != NULL ? signals_of() : &none;
}

void
sock_host_started(void)
{
	if (host_started != NULL)
		host_started();
}

int
dpvma_attach(const struct sock_host *host)
{
	if (sock_alive() != 0)
		return fail(-EBUSY);
	os = *host->os;
	sock_marks = host->marks;
	signals_of = host->signals;
	adopt_candidate = host->adopt;
	host_started = host->started;
	port_fork_tell(sock_own_told);
	sock_faults = host->faults;
	sock_epoll_waits = host->epoll_waits;
	return 0;
}

void
dpvma_before_unmap(void)
{
	if (sock_is_started())
		rings_before_unmap();
}
