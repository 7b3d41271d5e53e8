/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Family E's ioctl: control messages for the library as a whole, laid out as for sendmsg(). There
 * is one, by which the program brings an allocator for the memory of packet buffers.
 */
#include <string.h>

#include "ring/ring.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

#define USER_ALLOC 2900 /* CMSG_VMA_IOCTL_USER_ALLOC, level SOL_SOCKET */

enum { USER_ALLOC_TX = 1, USER_ALLOC_RX = 2 };

/** vma_cmsg_ioctl_user_alloc_t */
struct __attribute__((packed)) user_alloc {
	uint8_t flags; /**< USER_ALLOC_*: which buffers */
	void *(*memalloc)(size_t len);
	void (*memfree)(void *memory);
};
_Static_assert(sizeof(struct user_alloc) == 17 && offsetof(struct user_alloc, memfree) == 9,
		"as programs were compiled with");

static int
take_allocator(const struct user_alloc *u)
{
	struct ring_memory memory = { .alloc = u->memalloc, .release = u->memfree };

	if ((u->flags & ~(USER_ALLOC_TX | USER_ALLOC_RX)) != 0)
		return -EINVAL;
	if (u->flags != 0 && (memory.alloc == NULL || memory.release == NULL))
		return -EINVAL;
	return sock_memory_from(
			(u->flags & USER_ALLOC_RX) != 0, (u->flags & USER_ALLOC_TX) != 0, &memory);
}

static int
take_message(const struct cmsghdr *cmsg, size_t room)
{
	struct user_alloc alloc;

	if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != USER_ALLOC ||
			cmsg->cmsg_len != CMSG_LEN(sizeof(alloc)) || cmsg->cmsg_len > room)
		return -EINVAL;
	memcpy(&alloc, CMSG_DATA(cmsg), sizeof(alloc));
	return take_allocator(&alloc);
}

int
vma_ioctl(void *control, size_t len)
{
	struct msghdr msg = { .msg_control = control, .msg_controllen = len };
	struct cmsghdr *cmsg = control != NULL ? CMSG_FIRSTHDR(&msg) : NULL;
	int ret = cmsg != NULL ? 0 : -EINVAL;

	for (; ret == 0 && cmsg != NULL; cmsg = CMSG_NXTHDR(&msg, cmsg))
		ret = take_message(cmsg, len - (size_t)((char *)cmsg - (char *)control));
	return vma_result(ret);
}
