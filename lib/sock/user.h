/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses that the program gives. The kernel answers a bad one with EFAULT; so do we. What no
 * program can have is seen by its value, always; pages that are not there, or not to be written,
 * are seen by touching them, when the host has handlers in place (struct sock_host). Only what is
 * going to be read or written is looked at, one byte a page: once or twice for usual sizes.
 */
#ifndef DPVMA_USER_H
#define DPVMA_USER_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rte_common.h>
#include <rte_branch_prediction.h>

#define USER_FIRST UINT64_C(4096)
#define USER_END ((UINT64_C(1) << 47) - 4096)

extern bool sock_faults;

/** Touch each page from @p first to @p last. False: one of them cannot be read. */
bool user_touch_read(uintptr_t first, uintptr_t last);
/** The same for writing; what is there stays. Only of memory that the caller then writes. */
bool user_touch_write(uintptr_t first, uintptr_t last);

/** Whether it lies where the program's memory may be; what the kernel looks at before it waits. */
static inline bool
user_range(const void *p, size_t len)
{
	return len <= USER_END && (uintptr_t)p <= USER_END - len;
}

static inline bool
user_in(const void *p, size_t len)
{
	uintptr_t first = (uintptr_t)p;

	if (unlikely(len == 0))
		return true;
	if (unlikely(first < USER_FIRST || !user_range(p, len)))
		return false;
	return likely(!sock_faults) || user_touch_read(first, first + len - 1);
}

static inline bool
user_out(void *p, size_t len)
{
	uintptr_t first = (uintptr_t)p;

	if (unlikely(len == 0))
		return true;
	if (unlikely(first < USER_FIRST || !user_range(p, len)))
		return false;
	return likely(!sock_faults) || user_touch_write(first, first + len - 1);
}

/** The vector itself and its lengths, as the kernel takes it over. 0, -EFAULT, -EMSGSIZE, -EINVAL
 */
int user_iov(const struct iovec *iov, size_t iovcnt);
/** The same of a message, and its header. */
int user_msg(const struct msghdr *msg);

/** Whose a message is: the program's, one of ours on its vector, one of ours on its buffer. */
enum user_given { USER_MSG, USER_IOV, USER_BUF };
static inline int
user_given(const struct msghdr *msg, enum user_given given)
{
	if (likely(given == USER_BUF))
		return likely(user_range(msg->msg_iov->iov_base, msg->msg_iov->iov_len)) ? 0
											 : -EFAULT;
	return given == USER_IOV ? user_iov(msg->msg_iov, msg->msg_iovlen) : user_msg(msg);
}

/** What the kernel makes of the length of one buffer: MAX_RW_COUNT. */
static inline size_t
user_length(size_t len)
{
	return RTE_MIN(len, (size_t)INT_MAX & ~(size_t)4095);
}

/** The first @p len bytes that a vector holds; of what it does not hold nothing is said. */
bool user_iov_in(const struct iovec *iov, size_t iovcnt, size_t len);
bool user_iov_out(const struct iovec *iov, size_t iovcnt, size_t len);

#endif
