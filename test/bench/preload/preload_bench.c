/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libdpvma-preload.so costs a call whose descriptor is not ours: the name as the program links
 * it against libc's own function, in turns. To be run with LD_PRELOAD; without it both are the same
 * function, and the difference is the measurement's error.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLS 2000 /**< of one function at a stretch */
#define ROUNDS 1500

typedef ssize_t (*call_fn)(int fd, void *buf, size_t len, int flags);

struct subject {
	const char *name;
	call_fn linked; /**< what the dynamic linker gives the program */
	int fd;
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ns a call */
static double
stretch(call_fn call, int fd)
{
	uint64_t start = now_ns();
	char byte = 0;
	int i;

	for (i = 0; i < CALLS; i++)
		call(fd, &byte, 1, MSG_DONTWAIT);
	return (double)(now_ns() - start) / CALLS;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), ascending);
	return v[n / 2];
}

/* Pairs one after the other, either first in turn; what counts is the median of differences. */
static void
compare(const struct subject *s, void *libc)
{
	static double bare[ROUNDS], extra[ROUNDS];
	call_fn own = (call_fn)dlsym(libc, s->name);
	double linked, cost, whole;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (i % 2 == 0)
			bare[i] = stretch(own, s->fd);
		linked = stretch(s->linked, s->fd);
		if (i % 2 != 0)
			bare[i] = stretch(own, s->fd);
		extra[i] = linked - bare[i];
	}
	whole = median(bare, ROUNDS);
	cost = median(extra, ROUNDS);
	printf("%-14s %8.1f ns bare %+7.2f ns %+6.2f %%  %s\n", s->name, whole, cost,
			100 * cost / whole, own == s->linked ? "(not interposed)" : "");
}

int
main(void)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int zero = open("/dev/zero", O_RDWR), to = socket(AF_INET, SOCK_DGRAM, 0),
	    from = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned int i;

	if (libc == NULL || zero < 0 || bind(to, (struct sockaddr *)&a, sizeof(a)) != 0 ||
			getsockname(to, (struct sockaddr *)&a, &len) != 0 ||
			connect(from, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror("setup");
		return 1;
	}
	const struct subject subjects[] = {
		{ "read", (call_fn)(void *)read, zero },
		{ "write", (call_fn)(void *)write, zero },
		/* nothing is there: EAGAIN */
		{ "recv", (call_fn)(void *)recv, from },
		/* a queue that is full drops */
		{ "send", (call_fn)(void *)send, from },
	};
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		compare(&subjects[i], libc);
	return 0;
}
