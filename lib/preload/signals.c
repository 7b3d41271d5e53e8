/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handlers of the program, counted. A call of dpvma that polls sees by the count that a signal was
 * handled, which the kernel would have told a call of its own.
 *
 * In a handler's place one of two functions of ours is set, with all else as the program gave it,
 * so that the kernel keeps flags and mask and SA_RESETHAND does what it does. Whoever asks for the
 * old handler is told the program's. Handlers set before this library came, or by the bare system
 * call, are not counted.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "preload.h"

typedef void (*plain_handler)(int sig);
typedef void (*info_handler)(int sig, siginfo_t *info, void *context);

static plain_handler handlers[NSIG]; /**< the program's, last set; never taken away again */
static bool interrupts[NSIG];	     /**< siginterrupt(): what signal() is to set */
static bool changing;

static __thread struct sock_signals counts __attribute__((tls_model("initial-exec")));

const struct sock_signals *
preload_signals(void)
{
	return &counts;
}

/* Without SA_SIGINFO the other two arguments are there as well, or the handler has none of them. */
static void
pass_on(int sig, siginfo_t *info, void *context)
{
	((info_handler)(void *)__atomic_load_n(&handlers[sig], __ATOMIC_ACQUIRE))(
			sig, info, context);
}

/* Counted first: a handler may leave by siglongjmp(). */
static void
restarting(int sig, siginfo_t *info, void *context)
{
	counts.all++;
	pass_on(sig, info, context);
}

static void
ending(int sig, siginfo_t *info, void *context)
{
	counts.ending++;
	counts.all++;
	pass_on(sig, info, context);
}

static bool
is_ours(plain_handler handler)
{
	return handler == (plain_handler)(void *)restarting ||
			handler == (plain_handler)(void *)ending;
}

static bool
is_handler(plain_handler handler)
{
	return handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR &&
			handler != SIG_HOLD && !is_ours(handler);
}

/* A handler may change handlers: nothing interrupts who has the lock. */
static void
lock(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
	while (__atomic_exchange_n(&changing, true, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void
unlock(const sigset_t *before)
{
	__atomic_store_n(&changing, false, __ATOMIC_RELEASE);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* A thread of the parent may have had the lock. */
static void
in_child(void)
{
	changing = false;
}

static void __attribute__((constructor)) begin(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

/* The program's handler is there before the kernel may call ours, and stays for one under way. */
static int
set(int sig, const struct sigaction *act, struct sigaction *old)
{
	plain_handler before = handlers[sig];
	struct sigaction counted;
	int ret;

	if (act != NULL && is_handler(act->sa_handler)) {
		counted = *act;
		counted.sa_handler = (plain_handler)(void *)(act->sa_flags & SA_RESTART ? restarting
											: ending);
		__atomic_store_n(&handlers[sig], act->sa_handler, __ATOMIC_RELEASE);
		act = &counted;
	}
	ret = fault_action(sig, act, old);
	if (ret != 0)
		__atomic_store_n(&handlers[sig], before, __ATOMIC_RELEASE);
	else if (old != NULL && is_ours(old->sa_handler))
		old->sa_handler = before;
	return ret;
}

EXPORT int
sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction was;
	sigset_t before;
	int ret;

	if (sig <= 0 || sig >= NSIG)
		return libc.sigaction(sig, act, old);
	if (unlikely(sig == SIGINT) && core_loaded() != NULL && core_loaded()->sigint(act, old))
		return 0;
	/* old may be the memory that act is in */
	lock(&before);
	ret = set(sig, act, &was);
	unlock(&before);
	if (ret == 0 && old != NULL)
		*old = was;
	return ret;
}
ALIAS(__sigaction, sigaction);

bool
preload_guard(void)
{
	sigset_t before;
	bool ret;

	lock(&before);
	ret = fault_guard();
	unlock(&before);
	return ret;
}

static plain_handler
set_simply(int sig, plain_handler handler, int flags, bool masked)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags }, old;

	if (handler == SIG_ERR || sig <= 0 || sig >= NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&act.sa_mask);
	if (masked)
		sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) == 0 ? old.sa_handler : SIG_ERR;
}

/** @name The older calls, as glibc makes them of sigaction() */
/** @{ */
EXPORT plain_handler
signal(int sig, plain_handler handler)
{
	bool ends = sig > 0 && sig < NSIG && interrupts[sig];

	return set_simply(sig, handler, ends ? 0 : SA_RESTART, true);
}
ALIAS(bsd_signal, signal);
ALIAS(ssignal, signal);

EXPORT plain_handler
__sysv_signal(int sig, plain_handler handler)
{
	return set_simply(sig, handler, (int)(SA_RESETHAND | SA_NODEFER | SA_INTERRUPT), false);
}
ALIAS(sysv_signal, __sysv_signal);

EXPORT int
siginterrupt(int sig, int ends)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act) != 0)
		return -1;
	interrupts[sig] = ends != 0;
	if (ends != 0)
		act.sa_flags &= ~SA_RESTART;
	else
		act.sa_flags |= SA_RESTART;
	return sigaction(sig, &act, NULL);
}

EXPORT plain_handler
sigset(int sig, plain_handler handler)
{
	struct sigaction act;
	sigset_t one, before;
	plain_handler old;

	sigemptyset(&one);
	if (sigaddset(&one, sig) != 0)
		return SIG_ERR;
	if (handler == SIG_HOLD) {
		if (sigprocmask(SIG_BLOCK, &one, &before) != 0 || sigaction(sig, NULL, &act) != 0)
			return SIG_ERR;
		old = act.sa_handler;
	} else {
		old = set_simply(sig, handler, 0, false);
		if (old == SIG_ERR || sigprocmask(SIG_UNBLOCK, &one, &before) != 0)
			return SIG_ERR;
	}
	return sigismember(&before, sig) ? SIG_HOLD : old;
}
/** @} */
