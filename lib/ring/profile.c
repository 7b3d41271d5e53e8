/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring profiles: the registered ones, and what a cyclic one asks of the queue behind a ring. Where
 * the device strides, that is enough posted strides; where it does not, padded packets get a pool
 * whose buffers are handed out in address order. Reading the strides is not this room's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "../../drivers/mempool/stride/stride.h"
#include "ring/ring_priv.h"

#define PROFILES_MAX 1024
/* A cyclic queue posts so many at most: the descriptor count of ethdev has 16 bits. */
#define DESC_MAX 32768u
/* Buffers beyond those posted: what the caller holds, and what the PMD takes in advance. */
#define SPARE_BUFS (2 * RING_BURST_MAX)

static struct ring_profile *profiles[PROFILES_MAX]; /* [0] is none; never removed */
static int profiles_n = 1;
static LIST_HEAD(, ring_pool) pools = LIST_HEAD_INITIALIZER(pools);

/* The longest frame that it holds. */
static uint32_t
frame_of(const struct ring_profile *p)
{
	return (uint32_t)p->stride_bytes + p->hdr_bytes + RING_PROFILE_NET_HDR;
}

uint32_t
ring_profile_padded_stride(const struct ring_profile *p)
{
	return RTE_MAX(rte_align32pow2(frame_of(p)), (uint32_t)STRIDE_MIN);
}

static int
check_cyclic(const struct ring_profile *p)
{
	if (p->num == 0 || p->num > 1u << 30)
		LOG_ERROR("ring profile: num %u is not between 1 and %u strides", p->num, 1u << 30);
	else if (p->stride_bytes == 0)
		LOG_ERROR("ring profile: stride_bytes 0 holds no payload; give the bytes of a "
			  "packet");
	else if (p->mode > CYCLIC_PADDED)
		LOG_ERROR("ring profile: packet receive mode %d is not between 0 and %d",
				(int)p->mode, CYCLIC_PADDED);
	else if (p->mode == CYCLIC_RAW && p->hdr_bytes != 0)
		LOG_ERROR("ring profile: hdr_bytes %u in raw mode, where headers are not split "
			  "off; "
			  "give 0 or another mode",
				p->hdr_bytes);
	else if (ring_profile_padded_stride(p) > STRIDE_MAX)
		LOG_ERROR("ring profile: stride_bytes %u and hdr_bytes %u do not fit in a stride "
			  "of %u "
			  "bytes with %u of headers",
				p->stride_bytes, p->hdr_bytes, STRIDE_MAX, RING_PROFILE_NET_HDR);
	else
		return 0;
	return -EINVAL;
}

static bool
same(const struct ring_profile *a, const struct ring_profile *b)
{
	return a->type == b->type && a->num == b->num && a->stride_bytes == b->stride_bytes &&
			a->hdr_bytes == b->hdr_bytes && a->mode == b->mode &&
			a->external == b->external;
}

static int
add(const struct ring_profile *profile)
{
	struct ring_profile *copy;

	for (int key = 1; key < profiles_n; key++)
		if (same(profiles[key], profile))
			return key;
	copy = profiles_n < PROFILES_MAX ? malloc(sizeof(*copy)) : NULL;
	if (copy == NULL)
		return -ENOMEM;
	*copy = *profile;
	profiles[profiles_n] = copy;
	/* Readers have no lock: the entry first, then the count. */
	__atomic_store_n(&profiles_n, profiles_n + 1, __ATOMIC_RELEASE);
	return profiles_n - 1;
}

int
ring_profile_add(const struct ring_profile *profile)
{
	int key;

	if (profile->type > RING_PROFILE_EXTERNAL) {
		LOG_ERROR("ring profile: type %d is not between 0 and %d", (int)profile->type,
				RING_PROFILE_EXTERNAL);
		return -EINVAL;
	}
	if (profile->type == RING_PROFILE_CYCLIC && check_cyclic(profile) != 0)
		return -EINVAL;
	table_lock();
	key = add(profile);
	table_unlock();
	return key;
}

const struct ring_profile *
ring_profile_get(int key)
{
	if (key < 1 || key >= __atomic_load_n(&profiles_n, __ATOMIC_ACQUIRE))
		return NULL;
	return profiles[key];
}

/* A pool of a former ring of the kind on this port; its queue may hold it yet. */
static struct ring_pool *
pool_again(const struct ring_ctl *ctl, bool stride)
{
	struct ring_pool *p;

	LIST_FOREACH (p, &pools, next)
		if (!p->in_use && p->port == ctl->ring.port && p->profile == ctl->key.profile &&
				p->stride == stride)
			return p;
	return NULL;
}

/* Out of line: one line with the cause, and the number that would do. */
static __rte_noinline int
too_many(const struct port *port, const struct ring_profile *profile, uint32_t n, uint32_t each,
		uint64_t usable)
{
	uint64_t fits = usable / each, extra = n - profile->num;

	LOG_ERROR("port %s: a ring profile of %u strides needs %u buffers of %u bytes, %" PRIu64
		  " MB, and %" PRIu64 " MB can be had: give a num of at most %" PRIu64
		  ", or EAL more memory (-m, huge pages), or lower VMA_RX_BUFS and VMA_TX_BUFS",
			port->name, profile->num, n, each, ((uint64_t)n * each) >> 20, usable >> 20,
			fits > extra ? fits - extra : 0);
	return -ENOMEM;
}

static int
pool_make(struct ring_ctl *ctl, const struct ring_profile *profile, bool stride, uint32_t n,
		uint32_t bytes, uint16_t rx_desc)
{
	const struct port *port = ctl->ring.port;
	uint32_t each = stride ? bytes + pools_bytes_each(0) : pools_bytes_each(bytes);
	/* the strides of an ordered pool lie together, as no allocator promises */
	bool given = !stride && memory_is_given(RING_RX);
	uint64_t usable = given ? UINT64_MAX : pools_memory_free(port->socket_id);
	char name[RTE_MEMPOOL_NAMESIZE];
	static unsigned int serial;
	struct ring_pool *p;

	usable -= usable / 8; /* what the queue takes besides */
	if ((uint64_t)n * each > usable)
		return too_many(port, profile, n, each, usable);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), "dpvma_cyclic_%u", serial++);
	if (stride)
		p->pool = stride_pool_create(
				name, n, bytes, RTE_PKTMBUF_HEADROOM, port->socket_id, NULL);
	else
		p->pool = pools_create(name, n, bytes, port->socket_id, RING_RX);
	if (p->pool != NULL && ring_pool_known(p->pool) != 0 && pools_free(p->pool))
		p->pool = NULL;
	if (p->pool == NULL) {
		free(p);
		if (given)
			LOG_ERROR("port %s: the allocator that the program brought gives no memory "
				  "for %u buffers of a ring profile of %u strides",
					port->name, n, profile->num);
		/* the stride pool has said why */
		return stride || given ? -ENOMEM : too_many(port, profile, n, each, usable);
	}
	p->port = port;
	p->profile = ctl->key.profile;
	p->stride = stride;
	p->rx_desc = rx_desc;
	LIST_INSERT_HEAD(&pools, p, next);
	ctl->own_pool = p;
	return 0;
}

/* The device strides: post at least the strides wanted, in whole buffers and two at least. */
static int
device_strides(struct ring_ctl *ctl, const struct ring_profile *profile,
		struct port_queue_conf *conf)
{
	const struct port_caps *caps = &ctl->ring.port->caps;
	uint32_t wanted = RTE_MAX(profile->num, 2 * caps->strides);
	uint32_t desc = RTE_MIN(rte_align32pow2(wanted), DESC_MAX);

	if (desc < profile->num)
		LOG_INFO("port %s: a queue posts %u strides at most, not the %u of the ring "
			 "profile",
				ctl->ring.port->name, desc, profile->num);
	conf->striding = true;
	conf->rx_desc = (uint16_t)desc;
	conf->min_strides = desc;
	ctl->ring.striding = true;
	ctl->ring.stride = caps->stride;
	ctl->ring.strides = caps->strides;
	ctl->own_pool = pool_again(ctl, false);
	if (ctl->own_pool != NULL)
		return 0;
	/* The PMD copies into them when it has no fresh buffer, so they hold a whole frame. */
	return pool_make(ctl, profile, false, desc + SPARE_BUFS, pools_room(ctl->ring.port->mtu),
			(uint16_t)desc);
}

/* Slots for a run of num, besides those that wait in the queue. */
static int
ordered_pool(struct ring_ctl *ctl, const struct ring_profile *profile, struct port_queue_conf *conf)
{
	uint32_t desc = profile->num > 4096 ? 4096 : rte_align32pow2(profile->num);
	const struct stride_pool_info *info;
	int ret;

	desc = RTE_MAX(desc, 512u);
	ctl->own_pool = pool_again(ctl, true);
	if (ctl->own_pool == NULL) {
		ret = pool_make(ctl, profile, true, profile->num + desc + SPARE_BUFS,
				ring_profile_padded_stride(profile), (uint16_t)desc);
		if (ret != 0)
			return ret;
	}
	conf->rx_desc = ctl->own_pool->rx_desc;
	conf->tentative = true;
	info = stride_pool_info_get(ctl->own_pool->pool);
	ctl->ring.stride_pool = true;
	ctl->ring.stride = info->stride;
	ctl->ring.strides = info->n;
	ctl->ring.stride_base = info->base;
	return 0;
}

/*
 * Why packets are copied, and which profiles would spare that: those whose padded stride is the
 * given one, a power of two, and leaves room for what the PMD writes in front of the next frame.
 */
static __rte_noinline void
say_copied(const struct ring_ctl *ctl, const struct ring_profile *p, const char *why,
		uint32_t stride)
{
	const struct port *port = ctl->ring.port;
	uint32_t hdrs = (uint32_t)p->hdr_bytes + RING_PROFILE_NET_HDR;
	uint32_t least = stride / 2 + 1 > hdrs ? stride / 2 + 1 - hdrs : 1;

	if (stride > STRIDE_MAX || hdrs + port->driver->rx_prefix >= stride)
		LOG_INFO("port %s: no strides of %u bytes for the ring profile (%s): packets are "
			 "copied",
				port->name, ring_profile_padded_stride(p), why);
	else
		LOG_INFO("port %s: no strides of %u bytes for the ring profile (%s): packets are "
			 "copied; stride_bytes of %u to %u would spare that",
				port->name, ring_profile_padded_stride(p), why, least,
				stride - hdrs - port->driver->rx_prefix);
}

/* PMDs like a buffer for a whole frame, net_af_packet 2016 bytes. */
static uint32_t
whole_stride(const struct ring_ctl *ctl, const struct ring_profile *p)
{
	uint32_t frame = pools_room(ctl->ring.port->mtu) - RTE_PKTMBUF_HEADROOM;

	frame = RTE_MAX(frame + ctl->ring.port->driver->rx_prefix, 2048u);
	return RTE_MAX(rte_align32pow2(frame), 2 * ring_profile_padded_stride(p));
}

/* No queue was set up with it: there is no use in keeping it. */
static void
pool_drop(struct ring_ctl *ctl)
{
	struct ring_pool *p = ctl->own_pool;

	profile_pool_put(ctl);
	if (p == NULL || !pools_free(p->pool))
		return;
	LIST_REMOVE(p, next);
	free(p);
}

int
profile_memory(const struct port *port, const struct ring_profile *p, const struct iovec *memory)
{
	struct ring_copy_layout l;

	if (p == NULL || p->type != RING_PROFILE_CYCLIC || !p->external)
		return 0;
	l = ring_profile_copy_layout(p, p->num);
	if (memory->iov_base == NULL)
		LOG_ERROR("port %s: a ring profile has packets put into memory of the application, "
			  "and none was given: set SO_VMA_RING_USER_MEMORY, %zu bytes, before bind "
			  "or connect",
				port->name, l.bytes);
	else if (memory->iov_len < l.bytes)
		LOG_ERROR("port %s: the memory of the application has %zu bytes, and the ring "
			  "profile needs %zu for %u packets: give more, or a smaller num",
				port->name, memory->iov_len, l.bytes, l.n);
	else if (extmem_mapped(memory->iov_base, memory->iov_len))
		return 0;
	else {
		LOG_ERROR("port %s: of the application's memory at %p, %zu bytes, not all is "
			  "mapped",
				port->name, memory->iov_base, memory->iov_len);
		return -EFAULT;
	}
	return -EINVAL;
}

int
profile_queue_plain(struct ring_ctl *ctl, const struct ring_profile *profile, int err,
		struct port_queue_conf *conf)
{
	char why[128];
	int ret;

	if (err == -ENODEV)
		return err;
	*conf = (struct port_queue_conf){ .pool = pools_rx(ctl->ring.port->socket_id) };
	ctl->ring.stride_pool = false;
	ctl->ring.stride = ctl->ring.strides = 0;
	ctl->ring.stride_base = NULL;
	ret = port_queue_get(ctl->ring.port, conf);
	/* the PMD may have kept the pool that it refused, until it has another */
	if (ret >= 0)
		pool_drop(ctl);
	else
		profile_pool_put(ctl);
	snprintf(why, sizeof(why), "the driver refuses such short buffers: %s", rte_strerror(-err));
	if (ret >= 0 && err == -ENOSPC)
		say_copied(ctl, profile, "no queue can be set up for them", STRIDE_MAX + 1);
	else if (ret >= 0)
		say_copied(ctl, profile, why, whole_stride(ctl, profile));
	return ret;
}

int
profile_queue(struct ring_ctl *ctl, const struct ring_profile *profile,
		struct port_queue_conf *conf)
{
	const struct port *port = ctl->ring.port;
	bool padded = profile->mode == CYCLIC_PADDED;
	uint32_t stride = ring_profile_padded_stride(profile);
	int ret;

	/* The device is not given the application's memory: a queue keeps its buffers beyond the
	 * ring's end, and the memory is to be unmapped then.
	 */
	if (profile->type != RING_PROFILE_CYCLIC || profile->external)
		return 0;
	if (port->caps.striding && (!padded || port->caps.stride == stride)) {
		ret = device_strides(ctl, profile, conf);
	} else if (padded && !port->caps.striding &&
			frame_of(profile) + port->driver->rx_prefix > stride) {
		say_copied(ctl, profile, "the device writes its header in front of a packet",
				2 * stride);
		return 0;
	} else if (padded && !port->caps.striding) {
		ret = ordered_pool(ctl, profile, conf);
	} else {
		/* other modes are copied anyway: the ordinary pool does */
		if (padded)
			LOG_INFO("port %s: its strides have %u bytes, those of the ring profile "
				 "%u: "
				 "packets are copied; DPVMA_MPRQ_STRIDE=%u spares that",
					port->name, port->caps.stride, stride, stride);
		return 0;
	}
	if (ret != 0)
		return ret;
	ctl->own_pool->in_use = true;
	conf->pool = ctl->own_pool->pool;
	return 0;
}

void
profile_pool_put(struct ring_ctl *ctl)
{
	if (ctl->own_pool != NULL)
		ctl->own_pool->in_use = false;
	ctl->own_pool = NULL;
}

void
profile_pools_fini(void)
{
	struct ring_pool *p, *next;

	for (p = LIST_FIRST(&pools); p != NULL; p = next) {
		next = LIST_NEXT(p, next);
		p->in_use = false;
		if (!pools_free(p->pool))
			continue;
		LIST_REMOVE(p, next);
		free(p);
	}
}
