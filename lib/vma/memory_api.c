/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings, memory and devices in the extra API: what the application registers, where a cyclic buffer
 * lies, and what there is to tell of the hardware.
 */
#include "cyclic/cyclic.h"
#include "ring/ring.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

struct ring *
vma_ring_pin(int ring_fd)
{
	struct ring *ring = ring_pin(ring_fd);

	if (ring == NULL)
		sock_misused(EXTRA_STAT_stale_ring);
	return ring;
}

int
vma_register_memory(int ring_fd, void *addr, size_t length, uint32_t *key)
{
	struct ring *ring = vma_ring_pin(ring_fd);
	int ret;

	if (ring == NULL)
		return vma_result(-EBADF);
	ret = key == NULL ? -EINVAL : ring_memory_add(ring, addr, length, key);
	ring_unpin(ring);
	return vma_result(ret);
}

int
vma_deregister_memory(int ring_fd, void *addr, size_t length)
{
	struct ring *ring = vma_ring_pin(ring_fd);
	int ret;

	if (ring == NULL)
		return vma_result(-EBADF);
	ret = addr == NULL || length == 0 ? -EINVAL : ring_memory_del(ring, addr, length);
	ring_unpin(ring);
	return vma_result(ret);
}

/* A reader ends with the ring's last user, not with the ring. */
struct ring *
vma_ring_hold(int ring_fd)
{
	struct ring *ring = ring_hold_by_fd(ring_fd);

	if (ring == NULL)
		sock_misused(EXTRA_STAT_stale_ring);
	return ring;
}

int
vma_mem_info(int ring_fd, void **addr, size_t *length, uint32_t *lkey)
{
	struct ring *ring = vma_ring_hold(ring_fd);
	struct cyclic *cyclic;
	int ret;

	if (ring == NULL)
		return vma_result(-EBADF);
	ret = addr == NULL || length == NULL || lkey == NULL ? -EINVAL : cyclic_get(ring, &cyclic);
	if (ret == 0)
		ret = cyclic_memory(cyclic, addr, length);
	if (ret == 0)
		*lkey = 0; /* ethdev shows no keys */
	ring_release(ring);
	return vma_result(ret);
}

/* Of queues ethdev shows nothing: the device itself is all that is told, which is valid_mask 0. */
int
vma_descriptors(int ring_fd, struct vma_mlx_hw_device_data *data)
{
	struct ring *ring = vma_ring_pin(ring_fd);
	struct port_ids ids;
	int ret;

	if (ring == NULL)
		return vma_result(-EBADF);
	ret = data == NULL ? -EINVAL : port_ids(ring->port, &ids);
	if (ret == 0) {
		*data = (struct vma_mlx_hw_device_data){
			.valid_mask = DATA_VALID_DEV,
			.dev_data = { .vendor_id = ids.vendor,
					.vendor_part_id = ids.part,
					.device_cap = ring->port->caps.striding ? VMA_HW_MP_RQ_EN
										: 0 },
		};
	}
	ring_unpin(ring);
	return vma_result(ret);
}

bool
vma_descriptors_offered(void)
{
	struct port_ids ids;

	for (unsigned int i = 0; i < port_count(); i++)
		if (port_ids(port_get(i), &ids) == 0)
			return true;
	return false;
}
