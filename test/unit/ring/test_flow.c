/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows on a port that does not steer, and the data path: which ring knows which flow, handing over
 * between two rings, deletion while packets wait and while others poll, marks, sending.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "ring_test.h"

#define BURST 32

static struct ring *a, *b;
static struct port *port;

static void
start(const char *handover)
{
	struct ring_alloc s = test_alloc(CONF_RING_PER_SOCKET);

	test_start("VMA_RX_BUFS=4096", "VMA_TX_BUFS=4096", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=4", handover, NULL);
	port = port_by_name("net_ring0");
	s.sock = 100;
	a = test_acquire(port, &s);
	s.sock = 101;
	b = test_acquire(port, &s);
}

static void
stop(void)
{
	ring_release(b);
	ring_release(a);
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
add(struct ring *ring, struct flow_key key, struct sink *sink)
{
	struct flow *f = NULL;

	assert_int_equal(ring_flow_add(ring, &key, sink, FLOW_RULE, &f), 0);
	assert_non_null(f);
	assert_ptr_equal(f->ring, ring);
	assert_ptr_equal(f->sink, sink);
	return f;
}

static void
test_everybody_knows(void **state)
{
	struct flow_key key = test_key(1, 53, 2, 4000), any = test_key(0, 54, 0, 0);
	struct ring_alloc s = test_alloc(CONF_RING_PER_SOCKET);
	struct flow *f, *g;
	struct test_sink sink;
	struct ring *c;

	(void)state;
	start(NULL);
	test_sink_init(&sink);
	f = add(a, key, &sink.sink);
	assert_false(f->in_device);
	assert_null(f->rule);
	assert_ptr_equal(look(a, key), f);
	assert_ptr_equal(look(b, key), f);
	assert_ptr_equal(ring_flow_of_mark(a, f->mark), f);
	assert_ptr_equal(ring_flow_of_mark(b, f->mark), f);
	assert_int_not_equal(f->mark, 0);
	assert_null(ring_flow_of_mark(a, 0));
	assert_null(ring_flow_of_mark(a, 0xffffff));
	/* taken on this port, whichever ring asks */
	assert_int_equal(ring_flow_add(b, &key, &sink.sink, 0, &g), -EEXIST);
	g = add(b, any, &sink.sink);
	assert_ptr_equal(look(a, test_key(9, 54, 8, 7)), g);
	/* one that is made later learns what there is */
	s.sock = 102;
	c = test_acquire(port, &s);
	assert_ptr_equal(look(c, key), f);
	assert_ptr_equal(look(c, test_key(9, 54, 8, 7)), g);
	assert_ptr_equal(ring_flow_of_mark(c, f->mark), f);
	assert_non_null(c->handover);
	ring_flow_del(f);
	assert_null(look(a, key));
	assert_null(look(b, key));
	assert_null(look(c, key));
	/* free again */
	f = add(b, key, &sink.sink);
	ring_flow_del(f);
	ring_flow_del(g);
	ring_flow_del(NULL);
	ring_release(c);
	stop();
}

static void
test_bad_keys(void **state)
{
	struct flow_key key = test_key(1, 53, 0, 0);
	struct flow *f;

	(void)state;
	start(NULL);
	key.proto = IPPROTO_ICMP;
	assert_int_equal(ring_flow_add(a, &key, NULL, 0, &f), -EINVAL);
	key = test_key(0, 53, 2, 4000); /* remote without local */
	assert_int_equal(ring_flow_add(a, &key, NULL, 0, &f), -EINVAL);
	key = test_key(0, 0, 0, 0);
	assert_int_equal(ring_flow_add(a, &key, NULL, 0, &f), -EINVAL);
	key = test_key(1, 53, 0, 0);
	key.vlan_id = FLOW_VLAN_ANY;
	assert_int_equal(ring_flow_add(a, &key, NULL, 0, &f), -EINVAL);
	key.vlan_id = 0;
	key.rport = 1; /* a port without an address */
	assert_int_equal(ring_flow_add(a, &key, NULL, 0, &f), -EINVAL);
	stop();
}

static void
fill(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	assert_int_equal(ring_tx_alloc(ring, pkts, n), 0);
	for (uint16_t i = 0; i < n; i++)
		assert_non_null(rte_pktmbuf_append(pkts[i], 60));
}

/* What the room above does: packets received at one ring for a flow of another. */
static void
test_handover(void **state)
{
	struct flow_key key = test_key(1, 53, 0, 0);
	struct rte_mbuf *pkts[BURST], *got[BURST];
	struct test_sink sink;
	struct flow *f;

	(void)state;
	start(NULL);
	test_sink_init(&sink);
	f = add(b, key, &sink.sink);
	fill(a, pkts, BURST);
	assert_int_equal(ring_tx(a, pkts, BURST, false), BURST);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_packets), BURST);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_bytes), BURST * 60);
	/* net_ring: what leaves by a queue arrives at it */
	assert_int_equal(ring_rx(b, got, BURST), 0);
	assert_int_equal(ring_rx(a, got, BURST), BURST);
	assert_ptr_equal(look(a, key)->ring, b);
	assert_int_equal(ring_rx_handover(b, got, 0), 0);
	ring_give(a, b, got, BURST);
	assert_int_equal(STAT_GET(&a->stats, RING, handover_out), BURST);
	assert_int_equal(STAT_GET(&b->stats, RING, handover_in), 0);
	memset(got, 0, sizeof(got));
	assert_int_equal(ring_rx_handover(b, got, BURST), BURST);
	assert_int_equal(STAT_GET(&b->stats, RING, handover_in), BURST);
	assert_memory_equal(got, pkts, sizeof(got));
	f->sink->deliver(f->sink, b, got, BURST);
	assert_int_equal(sink.packets, BURST);
	assert_int_equal(ring_rx_handover(b, got, BURST), 0);
	ring_flow_del(f);
	stop();
}

static void
test_handover_full(void **state)
{
	struct rte_mbuf *pkts[100];

	(void)state;
	start("DPVMA_HANDOVER=64");
	fill(a, pkts, 100);
	ring_give(a, b, pkts, 100);
	assert_int_equal(STAT_GET(&a->stats, RING, handover_out), 63);
	assert_int_equal(STAT_GET(&a->stats, RING, handover_full), 37);
	assert_int_equal(rte_mempool_in_use_count(a->tx_pool), 63);
	/* those that wait go back with the ring */
	stop();
	assert_null(rte_mempool_lookup("dpvma_tx_0"));
}

/* The packets stay, the flow goes: they are found to be nobody's. */
static void
test_delete_while_waiting(void **state)
{
	struct flow_key key = test_key(1, 53, 0, 0);
	struct rte_mbuf *pkts[BURST];
	struct test_sink sink;
	struct flow *f;
	uint32_t mark;

	(void)state;
	start(NULL);
	test_sink_init(&sink);
	f = add(b, key, &sink.sink);
	mark = f->mark;
	fill(a, pkts, BURST);
	ring_give(a, b, pkts, BURST);
	ring_flow_del(f);
	assert_int_equal(ring_rx_handover(b, pkts, BURST), BURST);
	assert_null(look(b, key));
	assert_null(ring_flow_of_mark(b, mark));
	rte_pktmbuf_free_bulk(pkts, BURST);
	/* the number rests, so that a packet that still carries it meets no stranger */
	f = add(a, key, &sink.sink);
	assert_int_not_equal(f->mark, mark);
	ring_flow_del(f);
	stop();
}

static void
test_move(void **state)
{
	struct flow_key key = test_key(1, 53, 0, 0);
	struct ring_alloc s = test_alloc(CONF_RING_PER_SOCKET);
	struct test_sink sink, other;
	struct ring *elsewhere;
	struct flow *f;

	(void)state;
	start(NULL);
	test_sink_init(&sink);
	test_sink_init(&other);
	f = add(a, key, &sink.sink);
	assert_int_equal(a->plain_flows, 1);
	assert_false(a->plain_late);
	assert_int_equal(ring_flow_move(f, a), 0);
	assert_int_equal(a->plain_flows, 1);
	assert_int_equal(STAT_GET(&a->stats, RING, migrations), 0);
	assert_int_equal(ring_flow_move(f, b), 0);
	assert_ptr_equal(f->ring, b);
	assert_ptr_equal(look(a, key), f);
	assert_ptr_equal(look(b, key), f);
	assert_int_equal(a->plain_flows, 0);
	assert_true(a->plain_late);
	assert_int_equal(b->plain_flows, 1);
	assert_int_equal(STAT_GET(&b->stats, RING, migrations), 1);
	ring_flow_set_sink(f, &other.sink);
	assert_ptr_equal(look(b, key)->sink, &other.sink);
	elsewhere = test_acquire(port_by_name("net_ring1"), &s);
	assert_int_equal(ring_flow_move(f, elsewhere), -EXDEV);
	assert_ptr_equal(f->ring, b);
	ring_release(elsewhere);
	ring_flow_del(f);
	assert_null(look(a, key));
	assert_null(look(b, key));
	assert_int_equal(b->plain_flows, 0);
	/* a flow of the ring's cyclic reader is not counted */
	assert_int_equal(ring_flow_add(a, &key, &sink.sink, FLOW_CYCLIC, &f), 0);
	assert_int_equal(a->plain_flows, 0);
	ring_flow_del(f);
	assert_int_equal(a->plain_flows, 0);
	stop();
}

#define MANY 10000

/* Every flow keeps its number while the tables grow, also in a ring that is older than they are. */
static void
test_many(void **state)
{
	static struct flow *flows[MANY];
	struct test_sink sink;

	(void)state;
	start(NULL);
	test_sink_init(&sink);
	for (unsigned int i = 0; i < MANY; i++)
		flows[i] = add(i % 2 ? a : b, test_key(1, (uint16_t)(i + 1), 0, 0), &sink.sink);
	for (unsigned int i = 0; i < MANY; i++) {
		assert_ptr_equal(look(a, test_key(1, (uint16_t)(i + 1), 9, 9)), flows[i]);
		assert_ptr_equal(look(b, test_key(1, (uint16_t)(i + 1), 9, 9)), flows[i]);
		assert_ptr_equal(ring_flow_of_mark(a, flows[i]->mark), flows[i]);
		assert_ptr_equal(ring_flow_of_mark(b, flows[i]->mark), flows[i]);
	}
	for (unsigned int i = 0; i < MANY; i += 2)
		ring_flow_del(flows[i]);
	for (unsigned int i = 0; i < MANY; i++)
		assert_ptr_equal(look(a, test_key(1, (uint16_t)(i + 1), 9, 9)),
				i % 2 ? flows[i] : NULL);
	/* numbers come round: the table does not grow with time */
	for (unsigned int i = 0; i < 4 * MANY; i++)
		ring_flow_del(add(a, test_key(2, 53, 0, 0), &sink.sink));
	assert_true(a->by_mark_n <= 16384);
	for (unsigned int i = 1; i < MANY; i += 2)
		ring_flow_del(flows[i]);
	stop();
}

/* Flows that are left when everything ends are not lost memory. */
static void
test_left_over(void **state)
{
	struct test_sink sink;

	(void)state;
	start(NULL);
	test_sink_init(&sink);
	for (uint16_t i = 1; i < 100; i++)
		add(a, test_key(1, i, 0, 0), &sink.sink);
	test_stop();
}

struct watched {
	struct sink sink;
	uint64_t calls;
	bool gone; /* nobody may call any more */
	bool abused;
};

static bool polling;

static void
watch(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct watched *w = container_of(sink, struct watched, sink);

	(void)ring;
	(void)pkts;
	w->calls += n;
	w->abused |= __atomic_load_n(&w->gone, __ATOMIC_ACQUIRE);
}

/* A poller of b: by the table and by the mark, again and again. */
static void *
poll_b(void *arg)
{
	uint32_t *mark = arg;
	struct flow_key key = test_key(1, 53, 0, 0);
	const struct flow_key *keys[1] = { &key };
	struct flow *f;

	while (__atomic_load_n(&polling, __ATOMIC_ACQUIRE)) {
		if (!ring_rx_trylock(b))
			continue;
		ring_flow_lookup(b, keys, &f, 1);
		if (f != NULL)
			f->sink->deliver(f->sink, b, NULL, 1);
		f = ring_flow_of_mark(b, __atomic_load_n(mark, __ATOMIC_RELAXED));
		if (f != NULL)
			f->sink->deliver(f->sink, b, NULL, 1);
		ring_rx_unlock(b);
	}
	return NULL;
}

static void
test_delete_while_polling(void **state)
{
	static struct watched sinks[500];
	uint64_t calls = 0;
	uint32_t mark = 0;
	pthread_t t;

	(void)state;
	start(NULL);
	polling = true;
	assert_int_equal(pthread_create(&t, NULL, poll_b, &mark), 0);
	for (unsigned int round = 0; round < 20 || calls == 0; round++) {
		for (unsigned int i = 0; i < RTE_DIM(sinks); i++) {
			struct watched *w = &sinks[i];
			struct flow *f;

			memset(w, 0, sizeof(*w));
			w->sink.deliver = watch;
			f = add(i % 2 ? a : b, test_key(1, 53, 0, 0), &w->sink);
			__atomic_store_n(&mark, f->mark, __ATOMIC_RELAXED);
			if (i % 3 == 0)
				assert_int_equal(ring_flow_move(f, i % 2 ? b : a), 0);
			if (i % 50 == 0)
				sched_yield();
			ring_flow_del(f);
			__atomic_store_n(&w->gone, true, __ATOMIC_RELEASE);
		}
		for (unsigned int i = 0; i < RTE_DIM(sinks); i++) {
			ring_rx_lock(b);
			assert_false(sinks[i].abused);
			calls += sinks[i].calls;
			ring_rx_unlock(b);
		}
	}
	__atomic_store_n(&polling, false, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	stop();
}

/* The wire is full after a thousand packets; what is kept is the caller's, the rest is freed. */
static void
test_tx_full(void **state)
{
	static struct rte_mbuf *pkts[2000];
	struct ring_stats sum;
	uint16_t sent, more;

	(void)state;
	start(NULL);
	fill(a, pkts, 2000);
	sent = ring_tx(a, pkts, 2000, true);
	assert_true(sent > 0 && sent < 2000);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_packets), sent);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_bytes), 60u * sent);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_full), 0);
	assert_int_equal(rte_mempool_in_use_count(a->tx_pool), 2000);
	more = ring_tx(a, pkts + sent, 2000 - sent, false);
	assert_int_equal(more, 0);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_full), 2000 - sent);
	assert_int_equal(rte_mempool_in_use_count(a->tx_pool), sent);
	STAT_ADD(&a->stats, RING, tx_full, 5);
	ring_stats_sum(a, &sum);
	assert_int_equal(STAT_GET(&sum, RING, tx_full), 2005 - sent);
	assert_int_equal(ring_rx(a, pkts, 2000), sent);
	rte_pktmbuf_free_bulk(pkts, sent);
	/* all or none */
	assert_int_equal(ring_tx_alloc(a, pkts, 2000), 0);
	rte_pktmbuf_free_bulk(pkts, 2000);
	stop();
}

static void
test_tx_no_mbuf(void **state)
{
	static struct rte_mbuf *pkts[4097];

	(void)state;
	start(NULL);
	assert_int_equal(ring_tx_alloc(a, pkts, 4097), -ENOBUFS);
	assert_int_equal(STAT_GET(&a->tx_stats, RING, tx_no_mbuf), 4097);
	assert_int_equal(rte_mempool_in_use_count(a->tx_pool), 0);
	/* what was configured, and no more */
	assert_int_equal(ring_tx_alloc(a, pkts, 4096), 0);
	assert_int_equal(rte_mempool_avail_count(a->tx_pool), 0);
	rte_pktmbuf_free_bulk(pkts, 4096);
	stop();
}

static void *
lcore_of_thread(void *arg)
{
	unsigned int *ids = arg;

	ids[0] = rte_lcore_id();
	ring_thread();
	ids[1] = rte_lcore_id();
	ring_thread();
	ids[2] = rte_lcore_id();
	return NULL;
}

/* Threads of a program get caches, and what they had comes back when they end. */
static void
test_threads(void **state)
{
	unsigned int ids[3];
	pthread_t t;

	(void)state;
	for (unsigned int i = 0; i < 2 * RTE_MAX_LCORE; i++) {
		assert_int_equal(pthread_create(&t, NULL, lcore_of_thread, ids), 0);
		pthread_join(t, NULL);
		assert_int_equal(ids[0], LCORE_ID_ANY);
		assert_int_not_equal(ids[1], LCORE_ID_ANY);
		assert_int_equal(ids[1], ids[2]);
	}
}

/* Without an interrupt there is still a name for the ring, and the advice to nap. */
static void
test_fd(void **state)
{
	int fd;

	(void)state;
	start(NULL);
	assert_int_equal(ring_arm(a), -ENOTSUP);
	assert_int_equal(ring_disarm(a), 0);
	assert_int_equal(a->fd, -1);
	fd = ring_fd(a);
	assert_true(fd >= 0);
	assert_int_equal(ring_fd(a), fd);
	assert_int_not_equal(ring_fd(b), fd);
	assert_ptr_equal(ring_by_fd(fd), a);
	assert_ptr_equal(ring_by_fd(ring_fd(b)), b);
	assert_null(ring_by_fd(0));
	assert_null(ring_by_fd(-1));
	assert_null(ring_by_fd(1 << 20));
	assert_int_equal(ring_moderate(a, 16, 50), -ENOTSUP);
	assert_int_equal(a->moderation_count, 16);
	assert_int_equal(a->moderation_usec, 50);
	stop();
	assert_null(ring_by_fd(fd));
}

/* One that sleeps is woken for what is handed over, once until it sleeps again. */
static void
test_wake(void **state)
{
	struct rte_mbuf *pkts[4];
	uint64_t n = 0;

	(void)state;
	start(NULL);
	fill(a, pkts, 4);
	ring_fd(b);
	ring_give(a, b, pkts, 1);
	assert_int_equal(read(ring_ctl(b)->wake_fd, &n, sizeof(n)), -1);
	b->wanted = true; /* as ring_arm() leaves it */
	ring_give(a, b, pkts + 1, 1);
	assert_false(b->wanted);
	ring_give(a, b, pkts + 2, 2);
	assert_int_equal(read(ring_ctl(b)->wake_fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	stop();
}

static int
setup(void **state)
{
	(void)state;
	test_eal("256", "net_ring0", "net_ring1", NULL);
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
		cmocka_unit_test(test_everybody_knows),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_handover),
		cmocka_unit_test(test_handover_full),
		cmocka_unit_test(test_delete_while_waiting),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_delete_while_polling),
		cmocka_unit_test(test_tx_full),
		cmocka_unit_test(test_tx_no_mbuf),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_fd),
		cmocka_unit_test(test_wake),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
