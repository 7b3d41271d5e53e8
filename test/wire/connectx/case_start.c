/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starts: a wrong setting gives one line and no port; a tree that nobody holds is removed, one that
 * is locked is not, nor what only looks like one; a child that is not a DPDK program makes none.
 */
#include "cxtest.h"
#include <dirent.h>
#include <sys/file.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int saved_stderr, lines_fd;

void
before_bad_wire(void)
{
	lines_fd = memfd_create("stderr", MFD_CLOEXEC);
	CHECK(lines_fd >= 0, "%m");
	saved_stderr = dup(STDERR_FILENO);
	dup2(lines_fd, STDERR_FILENO);
}

void
case_bad_wire(const struct test_case *c)
{
	char text[8192], *p = text;
	unsigned int lines = 0;
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	n = pread(lines_fd, text, sizeof(text) - 1, 0);
	CHECK(n >= 0, "%m");
	text[n] = '\0';
	while ((p = strstr(p, "connectx: ")) != NULL) {
		lines++;
		printf("%.*s\n", (int)strcspn(p, "\n"), p);
		p++;
	}
	CHECK(lines == 1, "%u lines for %s", lines, c->wire);
	CHECK(rte_eth_dev_count_avail() == 0, "a port though the setting is wrong");
}

static char dead[64], alive[64], other[64];
static int alive_fd;

static unsigned int
trees(const char *prefix)
{
	DIR *d = opendir("/tmp");
	struct dirent *e;
	unsigned int n = 0;

	CHECK(d != NULL, "%m");
	while ((e = readdir(d)) != NULL)
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

static bool
is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

void
before_tree(void)
{
	char file[96];
	pid_t child = fork();
	FILE *f;

	CHECK(child >= 0, "%m");
	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, NULL, 0) == child, "%m");
	snprintf(dead, sizeof(dead), "/tmp/connectx-%d-abcdef", (int)child);
	snprintf(alive, sizeof(alive), "/tmp/connectx-%d-fedcba", (int)child);
	snprintf(other, sizeof(other), "/tmp/connectx-test%d-abcdef", (int)child);
	CHECK(mkdir(dead, 0700) == 0 && mkdir(alive, 0700) == 0 && mkdir(other, 0700) == 0, "%m");
	alive_fd = open(alive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(alive_fd >= 0 && flock(alive_fd, LOCK_EX) == 0, "%m");
	snprintf(file, sizeof(file), "%s/file", dead);
	f = fopen(file, "w");
	CHECK(f != NULL && fclose(f) == 0, "%m");
}

void
case_tree(const struct test_case *c)
{
	char mine[64];
	pid_t child;
	int status;

	(void)c;
	snprintf(mine, sizeof(mine), "connectx-%d-", (int)getpid());
	CHECK(rte_eth_dev_count_avail() == 1, "no port");
	CHECK(trees(mine) == 1, "%u trees", trees(mine));
	CHECK(!is_there(dead), "the tree of a dead process is still there");
	CHECK(is_there(alive), "a locked tree is gone");
	CHECK(is_there(other), "something else is gone");
	close(alive_fd);
	rmdir(alive);
	rmdir(other);
	/* the child inherits preload and variables; the tree must outlive it */
	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c",
				"ls -d /tmp/connectx-$$-* >/dev/null 2>&1 && exit 1; exit 0", NULL);
		_exit(2);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child made a tree: %x",
			status);
	child = fork();
	if (child == 0)
		exit(0); /* with destructors */
	CHECK(waitpid(child, &status, 0) == child && status == 0, "forked child: %x", status);
	CHECK(trees(mine) == 1, "a child removed the tree");
}
