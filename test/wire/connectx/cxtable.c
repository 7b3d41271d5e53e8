/* SPDX-License-Identifier: BSD-3-Clause */
/* The model's table of objects: ids are unique, looked up right, given out again, and end
 * somewhere. */
#include "connectx.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond);                          \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define N 100000

static char object[N];
static uint32_t id[N];

int
main(void)
{
	struct cx_table t = { .first = 0x100, .limit = 1 << 17 };
	uint32_t highest = 0, i, n, round;

	CHECK(cx_table_get(&t, 0) == NULL && cx_table_get(&t, UINT32_MAX) == NULL);
	for (i = 0; i < N; i++) {
		id[i] = cx_table_add(&t, &object[i]);
		CHECK(id[i] >= t.first && id[i] < t.limit);
		if (id[i] > highest)
			highest = id[i];
	}
	for (i = 0; i < N; i++)
		CHECK(cx_table_get(&t, id[i]) == &object[i]);
	/* thrice as many over time as there are ids */
	for (round = 0; round < 8; round++) {
		for (i = round % 2; i < N; i += 2) {
			cx_table_del(&t, id[i]);
			CHECK(cx_table_get(&t, id[i]) == NULL);
			cx_table_del(&t, id[i]); /* twice does no harm */
		}
		for (i = round % 2; i < N; i += 2) {
			id[i] = cx_table_add(&t, &object[i]);
			CHECK(id[i] != 0 && id[i] <= highest);
		}
		for (i = 0; i < N; i++)
			CHECK(cx_table_get(&t, id[i]) == &object[i]);
	}
	for (n = N; n < t.limit - t.first; n++)
		CHECK(cx_table_add(&t, &object[0]) != 0);
	errno = 0;
	CHECK(cx_table_add(&t, &object[0]) == 0 && errno == ENOMEM);
	free(t.slot);
	free(t.free_ids);
	return 0;
}
