/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the control sockets, /tmp/connectx-PID-XXXXXX/ctl, and one question and answer. */
#include "tool.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TREES "/tmp"
#define PREFIX "connectx-"
#define PATIENCE_S 10

void
complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("dpvma-connectx: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* A descriptor, or -1 and errno. */
static int
reach(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = PATIENCE_S };
	int s;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(s, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return s;
	close(s);
	return -1;
}

/* The pid in the name of a tree, or 0. */
static long
tree_pid(const char *name)
{
	char *end;
	long pid;

	if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
		return 0;
	pid = strtol(name + sizeof(PREFIX) - 1, &end, 10);
	return *end == '-' && pid > 0 ? pid : 0;
}

/* Why a tree does not answer, most telling last. */
enum why { NONE_THERE, LEFT_BEHIND, NOT_SERVED, NO_PERMISSION };

static enum why
reason(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return LEFT_BEHIND;
	case EACCES:
	case EPERM:
		return NO_PERMISSION;
	default:
		return NOT_SERVED;
	}
}

static void
tell(enum why why, long pid)
{
	char who[48];

	if (pid != 0)
		snprintf(who, sizeof(who), "process %ld", pid);
	else
		snprintf(who, sizeof(who), "no process");
	switch (why) {
	case NONE_THERE:
		if (pid != 0)
			complain("process %ld runs no software ConnectX (or it is not there)", pid);
		else
			complain("no process runs a software ConnectX: there is no %s/%sPID-*",
					TREES, PREFIX);
		break;
	case LEFT_BEHIND:
		complain("%s answers: what is in %s was left behind by a process that is gone; the "
			 "next start removes it",
				pid != 0 ? "it no longer" : "none", TREES);
		break;
	case NOT_SERVED:
		complain("%s: the control socket is not there or does not answer: it starts, or it "
			 "ends",
				who);
		break;
	case NO_PERMISSION:
		complain("%s: no permission to ask: be the user whom it belongs to, or root",
				pid != 0 ? who : "all processes with a software ConnectX");
		break;
	}
}

size_t
find_processes(struct process **list, long pid)
{
	enum why why = NONE_THERE;
	DIR *d = opendir(TREES);
	struct dirent *e;
	size_t n = 0;
	int s;

	*list = NULL;
	while (d != NULL && (e = readdir(d)) != NULL) {
		long found = tree_pid(e->d_name);
		struct process *p;

		if (found == 0 || (pid != 0 && found != pid))
			continue;
		p = realloc(*list, (n + 1) * sizeof(*p));
		if (p == NULL)
			break;
		*list = p;
		p[n].pid = found;
		snprintf(p[n].path, sizeof(p[n].path), "%s/%s/ctl", TREES, e->d_name);
		s = reach(p[n].path);
		if (s >= 0) {
			close(s);
			n++;
		} else if (reason(errno) > why) {
			why = reason(errno);
		}
	}
	if (d != NULL)
		closedir(d);
	if (n == 0)
		tell(why, pid);
	return n;
}

char *
ask(const struct process *p, const char *request)
{
	size_t len = 0, room = 1 << 16;
	char *text = malloc(room), *more;
	int s = reach(p->path), error;
	ssize_t n = -1;

	if (text == NULL || s < 0 || send(s, request, strlen(request), MSG_NOSIGNAL) < 0)
		goto fail;
	while ((n = recv(s, text + len, room - len - 1, 0)) > 0) {
		len += n;
		if (room - len > 1)
			continue;
		room *= 2;
		more = realloc(text, room);
		if (more == NULL) {
			n = -1;
			break;
		}
		text = more;
	}
	/* the model always answers something: else it ended meanwhile */
	if (n == 0 && len == 0) {
		errno = ECONNRESET;
		n = -1;
	}
	if (n < 0)
		goto fail;
	close(s);
	text[len] = '\0';
	return text;
fail:
	error = errno;
	free(text);
	if (s >= 0)
		close(s);
	errno = error;
	return NULL;
}

void
no_answer(const struct process *p)
{
	complain("process %ld: no answer: %s", p->pid,
			errno == EAGAIN ? "it is stopped, or too busy"
					: errno == ECONNRESET || errno == ECONNREFUSED ||
							errno == ENOENT
					? "it has ended"
					: strerror(errno));
}

bool
refused(const struct process *p, const char *answer)
{
	if (strncmp(answer, "error: ", 7) != 0)
		return false;
	complain("process %ld: %.*s", p->pid, (int)strcspn(answer + 7, "\n"), answer + 7);
	return true;
}

void
show_process(const struct process *p)
{
	char path[64], name[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/comm", p->pid);
	f = fopen(path, "re");
	if (f != NULL) {
		if (fgets(name, sizeof(name), f) == NULL)
			name[0] = '\0';
		fclose(f);
	}
	name[strcspn(name, "\n")] = '\0';
	printf("process %ld%s%s\n", p->pid, name[0] != '\0' ? " " : "", name);
}
