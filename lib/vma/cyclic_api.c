/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Profiles and the cyclic read, between the structures of the extra API and rooms ring and cyclic.
 */
#include "conf/conf.h"
#include "cyclic/cyclic.h"
#include "ring/ring.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

int
vma_cyclic_read(int ring_fd, struct vma_completion_cb_t *completion, size_t min, size_t max,
		int flags)
{
	struct cyclic_run run = { .packets = 0 };
	struct cyclic *cyclic;
	struct ring *ring;
	bool want_time;
	int ret;

	if (unlikely(completion == NULL || flags != MSG_DONTWAIT))
		return vma_result(-EINVAL);
	ring = ring_enter(ring_fd);
	if (unlikely(ring == NULL)) {
		sock_misused(EXTRA_STAT_stale_ring);
		return vma_result(-EBADF);
	}
	want_time = (completion->comp_mask & VMA_CB_MASK_TIMESTAMP) != 0;
	ret = cyclic_get(ring, &cyclic);
	if (likely(ret == 0))
		ret = cyclic_read(cyclic, min, max, want_time, &run);
	ring_leave(ring);
	if (unlikely(ret != 0))
		return vma_result(ret);
	if (run.packets == 0)
		return 0; /* the completion stays as it was */
	completion->payload_ptr = run.payload;
	completion->payload_length = run.payload_len;
	completion->packets = run.packets;
	completion->usr_hdr_ptr = run.usr_hdr;
	completion->usr_hdr_ptr_length = run.usr_hdr_len;
	if (want_time)
		completion->hw_timestamp = run.hw_timestamp;
	return 0;
}

/** @return 0, -EOPNOTSUPP with one log line */
static int
profile_of(const struct vma_ring_type_attr *attr, struct ring_profile *profile)
{
	const struct vma_cyclic_buffer_ring_attr *cb = &attr->ring_cyclicb;

	*profile = (struct ring_profile){ .type = RING_PROFILE_PACKET };
	switch (attr->ring_type) {
	case VMA_RING_PACKET:
		return 0;
	case VMA_RING_CYCLIC_BUFFER:
		break;
	default:
		LOG_ERROR("vma_add_ring_profile: ring type %d is not offered: packet (0) and "
			  "cyclic buffer (1) are",
				attr->ring_type);
		return -EOPNOTSUPP;
	}
	profile->type = RING_PROFILE_CYCLIC;
	profile->num = cb->num;
	profile->stride_bytes = cb->stride_bytes;
	profile->hdr_bytes = (cb->comp_mask & VMA_CB_HDR_BYTE) != 0 ? cb->hdr_bytes : 0;
	profile->mode = (enum cyclic_mode)cb->packet_receive_mode;
	profile->external = (cb->comp_mask & VMA_CB_EXTERNAL_MEM) != 0;
	return 0;
}

int
vma_add_profile(struct vma_ring_type_attr *attr, vma_ring_profile_key *key)
{
	struct ring_profile profile;
	int ret;

	if (attr == NULL || key == NULL)
		return vma_result(-EINVAL);
	ret = profile_of(attr, &profile);
	if (ret == 0)
		ret = ring_profile_add(&profile);
	if (ret < 0)
		return vma_result(ret);
	*key = ret;
	return 0;
}

int
vma_add_profile_c(struct vma_ring_type_attr_c *attr, vma_ring_profile_key *key)
{
	struct vma_ring_type_attr b;

	if (attr == NULL || key == NULL)
		return vma_result(-EINVAL);
	b = (struct vma_ring_type_attr){ .comp_mask = attr->comp_mask };
	if (attr->ring_type == VMA_C_RING_EXTERNAL_MEM) {
		b.ring_type = VMA_RING_EXTERNAL_MEM;
		b.ring_ext.comp_mask = attr->ring_mask;
	} else if (attr->ring_type == VMA_RING_PACKET) {
		b.ring_type = VMA_RING_PACKET;
		b.ring_pktq.comp_mask = attr->ring_mask;
	} else {
		LOG_ERROR("vma_add_ring_profile: there is no ring type %d: packet (0) and external "
			  "memory (1) are those of DPVMA_VMA_ABI=%c",
				attr->ring_type, 'A' + (int)conf()->vma_abi);
		return vma_result(-EOPNOTSUPP);
	}
	return vma_add_profile(&b, key);
}

_Static_assert((int)CYCLIC_RAW == RAW_PACKET && (int)CYCLIC_STRIP == STRIP_NETWORK_HDRS &&
				(int)CYCLIC_SEPARATE == SEPERATE_NETWORK_HDRS &&
				(int)CYCLIC_PADDED == PADDED_PACKET,
		"modes are passed on as numbers");
