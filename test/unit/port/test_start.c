/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL started for a program, each case in a process of its own: what it leaves as it was, and the
 * one line for each thing that can be wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "port_test.h"

#include <rte_lcore.h>

static char runtime[256];

/* What the child found out, for the parent. */
struct result {
	int start, ports;
	bool stdout_clean, affinity_kept, signals_kept, no_lcore, dir_gone, again_refused;
	char log[sizeof(test_log)];
};

static unsigned int
lines_of(const char *text, const char *level)
{
	unsigned int n = 0;

	while ((text = strstr(text, level)) != NULL) {
		n++;
		text++;
	}
	return n;
}

static void
child(struct result *r, uid_t uid)
{
	cpu_set_t before, after;
	sigset_t mask_before, mask_after;
	char name[] = "/tmp/test_port-XXXXXX";
	int saved = dup(1), fd = mkstemp(name);

	unlink(name);
	dup2(fd, 1);
	/* EAL's own lines are not of interest here */
	dup2(open("/dev/null", O_WRONLY), 2);
	CPU_ZERO(&before);
	CPU_SET((unsigned int)sched_getcpu(), &before);
	sched_setaffinity(0, sizeof(before), &before);
	sigemptyset(&mask_before);
	sigaddset(&mask_before, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
	if (uid != 0 && setuid(uid) != 0)
		return;

	r->start = port_eal_start("program");
	fflush(stdout);
	r->stdout_clean = lseek(fd, 0, SEEK_END) == 0;
	sched_getaffinity(0, sizeof(after), &after);
	r->affinity_kept = CPU_EQUAL(&before, &after);
	pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
	r->signals_kept = sigismember(&mask_after, SIGUSR1) == 1 &&
			sigismember(&mask_after, SIGTERM) == 0;
	r->no_lcore = rte_lcore_id() == LCORE_ID_ANY;
	snprintf(runtime, sizeof(runtime), "/var/run/dpdk/dpvma-%d", getpid());
	if (r->start == 0) {
		r->ports = ports_init();
		r->again_refused = port_eal_start("program") == -EALREADY;
		ports_fini();
		port_eal_stop();
		r->again_refused &= port_eal_start("program") == -ENOTSUP;
	}
	r->dir_gone = access(runtime, F_OK) != 0;
	memcpy(r->log, test_log, sizeof(r->log));
	dup2(saved, 1);
}

static struct result
run(const char *args, uid_t uid)
{
	struct result r = { .start = 1 };
	char eal[512];
	size_t got = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	snprintf(eal, sizeof(eal), "DPVMA_EAL_ARGS=%s", args);
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		test_conf(eal, "VMA_MEM_ALLOC_TYPE=0", "VMA_RX_BUFS=4096", "VMA_TX_BUFS=4096",
				NULL);
		child(&r, uid);
		n = write(fds[1], &r, sizeof(r));
		_exit(n == (ssize_t)sizeof(r) ? 0 : 1);
	}
	close(fds[1]);
	while (got < sizeof(r) && (n = read(fds[0], (char *)&r + got, sizeof(r) - got)) > 0)
		got += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(got, sizeof(r));
	return r;
}

static void
untouched(const struct result *r)
{
	assert_true(r->stdout_clean);
	assert_true(r->affinity_kept);
	assert_true(r->signals_kept);
	assert_true(r->no_lcore);
	assert_true(r->dir_gone);
}

static void
test_good(void **state)
{
	/* what a killed process left, of a number that no process has */
	const char *stale = "/var/run/dpdk/dpvma-999999999";
	struct result r;

	(void)state;
	if (geteuid() == 0)
		mkdir(stale, 0700);
	r = run("--vdev=net_null0 --vdev 'net_ring0'", 0);
	assert_int_not_equal(access(stale, F_OK), 0);
	assert_int_equal(r.start, 0);
	assert_int_equal(r.ports, 2);
	assert_true(r.again_refused);
	untouched(&r);
	assert_int_equal(lines_of(r.log, "error"), 1); /* the second start after the end */
	assert_non_null(strstr(r.log, "second time"));
}

static void
test_unknown_pmd(void **state)
{
	struct result r = run("--vdev=net_nothere0", 0);

	(void)state;
	assert_true(r.start < 0);
	untouched(&r);
	assert_int_equal(lines_of(r.log, "\n"), 1);
	assert_non_null(strstr(r.log, "--vdev=net_nothere0"));
	assert_non_null(strstr(r.log, "PMD's name"));
}

/* EAL prints its whole usage then: not on standard output. */
static void
test_unknown_argument(void **state)
{
	struct result r = run("--vdev=net_null0 --nonsense", 0);

	(void)state;
	assert_int_equal(r.start, -EINVAL);
	untouched(&r);
	assert_int_equal(lines_of(r.log, "\n"), 1);
	assert_non_null(strstr(r.log, "--nonsense"));
	assert_non_null(strstr(r.log, "argument is wrong"));
}

static void
test_no_such_device(void **state)
{
	struct result r = run("--vdev=net_af_packet0,iface=nothere0", 0);

	(void)state;
	assert_true(r.start < 0);
	untouched(&r);
	assert_int_equal(lines_of(r.log, "\n"), 1);
	assert_non_null(strstr(r.log, "iface=nothere0"));
}

static void
test_wrong_address(void **state)
{
	struct result r = run("-a fe:1f.7", 0);

	(void)state;
	assert_int_equal(r.start, -ENODEV);
	untouched(&r);
	assert_int_equal(lines_of(r.log, "\n"), 1);
	assert_non_null(strstr(r.log, "no PCI device 0000:fe:1f.7"));
}

static void
test_no_port(void **state)
{
	struct result r = run("--no-pci", 0);

	(void)state;
	assert_int_equal(r.start, 0);
	assert_int_equal(r.ports, -ENODEV);
	untouched(&r);
	assert_non_null(strstr(r.log, "no port"));
	assert_non_null(strstr(r.log, "DPVMA_EAL_ARGS="));
}

static void
test_no_permission(void **state)
{
	struct result r;

	(void)state;
	if (geteuid() != 0)
		skip();
	r = run("--vdev=net_af_packet0,iface=lo", 65534);
	assert_true(r.start < 0);
	assert_true(r.stdout_clean);
	assert_true(r.dir_gone);
	assert_int_equal(lines_of(r.log, "\n"), 1);
	assert_non_null(strstr(r.log, "run as root"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_unknown_pmd),
		cmocka_unit_test(test_unknown_argument),
		cmocka_unit_test(test_no_such_device),
		cmocka_unit_test(test_wrong_address),
		cmocka_unit_test(test_no_port),
		cmocka_unit_test(test_no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
