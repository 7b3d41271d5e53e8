/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets that may become dpvma's. Until a call needs a port they are the kernel's, which answers
 * for them; what is set on them is remembered, and dpvma is told once it has them. The kernel's
 * socket stays behind the descriptor then, with all that was set on it.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

#define BLOCK 1024
#define VALUE_MAX 128 /**< bytes; longer ones only the kernel understands */

struct setting {
	struct setting *next;
	int level, name;
	socklen_t len;
	uint8_t value[];
};

/** Lists by descriptor, the newest first, in blocks that come when they are needed and stay. */
static struct setting **blocks[SOCK_MARKS / BLOCK];
static pthread_mutex_t adopting = PTHREAD_MUTEX_INITIALIZER;
/** This thread starts dpvma, or a signal handler came in while it did. */
static __thread bool busy __attribute__((tls_model("initial-exec")));

static struct setting **
list_of(int fd, bool make)
{
	struct setting ***at = &blocks[fd / BLOCK], **block, **none = NULL;

	block = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	if (block == NULL && make) {
		block = calloc(BLOCK, sizeof(*block));
		if (block == NULL)
			return NULL;
		if (!__atomic_compare_exchange_n(
				    at, &none, block, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			free(block);
			block = none;
		}
	}
	return block != NULL ? &block[fd % BLOCK] : NULL;
}

static struct setting *
take_all(int fd)
{
	struct setting **list = (unsigned int)fd < SOCK_MARKS ? list_of(fd, false) : NULL;

	return list != NULL ? __atomic_exchange_n(list, NULL, __ATOMIC_ACQ_REL) : NULL;
}

static void
free_all(struct setting *s)
{
	while (s != NULL) {
		struct setting *next = s->next;

		free(s);
		s = next;
	}
}

/* The list without settings of that name. */
static struct setting *
without(struct setting *list, int level, int name)
{
	struct setting **at = &list, *s;

	while ((s = *at) != NULL) {
		if (s->level == level && s->name == name) {
			*at = s->next;
			free(s);
		} else {
			at = &s->next;
		}
	}
	return list;
}

void
candidate_remember(int fd, int level, int name, const void *val, socklen_t len)
{
	struct setting **list, *s, *tail;
	int err = errno;

	if (val == NULL || len > VALUE_MAX)
		return;
	list = list_of(fd, true);
	s = list != NULL ? malloc(sizeof(*s) + len) : NULL;
	if (s != NULL) {
		s->level = level;
		s->name = name;
		s->len = len;
		memcpy(s->value, val, len);
		/* set again and again it counts once; what another thread adds meanwhile stays */
		s->next = without(take_all(fd), level, name);
		for (tail = s; tail->next != NULL; tail = tail->next)
			;
		while (!__atomic_compare_exchange_n(
				list, &tail->next, s, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			;
	}
	errno = err;
}

void
candidate_forget(int fd)
{
	free_all(take_all(fd));
}

/* Oldest first. */
static void
tell_all(const struct core *c, int fd, const struct setting *s)
{
	if (s == NULL)
		return;
	tell_all(c, fd, s->next);
	c->option_taken(fd, s->level, s->name, s->value, s->len);
}

static bool
adopt(const struct core *c, int fd)
{
	struct setting *list;
	bool ours = true;

	/* another thread may have been first */
	if (mark_of(fd) == SOCK_MARK_CANDIDATE) {
		ours = c->adopt(fd) == 0;
		list = take_all(fd);
		if (ours)
			tell_all(c, fd, list);
		free_all(list);
	}
	return ours && mark_of(fd) == SOCK_MARK_OURS;
}

bool
candidate_adopt(int fd)
{
	const struct core *c;
	int err = errno;
	bool ours;

	if (mark_of(fd) != SOCK_MARK_CANDIDATE)
		return mark_of(fd) == SOCK_MARK_OURS;
	if (busy)
		return false;
	c = core();
	if (c == NULL) {
		mark_gone(fd);
		return false;
	}
	busy = true;
	pthread_mutex_lock(&adopting);
	ours = adopt(c, fd);
	pthread_mutex_unlock(&adopting);
	busy = false;
	errno = err;
	return ours;
}

bool
candidate_loopback(const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in in;

	if (!maybe_memory(addr) || len < sizeof(in))
		return false;
	memcpy(&in, addr, sizeof(in));
	return in.sin_family == AF_INET && ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* A thread of the parent may have held the lock. */
static void
in_child(void)
{
	pthread_mutex_init(&adopting, NULL);
	busy = false;
}

static void __attribute__((constructor)) begin(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
