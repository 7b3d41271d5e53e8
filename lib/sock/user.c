/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Touching the program's memory where it may not be. The instructions that do so lie between two
 * labels; a fault there goes on behind them with "no", as by the kernel's table of exceptions. They
 * use no stack, so that is all there is to mend.
 */
#include <limits.h>
#include <ucontext.h>

#include "sock_priv.h"
#include "user.h"

#ifdef __x86_64__
extern const char user_touch_begin[] __attribute__((visibility("hidden")));
extern const char user_touch_end[] __attribute__((visibility("hidden")));

#define TOUCH(name, instruction)                                                                   \
	".globl " name "\n.hidden " name "\n.type " name ", @function\n" name ":\n"                \
	"1:	" instruction "\n"                                                                 \
	"	orq $4095, %rdi\n"                                                                       \
	"	incq %rdi\n"                                                                             \
	"	cmpq %rsi, %rdi\n"                                                                       \
	"	jbe 1b\n"                                                                                \
	"	movl $1, %eax\n"                                                                         \
	"	ret\n"                                                                                   \
	".size " name ", .-" name "\n"

/* No lock: the byte is about to be written by the caller as well. */
__asm__(".text\n.p2align 4\n"
	".globl user_touch_begin\n.hidden user_touch_begin\nuser_touch_begin:\n" TOUCH(
			"user_touch_read",
			"movb (%rdi), %al") ".p2align 4\n" TOUCH("user_touch_write",
			"orb $0, (%rdi)") ".globl user_touch_end\n.hidden "
					  "user_touch_end\nuser_touch_end:\n"
					  "	xorl %eax, %eax\n"
					  "	ret\n");

bool
dpvma_fault(void *ucontext)
{
	ucontext_t *uc = ucontext;
	uintptr_t at = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	if (at < (uintptr_t)user_touch_begin || at >= (uintptr_t)user_touch_end)
		return false;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)user_touch_end;
	return true;
}
#else
bool
user_touch_read(uintptr_t first, uintptr_t last)
{
	(void)first;
	(void)last;
	return true;
}

bool
user_touch_write(uintptr_t first, uintptr_t last)
{
	return user_touch_read(first, last);
}

bool
dpvma_fault(void *ucontext)
{
	(void)ucontext;
	return false;
}
#endif

int
user_iov(const struct iovec *iov, size_t iovcnt)
{
	size_t i;

	if (unlikely(iovcnt > IOV_MAX))
		return -EMSGSIZE;
	if (unlikely(!user_in(iov, iovcnt * sizeof(*iov))))
		return -EFAULT;
	for (i = 0; i < iovcnt; i++) {
		if (unlikely((ssize_t)iov[i].iov_len < 0))
			return -EINVAL;
		if (unlikely(!user_range(iov[i].iov_base, iov[i].iov_len)))
			return -EFAULT;
	}
	return 0;
}

int
user_msg(const struct msghdr *msg)
{
	if (unlikely(!user_in(msg, sizeof(*msg))))
		return -EFAULT;
	if (unlikely(msg->msg_name != NULL && (int)msg->msg_namelen < 0))
		return -EINVAL;
	return user_iov(msg->msg_iov, msg->msg_iovlen);
}

bool
user_iov_in(const struct iovec *iov, size_t iovcnt, size_t len)
{
	for (; len != 0 && iovcnt != 0; iov++, iovcnt--) {
		size_t part = RTE_MIN(len, iov->iov_len);

		if (unlikely(!user_in(iov->iov_base, part)))
			return false;
		len -= part;
	}
	return true;
}

bool
user_iov_out(const struct iovec *iov, size_t iovcnt, size_t len)
{
	for (; len != 0 && iovcnt != 0; iov++, iovcnt--) {
		size_t part = RTE_MIN(len, iov->iov_len);

		if (unlikely(!user_out(iov->iov_base, part)))
			return false;
		len -= part;
	}
	return true;
}
