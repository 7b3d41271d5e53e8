/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent's commands for epoll, and for what another thread does while the next command sleeps.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent.h"
#include "dpvma.h"

#define EVENTS_MAX 64

/* epoll: "ok FD" */
int
do_epoll(void)
{
	return answer(dpvma_epoll_create1(0));
}

static int
control(const int *w)
{
	struct epoll_event ev = { .events = (uint32_t)w[3], .data.u64 = (uint64_t)w[4] };

	return dpvma_epoll_ctl(w[0], w[1], w[2], &ev);
}

static void
numbers(int first, int *out, int n)
{
	int i;

	for (i = 0; i < n; i++)
		out[i] = number(first + i);
}

/* epoll_ctl EPFD OP FD EVENTS DATA */
int
do_epoll_ctl(void)
{
	int w[5];

	numbers(1, w, 5);
	return answer(control(w));
}

/* epoll_wait EPFD N TIMEOUT: "ok N DATA:EVENTS ..." */
int
do_epoll_wait(void)
{
	struct epoll_event ev[EVENTS_MAX];
	int i, n = number(2) < EVENTS_MAX ? number(2) : EVENTS_MAX, ret;

	ret = dpvma_epoll_wait(number(1), ev, n, number(3));
	if (ret < 0)
		return answer(ret);
	printf("ok %d", ret);
	for (i = 0; i < ret; i++)
		printf(" %llu:%u", (unsigned long long)ev[i].data.u64, ev[i].events);
	putchar('\n');
	return 0;
}

/** @name Beside the next command */
/** @{ */
static struct {
	char what; /**< 0: nothing */
	int w[5];
	pid_t sleeper;
	pthread_t thread;
} beside;

static void
wait_asleep(void)
{
	char path[64], line[128], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", beside.sleeper);
	while (state != 'S') {
		f = fopen(path, "r");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "State: %c", &state);
		if (f != NULL)
			fclose(f);
	}
}

static void *
run(void *arg)
{
	char byte;
	int i;

	(void)arg;
	wait_asleep();
	if (beside.what == 'e')
		control(beside.w);
	for (i = 0; beside.what == 'r' && i < beside.w[1]; i++)
		dpvma_recv(beside.w[0], &byte, 1, MSG_DONTWAIT);
	return NULL;
}

/*
 * beside epoll_ctl EPFD OP FD EVENTS DATA, beside recv FD TIMES: once the command that follows
 * sleeps, by another thread. The answer is the next command's.
 */
int
do_beside(void)
{
	beside.what = word(1)[0];
	numbers(2, beside.w, 5);
	return answer(0);
}

void
beside_begin(void)
{
	beside.sleeper = gettid();
	if (beside.what != 0 && pthread_create(&beside.thread, NULL, run, NULL) != 0)
		beside.what = 0;
}

void
beside_end(void)
{
	if (beside.what != 0)
		pthread_join(beside.thread, NULL);
	beside.what = 0;
}
/** @} */
