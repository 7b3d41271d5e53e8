/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose call it is: EAL and PMDs close their descriptors by libc's names as the program does its
 * own, and by the same interposed calls. A program that closes all numbers there are must not close
 * theirs. What was loaded with dpvma, and while it started, is known by where it lies; looked at
 * only for a number that is marked as the stack's.
 */
#include <link.h>

#include "preload.h"

#define OBJECTS 1024

static uintptr_t programs[OBJECTS]; /**< where objects begin that were there before */
static struct object {
	uintptr_t from, to;
} stacks[OBJECTS];
uintptr_t caller_lowest, caller_highest;
static unsigned int n_programs, n_stacks;
static bool known;

/* Ours is among them: what it closes the program has asked for. */
static int
is_programs(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (n_programs < OBJECTS)
		programs[n_programs++] = info->dlpi_addr;
	return 0;
}

static struct object
place_of(const struct dl_phdr_info *info)
{
	struct object o = { .from = UINTPTR_MAX };
	unsigned int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD)
			continue;
		o.from = at < o.from ? at : o.from;
		o.to = at + ph->p_memsz > o.to ? at + ph->p_memsz : o.to;
	}
	return o;
}

/* The count last: who reads meanwhile finds what is complete. */
static int
is_stacks(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object o = place_of(info);
	unsigned int i;

	(void)size;
	(void)arg;
	for (i = 0; i < n_programs; i++)
		if (programs[i] == info->dlpi_addr)
			return 0;
	for (i = 0; i < n_stacks; i++)
		if (stacks[i].from == o.from)
			return 0;
	if (n_stacks < OBJECTS) {
		stacks[n_stacks] = o;
		if (caller_lowest == 0 || o.from < caller_lowest)
			caller_lowest = o.from;
		if (o.to > caller_highest)
			caller_highest = o.to;
		__atomic_store_n(&n_stacks, n_stacks + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

void
caller_before(void)
{
	dl_iterate_phdr(is_programs, NULL);
}

void
caller_after(void)
{
	if (n_programs == 0)
		return;
	dl_iterate_phdr(is_stacks, NULL);
	/* more than can be kept: nothing is */
	__atomic_store_n(&known, n_programs < OBJECTS && n_stacks < OBJECTS, __ATOMIC_RELEASE);
}

static bool
is_there(const void *address)
{
	unsigned int i, n = __atomic_load_n(&n_stacks, __ATOMIC_ACQUIRE);

	for (i = 0; i < n; i++)
		if ((uintptr_t)address >= stacks[i].from && (uintptr_t)address < stacks[i].to)
			return true;
	return false;
}

bool
caller_is_stack(const void *address)
{
	return !__atomic_load_n(&known, __ATOMIC_ACQUIRE) || is_there(address);
}

/* Not yet while dpvma is loaded: it opens nothing before its start. */
void
caller_opened(int fd, const void *address)
{
	const struct core *c = core_loaded();
	int err = errno;

	if (fd >= 0 && c != NULL && is_there(address))
		c->own(fd);
	errno = err;
}
