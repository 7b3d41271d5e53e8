/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection table against a model, and with a million connections: what is there is found in
 * every phase of growing and shrinking, and no call looks at or moves many slots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_random.h>

#include "tcp/tcp_priv.h"

#define MILLION 1000000u
#define BURST 77u

/* Of a connection the table knows key and hash alone, which are at its start. */
#define CONN_BYTES RTE_ALIGN_CEIL(offsetof(struct tcp_conn, hash) + sizeof(uint32_t), 64)

static struct table table;
static char *conns;

static struct tcp_conn *
conn_at(unsigned int i)
{
	return (struct tcp_conn *)(conns + (size_t)i * CONN_BYTES);
}

static struct tcp_key
key_at(unsigned int i)
{
	return (struct tcp_key){
		.local = ip_from_v4(RTE_BE32(0x0a000001)),
		.remote = ip_from_v4(rte_cpu_to_be_32(0x0b000000 + i / 50000)),
		.lport = RTE_BE16(80),
		.rport = rte_cpu_to_be_16((uint16_t)(1024 + i % 50000)),
	};
}

static void
make(unsigned int n)
{
	conns = aligned_alloc(64, (size_t)n * CONN_BYTES);
	assert_non_null(conns);
	for (unsigned int i = 0; i < n; i++) {
		conn_at(i)->key = key_at(i);
		conn_at(i)->hash = table_hash(&table, &conn_at(i)->key);
	}
}

static struct tcp_conn *
look(unsigned int i)
{
	struct tcp_key key = key_at(i);

	return table_find(&table, &key, table_hash(&table, &key));
}

static int
setup(void **state)
{
	(void)state;
	rte_srand(21);
	return table_init(&table, 4711);
}

static int
teardown(void **state)
{
	(void)state;
	table_fini(&table);
	free(conns);
	conns = NULL;
	return 0;
}

/* Slots from the home of each connection to where it is, the most. */
static uint32_t
longest_probe(const struct table *t)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i <= t->mask; i++)
		if (t->slots[i].used != 0)
			most = RTE_MAX(most, (i - t->slots[i].hash) & t->mask);
	return most;
}

static void
test_empty(void **state)
{
	struct tcp_key key = key_at(1);
	const struct tcp_key *keys[1] = { &key };
	uint32_t hash = table_hash(&table, &key);
	struct tcp_conn *conn = (struct tcp_conn *)&key;

	(void)state;
	assert_null(table_find(&table, &key, hash));
	table_find_bulk(&table, keys, &hash, &conn, 1);
	assert_null(conn);
	table_find_bulk(&table, keys, &hash, &conn, 0);
	assert_int_equal(table_count(&table), 0);
}

/* Every bit of the key counts, and the seed. */
static void
test_hash(void **state)
{
	struct table other;
	struct tcp_key key = key_at(3), k;
	uint32_t h = table_hash(&table, &key);
	unsigned int low[64] = { 0 };

	(void)state;
	assert_int_equal(table_init(&other, 4712), 0);
	assert_int_not_equal(table_hash(&other, &key), h);
	table_fini(&other);
	for (unsigned int bit = 0; bit < sizeof(key) * 8; bit++) {
		k = key;
		((uint8_t *)&k)[bit / 8] ^= 1u << bit % 8;
		assert_int_not_equal(table_hash(&table, &k), h);
		low[table_hash(&table, &k) % 64]++;
	}
	for (unsigned int i = 0; i < 64; i++)
		assert_true(low[i] < 20); /* 5 expected */
}

/* Two words of a key changed so that a CRC stays as it is: the hash does not, for any seed. */
static void
test_no_linear_collisions(void **state)
{
	unsigned int same = 0;

	(void)state;
	for (uint32_t seed = 0; seed < 2000; seed++) {
		struct tcp_key a = key_at(7), b = key_at(7);
		struct table t;

		assert_int_equal(table_init(&t, seed), 0);
		/* x^64 mod P added here is taken off there: a collision of CRC-32C */
		b.remote.d[1] ^= UINT64_C(1) << 63;
		b.rport ^= 0xdcb1;
		same += table_hash(&t, &a) == table_hash(&t, &b);
		/* a swap of words, which a sum without keys does not see */
		b = a;
		b.local = a.remote;
		b.remote = a.local;
		same += table_hash(&t, &a) == table_hash(&t, &b);
		table_fini(&t);
	}
	assert_int_equal(same, 0);
}

static void
check_burst(const bool *in, unsigned int n)
{
	struct tcp_key key[BURST];
	const struct tcp_key *keys[BURST];
	uint32_t hashes[BURST];
	struct tcp_conn *found[BURST];
	unsigned int first = (unsigned int)rte_rand_max(n);

	for (unsigned int i = 0; i < BURST; i++) {
		key[i] = key_at((first + i) % n);
		keys[i] = &key[i];
		hashes[i] = table_hash(&table, &key[i]);
	}
	table_find_bulk(&table, keys, hashes, found, BURST);
	for (unsigned int i = 0; i < BURST; i++) {
		unsigned int c = (first + i) % n;

		assert_ptr_equal(found[i], in[c] ? conn_at(c) : NULL);
		assert_ptr_equal(found[i], table_find(&table, keys[i], hashes[i]));
	}
}

/* Waves of more insertions and more deletions, over many sizes. */
static void
test_model(void **state)
{
	enum { N = 20000 };
	static bool in[N];
	unsigned int count = 0, grown = 0, shrunk = 0;

	(void)state;
	memset(in, 0, sizeof(in));
	make(N);
	for (unsigned int step = 0; step < 600000; step++) {
		unsigned int i = (unsigned int)rte_rand_max(N);
		bool add = rte_rand_max(100) < (step / 60000 % 2 != 0 ? 5u : 95u);
		uint32_t mask = table.mask;

		if (add && !in[i]) {
			assert_int_equal(table_add(&table, conn_at(i)), 0);
			in[i] = true;
			count++;
		} else if (!add && in[i]) {
			table_del(&table, conn_at(i));
			in[i] = false;
			count--;
		}
		grown += table.mask > mask;
		shrunk += table.mask < mask;
		assert_int_equal(table_count(&table), count);
		assert_ptr_equal(look(i), in[i] ? conn_at(i) : NULL);
		if (step % 64 == 0)
			check_burst(in, N);
	}
	assert_true(grown > 10);
	assert_true(shrunk > 5);
}

/* Keys whose hash is one and the same: all are told apart, and deletion in any order loses none. */
static void
test_same_hash(void **state)
{
	enum { N = 100 };
	bool in[N] = { false };

	(void)state;
	make(N);
	for (unsigned int round = 0; round < 50; round++) {
		/* at the end of the array, so that the run goes round */
		for (unsigned int i = 0; i < N; i++) {
			conn_at(i)->hash = UINT32_MAX - (uint32_t)rte_rand_max(round + 1);
			assert_int_equal(table_add(&table, conn_at(i)), 0);
			in[i] = true;
		}
		for (unsigned int left = N; left > 0;) {
			unsigned int i = (unsigned int)rte_rand_max(N);

			if (in[i]) {
				table_del(&table, conn_at(i));
				in[i] = false;
				left--;
			}
			for (i = 0; i < N; i++)
				assert_ptr_equal(table_find(&table, &conn_at(i)->key,
								 conn_at(i)->hash),
						in[i] ? conn_at(i) : NULL);
		}
	}
	for (uint32_t i = 0; i <= table.mask; i++)
		assert_int_equal(table.slots[i].used, 0);
}

/*
 * A run that goes round the end of an array which is being moved out of: what is behind the cursor
 * may be gone, and is not looked at.
 */
static void
test_old_run(void **state)
{
	enum { N = 140 };
	bool in[N] = { false };
	unsigned int seen_old = 0;

	(void)state;
	make(N);
	for (unsigned int i = 0; i < N; i++) {
		conn_at(i)->hash = UINT32_MAX;
		assert_int_equal(table_add(&table, conn_at(i)), 0);
		in[i] = true;
		if (table.old == NULL)
			continue;
		seen_old++;
		for (uint32_t s = 0; s < table.moved; s++)
			table.old[s].conn = (struct tcp_conn *)64;
		for (unsigned int j = 0; j < N; j++)
			assert_ptr_equal(table_find(&table, &conn_at(j)->key, UINT32_MAX),
					in[j] ? conn_at(j) : NULL);
		/* one that is in the old array still: the run there goes on behind it */
		for (unsigned int j = 0; j < N; j++) {
			if (in[j] && table.slots[table.mask].conn != conn_at(j) && j % 16 == 1) {
				table_del(&table, conn_at(j));
				in[j] = false;
				break;
			}
		}
	}
	assert_true(seen_old > 2);
}

static void
count_and_delete(struct tcp_conn *conn, void *ctx)
{
	unsigned int *seen = ctx;
	unsigned int i = (unsigned int)(((char *)conn - conns) / CONN_BYTES);

	seen[i]++;
	if (i % 3 != 0)
		table_del(&table, conn);
}

static void
count_only(struct tcp_conn *conn, void *ctx)
{
	((unsigned int *)ctx)[((char *)conn - conns) / CONN_BYTES]++;
}

/* Each is seen once while two of three are deleted on the way; in the midst of growing too. */
static void
test_foreach(void **state)
{
	enum { N = 5000 };
	static unsigned int seen[N];

	(void)state;
	make(N);
	for (unsigned int n = 1; n < N; n += 97) {
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(table_add(&table, conn_at(i)), 0);
		memset(seen, 0, sizeof(seen));
		table_foreach(&table, count_and_delete, seen);
		for (unsigned int i = 0; i < N; i++)
			assert_int_equal(seen[i], i < n);
		memset(seen, 0, sizeof(seen));
		table_foreach(&table, count_only, seen);
		for (unsigned int i = 0; i < N; i++)
			assert_int_equal(seen[i], i < n && i % 3 == 0);
		assert_int_equal(table_count(&table), (n + 2) / 3);
		for (unsigned int i = 0; i < n; i += 3)
			table_del(&table, conn_at(i));
	}
}

/* What a call did: slots of the old array that its cursor passed. */
static uint32_t
passed(const struct table *before)
{
	uint32_t from = before->old == table.old ? before->moved : 0;

	if (table.old != NULL)
		return table.moved - from;
	return before->old == NULL ? 0 : before->old_mask + 1 - before->moved;
}

static void
shuffle(uint32_t *order, uint32_t n)
{
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rte_rand_max(i + 1), o = order[i];

		order[i] = order[j];
		order[j] = o;
	}
}

/* In random order in and out; bounds on what the longest call does, in slots. */
static void
test_million(void **state)
{
	uint32_t most_passed = 0, most_moved = 0, longest = 0, live = 0;
	uint32_t *order = calloc(MILLION, sizeof(*order));

	(void)state;
	make(MILLION);
	for (uint32_t i = 0; i < MILLION; i++)
		order[i] = i;
	for (unsigned int deletes = 0; deletes < 2; deletes++) {
		shuffle(order, MILLION);
		for (uint32_t i = 0; i < MILLION; i++) {
			struct table was = table;
			uint32_t n;

			if (deletes)
				table_del(&table, conn_at(order[i]));
			else
				assert_int_equal(table_add(&table, conn_at(order[i])), 0);
			live += deletes ? -1 : 1;
			assert_int_equal(table_count(&table), live);
			assert_true(deletes || live <= (table.mask + 1) / 2);
			n = passed(&was);
			most_passed = RTE_MAX(most_passed, n);
			/* not across the start of a move, where all that is there becomes old */
			if (was.slots == table.slots) {
				n = was.old_used - table.old_used;
				most_moved = RTE_MAX(most_moved, n);
			}
			/* the load is at its highest just before it grows */
			if (!deletes && (rte_is_power_of_2(i) || i == MILLION - 1)) {
				n = longest_probe(&table);
				longest = RTE_MAX(longest, n);
			}
		}
		for (uint32_t i = 0; i < MILLION && !deletes; i++)
			assert_ptr_equal(look(i), conn_at(i));
	}
	free(order);
	assert_true(most_passed <= 32);
	assert_true(most_moved <= 9);
	/* runs grow with the logarithm of the size; 100 slots are 25 lines in a row */
	assert_true(longest < 100);
	/* as small as it was, or nearly */
	assert_true(table.mask < 1024);
}

/* Connections that come and go at a constant number leave nothing that makes searches longer. */
static void
test_no_rot(void **state)
{
	enum { N = 60000, LIVE = 30000 };
	uint32_t size;

	(void)state;
	make(N);
	for (unsigned int i = 0; i < LIVE; i++)
		assert_int_equal(table_add(&table, conn_at(i)), 0);
	size = table.mask + 1;
	for (unsigned int i = 0; i < 2000000; i++) {
		table_del(&table, conn_at(i % N));
		assert_int_equal(table_add(&table, conn_at((i + LIVE) % N)), 0);
	}
	assert_int_equal(table.mask + 1, size);
	assert_null(table.old);
	assert_true(longest_probe(&table) < 60);
	for (uint32_t i = 0, used = 0; i < size; i++) {
		used += table.slots[i].used;
		assert_true(i < size - 1 || used == LIVE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_linear_collisions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_model, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_million, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_rot, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
