/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Children: whichever way one is made, it neither serves nor removes what is its parent's, nor
 * keeps it. And a process that stays until it is told to end, in one of several ways (HOLD, for
 * clean.sh).
 */
#include "cxtest.h"
#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Descriptors of the model: TAPs and the tree. */
static unsigned int
kept(void)
{
	DIR *d = opendir("/proc/self/fd");
	char path[300], target[PATH_MAX];
	struct dirent *e;
	unsigned int n = 0;
	ssize_t len;

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		n += strcmp(target, "/dev/net/tun") == 0 || strstr(target, "/connectx-") != NULL;
	}
	if (d != NULL)
		closedir(d);
	return n;
}

/* A mapping of a cable keeps its end as a descriptor does. */
static unsigned int
mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[PATH_MAX];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "/dev/shm/connectx-") != NULL;
	if (f != NULL)
		fclose(f);
	return n;
}

static void
check_parent(const char *what)
{
	CHECK(strncmp(ctl_ask("nics"), "mlx5_0:", 7) == 0, "%s: no answer", what);
	CHECK(if_nametoindex(NETDEV) != 0, "%s: %s is gone", what, NETDEV);
}

static void
reap(pid_t child, const char *what)
{
	int status;

	CHECK(child > 0 && waitpid(child, &status, 0) == child, "%s: %m", what);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", what, status);
	check_parent(what);
}

static void
check_fork(void)
{
	pid_t child = fork();

	if (child == 0)
		exit(kept() != 0 ? 10 : mapped() != 0 ? 11 : 0);
	reap(child, "fork, exit");
	/* the C library does not see this one: no handler is called in it */
	child = syscall(SYS_fork);
	if (child == 0)
		exit(0);
	reap(child, "fork behind the library's back");
}

static void
check_exec(void)
{
	static char sh[] = "sh", minus_c[] = "-c",
		    script[] = "for f in /proc/self/fd/*; do case $(readlink $f) in "
			       "/dev/net/tun|*/connectx-*) exit 10;; esac; done; exit 0";
	char *argv[] = { sh, minus_c, script, NULL };
	pid_t child;

	child = vfork();
	if (child == 0)
		_exit(0);
	reap(child, "vfork");
	CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) == 0, "spawn");
	reap(child, "spawn");
	child = fork();
	if (child == 0) {
		execv("/bin/sh", argv);
		_exit(11);
	}
	reap(child, "fork, exec");
}

/* A handler of the application's must not run in a thread that holds the lock of a NIC. */
static void
check_masks(void)
{
	DIR *d = opendir("/proc/self/task");
	char path[300], line[128], name[32];
	unsigned long blocked;
	struct dirent *e;
	unsigned int n = 0;
	FILE *f;

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		name[0] = '\0';
		while (fgets(line, sizeof(line), f) != NULL) {
			sscanf(line, "Name: %31s", name);
			if (strncmp(name, "connectx", 8) != 0 ||
					sscanf(line, "SigBlk: %lx", &blocked) != 1)
				continue;
			n++;
			CHECK(blocked & 1ul << (SIGTERM - 1) && blocked & 1ul << (SIGINT - 1) &&
							!(blocked & 1ul << (SIGSEGV - 1)),
					"%s blocks %lx", name, blocked);
		}
		fclose(f);
	}
	if (d != NULL)
		closedir(d);
	CHECK(n == 2, "%u threads of the model", n);
}

/* a: the wire is a loop, and traffic goes round it to the end */
void
case_fork(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1 };

	port_start(&pc);
	CHECK(kept() >= 2, "%u descriptors of the model", kept());
	check_fork();
	check_exec();
	check_masks();
	CHECK(rte_eth_dev_stop(0) == 0, "stop");
	if (c->a)
		case_loop(c);
}

/* ---- hold: receives, says so, waits for the end of its input ---- */
static void
say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static void
wait_for_input(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void
receive(unsigned int n)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 128 };
	struct rte_mbuf *m;

	port_start(&pc);
	for (; n > 0; n--) {
		port_receive_all(&m, 1);
		rte_pktmbuf_free(m);
	}
}

/* Not what a handler may call, and what many do. */
static void
exit_in_handler(int number)
{
	(void)number;
	exit(0);
}

/* a: datagrams. HOLD: how to end. */
void
case_hold(const struct test_case *c)
{
	const char *how = getenv("HOLD") != NULL ? getenv("HOLD") : "cleanup";
	static char sh[] = "sh", minus_c[] = "-c", script[] = "echo holding; read line";
	char *argv[] = { sh, minus_c, script, NULL };

	if (strcmp(how, "probe") != 0)
		receive(c->a);
	if (strcmp(how, "daemon") == 0) {
		CHECK(daemon(1, 1) == 0, "%m");
		rte_eth_dev_stop(0);
	} else if (strcmp(how, "fork") == 0 && fork() == 0) {
		wait_for_input();
		_exit(0);
	} else if (strcmp(how, "exec") == 0) {
		execv("/bin/sh", argv);
	}
	if (strcmp(how, "handler") == 0)
		signal(SIGTERM, exit_in_handler);
	say("holding");
	wait_for_input();
	if (strcmp(how, "cleanup") == 0)
		port_stop();
	/* rte_eal_cleanup() of a port that is started unmaps its rings */
	if (strcmp(how, "cleanup") == 0 || strcmp(how, "started") == 0 || strcmp(how, "probe") == 0)
		return;
	if (strcmp(how, "_exit") == 0)
		_exit(0);
	exit(0); /* without rte_eal_cleanup() */
}
