/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which descriptors of a program are offloaded, and why others are not: of one that has ended, from
 * the reports that it left, and of one that runs, from its telemetry.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"
#include "run.h"

#define SOCKET "dpdk_telemetry.v2"
#define ANSWER (1u << 20) /* bytes; telemetry's limit is less */
#define PATIENCE_S 10

static char reports[PATH_MAX];

/* ---- at the end ---- */

int
explain_prepare(void)
{
	char path[PATH_MAX + 16];
	const char *tmp = getenv("TMPDIR");

	snprintf(reports, sizeof(reports), "%.4000s/dpvma-run-XXXXXX",
			tmp != NULL && *tmp == '/' ? tmp : "/tmp");
	/* the program may become another user, or more than one process */
	if (mkdtemp(reports) == NULL || chmod(reports, 01777) != 0) {
		run_error("--explain: %s: %s", reports, strerror(errno));
		reports[0] = '\0';
		return -1;
	}
	snprintf(path, sizeof(path), "%s/%%d", reports);
	return run_var_set("DPVMA_EXPLAIN", path, "--explain");
}

static void
copy(const char *path, FILE *f)
{
	FILE *from = fopen(path, "re");
	char buf[4096];
	size_t n;

	while (from != NULL && (n = fread(buf, 1, sizeof(buf), from)) > 0)
		fwrite(buf, 1, n, f);
	if (from != NULL)
		fclose(from);
}

void
explain_end(bool print)
{
	struct dirent **list = NULL;
	int n, i, found = 0;
	char path[PATH_MAX + 280];

	if (reports[0] == '\0')
		return;
	n = scandir(reports, &list, NULL, versionsort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", reports, list[i]->d_name);
		if (list[i]->d_name[0] != '.') {
			found++;
			if (print) {
				fprintf(stderr, "process %s:\n", list[i]->d_name);
				copy(path, stderr);
			}
			unlink(path);
		}
		free(list[i]);
	}
	free(list);
	rmdir(reports);
	if (print && found == 0)
		run_error("--explain: no process left a report: none opened a socket, or all were "
			  "killed before their end");
}

/* ---- while it runs ---- */

static int
reach(const char *path)
{
	const struct timeval tv = { .tv_sec = PATIENCE_S };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -1;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(s, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return s;
	close(s);
	return -1;
}

/* One message; its length, -1 without one. */
static ssize_t
receive(int s, char *answer)
{
	ssize_t n = recv(s, answer, ANSWER - 1, 0);

	if (n <= 0)
		return -1;
	answer[n] = '\0';
	return n;
}

/* Greets with its process id: in a directory with a name of the program's own it is told by that.
 */
static int
reach_pid(const char *path, uint32_t pid, char *answer)
{
	long found;
	int s = reach(path);

	if (s < 0)
		return -1;
	if (receive(s, answer) > 0 && json_number(json_member(answer, "pid"), &found) &&
			found == (long)pid)
		return s;
	close(s);
	return -1;
}

static int
find_in(const char *dir, uint32_t pid, char *answer)
{
	DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *e;
	int s;

	snprintf(path, sizeof(path), "%s/dpvma-%u/" SOCKET, dir, pid);
	s = reach_pid(path, pid, answer);
	while (d != NULL && s < 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/" SOCKET, dir, e->d_name);
		s = reach_pid(path, pid, answer);
	}
	if (d != NULL)
		closedir(d);
	return s;
}

/* Where EAL has its directories, of root and of others. */
static int
find_process(uint32_t pid, char *answer)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char own[PATH_MAX];
	int s = find_in("/var/run/dpdk", pid, answer);

	if (s < 0 && xdg != NULL) {
		snprintf(own, sizeof(own), "%s/dpdk", xdg);
		s = find_in(own, pid, answer);
	}
	return s >= 0 ? s : find_in("/tmp/dpdk", pid, answer);
}

/* The value in the answer, which is an object with the request as its only name. */
static const char *
ask(int s, const char *request, char *answer)
{
	const char *p;

	if (send(s, request, strlen(request), MSG_NOSIGNAL) < 0 || receive(s, answer) < 0)
		return NULL;
	p = json_first(answer);
	p = p != NULL ? json_skip(p) : NULL;
	return p != NULL && *p == ':' ? p + 1 + strspn(p + 1, " ") : NULL;
}

static void
show(const struct run_args *a, const char *answer, const char *value)
{
	if (a->json) {
		printf("%s\n", answer);
		return;
	}
	json_print(value, stdout);
	putchar('\n');
}

/* Asks for each descriptor of a list; the last one of it, -1 for an empty list. */
static long
show_list(const struct run_args *a, int s, const char *list, char *answer)
{
	const char *item, *value;
	char request[64];
	long fd, last = -1;

	for (item = json_first(list); item != NULL; item = json_next(item)) {
		if (!json_number(item, &fd))
			continue;
		last = fd;
		snprintf(request, sizeof(request), "/dpvma/explain,%ld", fd);
		value = ask(s, request, answer);
		/* one that was closed meanwhile has no answer */
		if (value != NULL && *value == '{')
			show(a, answer, value);
	}
	return last;
}

/* An answer has room for some hundred descriptors: the next one goes on behind the last of them. */
static int
ask_and_show(const struct run_args *a, int s, char *answer)
{
	char request[64] = "/dpvma/explain", *list;
	const char *value;
	long last, before = -1;

	for (;;) {
		value = ask(s, request, answer);
		if (value == NULL || *value != '[')
			return -1;
		list = strdup(value);
		last = list != NULL ? show_list(a, s, list, answer) : -1;
		free(list);
		if (last <= before)
			return 0;
		before = last;
		snprintf(request, sizeof(request), "/dpvma/explain,after,%ld", last);
	}
}

int
explain_running(const struct run_args *a)
{
	char *answer = malloc(ANSWER);
	int s, ret = RUN_OWN_ERROR;

	if (answer == NULL) {
		run_error("no memory");
		return ret;
	}
	s = find_process(a->pid, answer);
	if (s < 0)
		run_error("--pid=%u: no telemetry of that process: it has no socket of dpvma's "
			  "yet, "
			  "it is another user's, or its EAL was given --no-telemetry",
				a->pid);
	else if (ask_and_show(a, s, answer) != 0)
		run_error("--pid=%u: it does not answer /dpvma/explain: it has ended, is stopped, "
			  "or runs another version of dpvma",
				a->pid);
	else
		ret = fflush(stdout) == 0 ? 0 : RUN_OWN_ERROR;
	if (s >= 0)
		close(s);
	free(answer);
	return ret;
}
