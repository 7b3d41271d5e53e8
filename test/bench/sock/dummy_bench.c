/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a dummy send is good for: cycles of the send that follows, with caches in which nothing of
 * it is left, with the same after a dummy, and with nothing in between. Rounds of the three in turn
 * within one run; medians.
 */
#include <inttypes.h>

#include <rte_cycles.h>

#include "sock_test.h"

#define ROUNDS 301
#define BYTES (64u << 20) /* more than the caches have */
#define LEN 200
#define DUMMY 0x400

enum mode { COLD, DUMMIES, WARM, MODES };

static void
evict(char *memory)
{
	for (uint32_t i = 0; i < BYTES; i += 64)
		memory[i]++;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
one(int fd, enum mode mode, char *memory)
{
	static char data[LEN];
	uint64_t start;

	if (mode == WARM)
		assert_int_equal(dpvma_send(fd, data, LEN, 0), LEN);
	else
		evict(memory);
	if (mode == DUMMIES)
		assert_int_equal(dpvma_send(fd, data, LEN, DUMMY), LEN);
	start = rte_rdtsc_precise();
	if (dpvma_send(fd, data, LEN, 0) != LEN)
		abort();
	start = rte_rdtsc_precise() - start;
	test_drain();
	return start;
}

int
main(void)
{
	static uint64_t cycles[MODES][ROUNDS];
	struct sockaddr_in to;
	char *memory = calloc(1, BYTES);
	uint16_t port;
	int fd;

	if (memory == NULL)
		return 2;
	test_start(NULL);
	to = test_addr(PEER, PEER_PORT);
	fd = test_bound(&port);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	for (int i = 0; i < ROUNDS; i++)
		for (enum mode m = 0; m < MODES; m++)
			cycles[m][i] = one(fd, m, memory);
	for (enum mode m = 0; m < MODES; m++)
		qsort(cycles[m], ROUNDS, sizeof(cycles[m][0]), by_size);
	printf("cycles of a send: caches cold %" PRIu64 ", cold and a dummy before %" PRIu64
	       ", warm %" PRIu64 "\n",
			cycles[COLD][ROUNDS / 2], cycles[DUMMIES][ROUNDS / 2],
			cycles[WARM][ROUNDS / 2]);
	dpvma_close(fd);
	test_stop();
	free(memory);
	return 0;
}
