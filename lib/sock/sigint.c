/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VMA_HANDLE_SIGINTR: SIGINT ends calls that wait, in all threads, and then comes to the program's
 * own handler. A program without one ends by exit(), so that the ports are left in order; the
 * internal thread calls that, since a handler may not. A handler that the program sets later is
 * chained under a library that interposes sigaction(), else it takes the place of ours.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sock_priv.h"

uint32_t sock_sigints;

static struct sigaction program; /**< the program's action */
static bool guarded, ends;
static int fd = -1;
/* Our own call comes by dpvma_sigint(), too; libc declares that it does not (leaf), so volatile. */
static __thread volatile bool installing;

static void
on_sigint(int sig, siginfo_t *info, void *context)
{
	const struct sigaction act = program;
	uint64_t one = 1;
	int err = errno;

	__atomic_fetch_add(&sock_sigints, 1, __ATOMIC_SEQ_CST);
	if (act.sa_handler == SIG_DFL)
		__atomic_store_n(&ends, true, __ATOMIC_RELEASE);
	/* a full counter is readable as well */
	if (os.write(fd, &one, sizeof(one)) < 0)
		errno = err;
	errno = err;
	if (act.sa_handler == SIG_DFL || act.sa_handler == SIG_IGN)
		return;
	if (act.sa_flags & (int)SA_RESETHAND)
		program.sa_handler = SIG_DFL;
	act.sa_sigaction(sig, info, context);
}

static int
set(const struct sigaction *act, struct sigaction *old)
{
	int ret;

	installing = true;
	ret = sigaction(SIGINT, act, old);
	installing = false;
	return ret;
}

/* Ours with the flags and the mask of the program's; what is ignored does not come. */
static int
install(void)
{
	struct sigaction ours = program;

	if (program.sa_handler == SIG_IGN)
		return set(&program, NULL);
	ours.sa_sigaction = on_sigint;
	ours.sa_flags = SA_SIGINFO |
			(program.sa_flags & (int)(SA_RESTART | SA_NODEFER | SA_ONSTACK));
	return set(&ours, NULL);
}

int
sigint_start(void)
{
	int err;

	if (!conf()->handle_sigintr)
		return 0;
	fd = sock_own(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (fd < 0)
		return -errno;
	ends = false;
	if (set(NULL, &program) != 0 || install() != 0) {
		err = errno;
		sock_own_close(fd);
		fd = -1;
		return -err;
	}
	guarded = true;
	return 0;
}

/* The program's action is in force again, unless it has set another where we did not see it. */
void
sigint_stop(void)
{
	struct sigaction now;

	if (!guarded)
		return;
	if (set(NULL, &now) == 0 &&
			(now.sa_sigaction == on_sigint || program.sa_handler == SIG_IGN))
		set(&program, NULL);
	guarded = false;
	sock_own_close(fd);
	fd = -1;
}

int
sigint_fd(void)
{
	return fd;
}

static void
wake(struct sock *s, void *ctx)
{
	(void)ctx;
	sock_wake_all(s);
}

void
sigint_turn(void)
{
	uint64_t n;

	if (os.read(fd, &n, sizeof(n)) < 0)
		return;
	sock_foreach(wake, NULL);
	/* as a shell tells of one that SIGINT ended */
	if (__atomic_load_n(&ends, __ATOMIC_ACQUIRE))
		exit(128 + SIGINT);
}

bool
dpvma_sigint(const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before = program;

	if (!guarded || installing)
		return false;
	if (act != NULL) {
		program = *act;
		install();
	}
	if (old != NULL)
		*old = before;
	return true;
}
