/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has which local port number, and who else may have it: bind as Linux does it for TCP. A
 * connection whose socket is closed still counts, by its flow, until it is over.
 */
#include <stdlib.h>

#include <rte_random.h>

#include "stream/stream_priv.h"

#define FITS 256 /* numbers that are made to suit before any will do */

static struct lport *lports[UINT16_MAX + 1];

struct lport *
number_find(uint16_t port_be)
{
	return lports[port_be];
}

/* Made when there is none; NULL: no memory. */
static struct lport *
number_get(uint16_t port_be)
{
	struct lport *lp = lports[port_be];

	if (lp != NULL)
		return lp;
	lp = calloc(1, sizeof(*lp));
	if (lp == NULL)
		return NULL;
	lp->port = port_be;
	TAILQ_INIT(&lp->streams);
	RB_INIT(&lp->flows);
	lports[port_be] = lp;
	return lp;
}

void
number_put(struct lport *lp)
{
	if (!TAILQ_EMPTY(&lp->streams) || !RB_EMPTY(&lp->flows))
		return;
	lports[lp->port] = NULL;
	free(lp);
}

void
number_foreach(void (*cb)(struct lport *lp, void *ctx), void *ctx)
{
	for (unsigned int i = 0; i <= UINT16_MAX; i++)
		if (lports[i] != NULL)
			cb(lports[i], ctx);
}

static bool
overlap(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_is_any(a) || ip_is_any(b) || ip_equal(a, b);
}

static bool
other_device(const struct stream *a, const struct stream *b)
{
	return (a->opt.bind_ifindex != 0 && b->opt.bind_ifindex != 0 &&
			       a->opt.bind_ifindex != b->opt.bind_ifindex) ||
			(a->opt.bind_port != NULL && b->opt.bind_port != NULL &&
					a->opt.bind_port != b->opt.bind_port);
}

/* Linux, inet_csk_bind_conflict(): what each of two sockets allows. */
static bool
refuses(const struct stream *s, const struct ip_addr *addr, const struct stream *other,
		bool listening)
{
	bool other_listens = other->phase == STREAM_LISTENING;

	if (other == s || other_device(s, other) || !overlap(addr, &other->local))
		return false;
	/* SO_REUSEPORT of both, in whatever state they are */
	if (s->opt.tcp.reuse_port && other->opt.tcp.reuse_port && s->opt.uid == other->opt.uid)
		return false;
	/* an accepted connection is there by its listener's leave, and by no bind of its own */
	if (listening)
		return other_listens;
	return !(s->opt.reuse_addr && other->opt.reuse_addr && !other_listens);
}

/* Connections that outlive their sockets: TIME-WAIT above all. */
static bool
left_refuses(const struct stream *s, const struct ip_addr *addr, struct lport *lp)
{
	struct stream_flow *f;

	RB_FOREACH(f, flow_tree, &lp->flows)
	{
		uint32_t left = __atomic_load_n(
				s->opt.reuse_addr ? &f->left_strict : &f->left, __ATOMIC_RELAXED);

		if (left == 0 || !overlap(addr, &f->key.local))
			continue;
		if (!s->opt.tcp.reuse_port ||
				__atomic_load_n(&f->left_alone, __ATOMIC_RELAXED) != 0)
			return true;
	}
	return false;
}

bool
number_conflict(const struct stream *s, const struct ip_addr *addr, uint16_t port_be,
		bool listening)
{
	struct lport *lp = lports[port_be];
	const struct stream *other;

	if (lp == NULL)
		return false;
	TAILQ_FOREACH (other, &lp->streams, same_port)
		if (refuses(s, addr, other, listening))
			return true;
	return !listening && left_refuses(s, addr, lp);
}

/* Numbers that connect() chose are shared by connections to different peers, as on Linux. */
static bool
shareable(const struct stream *s, const struct lport *lp)
{
	const struct stream *other;

	if (lp == NULL)
		return true;
	TAILQ_FOREACH (other, &lp->streams, same_port)
		if (other != s && (other->port_bound || other->phase == STREAM_LISTENING))
			return false;
	return true;
}

/* Numbers that nobody has come first; then those that may be shared. */
static bool
may_take(const struct stream *s, const struct ip_addr *addr, bool share, uint16_t port_be,
		unsigned int pass)
{
	if (pass == 0)
		return lports[port_be] == NULL;
	return share ? shareable(s, lports[port_be]) : !number_conflict(s, addr, port_be, false);
}

uint16_t
number_fit(const struct stream *s, const struct ip_addr *addr, struct number_wish *wish)
{
	uint32_t first = (uint32_t)conf()->ephemeral_first, last = (uint32_t)conf()->ephemeral_last;
	uint32_t n = last > first ? last - first + 1 : 1, start = (uint32_t)rte_rand_max(n);

	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < FITS; i++) {
			uint16_t p = rte_cpu_to_be_16((uint16_t)(first + (start + i) % n));

			if (!wish->fit(&p, wish->ctx) || rte_be_to_cpu_16(p) < first ||
					rte_be_to_cpu_16(p) > last)
				continue;
			if (may_take(s, addr, true, p, pass) && wish->ok(p, wish->ctx))
				return p;
		}
	}
	return 0;
}

uint16_t
number_choose(const struct stream *s, const struct ip_addr *addr, bool share,
		bool (*ok)(uint16_t port_be, void *ctx), void *ctx)
{
	uint32_t first = (uint32_t)conf()->ephemeral_first;
	uint32_t n = (uint32_t)RTE_MAX(conf()->ephemeral_last - conf()->ephemeral_first, 0) + 1;
	uint32_t start = (uint32_t)rte_rand_max(n);

	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < n; i++) {
			uint16_t p = rte_cpu_to_be_16((uint16_t)(first + (start + i) % n));

			if (may_take(s, addr, share, p, pass) && (ok == NULL || ok(p, ctx)))
				return p;
		}
	}
	return 0;
}

int
number_enter(struct stream *s, const struct ip_addr *addr, uint16_t port_be)
{
	struct lport *lp = number_get(port_be);

	if (lp == NULL)
		return -ENOMEM;
	s->lp = lp;
	s->local = ip_is_any(addr) ? ip_from_v4(0) : *addr;
	TAILQ_INSERT_TAIL(&lp->streams, s, same_port);
	return 0;
}

void
number_leave(struct stream *s)
{
	struct lport *lp = s->lp;

	if (lp == NULL)
		return;
	TAILQ_REMOVE(&lp->streams, s, same_port);
	s->lp = NULL;
	s->local = ip_from_v4(0);
	s->addr_bound = s->port_bound = false;
	number_put(lp);
}
