/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bad addresses that a program gives to calls on a socket, and faults of its own, before and after
 * a socket needed a port. The test compares the lines that this program prints as it is with those
 * under libdpvma-preload.so.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* libc declares pointers that may not be null, or of which it knows the size. */
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#define SAY(...)                                                                                   \
	do {                                                                                       \
		printf(__VA_ARGS__);                                                               \
		putchar('\n');                                                                     \
		fflush(stdout);                                                                    \
	} while (0)
#define DO(call)                                                                                   \
	do {                                                                                       \
		long ret_ = (errno = 0, (long)(call));                                             \
		SAY("%s %s: %s = %ld %s", what, kind, #call, ret_,                                 \
				ret_ < 0 ? strerrorname_np(errno) : "");                           \
	} while (0)

static char *unmapped, *read_only;
static sigjmp_buf back;
static volatile sig_atomic_t code, handled;
static void *volatile address;

/** @name Calls */
/** @{ */
static void
given(const char *kind, const char *what, int fd, char *bad, struct sockaddr_in *to)
{
	struct iovec iov = { bad, 8 }, *volatile bad_iov = (void *)bad;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 }, vector = { .msg_iovlen = 1 };
	struct sockaddr *name = (void *)to;
	char buf[8];

	vector.msg_iov = bad_iov;
	msg.msg_name = to;
	msg.msg_namelen = sizeof(*to);
	if (bad != read_only) {
		DO(sendto(fd, bad, 8, 0, name, sizeof(*to)));
		DO(sendmsg(fd, &msg, 0));
		DO(sendmsg(fd, (void *)bad, 0));
		DO(sendto(fd, buf, 8, 0, (void *)bad, sizeof(*to)));
		DO(writev(fd, bad_iov, 1));
		DO(readv(fd, bad_iov, 1));
		DO(recvmsg(fd, &vector, MSG_DONTWAIT));
		/* what is only read of it dpvma finds bad before it receives, Linux after */
		DO(recvmsg(fd, (void *)bad, MSG_DONTWAIT));
		DO(recvmmsg(fd, (void *)bad, 1, MSG_DONTWAIT, NULL));
		DO(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, bad, sizeof(int)));
	}
	/* nothing came: no address is looked at */
	DO(recv(fd, bad, 8, MSG_DONTWAIT));
	DO(getsockname(fd, name, (void *)bad));
	DO(getsockname(fd, (void *)bad, &(socklen_t){ sizeof(*to) }));
	DO(poll((void *)bad, 1, 0));
}

static void
calls(const char *addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(addr) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr = sin.sin_addr;
	SAY("bound %d", bind(udp, (struct sockaddr *)&sin, sizeof(sin)));
	given("udp", "unmapped", udp, unmapped, &to);
	given("udp", "low", udp, (char *)8, &to);
	given("udp", "read only", udp, read_only, &to);
	close(udp);
}
/** @} */

/** @name The program's own */
/** @{ */
static void
fault(void)
{
	*(volatile char *)(unmapped + 5) = 1;
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
	code = info->si_code;
	address = info->si_addr;
	handled += sig == SIGSEGV && context != NULL;
	siglongjmp(back, 1);
}

static void
set(void *handler, int flags)
{
	struct sigaction act = { .sa_flags = flags }, now;

	act.sa_sigaction = handler;
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGSEGV, NULL, &now);
	/* libc's own flag, SA_RESTORER, is none of the program's */
	SAY("is set %d, flags %x", now.sa_sigaction == handler,
			(unsigned int)now.sa_flags & ~0x04000000u);
}

static void
caught(const char *when)
{
	address = NULL;
	if (sigsetjmp(back, 1) == 0)
		fault();
	SAY("%s: handled %d, code %d, address %d", when, (int)handled, (int)code,
			(char *)address == unmapped + 5);
}

static void
dies(const char *when, void (*how)(void))
{
	struct rlimit none = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		how();
		_exit(3);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		SAY("%s: died by %s", when, sigabbrev_np(WTERMSIG(status)));
	else
		SAY("%s: exit code %d", when, WEXITSTATUS(status));
}

static void
send_one(void)
{
	raise(SIGSEGV);
}

static void
twice(void)
{
	if (sigsetjmp(back, 1) == 0)
		fault();
	fault();
}

static void
own_faults(const char *when)
{
	SAY("# %s", when);
	set((void *)SIG_DFL, 0);
	dies("default", fault);
	dies("default, sent", send_one);
	set((void *)SIG_IGN, 0);
	dies("ignored", fault);
	dies("ignored, sent", send_one);
	set((void *)on_fault, SA_SIGINFO | (int)SA_RESETHAND);
	dies("once", twice);
	set((void *)on_fault, SA_SIGINFO);
	caught("handler");
	caught("again");
}
/** @} */

int
main(int argc, char **argv)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (argc < 2)
		return 1;
	unmapped = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (unmapped == MAP_FAILED || read_only == MAP_FAILED)
		return 1;
	own_faults("before the start");
	if (sigsetjmp(back, 1) != 0) {
		SAY("a call went on with a bad address");
		return 1;
	}
	calls(argv[1]);
	/* the handler that was set before it */
	caught("after the start");
	own_faults("after the start");
	return 0;
}
