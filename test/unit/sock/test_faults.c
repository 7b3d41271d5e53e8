/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bad addresses and datagrams that are there: EFAULT where something would have been stored, the
 * datagram lost with it, as on Linux; and nothing said of what a call does not touch.
 */
#include <signal.h>
#include <sys/mman.h>

#include "sock/sock_priv.h"
#include "sock/user.h"
#include "sock_test.h"

static char *bad, *read_only, *fresh;

static void
on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)info;
	if (!dpvma_fault(ucontext))
		signal(sig, SIG_DFL);
}

/* cmocka has handlers of its own before each test. */
static void
catch_faults(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
}

static void
datagrams(void **state)
{
	struct iovec iov[2] = { { bad - 4, 4 }, { bad, 4 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct mmsghdr vec[3] = { 0 };
	struct iovec each[3];
	uint16_t port;
	int fd = test_bound(&port), i;
	char buf[64];

	(void)state;
	catch_faults();
	/* what comes fits before the bad page */
	test_inject_text(port, "fits");
	assert_int_equal(dpvma_recv(fd, bad - 4, 64, 0), 4);
	assert_memory_equal(bad - 4, "fits", 4);
	test_inject_text(port, "fits");
	assert_int_equal(dpvma_recvmsg(fd, &msg, 0), 4);
	test_inject_text(port, "does not");
	msg.msg_controllen = msg.msg_namelen = 0;
	assert_errno((int)dpvma_recvmsg(fd, &msg, 0), EFAULT);
	test_inject_text(port, "lost");
	assert_errno((int)dpvma_recv(fd, read_only, 64, 0), EFAULT);
	test_inject_text(port, "lost");
	assert_errno((int)dpvma_recvfrom(fd, buf, 64, 0, (void *)bad, &(socklen_t){ 16 }), EFAULT);
	assert_errno((int)dpvma_recv(fd, buf, 64, MSG_DONTWAIT), EAGAIN);
	/* up to the bad one */
	for (i = 0; i < 3; i++) {
		test_inject_text(port, "many");
		each[i] = (struct iovec){ i == 1 ? bad : buf + 8 * i, 8 };
		vec[i].msg_hdr.msg_iov = &each[i];
		vec[i].msg_hdr.msg_iovlen = 1;
	}
	assert_int_equal(dpvma_recvmmsg(fd, vec, 3, MSG_DONTWAIT, NULL), 1);
	assert_int_equal(vec[0].msg_len, 4);
	assert_memory_equal(buf, "many", 4);
	dpvma_close(fd);
}

/* A page that was never touched comes into being by being looked at, and holds nothing. */
static void
touches(void **state)
{
	char page[4096], zero[4096] = "";

	(void)state;
	catch_faults();
	assert_true(user_out(fresh, 8192));
	assert_memory_equal(fresh, zero, sizeof(zero));
	memset(page, 0x5a, sizeof(page));
	assert_true(user_out(page, sizeof(page)));
	assert_int_equal(page[0], 0x5a);
	assert_true(user_in(read_only, 4096));
	assert_false(user_out(read_only, 1));
	assert_false(user_out(bad - 1, 2));
	assert_true(user_out(bad - 1, 1));
	assert_true(user_in(bad, 0));
	assert_false(user_in((void *)USER_END, 1));
	assert_false(user_in(page, SIZE_MAX));
}

static int
setup(void **state)
{
	struct sock_os host_os = os;
	struct sock_host host = { .os = &host_os, .faults = true };
	char *p = mmap(NULL, 6 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(p != MAP_FAILED);
	bad = p + 4096;
	read_only = p + 2 * 4096;
	fresh = p + 3 * 4096;
	assert_int_equal(mprotect(bad, 4096, PROT_NONE), 0);
	assert_int_equal(mprotect(read_only, 4096, PROT_READ), 0);
	assert_int_equal(dpvma_attach(&host), 0);
	test_start(NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams),
		cmocka_unit_test(touches),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
