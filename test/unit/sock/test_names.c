/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several names of one socket: dup() and its kin share it as Linux shares a file description, the
 * last close ends it, and a number that changes hands leads to its new owner at once.
 */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <linux/close_range.h>

#include "sock/attach.h"
#include "sock_test.h"

static int
closed(int fd)
{
	return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

static int
offloaded(int fd)
{
	char why[128];

	return dpvma_explain(fd, why, sizeof(why)) == DPVMA_OFFLOADED;
}

static void
receives(int fd, uint16_t port, const char *text)
{
	char buf[32];

	test_inject_text(port, text);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

/* Another socket can have its number only once it is gone. */
static int
bind_to(uint16_t port)
{
	struct sockaddr_in sin = test_addr(LOCAL, port);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), ret;

	ret = dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (ret != 0)
		assert_int_equal(errno, EADDRINUSE);
	dpvma_close(fd);
	return ret;
}

static void
one_socket(void **state)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int value = 33, fds[4], fd, i;
	uint16_t port;
	char buf[8];

	(void)state;
	fds[0] = test_bound(&port);
	errno = 77;
	fds[1] = dpvma_dup(fds[0]);
	fds[2] = dpvma_fcntl(fds[1], F_DUPFD, 100);
	fds[3] = dpvma_fcntl(fds[0], F_DUPFD_CLOEXEC, 100);
	assert_int_equal(errno, 77);
	assert_true(fds[1] >= 0 && fds[1] != fds[0]);
	assert_true(fds[2] >= 100 && fds[3] > fds[2]);
	assert_int_equal(fcntl(fds[2], F_GETFD), 0);
	assert_int_equal(fcntl(fds[3], F_GETFD), FD_CLOEXEC);
	/* what one sets all have */
	assert_int_equal(dpvma_setsockopt(fds[1], IPPROTO_IP, IP_TTL, &value, sizeof(value)), 0);
	assert_int_equal(dpvma_fcntl(fds[2], F_SETFL, O_NONBLOCK), 0);
	for (i = 0; i < 4; i++) {
		fd = fds[i];
		assert_true(offloaded(fd));
		receives(fd, port, "to one");
		assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), 0), EAGAIN);
		len = sizeof(value);
		value = 0;
		assert_int_equal(dpvma_getsockopt(fd, IPPROTO_IP, IP_TTL, &value, &len), 0);
		assert_int_equal(value, 33);
		len = sizeof(sin);
		assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
		assert_int_equal(ntohs(sin.sin_port), port);
		assert_true(dpvma_fcntl(fd, F_GETFL) & O_NONBLOCK);
	}
	/* the first name goes first */
	for (i = 0; i < 4; i++) {
		assert_int_equal(bind_to(port), -1);
		receives(fds[3], port, "to the last");
		assert_int_equal(dpvma_close(fds[i]), 0);
		assert_true(closed(fds[i]));
		assert_errno((int)dpvma_recv(fds[i], buf, sizeof(buf), 0), EBADF);
	}
	assert_int_equal(bind_to(port), 0);
}

static void
number_goes_on(void **state)
{
	uint16_t port, other_port;
	int fd = test_bound(&port), name = dpvma_dup(fd), pipes[2], next;
	char c;

	(void)state;
	assert_int_equal(dpvma_close(fd), 0);
	/* the lowest free number is that one */
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipes[0], fd);
	assert_int_equal(write(pipes[1], "p", 1), 1);
	assert_int_equal(dpvma_read(pipes[0], &c, 1), 1);
	assert_int_equal(c, 'p');
	receives(name, port, "still there");
	close(pipes[0]);
	close(pipes[1]);
	/* and another socket may have it */
	next = test_bound(&other_port);
	assert_int_equal(next, fd);
	receives(next, other_port, "new");
	receives(name, port, "old");
	assert_int_equal(dpvma_close(name), 0);
	receives(next, other_port, "new");
	assert_int_equal(dpvma_close(next), 0);
}

static void
onto_an_offloaded(void **state)
{
	uint16_t a_port, b_port;
	int a = test_bound(&a_port), b = test_bound(&b_port), pipes[2];
	char c;

	(void)state;
	assert_int_equal(dpvma_dup2(a, a), a);
	assert_errno(dpvma_dup3(a, a, 0), EINVAL);
	/* what fails leaves the target alone */
	assert_errno(dpvma_dup3(a, b, O_APPEND), EINVAL);
	assert_errno(dpvma_dup2(999, b), EBADF);
	assert_errno(dpvma_dup2(a, -1), EBADF);
	assert_errno(dpvma_dup2(999, 999), EBADF);
	receives(b, b_port, "b");
	assert_int_equal(dpvma_dup2(a, b), b);
	assert_int_equal(bind_to(b_port), 0);
	receives(b, a_port, "a by b");
	assert_int_equal(dpvma_dup3(a, b, O_CLOEXEC), b);
	assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
	receives(b, a_port, "a by b");
	/* one of several names becomes the kernel's, then the last one */
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(dpvma_dup2(pipes[0], a), a);
	assert_false(offloaded(a));
	receives(b, a_port, "a by b");
	assert_int_equal(dpvma_dup2(pipes[0], b), b);
	assert_false(offloaded(b));
	assert_int_equal(bind_to(a_port), 0);
	assert_int_equal(write(pipes[1], "12", 2), 2);
	assert_int_equal(dpvma_read(a, &c, 1), 1);
	assert_int_equal(dpvma_read(b, &c, 1), 1);
	assert_int_equal(c, '2');
	/* and an offloaded one onto the kernel's */
	close(pipes[1]);
	a = test_bound(&a_port);
	assert_int_equal(dpvma_dup2(a, b), b);
	receives(b, a_port, "back");
	assert_int_equal(dpvma_close(a), 0);
	receives(b, a_port, "back");
	assert_int_equal(dpvma_close(b), 0);
	assert_int_equal(dpvma_close(pipes[0]), 0);
}

static void
of_the_kernels(void **state)
{
	struct sockaddr_in sin = test_addr("127.0.0.1", 0), to;
	socklen_t len = sizeof(to);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), name = dpvma_dup(fd), other;
	char why[128], why_other[128], c;

	(void)state;
	assert_true(offloaded(name));
	/* by one name it becomes the kernel's, and is by all */
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_false(offloaded(name));
	assert_int_equal(dpvma_getsockname(name, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(dpvma_close(fd), 0);
	assert_int_equal(dpvma_sendto(name, "k", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_int_equal(dpvma_recv(name, &c, 1, 0), 1);
	assert_int_equal(dpvma_close(name), 0);
	assert_true(closed(name));
	/* why, of one that never was ours */
	fd = dpvma_socket(AF_UNIX, SOCK_DGRAM, 0);
	name = dpvma_dup(fd);
	other = dpvma_fcntl(fd, F_DUPFD, 50);
	dpvma_explain(fd, why, sizeof(why));
	dpvma_explain(other, why_other, sizeof(why_other));
	assert_string_equal(why, why_other);
	assert_non_null(strstr(why, "family"));
	assert_int_equal(dpvma_dup2(name, other), other);
	dpvma_explain(other, why_other, sizeof(why_other));
	assert_string_equal(why, why_other);
	assert_int_equal(dpvma_close(fd), 0);
	assert_int_equal(dpvma_close(name), 0);
	assert_int_equal(dpvma_close(other), 0);
	dpvma_explain(other, why_other, sizeof(why_other));
	assert_null(strstr(why_other, "family"));
}

static void
counted_once(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), name = dpvma_dup(fd), seen = 0;
	char text[32], *json = NULL, *at;
	size_t size;
	FILE *f = open_memstream(&json, &size);

	(void)state;
	assert_int_equal(dpvma_dump_json(f), 0);
	fclose(f);
	snprintf(text, sizeof(text), "bound to %s:%u", LOCAL, port);
	for (at = json; (at = strstr(at, text)) != NULL; at++)
		seen++;
	assert_int_equal(seen, 1);
	free(json);
	assert_int_equal(dpvma_close(fd), 0);
	assert_int_equal(dpvma_close(name), 0);
}

static void
ranges(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), high, higher, pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	high = dpvma_fcntl(fd, F_DUPFD, 300);
	higher = dpvma_fcntl(pipes[0], F_DUPFD, 301);
	assert_errno(dpvma_close_range(400, 300, 0), EINVAL);
	assert_errno(dpvma_close_range(300, 400, 1 << 20), EINVAL);
	receives(high, port, "open");
	assert_int_equal(dpvma_close_range(300, 400, CLOSE_RANGE_CLOEXEC), 0);
	assert_int_equal(fcntl(high, F_GETFD), FD_CLOEXEC);
	receives(high, port, "open");
	assert_int_equal(dpvma_close_range(300, 400, 0), 0);
	assert_true(closed(high) && closed(higher));
	assert_false(offloaded(high));
	receives(fd, port, "open");
	assert_int_equal(dpvma_fcntl(fd, F_DUPFD, 300), 300);
	assert_int_equal(dpvma_close(fd), 0);
	assert_int_equal(dpvma_close_range(300, 0xffffffffu, 0), 0);
	assert_int_equal(bind_to(port), 0);
	close(pipes[0]);
	close(pipes[1]);
}

/* A duplicate of a number that was closed without us is not the socket's. */
static void
behind_our_back(void **state)
{
	uint16_t port, other;
	int fd = test_bound(&port), name = dpvma_dup(fd);

	(void)state;
	dpvma_forget(fd);
	close(fd);
	receives(name, port, "left");
	assert_int_equal(test_bound(&other), fd);
	receives(fd, other, "next");
	dpvma_forget(name);
	close(name);
	receives(fd, other, "next");
	assert_int_equal(bind_to(port), 0);
	assert_int_equal(dpvma_close(fd), 0);
}

#define ROUNDS 5000

static unsigned int
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
come_and_go(unsigned int rounds)
{
	uint16_t port;

	while (rounds-- != 0) {
		int fd = test_bound(&port), name = dpvma_dup(fd), other = test_bound(&port);

		test_inject_text(port, "for nobody");
		assert_int_equal(dpvma_dup2(name, other), other);
		dpvma_close(name);
		dpvma_close(other);
		assert_int_equal(dpvma_recv(fd, &port, 1, MSG_DONTWAIT), -1);
		dpvma_close(fd);
		test_drain();
	}
}

/* Less than a byte a round: what grows to its size once does so in the first rounds. */
static void
nothing_stays(void **state)
{
	struct mallinfo2 before, after;
	unsigned int fds;

	(void)state;
	come_and_go(100);
	fds = descriptors();
	before = mallinfo2();
	come_and_go(ROUNDS);
	after = mallinfo2();
	assert_int_equal(descriptors(), fds);
	if (after.uordblks > before.uordblks + ROUNDS)
		fail_msg("%zu bytes before, %zu after", before.uordblks, after.uordblks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_socket),
		cmocka_unit_test(number_goes_on),
		cmocka_unit_test(onto_an_offloaded),
		cmocka_unit_test(of_the_kernels),
		cmocka_unit_test(counted_once),
		cmocka_unit_test(ranges),
		cmocka_unit_test(behind_our_back),
		cmocka_unit_test(nothing_stays),
	};

	return cmocka_run_group_tests(tests, test_group_start, test_group_stop);
}
