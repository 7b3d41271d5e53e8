/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handlers of signals, set in all ways that libc has, and calls that they end. The test compares
 * the lines that this program prints as it is with those under libdpvma-preload.so.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
extern sighandler_t bsd_signal(int sig, sighandler_t handler);

#define SAY(...)                                                                                   \
	do {                                                                                       \
		printf(__VA_ARGS__);                                                               \
		putchar('\n');                                                                     \
		fflush(stdout);                                                                    \
	} while (0)

static volatile sig_atomic_t handled, last_sig, last_code, last_value, nested, depth, raises;
static volatile uint32_t seen; /* by the thread that waits, as other threads see it */

static void
plain(int sig)
{
	last_sig = sig;
	handled++;
	__atomic_fetch_add(&seen, 1, __ATOMIC_RELEASE);
}

static void
other(int sig)
{
	last_sig = -sig;
}

static void
with_info(int sig, siginfo_t *info, void *context)
{
	last_sig = sig;
	last_code = info->si_code;
	last_value = info->si_value.sival_int;
	handled += context != NULL;
}

/* With SA_NODEFER it comes while it is here. */
static void
again(int sig)
{
	handled++;
	depth++;
	if (raises-- > 0)
		raise(sig);
	nested = depth > nested ? depth : nested;
	depth--;
}

static const char *
name(sighandler_t handler)
{
	static const struct {
		sighandler_t handler;
		const char *name;
	} all[] = { { SIG_DFL, "default" }, { SIG_IGN, "ignore" }, { SIG_ERR, "error" },
		{ SIG_HOLD, "hold" }, { plain, "plain" }, { other, "other" }, { again, "again" },
		{ (sighandler_t)(void *)with_info, "with_info" } };
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].handler == handler)
			return all[i].name;
	return "unknown";
}

static void
say_action(const char *what, int sig)
{
	struct sigaction now;
	int i;

	if (sigaction(sig, NULL, &now) != 0) {
		SAY("%s: %s", what, strerrorname_np(errno));
		return;
	}
	printf("%s: %s flags %x mask", what, name(now.sa_handler), (unsigned int)now.sa_flags);
	for (i = 1; i < NSIG; i++)
		if (sigismember(&now.sa_mask, i) == 1)
			printf(" %d", i);
	putchar('\n');
}

static void
set_and_say(sighandler_t handler, int flags, int masked)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags }, old;
	int ret;

	sigemptyset(&act.sa_mask);
	if (masked != 0)
		sigaddset(&act.sa_mask, masked);
	ret = sigaction(SIGUSR1, &act, &old);
	SAY("sigaction %d, before %s", ret, name(old.sa_handler));
	say_action("now", SIGUSR1);
}

static void
by_sigaction(void)
{
	const union sigval value = { .sival_int = 77 };
	struct sigaction same, *volatile both = &same;
	int ret;

	set_and_say(plain, 0, 0);
	raise(SIGUSR1);
	SAY("handled %d %d", (int)handled, (int)last_sig);
	set_and_say(plain, SA_RESTART, SIGUSR2);
	set_and_say((sighandler_t)(void *)with_info, SA_SIGINFO | SA_RESTART, 0);
	sigqueue(getpid(), SIGUSR1, value);
	SAY("handled %d %d code %d value %d", (int)handled, (int)last_sig, (int)last_code,
			(int)last_value);
	set_and_say(other, SA_ONSTACK, 0);
	raise(SIGUSR1);
	SAY("last %d", (int)last_sig);
	set_and_say(plain, SA_RESETHAND, 0);
	raise(SIGUSR1);
	SAY("handled %d", (int)handled);
	say_action("after it was reset", SIGUSR1);
	raises = 1;
	set_and_say(again, SA_NODEFER, 0);
	raise(SIGUSR1);
	SAY("handled %d nested %d", (int)handled, (int)nested);
	nested = 0;
	raises = 1;
	set_and_say(again, 0, 0);
	raise(SIGUSR1);
	SAY("handled %d nested %d", (int)handled, (int)nested);
	set_and_say(SIG_IGN, 0, 0);
	raise(SIGUSR1);
	set_and_say(plain, 0, 0);
	/* the old one may come back where the new one is */
	same.sa_handler = other;
	same.sa_flags = 0;
	sigemptyset(&same.sa_mask);
	ret = sigaction(SIGUSR1, both, both);
	SAY("in one %d %s", ret, name(same.sa_handler));
	SAY("back %d", sigaction(SIGUSR1, &same, NULL));
	say_action("and is", SIGUSR1);
	set_and_say(SIG_DFL, 0, 0);
}

static void
refused(const char *what, bool so)
{
	SAY("%s: %s", what, so ? strerrorname_np(errno) : "taken");
}

static void
wrong(void)
{
	struct sigaction act = { .sa_handler = plain };

	refused("SIGKILL", sigaction(SIGKILL, &act, NULL) != 0);
	refused("0", sigaction(0, &act, NULL) != 0);
	refused("NSIG", sigaction(NSIG, &act, NULL) != 0);
	refused("SIGSTOP", signal(SIGSTOP, plain) == SIG_ERR);
	refused("SIG_ERR", signal(SIGUSR1, SIG_ERR) == SIG_ERR);
	refused("sigset", sigset(999, plain) == SIG_ERR);
	refused("siginterrupt", siginterrupt(999, 1) != 0);
	say_action("as it was", SIGUSR1);
}

static void
by_older_calls(void)
{
	SAY("signal %s", name(signal(SIGUSR2, plain)));
	say_action("signal", SIGUSR2);
	raise(SIGUSR2);
	SAY("handled %d", (int)handled);
	SAY("siginterrupt %d", siginterrupt(SIGUSR2, 1));
	say_action("interrupting", SIGUSR2);
	SAY("signal %s", name(signal(SIGUSR2, other)));
	say_action("and anew", SIGUSR2);
	SAY("siginterrupt %d", siginterrupt(SIGUSR2, 0));
	say_action("not interrupting", SIGUSR2);
	SAY("bsd_signal %s", name(bsd_signal(SIGUSR2, plain)));
	say_action("bsd_signal", SIGUSR2);
	SAY("sysv_signal %s", name(sysv_signal(SIGUSR2, plain)));
	say_action("sysv_signal", SIGUSR2);
	raise(SIGUSR2);
	SAY("handled %d", (int)handled);
	say_action("after it", SIGUSR2);
	SAY("sigset %s", name(sigset(SIGUSR2, other)));
	SAY("sigset %s", name(sigset(SIGUSR2, SIG_HOLD)));
	SAY("sigset %s", name(sigset(SIGUSR2, SIG_HOLD)));
	SAY("sigset %s", name(sigset(SIGUSR2, plain)));
	say_action("sigset", SIGUSR2);
	raise(SIGUSR2);
	SAY("handled %d", (int)handled);
	SAY("signal %s", name(signal(SIGUSR2, SIG_DFL)));
	SAY("signal %s", name(signal(SIGUSR2, SIG_IGN)));
}

/* Handlers are inherited, and gone after exec. */
static void
children(void)
{
	int status = 0;
	pid_t pid;

	signal(SIGUSR1, plain);
	pid = fork();
	if (pid == 0) {
		int before = handled;

		raise(SIGUSR1);
		signal(SIGUSR1, other);
		raise(SIGUSR1);
		_exit(handled == before + 1 && last_sig == -SIGUSR1 ? 7 : 1);
	}
	waitpid(pid, &status, 0);
	SAY("child %d", WEXITSTATUS(status));
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "kill -USR1 $$; exit 3", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	SAY("after exec it ended by %s", sigabbrev_np(WTERMSIG(status)));
}

/** @name Calls that wait, and a thread that sends signals until it has been said enough */
/** @{ */
struct sender {
	pthread_t thread, to;
	int sig;
	uint32_t until; /**< handlers run; then, with a socket, a byte is sent to it */
	bool ended;
	struct sockaddr_in sin;
	int fd;
};

static void *
send_signals(void *arg)
{
	struct sender *s = arg;

	while (!__atomic_load_n(&s->ended, __ATOMIC_ACQUIRE) &&
			__atomic_load_n(&seen, __ATOMIC_ACQUIRE) < s->until) {
		pthread_kill(s->to, s->sig);
		usleep(1000);
	}
	if (s->fd >= 0)
		sendto(s->fd, "x", 1, 0, (struct sockaddr *)&s->sin, sizeof(s->sin));
	return NULL;
}

/* As often as it takes: one that comes before the call begins does not end it. */
static void
while_in(struct sender *s, int sig, int flags, uint32_t until)
{
	struct sigaction act = { .sa_handler = plain, .sa_flags = flags };

	sigaction(sig, &act, NULL);
	s->to = pthread_self();
	s->sig = sig;
	s->until = until;
	s->ended = false;
	__atomic_store_n(&seen, 0, __ATOMIC_RELEASE);
	pthread_create(&s->thread, NULL, send_signals, s);
}

static void
after(struct sender *s, const char *what, long ret)
{
	int err = errno;

	__atomic_store_n(&s->ended, true, __ATOMIC_RELEASE);
	pthread_join(s->thread, NULL);
	SAY("%s: %ld %s", what, ret, ret < 0 ? strerrorname_np(err) : "");
}

static int
bound(int type, struct sockaddr_in *sin, const char *addr)
{
	int fd = socket(AF_INET, type, 0);
	socklen_t len = sizeof(*sin);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(addr) };
	bind(fd, (struct sockaddr *)sin, sizeof(*sin));
	getsockname(fd, (struct sockaddr *)sin, &len);
	return fd;
}

static void
limit(int fd, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static void
waits(const char *addr)
{
	struct sender s = { .fd = -1 };
	struct sockaddr_in sin;
	int udp = bound(SOCK_DGRAM, &sin, addr), tcp = bound(SOCK_STREAM, &sin, addr);
	struct pollfd p = { .fd = udp, .events = POLLIN };
	struct timespec minute = { .tv_sec = 60 };
	fd_set set;
	char c;

	listen(tcp, 4);
	while_in(&s, SIGUSR1, 0, UINT32_MAX);
	after(&s, "recv", recv(udp, &c, 1, 0));
	while_in(&s, SIGUSR1, 0, UINT32_MAX);
	after(&s, "accept", accept(tcp, NULL, NULL));
	limit(udp, 60);
	limit(tcp, 60);
	while_in(&s, SIGUSR2, SA_RESTART, UINT32_MAX);
	after(&s, "recv with a limit", recv(udp, &c, 1, 0));
	while_in(&s, SIGUSR2, SA_RESTART, UINT32_MAX);
	after(&s, "accept with a limit", accept(tcp, NULL, NULL));
	while_in(&s, SIGUSR2, SA_RESTART, UINT32_MAX);
	after(&s, "poll", poll(&p, 1, -1));
	while_in(&s, SIGUSR2, SA_RESTART, UINT32_MAX);
	after(&s, "ppoll", ppoll(&p, 1, &minute, NULL));
	FD_ZERO(&set);
	FD_SET(udp, &set);
	while_in(&s, SIGUSR2, SA_RESTART, UINT32_MAX);
	after(&s, "select", select(udp + 1, &set, NULL, NULL, NULL));
	/* many go by, and then there is something */
	limit(udp, 0);
	s.fd = socket(AF_INET, SOCK_DGRAM, 0);
	close(udp);
	udp = bound(SOCK_DGRAM, &s.sin, "0.0.0.0");
	s.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while_in(&s, SIGUSR2, SA_RESTART, 20);
	after(&s, "recv restarted", recv(udp, &c, 1, 0));
	close(s.fd);
	close(udp);
	close(tcp);
}
/** @} */

int
main(int argc, char **argv)
{
	if (argc > 1) {
		waits(argv[1]);
		return 0;
	}
	by_sigaction();
	wrong();
	by_older_calls();
	children();
	return 0;
}
