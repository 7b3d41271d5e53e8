/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSEGV and SIGBUS: dpvma is asked first, which may have been given a bad address by the program
 * and answers EFAULT as the kernel does. What is not its business is the program's, by the action
 * that the program has set and is told when it asks.
 */
#include <signal.h>
#include <string.h>

#include "preload.h"

static struct sigaction actions[2]; /**< the program's, of SIGSEGV and SIGBUS */
static bool guarded;

static struct sigaction *
action_of(int sig)
{
	return &actions[sig == SIGBUS];
}

/* As if we had not been here: the instruction fails again, and a signal that was sent comes again.
 */
static void
by_default(int sig, const siginfo_t *info)
{
	const struct sigaction none = { .sa_handler = SIG_DFL };

	libc.sigaction(sig, &none, NULL);
	if (info->si_code <= 0)
		raise(sig);
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
	struct sigaction *act = action_of(sig), now;
	int err = errno;

	if (info->si_code > 0 && core_loaded() != NULL && core_loaded()->fault(context))
		return;
	errno = err;
	if (act->sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (act->sa_handler == SIG_DFL || act->sa_handler == SIG_IGN) {
		by_default(sig, info);
		return;
	}
	now = *act;
	if (act->sa_flags & (int)SA_RESETHAND)
		act->sa_handler = SIG_DFL;
	now.sa_sigaction(sig, info, context);
}

static int
install(int sig)
{
	const struct sigaction *act = action_of(sig);
	struct sigaction ours = *act;

	ours.sa_sigaction = on_fault;
	ours.sa_flags = SA_SIGINFO | (act->sa_flags & (SA_RESTART | SA_NODEFER | SA_ONSTACK));
	if (act->sa_handler == SIG_DFL || act->sa_handler == SIG_IGN)
		ours.sa_flags |= SA_ONSTACK;
	return libc.sigaction(sig, &ours, NULL);
}

int
fault_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (!guarded || (sig != SIGSEGV && sig != SIGBUS))
		return libc.sigaction(sig, act, old);
	*old = *action_of(sig);
	if (act == NULL)
		return 0;
	*action_of(sig) = *act;
	return install(sig);
}

bool
fault_guard(void)
{
	if (guarded)
		return true;
	if (libc.sigaction(SIGSEGV, NULL, &actions[0]) != 0 ||
			libc.sigaction(SIGBUS, NULL, &actions[1]) != 0)
		return false;
	guarded = install(SIGSEGV) == 0 && install(SIGBUS) == 0;
	return guarded;
}
