/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A parent that stays: starts the program and what runs at the other end of its wire, in the right
 * order, hands signals on, and ends when all of them have. Processes that the program leaves behind
 * (a daemon) are its too: they become children of this one.
 *
 * There is one thread and one place where it waits: for a signal, with a deadline where something
 * must be looked at that nobody tells of.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define LOOK_MS 10     /* between looks at the list of open ports */
#define GRACE_MS 10000 /* for what was asked to end or will by itself, until it is made to */
#define TCP_LISTEN 0xa /* as /proc/net/tcp writes it */

struct child {
	pid_t pid;
	int status;
	bool started, ended, asked;
};

struct tree {
	const struct run_args *a;
	struct child program, server, client;
	bool rest_asked; /* as program.asked, of what the program left behind */
	int64_t kill_at;
	int peer_ns, own_ns;
	pid_t self;
	sigset_t signals, before;
};

/* ---- starting ---- */

static void
in_child(const struct tree *t)
{
	sigprocmask(SIG_SETMASK, &t->before, NULL);
	/* nothing stays when this process is killed */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != t->self)
		_exit(RUN_OWN_ERROR);
}

static int
start(struct tree *t, struct child *c, const char *command)
{
	fflush(NULL);
	c->pid = fork();
	if (c->pid < 0) {
		run_error("fork: %s", strerror(errno));
		return -1;
	}
	if (c->pid > 0) {
		c->started = true;
		return 0;
	}
	in_child(t);
	if (command == NULL)
		_exit(run_exec(t->a->program));
	if (setns(t->peer_ns, CLONE_NEWNET) != 0) {
		run_error("the other end's namespace: %s", strerror(errno));
		_exit(RUN_OWN_ERROR);
	}
	execle("/bin/sh", "sh", "-c", command, (char *)NULL, run_env_kept());
	run_error("/bin/sh: %s", strerror(errno));
	_exit(RUN_CANNOT_RUN);
}

/* ---- open ports ---- */

/* Whether a line of the kernel's list is of a socket that others can send to. */
static bool
line_is_open(const char *line, bool tcp, uint32_t port)
{
	unsigned int local, state;

	/* "0: 00000000:1F90 00000000:0000 0A ...": after the colons the local port */
	if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local, &state) != 2)
		return false;
	return local != 0 && (port == 0 || local == port) && (!tcp || state == TCP_LISTEN);
}

static bool
any_open(uint32_t port)
{
	static const char *const lists[] = { "tcp", "tcp6", "udp", "udp6" };
	char path[64], line[512];
	bool found = false;
	unsigned int i;
	FILE *f;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]) && !found; i++) {
		snprintf(path, sizeof(path), "/proc/thread-self/net/%s", lists[i]);
		f = fopen(path, "re");
		while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
			found = line_is_open(line, i < 2, port);
		if (f != NULL)
			fclose(f);
	}
	return found;
}

static bool
any_open_at_peer(const struct tree *t, uint32_t port)
{
	bool found;

	if (setns(t->peer_ns, CLONE_NEWNET) != 0)
		return true;
	found = any_open(port);
	return setns(t->own_ns, CLONE_NEWNET) == 0 && found;
}

/* ---- children, also those that were left to us ---- */

static bool
is_programs(const struct tree *t, pid_t pid)
{
	struct stat own, its;
	char path[64];

	if (pid == t->server.pid || pid == t->client.pid)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return t->peer_ns < 0 ||
			(fstat(t->own_ns, &own) == 0 && stat(path, &its) == 0 &&
					own.st_ino == its.st_ino);
}

/* Sends a signal (0: none) to those whom we started; where the kernel does not tell of others. */
static unsigned int
tell_known(const struct tree *t, bool programs, int sig)
{
	const struct child *const all[] = { &t->program, &t->server, &t->client };
	unsigned int i, n = 0;

	for (i = programs ? 0 : 1; i < (programs ? 1 : 3); i++) {
		if (!all[i]->started || all[i]->ended)
			continue;
		if (sig != 0)
			kill(all[i]->pid, sig);
		n++;
	}
	return n;
}

/* Sends a signal (0: none) to the children of one side; their number. */
static unsigned int
tell(const struct tree *t, bool programs, int sig)
{
	char path[64];
	unsigned int n = 0;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", t->self);
	f = fopen(path, "re");
	if (f == NULL)
		return tell_known(t, programs, sig);
	while (fscanf(f, "%d", &pid) == 1) {
		if (is_programs(t, pid) != programs)
			continue;
		if (sig != 0)
			kill(pid, sig);
		n++;
	}
	fclose(f);
	return n;
}

static void
reap(struct tree *t)
{
	struct child *const all[] = { &t->program, &t->server, &t->client };
	unsigned int i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < 3; i++)
			if (all[i]->started && all[i]->pid == pid) {
				all[i]->status = status;
				all[i]->ended = true;
			}
		leftovers_remove(pid);
	}
}

/* ---- waiting ---- */

/* One signal, or nothing for so long (-1: no end). True: a child ended. */
static bool
wait_signal(struct tree *t, int ms)
{
	const struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
	siginfo_t info;
	int sig;

	sig = ms < 0 ? sigwaitinfo(&t->signals, &info) : sigtimedwait(&t->signals, &info, &limit);
	if (sig < 0)
		return false;
	if (sig == SIGCHLD) {
		reap(t);
		return true;
	}
	/* a terminal sends to all of its processes, the program among them */
	if (info.si_code == SI_KERNEL)
		return false;
	if (!t->program.started || t->program.ended)
		tell(t, false, sig);
	tell(t, true, sig);
	return false;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static bool
program_is_over(const struct tree *t)
{
	return t->program.ended && tell(t, true, 0) == 0;
}

/* Asks all of one side to end, and makes those that have not in time. */
static void
end_side(struct tree *t, bool programs)
{
	static const int sigs[] = { SIGTERM, SIGKILL };
	int64_t until;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		tell(t, programs, sigs[i]);
		until = now_ms() + GRACE_MS;
		while (tell(t, programs, 0) > 0 && now_ms() < until)
			wait_signal(t, LOOK_MS);
	}
}

/* The server at the other end is there before the program. */
static int
start_server(struct tree *t)
{
	if (start(t, &t->server, t->a->peer_server) != 0)
		return -1;
	while (!any_open_at_peer(t, t->a->peer_port)) {
		wait_signal(t, LOOK_MS);
		if (t->server.ended && tell(t, false, 0) == 0) {
			run_error("--peer-server ended before it had a port open");
			return -1;
		}
	}
	return 0;
}

/* Its --peer has ended: that is the program's end too, and that of what it left behind. */
static void
ask_to_end(struct tree *t)
{
	if (t->client.ended && !t->a->stay && !t->program.asked) {
		t->program.asked = true;
		t->kill_at = now_ms() + GRACE_MS;
		tell(t, true, SIGTERM);
	}
	if (t->program.asked && t->program.ended && !t->rest_asked) {
		t->rest_asked = true;
		tell(t, true, SIGTERM);
	}
	if (t->program.asked && now_ms() > t->kill_at)
		tell(t, true, SIGKILL);
}

static void
run(struct tree *t)
{
	bool want_client = t->a->peer != NULL;

	while (!program_is_over(t)) {
		wait_signal(t, want_client || t->program.asked ? LOOK_MS : -1);
		if (want_client && any_open(t->a->peer_port)) {
			want_client = false;
			if (start(t, &t->client, t->a->peer) != 0)
				t->client.ended = true;
		}
		ask_to_end(t);
	}
}

/* ---- the end ---- */

static int
code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The program's code, unless it was us who ended it; else that of --peer. */
static int
exit_code(const struct tree *t)
{
	int code = code_of(t->program.status);

	if (t->program.asked && code == 128 + SIGTERM)
		code = 0;
	if (t->a->peer == NULL || code != 0)
		return code;
	if (!t->client.started) {
		run_error("--peer was not started: the program ended before it had a port open");
		return RUN_OWN_ERROR;
	}
	return code_of(t->client.status);
}

/* What runs at the other end may see the end of its connection, and end by itself. */
static void
end_peers(struct tree *t)
{
	int64_t until = now_ms() + GRACE_MS;

	while (t->client.started && !t->client.ended && now_ms() < until)
		wait_signal(t, LOOK_MS);
	end_side(t, false);
}

int
supervise(const struct run_args *a, int peer_ns)
{
	static const int handed_on[] = { SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1,
		SIGUSR2 };
	struct tree t = { .a = a, .peer_ns = peer_ns, .self = getpid() };
	unsigned int i;

	sigemptyset(&t.signals);
	for (i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		sigaddset(&t.signals, handed_on[i]);
	sigprocmask(SIG_BLOCK, &t.signals, &t.before);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	t.own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (t.own_ns < 0) {
		run_error("/proc/self/ns/net: %s: /proc must be mounted", strerror(errno));
		return RUN_OWN_ERROR;
	}
	if ((a->peer_server != NULL && start_server(&t) != 0) || start(&t, &t.program, NULL) != 0) {
		end_side(&t, false);
		return RUN_OWN_ERROR;
	}
	run(&t);
	end_peers(&t);
	leftovers_remove_cable(a->sim_wire);
	return exit_code(&t);
}
