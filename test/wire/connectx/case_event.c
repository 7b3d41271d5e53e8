/* SPDX-License-Identifier: BSD-3-Clause */
/* The link goes down and up, the device goes and comes back: what the driver and a caller of
 * libibverbs see of it. */
#include "cxtest.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <infiniband/mlx5dv.h>
#include <infiniband/verbs.h>
#include <rte_dev.h>
#include <rte_errno.h>

#define PCI "0000:03:00.0"

static unsigned int downs, ups, removals;
static int s;

static bool
in_time(uint64_t since)
{
	return rte_get_timer_cycles() - since < PATIENCE * rte_get_timer_hz();
}

#define WAIT_FOR(cond, ...)                                                                        \
	do {                                                                                       \
		uint64_t since_ = rte_get_timer_cycles();                                          \
                                                                                                   \
		while (!(cond)) {                                                                  \
			CHECK(in_time(since_), __VA_ARGS__);                                       \
			rte_delay_us_sleep(1000);                                                  \
		}                                                                                  \
	} while (0)

static int
on_event(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	(void)arg;
	(void)ret;
	if (type == RTE_ETH_EVENT_INTR_RMV) {
		__atomic_add_fetch(&removals, 1, __ATOMIC_RELEASE);
		return 0;
	}
	rte_eth_link_get_nowait(port, &link);
	if (link.link_status == RTE_ETH_LINK_UP)
		__atomic_add_fetch(&ups, 1, __ATOMIC_RELEASE);
	else
		__atomic_add_fetch(&downs, 1, __ATOMIC_RELEASE);
	return 0;
}

static unsigned int
value(const unsigned int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static struct rte_mbuf *
frame(void)
{
	struct segment seg = { .src = 0x0a630002,
		.dst = 0x0a630001,
		.sport = 1,
		.dport = 2,
		.proto = IPPROTO_UDP,
		.len = 100 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	CHECK(m != NULL, "no mbuf");
	peer_frame((uint8_t *)rte_pktmbuf_append(m, 142), &seg);
	return m;
}

/* ---- libibverbs' calls, which this program is not linked with ---- */
static struct {
	struct ibv_device **(*list)(int *n);
	void (*free_list)(struct ibv_device **list);
	struct ibv_context *(*open)(struct ibv_device *d);
	int (*close)(struct ibv_context *c);
	int (*event)(struct ibv_context *c, struct ibv_async_event *e);
	void (*ack)(struct ibv_async_event *e);
	int (*query_device)(struct ibv_context *c, struct ibv_device_attr *a);
	int (*query_port)(struct ibv_context *c, uint8_t port, struct _compat_ibv_port_attr *a);
	struct ibv_pd *(*alloc_pd)(struct ibv_context *c);
	int (*dealloc_pd)(struct ibv_pd *pd);
	struct ibv_mr *(*reg)(struct ibv_pd *pd, void *addr, size_t len, int access);
	int (*dereg)(struct ibv_mr *mr);
	struct mlx5dv_dr_domain *(*domain)(struct ibv_context *c, enum mlx5dv_dr_domain_type type);
	int (*destroy_domain)(struct mlx5dv_dr_domain *d);
	struct mlx5dv_dr_table *(*table)(struct mlx5dv_dr_domain *d, uint32_t level);
	struct ibv_cq *(*cq)(struct ibv_context *c, int n, void *arg, struct ibv_comp_channel *ch,
			int vector);
} verbs;

static void
find(void *to, const char *name)
{
	void *f = dlsym(RTLD_DEFAULT, name);

	CHECK(f != NULL, "no %s()", name);
	memcpy(to, &f, sizeof(f));
}

static void
find_verbs(void)
{
	find(&verbs.list, "ibv_get_device_list");
	find(&verbs.free_list, "ibv_free_device_list");
	find(&verbs.open, "ibv_open_device");
	find(&verbs.close, "ibv_close_device");
	find(&verbs.event, "ibv_get_async_event");
	find(&verbs.ack, "ibv_ack_async_event");
	find(&verbs.query_device, "ibv_query_device");
	find(&verbs.query_port, "ibv_query_port");
	find(&verbs.alloc_pd, "ibv_alloc_pd");
	find(&verbs.dealloc_pd, "ibv_dealloc_pd");
	find(&verbs.reg, "ibv_reg_mr");
	find(&verbs.dereg, "ibv_dereg_mr");
	find(&verbs.cq, "ibv_create_cq");
	find(&verbs.domain, "mlx5dv_dr_domain_create");
	find(&verbs.destroy_domain, "mlx5dv_dr_domain_destroy");
	find(&verbs.table, "mlx5dv_dr_table_create");
}

static int
n_devices(void)
{
	int n = -1;
	struct ibv_device **list = verbs.list(&n);

	CHECK(list != NULL, "%m");
	verbs.free_list(list);
	return n;
}

static struct ibv_context *
open_context(void)
{
	int n;
	struct ibv_device **list = verbs.list(&n);
	struct ibv_context *c;

	CHECK(list != NULL && n == 1, "%d devices", n);
	c = verbs.open(list[0]);
	CHECK(c != NULL, "open: %m");
	verbs.free_list(list);
	CHECK(fcntl(c->async_fd, F_SETFL, fcntl(c->async_fd, F_GETFL) | O_NONBLOCK) == 0, "%m");
	return c;
}

static void
expect_event(struct ibv_context *c, enum ibv_event_type type, int port)
{
	struct ibv_async_event e;

	WAIT_FOR(verbs.event(c, &e) == 0, "no event %d", type);
	CHECK(e.event_type == type && e.element.port_num == port, "event %d of port %d",
			e.event_type, e.element.port_num);
	verbs.ack(&e);
}

/* The kernel may tell late that the link is up at first: a context that is open by then hears it.
 */
static void
take_down(struct ibv_context *c)
{
	struct ibv_async_event e;

	add_faults("link=3s@time:+0s");
	do {
		WAIT_FOR(verbs.event(c, &e) == 0, "no event of the link going down");
		verbs.ack(&e);
	} while (e.event_type == IBV_EVENT_PORT_ACTIVE);
	CHECK(e.event_type == IBV_EVENT_PORT_ERR && e.element.port_num == 1, "event %d of port %d",
			e.event_type, e.element.port_num);
}

static void
expect_none(struct ibv_context *c)
{
	struct ibv_async_event e;

	errno = 0;
	CHECK(verbs.event(c, &e) == -1 && errno == EAGAIN, "an event: %m");
}

static enum ibv_port_state
port_state(struct ibv_context *c)
{
	struct ibv_port_attr a;

	CHECK(verbs.query_port(c, 1, (struct _compat_ibv_port_attr *)&a) == 0, "query_port");
	return a.state;
}

/* ---- cases ---- */
void
case_link(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .lsc = true };
	struct ibv_context *ctx;
	struct rte_eth_link link;
	struct rte_mbuf *m;

	(void)c;
	model_open();
	find_verbs();
	CHECK(rte_eth_dev_callback_register(0, RTE_ETH_EVENT_INTR_LSC, on_event, NULL) == 0,
			"callback");
	port_start(&pc);
	s = peer_open(WIRE);
	ctx = open_context();
	WAIT_FOR(rte_eth_link_get_nowait(0, &link) == 0 && link.link_status == RTE_ETH_LINK_UP,
			"not up at first");
	peer_traffic(s, "up");
	/* the link stays down long enough for the kernel to tell */
	take_down(ctx);
	CHECK(port_state(ctx) == IBV_PORT_DOWN, "port is not down");
	WAIT_FOR(value(&downs) > 0, "no event of the link going down");
	CHECK(rte_eth_link_get_nowait(0, &link) == 0 && link.link_status == RTE_ETH_LINK_DOWN,
			"up?");
	/* lost in both directions */
	m = frame();
	CHECK(rte_eth_tx_burst(0, 0, &m, 1) == 1, "not taken");
	peer_segment(s, &(struct segment){ .src = 1, .dst = 2, .proto = IPPROTO_UDP, .len = 18 });
	expect_event(ctx, IBV_EVENT_PORT_ACTIVE, 1);
	CHECK(port_state(ctx) == IBV_PORT_ACTIVE, "port is not active");
	WAIT_FOR(value(&ups) > 0, "no event of the link coming up");
	CHECK(rte_eth_link_get_nowait(0, &link) == 0 && link.link_status == RTE_ETH_LINK_UP,
			"down?");
	peer_traffic(s, "up again");
	expect_none(ctx);
	CHECK(verbs.close(ctx) == 0, "close");
	port_stop();
}

static bool
pci_there(void)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/vendor", getenv("SYSFS_PCI_DEVICES"), PCI);
	return stat(path, &st) == 0;
}

/* What a program opened before the removal: everything on it fails with EIO, destroying works. */
struct old {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	struct mlx5dv_dr_domain *domain;
};

static void
open_old(struct old *o)
{
	static uint8_t mem[4096];

	o->ctx = open_context();
	o->pd = verbs.alloc_pd(o->ctx);
	CHECK(o->pd != NULL, "alloc_pd: %m");
	o->mr = verbs.reg(o->pd, mem, sizeof(mem), 0);
	CHECK(o->mr != NULL, "reg_mr: %m");
	o->domain = verbs.domain(o->ctx, MLX5DV_DR_DOMAIN_TYPE_NIC_TX);
	CHECK(o->domain != NULL, "domain: %m");
}

#define CHECK_EIO(call)                                                                            \
	do {                                                                                       \
		errno = 0;                                                                         \
		CHECK((call) == NULL && errno == EIO, "%m");                                       \
	} while (0)

static void
check_dead(const struct old *o)
{
	static uint8_t mem[64];
	struct ibv_device_attr attr;

	CHECK(verbs.query_device(o->ctx, &attr) == EIO, "query_device");
	CHECK_EIO(verbs.alloc_pd(o->ctx));
	CHECK_EIO(verbs.reg(o->pd, mem, sizeof(mem), 0));
	CHECK_EIO(verbs.cq(o->ctx, 16, NULL, NULL, 0));
	CHECK_EIO(verbs.table(o->domain, 1));
}

static void
close_old(const struct old *o)
{
	CHECK(verbs.destroy_domain(o->domain) == 0, "destroy domain");
	CHECK(verbs.dereg(o->mr) == 0, "dereg_mr");
	CHECK(verbs.dealloc_pd(o->pd) == 0, "dealloc_pd");
	CHECK(verbs.close(o->ctx) == 0, "close");
}

static void
check_no_rules(void)
{
	struct rte_flow_action_queue queue = { .index = 0 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_item_udp udp = { .hdr.dst_port = RTE_BE16(77) };
	struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_create(0, &attr, pattern, actions, &fe) == NULL, "a rule without a device");
}

/* The driver's queues are dead, its calls harmless. b: close the port before it is taken out. */
static void
use_removed(const struct test_case *c)
{
	struct rte_eth_dev_info info;
	struct rte_flow_error fe;
	struct rte_mbuf *m[32];
	unsigned int i;

	for (i = 0; i < RTE_DIM(m); i++)
		m[i] = frame();
	i = rte_eth_tx_burst(0, 0, m, RTE_DIM(m));
	rte_pktmbuf_free_bulk(m + i, RTE_DIM(m) - i);
	CHECK(rte_eth_rx_burst(0, 0, m, RTE_DIM(m)) == 0, "a frame from nowhere");
	CHECK(rte_eth_dev_info_get(0, &info) == 0, "info");
	check_no_rules();
	rte_flow_flush(0, &fe);
	/* a device that is started is not taken out */
	rte_eth_dev_stop(0);
	if (c->b)
		CHECK(rte_eth_dev_close(0) == 0, "close");
	CHECK(rte_eal_hotplug_remove("pci", PCI) == 0, "remove");
	CHECK(rte_eth_dev_count_avail() == 0, "still there");
}

void
case_remove(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rmv = true };
	struct old old;

	model_open();
	find_verbs();
	CHECK(rte_eth_dev_callback_register(0, RTE_ETH_EVENT_INTR_RMV, on_event, NULL) == 0,
			"callback");
	port_start(&pc);
	s = peer_open(WIRE);
	open_old(&old);
	peer_traffic(s, "before");
	CHECK(pci_there(), "no PCI directory");
	CHECK(rte_eth_dev_is_removed(0) == 0, "removed already");
	add_faults("remove=4s@time:+0s");
	expect_event(old.ctx, IBV_EVENT_DEVICE_FATAL, 0);
	expect_none(old.ctx);
	check_dead(&old);
	CHECK(n_devices() == 0, "still in the list");
	CHECK(!pci_there(), "the PCI directory is still there");
	WAIT_FOR(value(&removals) == 1, "no removal event");
	CHECK(rte_eth_dev_is_removed(0) == 1, "not removed for the driver");
	use_removed(c);
	WAIT_FOR(pci_there(), "does not come back");
	WAIT_FOR(n_devices() == 1, "not in the list");
	/* what was opened before stays dead */
	check_dead(&old);
	CHECK(rte_eal_hotplug_add("pci", PCI, c->devargs) == 0, "add: %s", rte_strerror(rte_errno));
	CHECK(rte_eth_dev_count_avail() == 1, "no port");
	CHECK(rte_eth_dev_is_removed(0) == 0, "removed still");
	port_start(&pc);
	peer_traffic(s, "after");
	close_old(&old);
	peer_traffic(s, "without the old context");
	port_stop();
}
