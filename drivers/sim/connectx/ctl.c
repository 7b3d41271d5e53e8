/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket, served by one thread that sleeps until somebody asks. A request is one line,
 * the answer is text, and its end is the end of the connection. Nothing here waits for a client:
 * each has a few seconds, and a new one takes the place of the oldest when all are taken.
 */
#include "ctl.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 16
#define PATIENCE_NS 5000000000ull /* from connecting to the last byte of the answer */
#define DISCARDED 16		  /* reads of what follows a request */
#define NS_PER_MS 1000000

struct client {
	int fd; /* -1: free */
	uint64_t deadline;
	size_t n_line;
	char line[CX_CTL_LINE];
	char *answer; /* NULL: the line is not complete */
	size_t sent, len;
};

static struct client clients[CLIENTS];
static int listen_fd = -1, wake_fd = -1;
static pthread_t thread;
static bool running;

static void
drop(struct client *c)
{
	/* a forked child may hold a copy of the descriptor: closing it is not enough */
	shutdown(c->fd, SHUT_RDWR);
	close(c->fd);
	free(c->answer);
	c->answer = NULL;
	c->fd = -1;
}

static void
welcome(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c = &clients[0];
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < CLIENTS && c->fd >= 0; i++)
		if (clients[i].fd < 0 || clients[i].deadline < c->deadline)
			c = &clients[i];
	if (c->fd >= 0)
		drop(c);
	*c = (struct client){ .fd = fd, .deadline = cx_clock() + PATIENCE_NS };
}

static void
answer(struct client *c)
{
	FILE *out = open_memstream(&c->answer, &c->len);

	if (out == NULL) {
		drop(c);
		return;
	}
	cx_ctl_run(out, c->line);
	if (fclose(out) != 0 || c->answer == NULL)
		drop(c);
}

/* Reads what is there: whether the line is complete; a client that hung up without one is gone. */
static bool
hear(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->n_line, CX_CTL_LINE - c->n_line, 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 || (n == 0 && c->n_line == 0)) {
		drop(c);
		return false;
	}
	end = memchr(c->line + c->n_line, '\n', n);
	c->n_line += n;
	if (end != NULL) {
		*end = '\0';
		return true;
	}
	if (c->n_line < CX_CTL_LINE) {
		c->line[c->n_line] = '\0';
		return n == 0;
	}
	/* longer than any command: the answer to its start says what is wrong */
	c->line[CX_CTL_LINE - 1] = '\0';
	return true;
}

/* What a client sent behind its line: it would get an error after the answer if that stayed. */
static void
discard(const struct client *c)
{
	char rest[4096];
	int i;

	for (i = 0; i < DISCARDED && recv(c->fd, rest, sizeof(rest), 0) > 0; i++)
		;
}

static void
serve(struct client *c)
{
	ssize_t n;

	if (c->answer == NULL) {
		if (!hear(c))
			return;
		answer(c);
		if (c->fd < 0)
			return;
	}
	n = send(c->fd, c->answer + c->sent, c->len - c->sent, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->sent += n;
	if (c->sent == c->len)
		discard(c);
	if (n < 0 || c->sent == c->len)
		drop(c);
}

/* Milliseconds to the first deadline, -1 when nobody is connected. */
static int
time_left(void)
{
	uint64_t first = UINT64_MAX, now = cx_clock();
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0 && clients[i].deadline < first)
			first = clients[i].deadline;
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (int)((first - now) / NS_PER_MS) + 1;
}

static void *
server(void *arg)
{
	struct pollfd fds[CLIENTS + 2];
	unsigned int i;

	(void)arg;
	for (;;) {
		for (i = 0; i < CLIENTS; i++)
			fds[i] = (struct pollfd){ .fd = clients[i].fd,
				.events = clients[i].answer != NULL ? POLLOUT : POLLIN };
		fds[CLIENTS] = (struct pollfd){ .fd = listen_fd, .events = POLLIN };
		fds[CLIENTS + 1] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
		if (poll(fds, CLIENTS + 2, time_left()) < 0)
			continue;
		if (fds[CLIENTS + 1].revents != 0)
			break;
		for (i = 0; i < CLIENTS; i++) {
			if (clients[i].fd < 0)
				continue;
			if (fds[i].revents != 0)
				serve(&clients[i]);
			else if (clients[i].deadline <= cx_clock())
				drop(&clients[i]);
		}
		if (fds[CLIENTS].revents != 0)
			welcome();
	}
	for (i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0)
			drop(&clients[i]);
	return NULL;
}

static int
listen_at(const char *dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, CX_CTL_SOCKET);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
			listen(listen_fd, CLIENTS) != 0)
		return -1;
	return 0;
}

/* Without the socket the model works, but cannot be looked at: one log line. */
void
cx_ctl_start(const char *dir)
{
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake_fd >= 0 && listen_at(dir) == 0 &&
			cx_thread_start(&thread, "connectx-ctl", NULL, server, NULL) == 0) {
		running = true;
		return;
	}
	cx_log(0, "%s/%s: cannot serve the control socket: %m", dir, CX_CTL_SOCKET);
	cx_ctl_forget();
}

void
cx_ctl_stop(void)
{
	uint64_t one = 1;

	if (!running || write(wake_fd, &one, sizeof(one)) != sizeof(one))
		return;
	if (cx_thread_join(thread) == 0)
		cx_ctl_forget();
	running = false;
}

/* In a forked child, which has no thread to serve them: no more than closing is safe there. */
void
cx_ctl_forget(void)
{
	unsigned int i;

	for (i = 0; running && i < CLIENTS; i++)
		if (clients[i].fd >= 0)
			close(clients[i].fd);
	if (listen_fd >= 0)
		close(listen_fd);
	if (wake_fd >= 0)
		close(wake_fd);
	listen_fd = wake_fd = -1;
	running = false;
}
