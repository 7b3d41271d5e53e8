/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows of one key on several rings of a port that does not steer: who may join, which ring knows
 * whom, how the buckets are shared, that most stay when one comes or goes, and what software is
 * told to do. What the device does with them is the wire tests'.
 */
#include <rte_random.h>

#include "ring_test.h"

#define RINGS 5
#define PEERS 4096

static struct ring *r[RINGS];
static struct test_sink sink[RINGS];
static struct port *port;

static void
start(const char *spread)
{
	struct ring_alloc s = test_alloc(CONF_RING_PER_SOCKET);

	test_start("VMA_RX_BUFS=4096", "VMA_TX_BUFS=4096", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=8", spread, NULL);
	port = port_by_name("net_ring0");
	for (unsigned int i = 0; i < RINGS; i++) {
		s.sock = 100 + i;
		r[i] = test_acquire(port, &s);
		test_sink_init(&sink[i]);
	}
}

static void
stop(void)
{
	for (unsigned int i = 0; i < RINGS; i++)
		ring_release(r[i]);
	test_stop();
}

static struct flow *
look(struct ring *ring, struct flow_key key)
{
	const struct flow_key *keys[1] = { &key };
	struct flow *f;

	ring_rx_lock(ring);
	ring_flow_lookup(ring, keys, &f, 1);
	ring_rx_unlock(ring);
	return f;
}

static struct flow *
join(unsigned int i)
{
	struct flow_key key = test_key(1, 53, 0, 0);
	struct flow *f = NULL;

	assert_int_equal(ring_flow_add(r[i], &key, &sink[i].sink, FLOW_RULE | FLOW_SPREAD, &f), 0);
	assert_ptr_equal(f->ring, r[i]);
	return f;
}

/* Whose each of many peers is, and how many each has. */
static void
whose(const struct flow *any, struct flow **owner, unsigned int *share)
{
	memset(share, 0, RINGS * sizeof(*share));
	for (unsigned int i = 0; i < PEERS; i++) {
		struct flow_key k =
				test_key(1, 53, (uint8_t)(1 + i % 200), (uint16_t)(1024 + i * 7));

		owner[i] = ring_spread_flow(any, &k);
		for (unsigned int j = 0; j < RINGS; j++)
			share[j] += owner[i]->ring == r[j];
	}
}

static void
test_joining(void **state)
{
	struct flow_key key = test_key(1, 53, 0, 0), plain = test_key(1, 54, 0, 0);
	struct flow *f, *g, *h;
	char text[RING_FLOW_TEXT];

	(void)state;
	start(NULL);
	f = join(0);
	ring_flow_text(f, text, sizeof(text));
	assert_non_null(strstr(text, "software steers to ring"));
	/* one that shares and one that does not, and two of one ring */
	assert_int_equal(ring_flow_add(r[1], &key, &sink[1].sink, FLOW_RULE, &g), -EEXIST);
	assert_int_equal(ring_flow_add(r[0], &key, &sink[1].sink, FLOW_SPREAD, &g), -EEXIST);
	assert_int_equal(ring_flow_add(r[1], &plain, &sink[1].sink, 0, &h), 0);
	assert_int_equal(ring_flow_add(r[2], &plain, &sink[1].sink, FLOW_SPREAD, &g), -EEXIST);
	ring_flow_del(h);
	assert_int_equal(ring_flow_add(r[1], &key, &sink[1].sink, FLOW_SPREAD | FLOW_CYCLIC, &g),
			-EINVAL);
	/* alone it is as any flow: everybody knows it, nothing is spread */
	assert_ptr_equal(look(r[3], key), f);
	assert_int_equal(f->flags & FLOW_SOFT, 0);
	g = join(2);
	assert_true((f->flags & FLOW_SOFT) != 0 && (g->flags & FLOW_SOFT) != 0);
	assert_ptr_equal(look(r[0], key), f);
	assert_ptr_equal(look(r[2], key), g);
	assert_ptr_equal(look(r[1], key), f);
	assert_non_null(r[0]->handover);
	assert_non_null(r[2]->handover);
	ring_flow_text(g, text, sizeof(text));
	assert_non_null(strstr(text, "one of 2, software spreads, 64 of 128"));
	assert_int_equal(ring_flow_move(f, r[2]), -EEXIST);
	assert_int_equal(ring_flow_move(f, r[1]), 0);
	assert_ptr_equal(look(r[1], key), f);
	assert_ptr_equal(look(r[0], key), f);
	assert_ptr_equal(look(r[2], key), g);
	assert_int_equal(r[0]->plain_flows, 0);
	assert_int_equal(r[1]->plain_flows, 1);
	/* the first goes: who knew it knows another */
	ring_flow_del(f);
	for (unsigned int i = 0; i < RINGS; i++)
		assert_ptr_equal(look(r[i], key), g);
	assert_int_equal(g->flags & FLOW_SOFT, 0);
	ring_flow_del(g);
	for (unsigned int i = 0; i < RINGS; i++)
		assert_null(look(r[i], key));
	assert_int_equal(ring_flow_add(r[1], &key, &sink[1].sink, 0, &g), 0);
	ring_flow_del(g);
	stop();
}

/* A ring that is made later finds the group. */
static void
test_late_ring(void **state)
{
	struct ring_alloc s = test_alloc(CONF_RING_PER_SOCKET);
	struct flow_key key = test_key(1, 53, 0, 0);
	struct ring *late;
	struct flow *f, *g;

	(void)state;
	start(NULL);
	f = join(0);
	g = join(1);
	s.sock = 200;
	late = test_acquire(port, &s);
	assert_ptr_equal(look(late, key), f);
	ring_flow_del(f);
	assert_ptr_equal(look(late, key), g);
	ring_flow_del(g);
	assert_null(look(late, key));
	ring_release(late);
	stop();
}

/* Shares are even, and no bucket moves between two that stay. */
static void
test_buckets(void **state)
{
	static struct flow *before[PEERS], *after[PEERS];
	struct flow *f[RINGS], *gone;
	unsigned int share[RINGS], moved;

	(void)state;
	start(NULL);
	f[0] = join(0);
	whose(f[0], before, share);
	assert_int_equal(share[0], PEERS);
	for (unsigned int n = 2; n <= RINGS; n++) {
		f[n - 1] = join(n - 1);
		whose(f[0], after, share);
		moved = 0;
		for (unsigned int i = 0; i < PEERS; i++) {
			assert_true(after[i] == before[i] || after[i] == f[n - 1]);
			moved += after[i] != before[i];
		}
		for (unsigned int j = 0; j < n; j++)
			assert_true(share[j] > PEERS / n * 2 / 3 && share[j] < PEERS / n * 3 / 2);
		assert_int_equal(moved, share[n - 1]);
		memcpy(before, after, sizeof(before));
	}
	gone = f[2];
	ring_flow_del(gone);
	whose(f[0], after, share);
	for (unsigned int i = 0; i < PEERS; i++)
		assert_true(before[i] == gone ? after[i] != gone : after[i] == before[i]);
	assert_int_equal(share[2], 0);
	f[2] = join(2);
	for (unsigned int i = 0; i < RINGS; i++)
		ring_flow_del(f[i]);
	stop();
}

/* By arrival nothing leaves the ring of a member. */
static void
test_arrival(void **state)
{
	struct flow *f, *g;
	char text[RING_FLOW_TEXT];

	(void)state;
	start("DPVMA_SPREAD=arrival");
	f = join(0);
	g = join(1);
	assert_int_equal((f->flags | g->flags) & FLOW_SOFT, 0);
	ring_flow_text(f, text, sizeof(text));
	assert_non_null(strstr(text, "has what arrives there"));
	ring_flow_del(g);
	ring_flow_del(f);
	stop();
}

/* Members come, go and move at random; what is left over when all ends is not lost memory. */
static void
test_random(void **state)
{
	static struct flow *owner[PEERS];
	struct flow_key key = test_key(1, 53, 0, 0);
	struct flow *f[RINGS] = { NULL };
	unsigned int share[RINGS], n = 0;

	(void)state;
	start(NULL);
	rte_srand(7);
	for (unsigned int round = 0; round < 300; round++) {
		unsigned int i = (unsigned int)rte_rand_max(RINGS), j = (i + 1) % RINGS;

		if (f[i] == NULL) {
			f[i] = join(i);
			n++;
		} else if (f[j] == NULL && round % 3 == 0) {
			assert_int_equal(ring_flow_move(f[i], r[j]), 0);
			f[j] = f[i];
			f[i] = NULL;
		} else {
			ring_flow_del(f[i]);
			f[i] = NULL;
			n--;
		}
		for (i = 0; i < RINGS; i++) {
			struct flow *found = look(r[i], key);

			assert_true(n == 0 ? found == NULL : found != NULL);
			assert_true(f[i] == NULL ? n == 0 || found->ring != r[i] : found == f[i]);
			if (f[i] != NULL)
				assert_int_equal((f[i]->flags & FLOW_SOFT) != 0, n > 1);
			assert_int_equal(r[i]->plain_flows, f[i] != NULL);
		}
		if (n == 0)
			continue;
		whose(look(r[0], key), owner, share);
		for (i = 0; i < RINGS; i++)
			assert_int_equal(share[i] > 0, f[i] != NULL);
	}
	for (unsigned int i = 0; i < RINGS; i++)
		if (f[i] == NULL)
			join(i);
	test_stop();
}

static int
setup(void **state)
{
	(void)state;
	test_eal("256", "net_ring0", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	test_eal_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joining),
		cmocka_unit_test(test_late_ring),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_arrival),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
