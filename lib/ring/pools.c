/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet buffers of the process: one receive and one transmit pool on each NUMA node that has a
 * port, with VMA_RX_BUFS and VMA_TX_BUFS buffers in all and no more. What does not fit is said in
 * one line with the number that would; numbers that nobody set are cut down to it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "../../drivers/mempool/stride/stride.h"
#include "ring/ring_priv.h"

/* Buffers of a per-lcore cache, where the pool is large enough to leave them there. */
#define CACHE 256
/* Fewer make no sense: two bursts posted, two on their way. */
#define BUFS_MIN (4u * RING_BURST_MAX)
/* af_packet and af_xdp refuse pools with less room than this for a frame. */
#define ROOM_MIN 2048
/* Ethernet header, two VLAN tags, FCS. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)

struct node {
	bool used;
	struct rte_mempool *rx, *tx;
};

static struct node nodes[RTE_MAX_NUMA_NODES];

/* What is wanted on one node. */
struct plan {
	const char *name; /* of the variable */
	bool given;	  /* by somebody: not to be cut down */
	enum ring_dir dir;
	unsigned int n;
	uint32_t room; /* bytes of a buffer */
	uint32_t each; /* bytes of EAL's memory with mbuf and mempool header; 0: it is the program's
			*/
};

static unsigned int
node_of(int socket_id)
{
	return socket_id >= 0 && socket_id < RTE_MAX_NUMA_NODES ? (unsigned int)socket_id : 0;
}

struct rte_mempool *
pools_rx(int socket_id)
{
	return nodes[node_of(socket_id)].rx;
}

struct rte_mempool *
pools_tx(int socket_id)
{
	return nodes[node_of(socket_id)].tx;
}

uint32_t
pools_room(uint16_t mtu)
{
	uint32_t frame = (uint32_t)mtu + FRAME_OVERHEAD;

	return RTE_ALIGN_CEIL(RTE_MAX(frame, (uint32_t)ROOM_MIN), (uint32_t)RTE_CACHE_LINE_SIZE) +
			RTE_PKTMBUF_HEADROOM;
}

/* Free huge pages of every size, in bytes: EAL takes more of them as it needs. */
static uint64_t
huge_free(void)
{
	static const unsigned int kb[] = { 2048, 1048576, 65536, 524288, 32768 };
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < RTE_DIM(kb); i++) {
		unsigned long pages = 0;
		char path[96];
		FILE *f;

		snprintf(path, sizeof(path),
				"/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", kb[i]);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lu", &pages) == 1)
			bytes += (uint64_t)pages * kb[i] * 1024;
		fclose(f);
	}
	return bytes;
}

uint64_t
pools_memory_free(int socket_id)
{
	struct rte_malloc_socket_stats s;
	uint64_t bytes = 0;

	if (rte_malloc_get_socket_stats((int)node_of(socket_id), &s) == 0)
		bytes = s.heap_freesz_bytes;
	if (rte_eal_has_hugepages())
		bytes += huge_free();
	return bytes;
}

/* No buffer crosses a page: of ordinary ones, one that holds a frame has a page for itself. */
uint32_t
pools_bytes_each(uint32_t room)
{
	uint32_t bytes = rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + room, 0, NULL);
	uint32_t page = rte_eal_has_hugepages() ? 1u << 21 : (uint32_t)sysconf(_SC_PAGESIZE);

	return bytes > page ? RTE_ALIGN_MUL_CEIL(bytes, page) : page / (page / bytes);
}

struct rte_mempool *
pools_create(const char *name, unsigned int n, uint32_t room, int socket_id, enum ring_dir dir)
{
	unsigned int cache = n >= 16 * CACHE ? CACHE : n / 32;

	if (memory_is_given(dir))
		return memory_pool_create(name, n, cache, room, (int)node_of(socket_id), dir);
	return rte_pktmbuf_pool_create(name, n, cache, 0, (uint16_t)room, (int)node_of(socket_id));
}

/* What was left of a former life, with packets in a queue yet, or a new one. */
static bool
take_up(const struct plan *p, struct rte_mempool *mp)
{
	return mp != NULL && rte_pktmbuf_data_room_size(mp) >= p->room &&
			(mp->size == p->n || !p->given);
}

static struct rte_mempool *
create(const char *name, const struct plan *p, int node)
{
	struct rte_mempool *mp = pools_create(name, p->n, p->room, node, p->dir);
	char other[RTE_MEMPOOL_NAMESIZE];

	for (unsigned int i = 0; mp == NULL && rte_errno == EEXIST && i < 16; i++) {
		snprintf(other, sizeof(other), "%s_%u", name, i);
		mp = pools_create(other, p->n, p->room, node, p->dir);
	}
	return mp;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Out of line: the one line of a pool that does not fit. */
static __rte_noinline int
does_not_fit(const struct plan *p, uint64_t usable)
{
	uint64_t fits = p->each != 0 ? usable / p->each : 0;

	if (p->each == 0)
		LOG_ERROR("%s=%u: the allocator that the program brought gives no memory for so "
			  "many buffers of %u bytes: set %s lower",
				p->name, p->n, p->room, p->name);
	else if (fits >= BUFS_MIN)
		LOG_ERROR("%s=%u needs %" PRIu64 " MB (%u bytes a buffer) and %" PRIu64
			  " MB can be had: set %s=%" PRIu64
			  ", or give EAL more memory (-m, or huge pages: %" PRIu64 " more of 2 MB)",
				p->name, p->n, ((uint64_t)p->n * p->each) >> 20, p->each,
				usable >> 20, p->name, fits,
				(less((uint64_t)p->n * p->each, usable) >> 21) + 1);
	else
		LOG_ERROR("%s: not even %u buffers of %u bytes fit in the %" PRIu64
			  " MB that can be had: give EAL more memory (-m, or huge pages)",
				p->name, BUFS_MIN, p->each, usable >> 20);
	return -ENOMEM;
}

/* Memory the queues take besides: striding buffers above all, which the PMD allocates itself. */
static uint64_t
queues_need(unsigned int node, uint64_t usable)
{
	uint64_t bytes = usable / 8;

	for (unsigned int i = 0; i < port_count(); i++) {
		const struct port *port = port_get(i);

		if (node_of(port->socket_id) == node && port->caps.striding)
			/* mlx5: four times what is posted, and 32 a core for its cache */
			bytes += (uint64_t)port->caps.stride * port->caps.strides * 96;
	}
	return RTE_MIN(bytes, usable / 2);
}

static uint64_t
bytes_of(const struct plan *p)
{
	return (uint64_t)p->n * p->each;
}

/* What must be left beside another pool. */
static uint64_t
least(const struct plan *p)
{
	return p->given ? bytes_of(p) : (uint64_t)BUFS_MIN * p->each;
}

/* Cut down what nobody set, both in proportion; what is left is at least BUFS_MIN or an error. */
static int
cut_down(struct plan *rx, struct plan *tx, uint64_t usable)
{
	uint64_t want = bytes_of(rx) + bytes_of(tx), few = (uint64_t)BUFS_MIN * rx->each;
	uint64_t fixed = (rx->given ? bytes_of(rx) : 0) + (tx->given ? bytes_of(tx) : 0);
	uint64_t loose = (want - fixed) >> 10, room = less(usable, fixed) >> 10;
	unsigned int rx_n = rx->n, tx_n = tx->n;

	if (want <= usable)
		return 0;
	if (tx->each != 0 && few + least(tx) > usable)
		return does_not_fit(tx, less(usable, few));
	if (least(rx) + least(tx) > usable)
		return does_not_fit(rx, less(usable, least(tx)));
	if (!rx->given && rx->each != 0)
		rx->n = RTE_MAX((unsigned int)(rx->n * room / loose) & ~63u, BUFS_MIN);
	if (!tx->given && tx->each != 0)
		tx->n = RTE_MAX((unsigned int)(tx->n * room / loose) & ~63u, BUFS_MIN);
	LOG_INFO("memory: %u receive and %u transmit buffers, as %" PRIu64
		 " MB can be had and not the %" PRIu64 " MB of VMA_RX_BUFS=%u and VMA_TX_BUFS=%u",
			rx->n, tx->n, usable >> 20, want >> 20, rx_n, tx_n);
	return 0;
}

static int
make_pool(struct plan *p, const char *what, unsigned int node, struct rte_mempool **pool)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	unsigned int wanted = p->n;

	snprintf(name, sizeof(name), "dpvma_%s_%u", what, node);
	if (take_up(p, *pool))
		return 0;
	*pool = create(name, p, (int)node);
	/* The estimate was too good: memory in pieces, a limit of the process. */
	while (*pool == NULL && rte_errno != EIO && !p->given && p->n / 4 * 3 >= BUFS_MIN) {
		p->n = p->n / 4 * 3;
		*pool = create(name, p, (int)node);
	}
	if (*pool == NULL && rte_errno == EIO)
		return -EIO;
	if (*pool == NULL || ring_pool_known(*pool) != 0)
		return does_not_fit(p, pools_memory_free((int)node));
	if (p->n < wanted)
		LOG_INFO("memory: %s=%u did not fit, %u buffers taken", p->name, wanted, p->n);
	return 0;
}

static uint64_t
left_over(const struct rte_mempool *mp, const struct plan *p)
{
	return mp != NULL ? (uint64_t)mp->size * p->each : 0;
}

static const char *
whose(const struct plan *p)
{
	return p->each == 0 ? " in the program's memory" : "";
}

static int
make_node(unsigned int node, unsigned int nodes_n, uint16_t mtu)
{
	const struct conf *c = conf();
	uint32_t tx_frame = RTE_MAX((uint32_t)mtu + FRAME_OVERHEAD, (uint32_t)c->tx_buf_size);
	struct plan rx = { .name = "VMA_RX_BUFS",
		.given = conf_is_set("VMA_RX_BUFS"),
		.dir = RING_RX,
		.n = (unsigned int)c->rx_bufs / nodes_n,
		.room = pools_room(mtu) };
	struct plan tx = { .name = "VMA_TX_BUFS",
		.given = conf_is_set("VMA_TX_BUFS"),
		.dir = RING_TX,
		.n = (unsigned int)c->tx_bufs / nodes_n,
		.room = RTE_ALIGN_CEIL(tx_frame, (uint32_t)RTE_CACHE_LINE_SIZE) +
				RTE_PKTMBUF_HEADROOM };
	uint64_t usable = pools_memory_free((int)node);
	int ret;

	if (rx.room > UINT16_MAX || tx.room > UINT16_MAX) {
		LOG_ERROR("VMA_MTU=%u, VMA_TX_BUF_SIZE=%d: with headers more than a buffer's "
			  "%u bytes; lower them",
				mtu, c->tx_buf_size, UINT16_MAX);
		return -EINVAL;
	}
	rx.each = memory_is_given(RING_RX) ? 0 : pools_bytes_each(rx.room);
	tx.each = memory_is_given(RING_TX) ? 0 : pools_bytes_each(tx.room);
	/* The pools' rings and caches, and pieces too small for any. */
	usable -= usable / 32;
	/* Numbers that were asked for may take all there is; defaults leave room for the queues. */
	if (!rx.given || !tx.given)
		usable -= queues_need(node, usable);
	usable += left_over(nodes[node].rx, &rx) + left_over(nodes[node].tx, &tx);
	ret = cut_down(&rx, &tx, usable);
	if (ret == 0)
		ret = make_pool(&rx, "rx", node, &nodes[node].rx);
	if (ret == 0)
		ret = make_pool(&tx, "tx", node, &nodes[node].tx);
	if (ret == 0)
		LOG_INFO("memory: node %u: %u receive buffers of %u bytes%s, %u transmit buffers "
			 "of %u bytes%s, %" PRIu64 " MB in %s",
				node, nodes[node].rx->size, rx.room, whose(&rx),
				nodes[node].tx->size, tx.room, whose(&tx),
				((uint64_t)nodes[node].rx->size * rx.each +
						(uint64_t)nodes[node].tx->size * tx.each) >>
						20,
				rte_eal_has_hugepages() ? "huge pages" : "ordinary pages");
	return ret;
}

/* VMA_MEM_ALLOC_TYPE was decided when EAL started; what came out otherwise is said here. */
static int
check_type(void)
{
	enum conf_mem type = conf()->mem_alloc_type;

	if (type == CONF_MEM_HUGE && !rte_eal_has_hugepages()) {
		if (conf_is_set("VMA_MEM_ALLOC_TYPE")) {
			LOG_ERROR("VMA_MEM_ALLOC_TYPE=2 asks for huge pages and EAL has none: "
				  "reserve some (sysctl vm.nr_hugepages) and leave --no-huge out, "
				  "or set VMA_MEM_ALLOC_TYPE=1");
			return -ENOMEM;
		}
		LOG_WARNING("the profile asks for huge pages and EAL has none: ordinary pages "
			    "are used; reserve some (sysctl vm.nr_hugepages) for the latency it "
			    "promises");
	}
	if (type == CONF_MEM_ANON && rte_eal_has_hugepages())
		LOG_DEBUG("VMA_MEM_ALLOC_TYPE=0: EAL was started with huge pages, they are used");
	return 0;
}

int
pools_init(void)
{
	uint16_t mtu = (uint16_t)conf()->mtu;
	unsigned int nodes_n = 0;
	int ret = check_type();

	for (unsigned int i = 0; i < port_count(); i++) {
		const struct port *port = port_get(i);
		struct node *node = &nodes[node_of(port->socket_id)];

		mtu = RTE_MAX(mtu, port->mtu);
		nodes_n += !node->used;
		node->used = true;
	}
	for (unsigned int i = 0; i < RTE_MAX_NUMA_NODES && ret == 0; i++)
		if (nodes[i].used)
			ret = make_node(i, nodes_n, mtu);
	if (ret != 0)
		pools_fini();
	return ret;
}

bool
pools_free(struct rte_mempool *pool)
{
	if (pool == NULL)
		return true;
	if (port_pool_used(pool) || !rte_mempool_full(pool)) {
		LOG_DEBUG("memory: %u buffers of %s are in use, it stays",
				rte_mempool_in_use_count(pool), pool->name);
		return false;
	}
	ring_pool_forgotten(pool);
	if (stride_pool_info_get(pool) != NULL)
		stride_pool_free(pool);
	else if (!memory_pool_free(pool))
		rte_mempool_free(pool);
	return true;
}

void
pools_fini(void)
{
	for (unsigned int i = 0; i < RTE_MAX_NUMA_NODES; i++) {
		if (pools_free(nodes[i].rx))
			nodes[i].rx = NULL;
		if (pools_free(nodes[i].tx))
			nodes[i].tx = NULL;
		nodes[i].used = false;
	}
}
