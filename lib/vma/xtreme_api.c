/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socketxtreme, between the structures of the extra API and those of room sock, which are the same
 * memory: a completion is written once, in the application's array.
 */
#include <stddef.h>

#include "sock/sock.h"
#include "vma/vma_priv.h"

#define SAME(ours, a, theirs, b)                                                                   \
	_Static_assert(offsetof(ours, a) == offsetof(theirs, b) &&                                 \
					sizeof(((ours *)0)->a) == sizeof(((theirs *)0)->b),        \
			#theirs "." #b)
SAME(struct sock_packet, num_bufs, struct vma_packet_desc_t, num_bufs);
SAME(struct sock_packet, total_len, struct vma_packet_desc_t, total_len);
SAME(struct sock_packet, buffs, struct vma_packet_desc_t, buff_lst);
SAME(struct sock_packet, hw_timestamp, struct vma_packet_desc_t, hw_timestamp);
SAME(struct sock_completion, packet, struct vma_completion_t, packet);
SAME(struct sock_completion, events, struct vma_completion_t, events);
SAME(struct sock_completion, user_data, struct vma_completion_t, user_data);
SAME(struct sock_completion, src, struct vma_completion_t, src);
SAME(struct sock_completion, listen_fd, struct vma_completion_t, listen_fd);
SAME(struct ring_meta, next, struct vma_buff_t, next);
SAME(struct ring_meta, payload, struct vma_buff_t, payload);
SAME(struct ring_meta, len, struct vma_buff_t, len);
_Static_assert(sizeof(struct sock_completion) == sizeof(struct vma_completion_t) &&
				sizeof(struct sock_packet) == sizeof(struct vma_packet_desc_t),
		"arrays of them");
_Static_assert(SOCK_XTREME_PACKET == VMA_SOCKETXTREME_PACKET &&
				SOCK_XTREME_ACCEPTED == VMA_SOCKETXTREME_NEW_CONNECTION_ACCEPTED,
		"events are passed on as numbers");

int
vma_xtreme_poll(int fd, struct vma_completion_t *completions, unsigned int n, int flags)
{
	(void)flags; /* as it always was */
	return vma_result(sock_xtreme_poll(fd, (struct sock_completion *)completions, n));
}

int
vma_xtreme_free_packets(struct vma_packet_desc_t *packets, int n)
{
	return vma_result(sock_xtreme_free((const struct sock_packet *)packets, n));
}

int
vma_xtreme_ref_buff(struct vma_buff_t *buff)
{
	return vma_result(sock_xtreme_ref_buff((struct ring_meta *)buff));
}

int
vma_xtreme_free_buff(struct vma_buff_t *buff)
{
	return vma_result(sock_xtreme_free_buff((struct ring_meta *)buff));
}
