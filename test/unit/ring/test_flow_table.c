/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table against a model: precedence of the tiers, VLANs, growth, deletion that leaves no
 * search cut short, and bursts that mix all of it.
 */
#include <rte_random.h>

#include "ring_test.h"

#define MANY 10000

static struct flow *
flow_new(const struct flow_key *key)
{
	struct flow *f = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*f)));

	assert_non_null(f);
	memset(f, 0, sizeof(*f));
	f->key = *key;
	if (ip_is_any(&f->key.local))
		memset(&f->key.local, 0, sizeof(f->key.local));
	return f;
}

static struct flow *
add(struct flow_table *t, struct flow_key key)
{
	struct flow *f = flow_new(&key);

	assert_int_equal(flow_table_add(t, f), 0);
	return f;
}

static void
del(struct flow_table *t, struct flow *f)
{
	assert_true(flow_table_del(t, f));
	free(f);
}

static struct flow *
look(const struct flow_table *t, struct flow_key key)
{
	const struct flow_key *keys[1] = { &key };
	struct flow *f;

	flow_table_lookup(t, keys, &f, 1);
	return f;
}

static void
test_precedence(void **state)
{
	struct flow_table *t = flow_table_create();
	struct flow_key packet = test_key(1, 53, 2, 4000);
	struct flow *any, *three, *five, *other;

	(void)state;
	assert_null(look(t, packet));
	any = add(t, test_key(0, 53, 0, 0));
	assert_ptr_equal(look(t, packet), any);
	three = add(t, test_key(1, 53, 0, 0));
	assert_ptr_equal(look(t, packet), three);
	five = add(t, packet);
	other = add(t, test_key(1, 53, 2, 4001));
	assert_ptr_equal(look(t, packet), five);
	assert_ptr_equal(look(t, test_key(1, 53, 2, 4001)), other);
	/* from elsewhere, to another address, to another port, over another protocol */
	assert_ptr_equal(look(t, test_key(1, 53, 3, 4000)), three);
	assert_ptr_equal(look(t, test_key(7, 53, 2, 4000)), any);
	assert_null(look(t, test_key(1, 54, 2, 4000)));
	packet.proto = IPPROTO_TCP;
	assert_null(look(t, packet));
	packet.proto = IPPROTO_UDP;
	/* exact finds tell the tiers apart */
	assert_ptr_equal(flow_table_find(t, &three->key), three);
	assert_ptr_equal(flow_table_find(t, &any->key), any);
	del(t, five);
	assert_ptr_equal(look(t, packet), three);
	del(t, three);
	assert_ptr_equal(look(t, packet), any);
	del(t, any);
	assert_null(look(t, packet));
	assert_int_equal(flow_table_count(t), 1);
	del(t, other);
	flow_table_free(t);
}

static void
test_vlan(void **state)
{
	struct flow_table *t = flow_table_create();
	struct flow_key tagged = test_key(1, 53, 2, 4000), key = test_key(0, 53, 0, 0);
	struct flow *five, *every;

	(void)state;
	tagged.vlan_id = 5;
	key.vlan_id = 5;
	five = add(t, key);
	key.vlan_id = FLOW_VLAN_ANY;
	every = add(t, key);
	assert_ptr_equal(look(t, tagged), five);
	tagged.vlan_id = 6;
	assert_ptr_equal(look(t, tagged), every);
	tagged.vlan_id = 0;
	assert_ptr_equal(look(t, tagged), every);
	del(t, every);
	assert_null(look(t, tagged));
	del(t, five);
	/* a 3-tuple keeps to its own */
	key = test_key(1, 53, 0, 0);
	key.vlan_id = 7;
	five = add(t, key);
	assert_null(look(t, tagged));
	tagged.vlan_id = 7;
	assert_ptr_equal(look(t, tagged), five);
	del(t, five);
	flow_table_free(t);
}

static void
test_same_key(void **state)
{
	struct flow_table *t = flow_table_create();
	struct flow_key key = test_key(1, 53, 0, 0);
	struct flow *f = add(t, key), *twin = flow_new(&key);

	(void)state;
	assert_int_equal(flow_table_add(t, f), 0);
	assert_int_equal(flow_table_count(t), 1);
	/* another flow of that key is not there, so it cannot be taken out */
	assert_false(flow_table_del(t, twin));
	assert_ptr_equal(look(t, key), f);
	del(t, f);
	assert_false(flow_table_del(t, twin));
	free(twin);
	flow_table_free(t);
}

static struct flow_key
key_nth(unsigned int i)
{
	struct flow_key k = test_key((uint8_t)(1 + i % 3), (uint16_t)(1 + i / 3), 0, 0);

	if (i % 7 == 0) {
		k.remote = ip_from_v4(rte_cpu_to_be_32(0x0a020000 + i));
		k.rport = rte_cpu_to_be_16((uint16_t)(i + 1));
	}
	return k;
}

/* Flows come and go at random; after each round a sample of all, there or not, is looked up. */
static void
test_many(void **state)
{
	struct flow_table *t = flow_table_create();
	static struct flow *there[MANY];
	static struct flow_key keys[MANY];
	const struct flow_key *burst[RING_BURST_MAX];
	struct flow *found[RING_BURST_MAX];
	unsigned int n = 0;

	(void)state;
	rte_srand(7);
	for (unsigned int i = 0; i < MANY; i++)
		keys[i] = key_nth(i);
	for (unsigned int round = 0; round < 40; round++) {
		/* grows to all of them, shrinks to few */
		unsigned int keep = round < 20 ? 90 : 10;

		for (unsigned int j = 0; j < MANY / 2; j++) {
			unsigned int i = (unsigned int)rte_rand_max(MANY);
			bool want = rte_rand_max(100) < keep;

			if (want && there[i] == NULL) {
				there[i] = add(t, keys[i]);
				n++;
			} else if (!want && there[i] != NULL) {
				del(t, there[i]);
				there[i] = NULL;
				n--;
			}
		}
		assert_int_equal(flow_table_count(t), n);
		for (unsigned int first = 0; first < MANY; first += 250) {
			for (unsigned int i = 0; i < 250; i++)
				burst[i] = &keys[first + i];
			flow_table_lookup(t, burst, found, 250);
			for (unsigned int i = 0; i < 250; i++) {
				/* a 5-tuple that is not there has no 3-tuple beside it either */
				assert_ptr_equal(found[i], there[first + i]);
			}
		}
	}
	for (unsigned int i = 0; i < MANY; i++)
		if (there[i] != NULL)
			del(t, there[i]);
	assert_int_equal(flow_table_count(t), 0);
	flow_table_free(t);
}

/* Every packet of a burst by a tier of its own. */
static void
test_mixed_burst(void **state)
{
	struct flow_table *t = flow_table_create();
	struct flow_key keys[100];
	const struct flow_key *burst[100];
	struct flow *found[100], *flows[4];

	(void)state;
	flows[0] = add(t, test_key(1, 10, 2, 99));
	flows[1] = add(t, test_key(1, 11, 0, 0));
	flows[2] = add(t, test_key(0, 12, 0, 0));
	flows[3] = NULL;
	for (unsigned int i = 0; i < 100; i++) {
		keys[i] = test_key(1, (uint16_t)(10 + i % 4), 2, 99);
		burst[i] = &keys[i];
	}
	flow_table_lookup(t, burst, found, 100);
	for (unsigned int i = 0; i < 100; i++)
		assert_ptr_equal(found[i], flows[i % 4]);
	for (unsigned int i = 0; i < 3; i++)
		del(t, flows[i]);
	flow_table_free(t);
}

/*
 * Keys that are not there: of a million some look right by the sixteen bits of hash that a slot
 * keeps, and of ten thousand that are there some stand behind such a one.
 */
static void
test_strangers(void **state)
{
	struct flow_table *t = flow_table_create();
	static struct flow *there[MANY];
	struct flow_key keys[RING_BURST_MAX];
	const struct flow_key *burst[RING_BURST_MAX];
	struct flow *found[RING_BURST_MAX];

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		there[i] = add(t, test_key(1, (uint16_t)(i + 1), 0, 0));
	for (unsigned int i = 0; i < RING_BURST_MAX; i++)
		burst[i] = &keys[i];
	for (uint32_t n = 0; n < 2000000; n += RING_BURST_MAX) {
		for (unsigned int i = 0; i < RING_BURST_MAX; i++) {
			keys[i] = test_key(2, 53, 2, 4000);
			keys[i].local = ip_from_v4(rte_cpu_to_be_32(0x0b000000 + n + i));
		}
		flow_table_lookup(t, burst, found, RING_BURST_MAX);
		for (unsigned int i = 0; i < RING_BURST_MAX; i++)
			assert_null(found[i]);
	}
	for (unsigned int i = 0; i < MANY; i++) {
		assert_ptr_equal(look(t, there[i]->key), there[i]);
		del(t, there[i]);
	}
	flow_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_same_key),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_mixed_burst),
		cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
