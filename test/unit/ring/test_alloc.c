/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who gets which ring: every allocation logic, receive and transmit, the limit and sharing,
 * references, migration, the default ring of a port that does not steer, and cyclic profiles.
 */
#include <pthread.h>
#include <sched.h>

#include "ring_test.h"

static struct port *
start(void)
{
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=8", NULL);
	return port_by_name("net_null0");
}

static void
count(struct ring *ring, void *ctx)
{
	(void)ring;
	(*(unsigned int *)ctx)++;
}

static unsigned int
rings(void)
{
	unsigned int n = 0;

	ring_foreach(count, &n);
	return n;
}

static void
test_interface(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_INTERFACE);
	struct port *port = start(), *other = port_by_name("net_null1");
	struct ring *r1, *r2, *tx, *elsewhere;

	(void)state;
	r1 = test_acquire(port, &a);
	assert_int_equal(r1->refs, 1);
	assert_int_equal(r1->queue, 0);
	assert_true(r1->is_default);
	assert_null(r1->helps);
	a.sock = 4;
	r2 = test_acquire(port, &a);
	assert_ptr_equal(r1, r2);
	assert_int_equal(r1->refs, 2);
	/* the other direction of the same key is the same queue pair */
	ring_alloc_init(&a, RING_TX, 3);
	assert_int_equal(ring_acquire(port, RING_TX, &a, NULL, &tx), 0);
	assert_ptr_equal(tx, r1);
	elsewhere = test_acquire(other, &a);
	assert_ptr_not_equal(elsewhere, r1);
	assert_int_equal(rings(), 2);
	ring_release(elsewhere);
	ring_release(tx);
	ring_release(r1);
	assert_int_equal(rings(), 1);
	ring_release(r2);
	assert_int_equal(rings(), 0);
	/* and again, on the queue that was given back */
	r1 = test_acquire(port, &a);
	assert_int_equal(r1->queue, 0);
	assert_int_equal(r1->refs, 1);
	ring_release(r1);
	test_stop();
}

static void
test_ip(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_IP);
	struct ip_addr ip1 = ip_from_v4(RTE_BE32(0x0a000001)),
		       ip2 = ip_from_v4(RTE_BE32(0x0a000002));
	struct ip_addr any = ip_from_v4(0);
	struct port *port = start();
	struct ring *r[5];

	(void)state;
	assert_int_equal(ring_acquire(port, RING_RX, &a, &ip1, &r[0]), 0);
	assert_int_equal(ring_acquire(port, RING_RX, &a, &ip2, &r[1]), 0);
	assert_int_equal(ring_acquire(port, RING_RX, &a, &ip1, &r[2]), 0);
	assert_int_equal(ring_acquire(port, RING_RX, &a, &any, &r[3]), 0);
	assert_int_equal(ring_acquire(port, RING_RX, &a, NULL, &r[4]), 0);
	assert_ptr_not_equal(r[0], r[1]);
	assert_ptr_equal(r[0], r[2]);
	assert_ptr_not_equal(r[3], r[0]);
	assert_ptr_equal(r[3], r[4]);
	for (unsigned int i = 0; i < 5; i++)
		ring_release(r[i]);
	assert_int_equal(rings(), 0);
	test_stop();
}

static void
test_socket_and_user(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_SOCKET), b = a;
	struct port *port = start();
	struct ring *r1, *r2, *r3;

	(void)state;
	b.sock = a.sock + 1;
	r1 = test_acquire(port, &a);
	r2 = test_acquire(port, &b);
	r3 = test_acquire(port, &a);
	assert_ptr_not_equal(r1, r2);
	assert_ptr_equal(r1, r3);
	ring_release(r1);
	ring_release(r2);
	ring_release(r3);
	a.logic = b.logic = CONF_RING_PER_USER_ID;
	a.user_id = 7;
	b.user_id = 8;
	r1 = test_acquire(port, &a);
	r2 = test_acquire(port, &b);
	b.user_id = 7;
	r3 = test_acquire(port, &b);
	assert_ptr_not_equal(r1, r2);
	assert_ptr_equal(r1, r3);
	ring_release(r1);
	ring_release(r2);
	ring_release(r3);
	/* a number means something under its own logic only */
	a.sock = 7;
	r1 = test_acquire(port, &a);
	a.logic = CONF_RING_PER_SOCKET;
	r2 = test_acquire(port, &a);
	assert_ptr_not_equal(r1, r2);
	ring_release(r1);
	ring_release(r2);
	test_stop();
}

struct elsewhere {
	struct ring_alloc *alloc;
	struct port *port;
	struct ring *ring;
	int migrated_at;
};

static void *
on_thread(void *arg)
{
	struct elsewhere *e = arg;
	struct ring_alloc own = test_alloc(CONF_RING_PER_THREAD);

	e->ring = test_acquire(e->port, &own);
	e->migrated_at = 0;
	for (int i = 1; e->migrated_at == 0 && i < 1000; i++)
		if (ring_alloc_migrate(e->alloc))
			e->migrated_at = i;
	return NULL;
}

static void
test_thread(void **state)
{
	struct ring_alloc a;
	struct elsewhere e;
	struct ring *r1, *r2;
	pthread_t t;

	(void)state;
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=8", "VMA_RING_MIGRATION_RATIO_RX=20",
			"VMA_RING_ALLOCATION_LOGIC_RX=20", NULL);
	e.port = port_by_name("net_null0");
	ring_alloc_init(&a, RING_RX, 3);
	assert_int_equal(a.logic, CONF_RING_PER_THREAD);
	assert_int_equal(a.ratio, 20);
	/* nothing to migrate from yet */
	assert_false(ring_alloc_migrate(&a));
	r1 = test_acquire(e.port, &a);
	for (unsigned int i = 0; i < 1000; i++)
		assert_false(ring_alloc_migrate(&a));
	e.alloc = &a;
	assert_int_equal(pthread_create(&t, NULL, on_thread, &e), 0);
	pthread_join(t, NULL);
	assert_int_equal(e.migrated_at, 20);
	assert_ptr_not_equal(e.ring, r1);
	/* the ring is that of the thread it migrated to, whoever fetches it */
	r2 = test_acquire(e.port, &a);
	assert_ptr_equal(r2, e.ring);
	/* now this thread is the stranger, and a use from there starts the count anew */
	for (unsigned int i = 0; i < 19; i++)
		assert_false(ring_alloc_migrate(&a));
	a.away = 0;
	for (unsigned int i = 0; i < 19; i++)
		assert_false(ring_alloc_migrate(&a));
	assert_true(ring_alloc_migrate(&a));
	assert_false(ring_alloc_migrate(&a));
	a.ratio = -1;
	a.here++;
	for (unsigned int i = 0; i < 1000; i++)
		assert_false(ring_alloc_migrate(&a));
	ring_release(r1);
	ring_release(r2);
	ring_release(e.ring);
	test_stop();
}

/* Uses from home in between: the count is of uses in a row. */
static void
test_in_a_row(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_THREAD);
	uint64_t home;

	(void)state;
	test_conf("VMA_TSO=0", "VMA_RING_MIGRATION_RATIO_TX=3", "VMA_RING_ALLOCATION_LOGIC_TX=20",
			NULL);
	ring_alloc_init(&a, RING_TX, 3);
	assert_int_equal(a.ratio, 3);
	home = a.here = a.creator;
	for (unsigned int i = 0; i < 10; i++) {
		a.here = home + 1;
		assert_false(ring_alloc_migrate(&a));
		assert_false(ring_alloc_migrate(&a));
		a.here = home;
		assert_false(ring_alloc_migrate(&a));
	}
	a.here = home + 1;
	assert_false(ring_alloc_migrate(&a));
	assert_false(ring_alloc_migrate(&a));
	assert_true(ring_alloc_migrate(&a));
	assert_int_equal(a.here, home);
	/* segmentation by the device keeps transmit rings where they are */
	test_conf("VMA_TSO=1", "VMA_RING_MIGRATION_RATIO_TX=3", "VMA_RING_ALLOCATION_LOGIC_TX=20",
			NULL);
	ring_alloc_init(&a, RING_TX, 3);
	assert_int_equal(a.ratio, -1);
}

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void
test_core(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_CORE), b;
	struct ring *r1, *r2, *r3;
	struct port *port;
	cpu_set_t before, now;
	int first = -1, second = -1;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (int i = CPU_SETSIZE - 1; i >= 0; i--) {
		if (CPU_ISSET(i, &before)) {
			second = first;
			first = i;
		}
	}
	port = start();
	pin(first);
	r1 = test_acquire(port, &a);
	assert_int_equal(a.here, first + 1);
	r2 = test_acquire(port, &a);
	assert_ptr_equal(r1, r2);
	if (second >= 0) {
		a.ratio = 5;
		pin(second);
		for (unsigned int i = 0; i < 4; i++)
			assert_false(ring_alloc_migrate(&a));
		assert_true(ring_alloc_migrate(&a));
		r3 = test_acquire(port, &a);
		assert_ptr_not_equal(r3, r1);
		ring_release(r3);
	}
	sched_setaffinity(0, sizeof(before), &before);
	/* attached: the thread stays where it took the ring */
	b = test_alloc(CONF_RING_PER_CORE_ATTACH);
	r3 = test_acquire(port, &b);
	assert_ptr_not_equal(r3, r1);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_int_equal(CPU_COUNT(&now), 1);
	assert_true(CPU_ISSET(b.here - 1, &now));
	sched_setaffinity(0, sizeof(before), &before);
	ring_release(r1);
	ring_release(r2);
	ring_release(r3);
	test_stop();
}

/* The limit of rings: strangers share the least used, and users of one id meet there again. */
static void
test_limit(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_USER_ID);
	struct ring *r[6];
	struct port *port;

	(void)state;
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=8", "VMA_RING_LIMIT_PER_INTERFACE=2", NULL);
	port = port_by_name("net_null0");
	a.user_id = 1;
	r[0] = test_acquire(port, &a);
	r[1] = test_acquire(port, &a);
	a.user_id = 2;
	r[2] = test_acquire(port, &a);
	assert_ptr_not_equal(r[2], r[0]);
	assert_int_equal(rings(), 2);
	a.user_id = 3;
	r[3] = test_acquire(port, &a);
	assert_ptr_equal(r[3], r[2]);
	a.user_id = 4;
	r[4] = test_acquire(port, &a);
	assert_ptr_equal(r[4], r[0]);
	/* by use alone it would be the other one */
	assert_true(r[2]->refs < r[0]->refs);
	r[5] = test_acquire(port, &a);
	assert_ptr_equal(r[5], r[0]);
	assert_int_equal(rings(), 2);
	for (unsigned int i = 0; i < 6; i++)
		ring_release(r[i]);
	assert_int_equal(rings(), 0);
	assert_string_equal(test_log, "");
	test_stop();
}

/* No queue left: shared as well. Without a number of queues a port that does not steer has one. */
static void
test_no_queue(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_SOCKET);
	struct ring *r[4];
	struct port *port;

	(void)state;
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "DPVMA_QUEUES=3",
			NULL);
	port = port_by_name("net_null0");
	for (unsigned int i = 0; i < 4; i++) {
		a.sock = 10 + i;
		r[i] = test_acquire(port, &a);
	}
	assert_int_equal(rings(), 3);
	assert_ptr_equal(r[3], r[0]);
	for (unsigned int i = 0; i < 4; i++)
		ring_release(r[i]);
	test_stop();
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", NULL);
	port = port_by_name("net_null0");
	for (unsigned int i = 0; i < 2; i++) {
		a.sock = 10 + i;
		r[i] = test_acquire(port, &a);
	}
	assert_ptr_equal(r[0], r[1]);
	ring_release(r[0]);
	ring_release(r[1]);
	test_stop();
}

/* On a port that does not steer the first ring receives for all, so it lives as long as they do. */
static void
test_default(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_SOCKET);
	struct port *port = start();
	struct ring *r1, *r2;

	(void)state;
	r1 = test_acquire(port, &a);
	assert_int_equal(r1->spare_queues, 7);
	assert_null(r1->handover);
	a.sock++;
	r2 = test_acquire(port, &a);
	assert_int_equal(r1->spare_queues, 6);
	for (unsigned int i = 0; i < r1->spare_queues; i++) {
		assert_int_not_equal(r1->spare[i], r1->queue);
		assert_int_not_equal(r1->spare[i], r2->queue);
	}
	assert_false(r2->is_default);
	assert_ptr_equal(r2->helps, r1);
	assert_non_null(r1->handover);
	assert_non_null(r2->handover);
	ring_release(r1);
	assert_int_equal(rings(), 2);
	assert_int_equal(r1->refs, 0);
	ring_release(r2);
	assert_int_equal(rings(), 0);
	test_stop();
}

static struct ring_profile
profile(enum cyclic_mode mode, uint32_t num, uint16_t stride)
{
	return (struct ring_profile){
		.type = RING_PROFILE_CYCLIC, .num = num, .stride_bytes = stride, .mode = mode
	};
}

static void
refuse(struct ring_profile p, const char *word)
{
	test_log[0] = '\0';
	assert_int_equal(ring_profile_add(&p), -EINVAL);
	assert_non_null(strstr(test_log, word));
	/* one line */
	assert_ptr_equal(strchr(test_log, '\n'), test_log + strlen(test_log) - 1);
}

static void
test_profile_table(void **state)
{
	struct ring_profile p = profile(CYCLIC_PADDED, 1000, 1400), q = p;
	int key;

	(void)state;
	test_conf(NULL);
	key = ring_profile_add(&p);
	assert_true(key >= 1);
	assert_int_equal(ring_profile_add(&p), key);
	assert_memory_equal(ring_profile_get(key), &p, sizeof(p));
	/* the mode is a difference too */
	q.mode = CYCLIC_STRIP;
	assert_int_not_equal(ring_profile_add(&q), key);
	assert_null(ring_profile_get(0));
	assert_null(ring_profile_get(-1));
	assert_null(ring_profile_get(1 << 20));
	assert_int_equal(ring_profile_padded_stride(&p), 2048);
	p.stride_bytes = 22;
	assert_int_equal(ring_profile_padded_stride(&p), 64);
	p.stride_bytes = 23;
	assert_int_equal(ring_profile_padded_stride(&p), 128);
	refuse(profile(CYCLIC_PADDED, 0, 1400), "num 0");
	refuse(profile(CYCLIC_PADDED, 1000, 0), "stride_bytes 0");
	refuse(profile((enum cyclic_mode)4, 1000, 1400), "mode 4");
	refuse(profile(CYCLIC_PADDED, 1000, 16384), "16384");
	q = profile(CYCLIC_RAW, 1000, 100);
	q.hdr_bytes = 8;
	refuse(q, "hdr_bytes 8");
	q.type = (enum ring_profile_type)9;
	refuse(q, "type 9");
}

static void
test_profile_ring(void **state)
{
	struct ring_profile p = profile(CYCLIC_PADDED, 1000, 1400);
	struct ring_alloc a = test_alloc(CONF_RING_PER_USER_ID), plain;
	struct port *port = start();
	struct ring *r1, *r2, *r3;
	struct rte_mempool *pool;

	(void)state;
	plain = test_alloc(CONF_RING_PER_INTERFACE);
	r3 = test_acquire(port, &plain);
	a.profile = ring_profile_add(&p);
	a.user_id = 1;
	r1 = test_acquire(port, &a);
	r2 = test_acquire(port, &a);
	assert_ptr_equal(r1, r2);
	assert_ptr_not_equal(r1, r3);
	assert_int_equal(r1->profile, a.profile);
	assert_true(r1->stride_pool);
	assert_false(r1->striding);
	assert_int_equal(r1->stride, 2048);
	assert_true(r1->strides >= 1000);
	assert_non_null(r1->stride_base);
	assert_ptr_not_equal(r1->rx_pool, r3->rx_pool);
	pool = r1->rx_pool;
	ring_release(r1);
	ring_release(r2);
	/* the queue may hold the pool yet: the next ring of the kind takes it up, no second one */
	r1 = test_acquire(port, &a);
	assert_ptr_equal(r1->rx_pool, pool);
	ring_release(r1);
	/* modes that copy anyway need none */
	p.mode = CYCLIC_STRIP;
	a.profile = ring_profile_add(&p);
	r1 = test_acquire(port, &a);
	assert_false(r1->stride_pool);
	assert_int_equal(r1->stride, 0);
	assert_ptr_equal(r1->rx_pool, r3->rx_pool);
	ring_release(r1);
	ring_release(r3);
	test_stop();
}

/* Smallest buffer that the PMD takes, as net_af_packet has one; 0: any. */
static uint32_t least_buf;

int __real_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *mp);
int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *mp);

int
__wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *mp)
{
	if (rte_pktmbuf_data_room_size(mp) < least_buf + RTE_PKTMBUF_HEADROOM)
		return -ENOMEM;
	return __real_rte_eth_rx_queue_setup(port, queue, desc, socket, conf, mp);
}

static void
copies(struct port *port, struct ring_alloc *a, struct ring_profile p, const char *range)
{
	struct ring *ring;

	test_log[0] = '\0';
	a->profile = ring_profile_add(&p);
	ring = test_acquire(port, a);
	assert_false(ring->stride_pool);
	assert_false(ring->striding);
	assert_int_equal(ring->stride, 0);
	assert_null(ring->stride_base);
	assert_ptr_equal(ring->rx_pool, pools_rx(port->socket_id));
	assert_ptr_equal(strchr(test_log, '\n'), test_log + strlen(test_log) - 1);
	assert_non_null(strstr(test_log, "packets are copied"));
	assert_non_null(strstr(test_log, range));
	ring_release(ring);
}

/* A PMD that refuses short buffers gets the ordinary pool; the line names what it would take. */
static void
test_profile_refused(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_USER_ID);
	struct port *port = start();
	struct ring *ring;
	unsigned int from, to;

	(void)state;
	least_buf = 2016;
	a.user_id = 1;
	copies(port, &a, profile(CYCLIC_PADDED, 1000, 200), "stride_bytes of 983 to 2006 would");
	/* a port that runs, too */
	copies(port, &a, profile(CYCLIC_PADDED, 1000, 100), "stride_bytes of 983 to 2006 would");
	for (from = 983, to = 2006; from <= to; from += to - 983) {
		struct ring_profile p = profile(CYCLIC_PADDED, 1000, (uint16_t)from);

		a.profile = ring_profile_add(&p);
		ring = test_acquire(port, &a);
		assert_true(ring->stride_pool);
		ring_release(ring);
	}
	least_buf = 0;
	test_stop();
}

/* A PMD that writes in front of a frame needs that much room at the end of the stride before. */
static void
test_profile_prefix(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_USER_ID);
	struct ring_profile p = profile(CYCLIC_PADDED, 1000, 1024 - 42 - 12);
	const struct port_driver *driver;
	struct port_driver virtio;
	struct port *port = start();
	struct ring *ring;

	(void)state;
	driver = port->driver;
	virtio = *driver;
	virtio.rx_prefix = 12;
	port->driver = &virtio;
	a.user_id = 1;
	a.profile = ring_profile_add(&p);
	ring = test_acquire(port, &a);
	assert_true(ring->stride_pool);
	ring_release(ring);
	p.stride_bytes++;
	copies(port, &a, p, "stride_bytes of 983 to 1994 would");
	port->driver = driver;
	test_stop();
}

/* More strides than memory: one line with the number that would do; nothing is left behind. */
static void
test_profile_memory(void **state)
{
	struct ring_profile p = profile(CYCLIC_PADDED, 1 << 20, 1400);
	struct ring_alloc a = test_alloc(CONF_RING_PER_USER_ID);
	struct port *port = start();
	struct ring *ring;
	const char *most;

	(void)state;
	a.profile = ring_profile_add(&p);
	assert_int_equal(ring_acquire(port, RING_RX, &a, NULL, &ring), -ENOMEM);
	assert_int_equal(rings(), 0);
	assert_ptr_equal(strchr(test_log, '\n'), test_log + strlen(test_log) - 1);
	most = strstr(test_log, "a num of at most ");
	assert_non_null(most);
	p.num = (uint32_t)strtoul(most + strlen("a num of at most "), NULL, 10);
	assert_true(p.num > 1000 && p.num < 1 << 20);
	a.profile = ring_profile_add(&p);
	assert_int_equal(ring_acquire(port, RING_RX, &a, NULL, &ring), 0);
	assert_true(ring->strides >= p.num);
	ring_release(ring);
	test_stop();
}

static void
test_errors(void **state)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_INTERFACE);
	struct ring *ring;
	struct port *port;

	(void)state;
	test_conf("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", NULL);
	assert_true(ports_init() > 0);
	test_log[0] = '\0';
	port = port_by_name("net_null0");
	assert_int_equal(ring_acquire(port, RING_RX, &a, NULL, &ring), -ENODEV);
	assert_non_null(strstr(test_log, "rings_init"));
	assert_int_equal(rings_init(), 0);
	assert_int_equal(rings_init(), 0);
	test_log[0] = '\0';
	a.profile = 9999;
	assert_int_equal(ring_acquire(port, RING_RX, &a, NULL, &ring), -EINVAL);
	assert_non_null(strstr(test_log, "9999"));
	test_stop();
}

static int
setup(void **state)
{
	(void)state;
	test_eal("256", "net_null0", "net_null1", NULL);
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
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_ip),
		cmocka_unit_test(test_socket_and_user),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_in_a_row),
		cmocka_unit_test(test_core),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_no_queue),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_profile_table),
		cmocka_unit_test(test_profile_ring),
		cmocka_unit_test(test_profile_memory),
		cmocka_unit_test(test_profile_refused),
		cmocka_unit_test(test_profile_prefix),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
