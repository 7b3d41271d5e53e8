/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent's commands for connections: opening many, and moving bytes of a pattern of which every
 * byte is known, so that the receiver finds the first one that is wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

/* Prime, so that no segment, window or buffer size is in step with it. */
#define PERIOD 1048573u
#define CHUNK_MAX 65536u
#define END UINT64_MAX

static uint8_t pattern[PERIOD + CHUNK_MAX];

static void
make_pattern(void)
{
	uint32_t x = 2463534242u, i;

	if (pattern[0] != 0)
		return;
	for (i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		pattern[i] = (uint8_t)(x >> 11);
	}
	memcpy(pattern + PERIOD, pattern, CHUNK_MAX);
	pattern[0] = pattern[PERIOD] = 0x5a;
}

/* A seed is a place in the pattern to begin at. */
static const uint8_t *
pattern_at(uint32_t seed, uint64_t done)
{
	return &pattern[(seed * UINT64_C(7919) + done) % PERIOD];
}

struct transfer {
	int fd;
	bool send;
	uint32_t seed, chunk; /* chunk 0: of all sizes */
	uint64_t want, done;
	int64_t bad; /* position of the first wrong byte, -1: none */
	bool eof, over;
	int error;
};

static size_t
chunk_of(const struct transfer *t)
{
	static uint32_t x = 12345;
	uint32_t n = t->chunk;

	if (n == 0) {
		x = x * 1103515245u + 12345u;
		n = 1 + (x >> 8) % (1u << (x >> 28));
	}
	if (n > CHUNK_MAX)
		n = CHUNK_MAX;
	return t->want - t->done < n ? (size_t)(t->want - t->done) : n;
}

static void
verify(struct transfer *t, const uint8_t *got, size_t n)
{
	const uint8_t *want = pattern_at(t->seed, t->done);
	size_t i;

	if (t->bad >= 0 || memcmp(got, want, n) == 0)
		return;
	for (i = 0; got[i] == want[i]; i++)
		;
	t->bad = (int64_t)(t->done + i);
}

/* One call. False: nothing moved. */
static bool
step(struct transfer *t, int flags)
{
	static uint8_t buf[CHUNK_MAX];
	size_t n = chunk_of(t);
	ssize_t ret;

	if (t->send)
		ret = call->send(t->fd, pattern_at(t->seed, t->done), n, flags | MSG_NOSIGNAL);
	else
		ret = call->recv(t->fd, buf, n, flags);
	if (ret < 0) {
		if (errno == EINTR)
			return true;
		if (errno == EAGAIN && (flags & MSG_DONTWAIT) != 0)
			return false;
		t->error = errno;
		t->over = true;
		return false;
	}
	if (ret == 0 && !t->send) {
		t->eof = t->over = true;
		return false;
	}
	if (!t->send)
		verify(t, buf, (size_t)ret);
	t->done += (uint64_t)ret;
	t->over = t->done == t->want;
	return true;
}

static void
tell(const struct transfer *t)
{
	printf(" %llu:%d:%lld:%s", (unsigned long long)t->done, t->eof, (long long)t->bad,
			t->error != 0 ? strerrorname_np(t->error) : "-");
}

/* BYTES SEED CHUNK from word i; "end" for bytes: until the end */
static struct transfer
transfer(int fd, bool send, const char *bytes, uint32_t seed, uint32_t chunk)
{
	make_pattern();
	return (struct transfer){ .fd = fd,
		.send = send,
		.seed = seed,
		.chunk = chunk,
		.want = strcmp(bytes, "end") == 0 ? END : strtoull(bytes, NULL, 0),
		.bad = -1 };
}

static int
blocking(bool send)
{
	struct transfer t = transfer(
			number(1), send, word(2), (uint32_t)number(3), (uint32_t)number(4));

	while (!t.over && t.done < t.want)
		step(&t, 0);
	printf("ok");
	tell(&t);
	putchar('\n');
	return 0;
}

/* stream FD BYTES SEED CHUNK, in blocking calls: "ok DONE:EOF:BAD:ERROR" */
int
do_stream(void)
{
	return blocking(true);
}

/* sink FD BYTES|end SEED CHUNK */
int
do_sink(void)
{
	return blocking(false);
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Where something was possible, as much as goes, but nobody for ever. */
static void
turn(struct transfer *t, struct pollfd *fds, unsigned int n)
{
	unsigned int i, k;

	for (i = 0; i < n; i++) {
		struct transfer *one = &t[i];

		if (one->over || fds[i].revents == 0)
			continue;
		for (k = 0; k < 64 && !one->over && step(one, MSG_DONTWAIT); k++)
			;
		if (one->over)
			fds[i].fd = -1;
	}
}

/*
 * run MS FD:send|recv:BYTES|end:SEED:CHUNK ...: all of them at once, for so long at most; an answer
 * for each as of stream.
 */
int
do_run(void)
{
	static struct transfer t[WORDS_MAX];
	static struct pollfd fds[WORDS_MAX];
	uint64_t until = now_ms() + (uint64_t)number(1), now;
	unsigned int i, n = (unsigned int)words_n - 2, left;

	for (i = 0; i < n; i++) {
		char how[8] = "", bytes[24] = "";
		unsigned int seed = 0, chunk = 0;
		int fd = -1;

		sscanf(word((int)i + 2), "%d:%7[a-z]:%23[0-9a-z]:%u:%u", &fd, how, bytes, &seed,
				&chunk);
		t[i] = transfer(fd, how[0] == 's', bytes, seed, chunk);
		t[i].over = t[i].want == 0;
		fds[i] = (struct pollfd){ .fd = t[i].over ? -1 : fd,
			.events = how[0] == 's' ? POLLOUT : POLLIN };
	}
	do {
		for (left = 0, i = 0; i < n; i++)
			left += !t[i].over;
		now = now_ms();
		if (left == 0 || now >= until)
			break;
		if (call->poll(fds, n, (int)(until - now)) > 0)
			turn(t, fds, n);
	} while (true);
	printf("ok");
	for (i = 0; i < n; i++)
		tell(&t[i]);
	putchar('\n');
	return 0;
}

/* listen FD BACKLOG */
int
do_listen(void)
{
	return answer(call->listen(number(1), number(2)));
}

/* accept FD [N]: "ok FD ADDR PORT ..." of each */
int
do_accept(void)
{
	struct sockaddr_in from[WORDS_MAX];
	int fds[WORDS_MAX], i, n = words_n > 2 ? number(2) : 1;
	char text[INET_ADDRSTRLEN];

	for (i = 0; i < n; i++) {
		socklen_t len = sizeof(from[i]);

		do {
			fds[i] = call->accept(number(1), (struct sockaddr *)&from[i], &len);
		} while (fds[i] < 0 && errno == EINTR);
		if (fds[i] < 0)
			return answer(-1);
	}
	printf("ok");
	for (i = 0; i < n; i++)
		printf(" %d %s %u", fds[i],
				inet_ntop(AF_INET, &from[i].sin_addr, text, sizeof(text)),
				ntohs(from[i].sin_port));
	putchar('\n');
	return 0;
}

static int
connect_begin(const struct sockaddr_in *to)
{
	int fd = call->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (call->connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 &&
			errno != EINPROGRESS)
		return -1;
	return fd;
}

bool
connect_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0, ret;
	socklen_t len = sizeof(error);

	do {
		ret = call->poll(&p, 1, 30000);
	} while (ret < 0 && errno == EINTR);
	if (ret == 0)
		errno = ETIME;
	if (ret <= 0 || call->getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return false;
	errno = error;
	return error == 0;
}

/* many N ADDR PORT: so many connections, begun at the same time: "ok FD ..." */
int
do_many(void)
{
	struct sockaddr_in to = address(2);
	int fds[WORDS_MAX], i, n = number(1);

	for (i = 0; i < n; i++) {
		fds[i] = connect_begin(&to);
		if (fds[i] < 0)
			return answer(-1);
	}
	for (i = 0; i < n; i++)
		if (!connect_end(fds[i]))
			return answer(-1);
	printf("ok");
	for (i = 0; i < n; i++)
		printf(" %d", fds[i]);
	putchar('\n');
	return 0;
}

/* file PATH BYTES SEED: the pattern as a file, for programs that know none */
int
do_file(void)
{
	struct transfer t = transfer(-1, true, word(2), (uint32_t)number(3), CHUNK_MAX);
	int fd = open(word(1), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		return answer(-1);
	for (; t.done < t.want; t.done += chunk_of(&t))
		if (write(fd, pattern_at(t.seed, t.done), chunk_of(&t)) < 0)
			break;
	close(fd);
	return answer(t.done == t.want ? 0 : -1);
}
