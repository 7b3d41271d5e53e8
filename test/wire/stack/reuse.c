/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads with a ring each, and each a socket of one number by SO_REUSEPORT: reuse ADDRESS PORT
 * FLOWS EACH [refuse]. The datagrams are two words in network order, the sender's flow and its
 * count, below FLOWS and EACH. A line of standard input is obeyed and answered with one of JSON:
 * "open THREAD", "close THREAD", "count" (by thread, all, those that came twice), "owners" (of each
 * flow the thread that had it last), "missing" (how many of each flow below the last that came),
 * "dump". With "refuse" the device is made to refuse rules that lead to several queues.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_flow.h>

#include "sock/dpvma.h"

#define THREADS 4

static struct thread {
	pthread_t id;
	int want, have; /* a socket; written by main, by the thread */
	unsigned int got;
} threads[THREADS];

static struct sockaddr_in local;
static uint32_t flows, each;
static bool refuse, ending;
static uint8_t *seen;
static uint32_t *last; /* of a flow, count + 1 */
static int *owner;
static unsigned int twice, strange;

/* In place of DPDK's for the library too: the program exports it. */
#pragma GCC visibility push(default)
struct rte_flow *
rte_flow_create(uint16_t port_id, const struct rte_flow_attr *attr,
		const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		struct rte_flow_error *error)
{
	struct rte_flow *(*real)(uint16_t, const struct rte_flow_attr *,
			const struct rte_flow_item *, const struct rte_flow_action *,
			struct rte_flow_error *);
	void *p = dlsym(RTLD_NEXT, __func__);

	memcpy(&real, &p, sizeof(real));
	if (refuse && actions[0].type == RTE_FLOW_ACTION_TYPE_RSS) {
		rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, NULL, "no queues");
		return NULL;
	}
	return real(port_id, attr, pattern, actions, error);
}
#pragma GCC visibility pop

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static int
open_socket(void)
{
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), on = 1, room = 4 << 20;

	if (fd < 0)
		die("socket");
	if (dpvma_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
			dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) != 0)
		die("setsockopt");
	if (dpvma_bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		die("bind");
	return fd;
}

static void
note(struct thread *t, const uint32_t *words, ssize_t n)
{
	uint32_t flow = ntohl(words[0]), count = ntohl(words[1]);

	if (n != 8 || flow >= flows || count >= each) {
		__atomic_add_fetch(&strange, 1, __ATOMIC_RELAXED);
		return;
	}
	if (__atomic_exchange_n(&seen[flow * each + count], 1, __ATOMIC_RELAXED) != 0)
		__atomic_add_fetch(&twice, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&owner[flow], (int)(t - threads), __ATOMIC_RELAXED);
	if (__atomic_load_n(&last[flow], __ATOMIC_RELAXED) < count + 1)
		__atomic_store_n(&last[flow], count + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&t->got, t->got + 1, __ATOMIC_RELAXED);
}

static void *
run(void *arg)
{
	struct thread *t = arg;
	uint32_t words[4];
	int fd = -1, want;
	ssize_t n;

	while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
		want = __atomic_load_n(&t->want, __ATOMIC_ACQUIRE);
		if (want != 0 && fd < 0)
			fd = open_socket();
		n = fd < 0 ? -1 : dpvma_recv(fd, words, sizeof(words), MSG_DONTWAIT);
		if (n >= 0) {
			note(t, words, n);
			continue;
		}
		if (fd >= 0 && errno != EAGAIN)
			die("recv");
		/* with nothing left in it */
		if (want == 0 && fd >= 0) {
			dpvma_close(fd);
			fd = -1;
		}
		__atomic_store_n(&t->have, fd >= 0, __ATOMIC_RELEASE);
		sched_yield();
	}
	if (fd >= 0)
		dpvma_close(fd);
	return NULL;
}

static void
switch_socket(struct thread *t, int on)
{
	__atomic_store_n(&t->want, on, __ATOMIC_RELEASE);
	while (__atomic_load_n(&t->have, __ATOMIC_ACQUIRE) != on)
		sched_yield();
	printf("{}\n");
}

static void
tell_count(void)
{
	unsigned int all = 0, one;

	printf("{\"threads\":[");
	for (unsigned int i = 0; i < THREADS; i++) {
		one = __atomic_load_n(&threads[i].got, __ATOMIC_RELAXED);
		all += one;
		printf("%s%u", i != 0 ? "," : "", one);
	}
	printf("],\"all\":%u,\"twice\":%u,\"strange\":%u}\n", all, twice, strange);
}

static unsigned int
missing_of(uint32_t flow)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < last[flow]; i++)
		n += seen[flow * each + i] == 0;
	return n;
}

static void
tell_flows(bool owners)
{
	printf("[");
	for (uint32_t f = 0; f < flows; f++)
		printf("%s%d", f != 0 ? "," : "", owners ? owner[f] : (int)missing_of(f));
	printf("]\n");
}

static void
obey(const char *line)
{
	unsigned int i;

	if (sscanf(line, "open %u", &i) == 1 && i < THREADS)
		switch_socket(&threads[i], 1);
	else if (sscanf(line, "close %u", &i) == 1 && i < THREADS)
		switch_socket(&threads[i], 0);
	else if (strcmp(line, "count\n") == 0)
		tell_count();
	else if (strcmp(line, "owners\n") == 0 || strcmp(line, "missing\n") == 0)
		tell_flows(line[0] == 'o');
	else if (strcmp(line, "dump\n") != 0 || dpvma_dump_json(stdout) != 0)
		exit(2);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char line[64];

	if (argc < 5)
		return 2;
	local.sin_family = AF_INET;
	inet_pton(AF_INET, argv[1], &local.sin_addr);
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	flows = (uint32_t)atoi(argv[3]);
	each = (uint32_t)atoi(argv[4]);
	refuse = argc > 5;
	seen = calloc(flows, each);
	last = calloc(flows, sizeof(*last));
	owner = calloc(flows, sizeof(*owner));
	if (seen == NULL || last == NULL || owner == NULL)
		return 1;
	if (dpvma_init() != 0)
		die("init");
	for (unsigned int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
			die("thread");
	printf("{}\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		obey(line);
	__atomic_store_n(&ending, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	dpvma_exit();
	free(seen);
	free(last);
	free(owner);
	return 0;
}
