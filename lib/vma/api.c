/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of the extra API, one for each family of its header, and which of them the program
 * gets. They are static, so callers may keep the pointer. What stands in them is families.h's.
 */
#include "conf/conf.h"
#include "sock/dpvma.h"
#include "sock/sock.h"
#include "vma/families.h"

/* clang-format off */
#define SET_A(families, name, function, ...) VMA_IN_A_##families(.name = function,)
#define SET_B(families, name, function, ...) VMA_IN_B_##families(.name = function,)
#define SET_C(families, name, function, ...) VMA_IN_C_##families(.name = function,)
#define SET_D(families, name, function, ...) VMA_IN_D_##families(.name = function,)
#define SET_E(families, name, function, ...) VMA_IN_E_##families(.name = function,)
/* clang-format on */

/* Packed, but the program reads the mask as one word. */
#define TABLE static __attribute__((aligned(8)))

TABLE struct vma_api_a table_a = { VMA_MEMBERS(SET_A, ) };
TABLE struct vma_api_t table_b = { VMA_MEMBERS(SET_B, ) };
TABLE struct vma_api_c table_c = { VMA_MEMBERS(SET_C, ) };
TABLE struct vma_api_d table_d = { VMA_MEMBERS(SET_D, ) };
TABLE struct vma_api_e table_e = { VMA_MEMBERS(SET_E, ) };

#define TABLE_OF(table) &(table), &(table).vma_extra_supported_mask

static const struct {
	void *table;
	uint64_t *mask;
	enum vma_families family;
} tables[] = {
	[CONF_VMA_ABI_A] = { TABLE_OF(table_a), VMA_FAMILY_A },
	[CONF_VMA_ABI_B] = { TABLE_OF(table_b), VMA_FAMILY_B },
	[CONF_VMA_ABI_C] = { TABLE_OF(table_c), VMA_FAMILY_C },
	[CONF_VMA_ABI_D] = { TABLE_OF(table_d), VMA_FAMILY_D },
	[CONF_VMA_ABI_E] = { TABLE_OF(table_e), VMA_FAMILY_E },
};

static uint64_t
mask_of(enum vma_families family)
{
	uint64_t mask = 0;

#define ANNOUNCE(families, name, function, bit, announced)                                         \
	if ((VMA_FAMILY_##families & family) != 0 && (announced))                                  \
		mask |= UINT64_C(1) << (bit);
	VMA_MEMBERS(ANNOUNCE, )
	return mask;
}

static void *
table_of(enum conf_vma_abi abi)
{
	__atomic_store_n(tables[abi].mask, mask_of(tables[abi].family), __ATOMIC_RELEASE);
	return tables[abi].table;
}

/*
 * Asking for the table starts the stack, as it did in releases up to D. A program of E asks first
 * and brings its allocator then.
 */
static void *
table_asked_for(void)
{
	enum conf_vma_abi abi = conf()->vma_abi;

	return abi == CONF_VMA_ABI_E || dpvma_init() == 0 ? table_of(abi) : NULL;
}

/* Who calls this by its name has been compiled with the header that comes with it. */
struct vma_api_t *
dpvma_get_api(void)
{
	return dpvma_init() == 0 ? table_of(CONF_VMA_ABI_B) : NULL;
}

/* Room sock answers getsockopt(-1, SO_VMA_GET_API) and may not include what is above it. */
static void __attribute__((constructor, used)) offer_table(void)
{
	sock_set_api(table_asked_for);
}
