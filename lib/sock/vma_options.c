/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SO_VMA_* options, by the numbers and structures that <mellanox/vma_extra.h> has, which is
 * above this room: they are declared here once more, and held to the same sizes.
 */
#include <sys/uio.h>

#include "sock_priv.h"

#define SO_VMA_GET_API 2800
#define SO_VMA_USER_DATA 2801
#define SO_VMA_RING_ALLOC_LOGIC 2810
#define SO_VMA_RING_USER_MEMORY 2811
#define SO_VMA_FLOW_TAG 2820
#define SO_VMA_SHUTDOWN_RX 2821

/** struct vma_ring_alloc_logic_attr */
struct ring_logic_option {
	uint32_t mask; /**< LOGIC_* */
	uint32_t logic;
	uint32_t profile;
	uint32_t user_id;
	uint32_t ingress : 1;
	uint32_t egress : 1;
	uint32_t reserved : 30;
};
_Static_assert(sizeof(struct ring_logic_option) == 20, "as programs were compiled with");

enum {
	LOGIC_PROFILE = 1,
	LOGIC_USER_ID = 2,
	LOGIC_INGRESS = 4,
	LOGIC_EGRESS = 8,
	LOGIC_KNOWN = 15,
};

static void *(*api)(void);

void
sock_set_api(void *(*get)(void))
{
	api = get;
}

bool
vma_option_api(int fd, int level, int name, void *val, const socklen_t *len)
{
	void *table;

	if (fd != -1 || level != SOL_SOCKET || name != SO_VMA_GET_API || val == NULL ||
			len == NULL || *len < sizeof(table) || api == NULL)
		return false;
	/* a program without it goes on with the kernel's sockets */
	table = api();
	if (table == NULL)
		return false;
	memcpy(val, &table, sizeof(table));
	return true;
}

static bool
known_logic(uint32_t logic)
{
	switch (logic) {
	case CONF_RING_PER_INTERFACE:
	case CONF_RING_PER_IP:
	case CONF_RING_PER_SOCKET:
	case CONF_RING_PER_USER_ID:
	case CONF_RING_PER_THREAD:
	case CONF_RING_PER_CORE:
	case CONF_RING_PER_CORE_ATTACH:
		return true;
	default:
		return false;
	}
}

static int
set_direction(struct sock *s, enum ring_dir dir, const struct ring_logic_option *o)
{
	struct ring_alloc alloc = *s->ops->ring_alloc(s, dir);
	int ret;

	alloc.logic = (enum conf_ring_logic)o->logic;
	if (o->mask & LOGIC_PROFILE) {
		/* once for good: rings were made by it */
		if (s->profile_set[dir])
			return -EINVAL;
		if (ring_profile_get((int)o->profile) == NULL) {
			LOG_WARNING("fd %d: SO_VMA_RING_ALLOC_LOGIC: there is no ring profile %u; "
				    "register it first",
					s->fd, o->profile);
			return -EINVAL;
		}
		alloc.profile = (int)o->profile;
	}
	if (o->mask & LOGIC_USER_ID)
		alloc.user_id = o->user_id;
	ret = s->ops->set_ring_alloc(s, dir, &alloc);
	if (ret == 0 && (o->mask & LOGIC_PROFILE))
		s->profile_set[dir] = true;
	return ret;
}

static int
set_ring_logic(struct sock *s, const void *val, socklen_t len)
{
	struct ring_logic_option o;
	int ret = 0;

	if (val == NULL || len != sizeof(o))
		return -EINVAL;
	memcpy(&o, val, sizeof(o));
	if ((o.mask & LOGIC_KNOWN) == 0)
		return -EINVAL;
	if (!known_logic(o.logic)) {
		LOG_WARNING("fd %d: SO_VMA_RING_ALLOC_LOGIC: %u is no logic; give 0, 1, 10, 11, "
			    "20, "
			    "30 or 31",
				s->fd, o.logic);
		return -EINVAL;
	}
	if ((o.mask & LOGIC_INGRESS) && o.ingress)
		ret = set_direction(s, RING_RX, &o);
	if (ret == 0 && (o.mask & LOGIC_EGRESS) && o.egress)
		ret = set_direction(s, RING_TX, &o);
	return ret;
}

static int
set_user_memory(struct sock *s, const void *val, socklen_t len)
{
	struct ring_alloc alloc = *s->ops->ring_alloc(s, RING_RX);
	struct ring *ring;

	if (val == NULL || len != sizeof(alloc.memory))
		return -EINVAL;
	memcpy(&alloc.memory, val, sizeof(alloc.memory));
	if (alloc.memory.iov_base == NULL || alloc.memory.iov_len == 0)
		return -EINVAL;
	if (s->ops->rings(s, &ring, 1) != 0) {
		LOG_WARNING("fd %d: SO_VMA_RING_USER_MEMORY: the socket receives by a ring "
			    "already; set it before bind or connect",
				s->fd);
		return -EINVAL;
	}
	return s->ops->set_ring_alloc(s, RING_RX, &alloc);
}

int
vma_option_set(struct sock *s, int name, const void *val, socklen_t len)
{
	switch (name) {
	case SO_VMA_RING_ALLOC_LOGIC:
		return set_ring_logic(s, val, len);
	case SO_VMA_USER_DATA:
		if (val == NULL || len != sizeof(s->user_data))
			return -EINVAL;
		memcpy(&s->user_data, val, sizeof(s->user_data));
		return 0;
	case SO_VMA_FLOW_TAG:
		if (val == NULL || len != sizeof(s->flow_tag))
			return -EINVAL;
		memcpy(&s->flow_tag, val, sizeof(s->flow_tag));
		return 0;
	case SO_VMA_RING_USER_MEMORY:
		return set_user_memory(s, val, len);
	case SO_VMA_SHUTDOWN_RX:
		s->ops->shut_rx(s);
		return 0;
	default:
		return -EREMOTE;
	}
}

int
vma_option_get(struct sock *s, int name, void *val, socklen_t *len)
{
	const void *from;
	socklen_t size;

	if (name == SO_VMA_USER_DATA) {
		from = &s->user_data;
		size = sizeof(s->user_data);
	} else if (name == SO_VMA_FLOW_TAG) {
		from = &s->flow_tag;
		size = sizeof(s->flow_tag);
	} else {
		return -EREMOTE;
	}
	if (val == NULL || len == NULL)
		return -EFAULT;
	if (*len != size)
		return -EINVAL;
	memcpy(val, from, size);
	return 0;
}
