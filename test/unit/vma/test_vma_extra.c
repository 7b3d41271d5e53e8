/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * <mellanox/vma_extra.h> as a C program sees it: its layout, that the table can be filled with
 * functions of the right shape, and that vma_get_api() asks as programs have always asked.
 */
#include <mellanox/vma_extra.h> /* first: it has to stand on its own */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "layout.h"

static void
test_layout(void **state)
{
	(void)state;
	assert_int_equal(layout_errors(), 0);
}

/* Members of the table, by place: a program calls what stands at its offset. */
static void
test_slots(void **state)
{
	struct vma_api_t api;
	void *slot[23];

	(void)state;
	assert_int_equal(sizeof(slot), sizeof(api));
	memset(&api, 0, sizeof(api));
	api.vma_extra_supported_mask = VMA_EXTRA_API_CYCLIC_BUFFER_READ;
	memcpy(slot, &api, sizeof(slot));
	for (size_t i = 0; i < 23; i++)
		assert_int_equal((uintptr_t)slot[i], i == 21 ? 1 << 15 : 0);
}

static struct {
	int calls, fd, level, name;
	socklen_t len;
	int ret;
} asked;
static struct vma_api_t table;

/* In front of libc's. */
int
getsockopt(int fd, int level, int name, void *__restrict val, socklen_t *__restrict len)
{
	asked.calls++;
	asked.fd = fd;
	asked.level = level;
	asked.name = name;
	asked.len = *len;
	if (asked.ret == 0) {
		void *p = &table;

		memcpy(val, &p, sizeof(p));
	} else {
		errno = EBADF;
	}
	return asked.ret;
}

static void
test_get_api(void **state)
{
	(void)state;
	memset(&asked, 0, sizeof(asked));
	assert_ptr_equal(vma_get_api(), &table);
	assert_int_equal(asked.calls, 1);
	assert_int_equal(asked.fd, -1);
	assert_int_equal(asked.level, SOL_SOCKET);
	assert_int_equal(asked.name, 2800);
	assert_int_equal(asked.len, sizeof(void *));
	asked.ret = -1;
	assert_null(vma_get_api());
}

static vma_recv_callback_retval_t
hold(int fd, size_t sz_iov, struct iovec iov[], struct vma_info_t *info, void *context)
{
	(void)fd;
	(void)iov;
	return sz_iov == 1 && info->struct_sz == sizeof(*info) && context != NULL ? VMA_PACKET_HOLD
										  : VMA_PACKET_DROP;
}

static int
add_profile(struct vma_ring_type_attr *profile, int *key)
{
	*key = (int)profile->ring_cyclicb.num;
	return 0;
}

/* As a program writes it. */
static void
test_use(void **state)
{
	struct vma_ring_type_attr ring = { .comp_mask = 0, .ring_type = VMA_RING_CYCLIC_BUFFER };
	struct vma_api_t api = { .vma_add_ring_profile = add_profile };
	struct vma_info_t info = { .struct_sz = sizeof(info) };
	vma_recv_callback_t callback = hold;
	int key = 0;

	(void)state;
	ring.ring_cyclicb.num = 7;
	ring.ring_cyclicb.packet_receive_mode = PADDED_PACKET;
	assert_int_equal(api.vma_add_ring_profile(&ring, &key), 0);
	assert_int_equal(key, 7);
	assert_int_equal(callback(1, 1, NULL, &info, &key), VMA_PACKET_HOLD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_get_api),
		cmocka_unit_test(test_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
