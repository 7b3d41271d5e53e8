/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the kernel's tables by netlink and follows their changes. libnl's caches remember what was
 * told, so that after an overrun only differences are; nobody searches them.
 *
 * Changes are gathered with the lock held and told without it, so that a callback may call
 * anything.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <netlink/socket.h>

#include "kern/kern_priv.h"

/* Bytes of the socket for notifications; what does not fit makes everything be read again. */
#define EVENT_RCVBUF (4 << 20)
#define MSG_BUF (64 << 10)

struct subscriber {
	TAILQ_ENTRY(subscriber) next;
	struct kern_events events;
};

struct pending {
	STAILQ_ENTRY(pending) next;
	struct kern_change change;
};

struct known_link {
	TAILQ_ENTRY(known_link) next;
	struct kern_link link;
};

/* What each kind is called by libnl, and where its changes are announced. */
static const struct {
	const char *cache;
	int groups[2];
} kinds[KERN_KINDS] = {
	[KERN_LINK] = { "route/link", { RTNLGRP_LINK } },
	[KERN_ADDR] = { "route/addr", { RTNLGRP_IPV4_IFADDR } },
	[KERN_ROUTE] = { "route/route", { RTNLGRP_IPV4_ROUTE } },
	[KERN_RULE] = { "route/rule", { RTNLGRP_IPV4_RULE } },
	[KERN_NEIGH] = { "route/neigh", { RTNLGRP_NEIGH } },
};

static TAILQ_HEAD(, subscriber) subscribers = TAILQ_HEAD_INITIALIZER(subscribers);
static TAILQ_HEAD(, known_link) links = TAILQ_HEAD_INITIALIZER(links);
static STAILQ_HEAD(, pending) pendings = STAILQ_HEAD_INITIALIZER(pendings);

static unsigned int starts;
static struct nl_sock *dump_sock, *event_sock;

/* Guards caches; a leaf lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nl_cache *caches[KERN_KINDS];

static void
tell_one(const struct kern_events *e, const struct kern_change *c)
{
	switch (c->kind) {
	case KERN_LINK:
		if (e->link != NULL)
			e->link(&c->link, c->gone, e->ctx);
		break;
	case KERN_ADDR:
		if (e->addr != NULL)
			e->addr(&c->addr, c->gone, e->ctx);
		break;
	case KERN_ROUTE:
		if (e->route != NULL)
			e->route(&c->route, c->gone, e->ctx);
		break;
	case KERN_RULE:
		if (e->rule != NULL)
			e->rule(&c->rule, c->gone, e->ctx);
		break;
	case KERN_NEIGH:
		if (e->neigh != NULL)
			e->neigh(&c->neigh, c->gone, e->ctx);
		break;
	default:
		break;
	}
}

static void
remember_link(const struct kern_link *link, bool gone)
{
	struct known_link *k;

	TAILQ_FOREACH (k, &links, next)
		if (k->link.ifindex == link->ifindex)
			break;
	if (gone) {
		if (k != NULL) {
			TAILQ_REMOVE(&links, k, next);
			free(k);
		}
		return;
	}
	if (k == NULL) {
		k = malloc(sizeof(*k));
		if (k == NULL)
			return;
		TAILQ_INSERT_TAIL(&links, k, next);
	}
	k->link = *link;
}

/* Lock held. */
static void
keep(enum kern_kind kind, struct nl_object *obj, bool gone)
{
	struct pending *p = malloc(sizeof(*p));

	if (p == NULL) {
		LOG_ERROR("no memory to keep a change of the kernel's network configuration");
		return;
	}
	if (!kern_parse(kind, obj, &p->change)) {
		free(p);
		return;
	}
	p->change.gone = gone;
	STAILQ_INSERT_TAIL(&pendings, p, next);
}

/* Lock not held. Number told. */
static int
tell_all(void)
{
	struct subscriber *s, *after;
	struct pending *p;
	int n = 0;

	while ((p = STAILQ_FIRST(&pendings)) != NULL) {
		STAILQ_REMOVE_HEAD(&pendings, next);
		/* a link that goes is known until all were told; one that comes, before */
		if (p->change.kind == KERN_LINK && !p->change.gone)
			remember_link(&p->change.link, false);
		for (s = TAILQ_FIRST(&subscribers); s != NULL; s = after) {
			after = TAILQ_NEXT(s, next);
			tell_one(&s->events, &p->change);
		}
		if (p->change.kind == KERN_LINK && p->change.gone)
			remember_link(&p->change.link, true);
		free(p);
		n++;
	}
	return n;
}

/* libnl found a difference. Lock held. */
static void
on_difference(struct nl_cache *cache, struct nl_object *old, struct nl_object *new, uint64_t diff,
		int action, void *data)
{
	enum kern_kind kind = (enum kern_kind)(uintptr_t)data;

	RTE_SET_USED(cache);
	RTE_SET_USED(diff);
	if (action == NL_ACT_DEL) {
		keep(kind, old, true);
		return;
	}
	if (old != NULL && old != new && (kind == KERN_ROUTE || kind == KERN_RULE))
		keep(kind, old, true);
	keep(kind, new, false);
}

static void
on_object(struct nl_object *obj, void *arg)
{
	unsigned int kind;

	RTE_SET_USED(arg);
	for (kind = 0; kind < KERN_KINDS; kind++)
		if (strcmp(nl_object_get_type(obj), kinds[kind].cache) == 0)
			break;
	if (kind < KERN_KINDS)
		nl_cache_include_v2(caches[kind], obj, on_difference, (void *)(uintptr_t)kind);
}

static int
on_message(struct nl_msg *msg, void *arg)
{
	/* what libnl cannot read is of no interest here either */
	nl_msg_parse(msg, on_object, arg);
	return NL_OK;
}

/* Notifications have no sequence of ours. */
static int
no_sequence(struct nl_msg *msg, void *arg)
{
	RTE_SET_USED(msg);
	RTE_SET_USED(arg);
	return NL_OK;
}

/* Read a table and tell how it differs from what was known. Lock held. */
static int
read_kind(enum kern_kind kind)
{
	struct nl_cache *fresh, *known = caches[kind];
	struct nl_object *obj, *other;
	int ret;

	ret = nl_cache_alloc_name(kinds[kind].cache, &fresh);
	if (ret < 0)
		return ret;
	ret = nl_cache_refill(dump_sock, fresh);
	if (ret < 0) {
		nl_cache_free(fresh);
		return ret;
	}
	for (obj = nl_cache_get_first(known); obj != NULL; obj = nl_cache_get_next(obj)) {
		other = nl_cache_search(fresh, obj);
		if (other == NULL)
			keep(kind, obj, true);
		else if (nl_object_diff64(obj, other) != 0)
			on_difference(NULL, obj, other, 0, NL_ACT_CHANGE, (void *)(uintptr_t)kind);
		nl_object_put(other);
	}
	for (obj = nl_cache_get_first(fresh); obj != NULL; obj = nl_cache_get_next(obj)) {
		other = nl_cache_search(known, obj);
		if (other == NULL)
			keep(kind, obj, false);
		nl_object_put(other);
	}
	nl_cache_free(known);
	caches[kind] = fresh;
	return 0;
}

static int
read_all(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < KERN_KINDS && ret >= 0; i++)
		ret = read_kind((enum kern_kind)i);
	return ret;
}

static int
open_sockets(void)
{
	unsigned int i, j;
	int ret;

	dump_sock = nl_socket_alloc();
	event_sock = nl_socket_alloc();
	if (dump_sock == NULL || event_sock == NULL)
		return -NLE_NOMEM;
	ret = nl_connect(dump_sock, NETLINK_ROUTE);
	if (ret < 0)
		return ret;
	nl_socket_disable_seq_check(event_sock);
	nl_socket_modify_cb(event_sock, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, no_sequence, NULL);
	nl_socket_modify_cb(event_sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, NULL);
	ret = nl_connect(event_sock, NETLINK_ROUTE);
	if (ret < 0)
		return ret;
	/* with SO_RCVBUFFORCE where we may, else as much as we get; an overrun is dealt with */
	if (setsockopt(nl_socket_get_fd(event_sock), SOL_SOCKET, SO_RCVBUFFORCE,
			    &(int){ EVENT_RCVBUF }, sizeof(int)) != 0)
		nl_socket_set_buffer_size(event_sock, EVENT_RCVBUF, 0);
	nl_socket_set_msg_buf_size(event_sock, MSG_BUF);
	ret = nl_socket_set_nonblocking(event_sock);
	for (i = 0; i < KERN_KINDS && ret >= 0; i++)
		for (j = 0; j < RTE_DIM(kinds[i].groups) && ret >= 0; j++)
			if (kinds[i].groups[j] != 0)
				ret = nl_socket_add_membership(event_sock, kinds[i].groups[j]);
	for (i = 0; i < KERN_KINDS && ret >= 0; i++)
		ret = nl_cache_alloc_name(kinds[i].cache, &caches[i]);
	return ret;
}

static void
close_all(void)
{
	struct known_link *k;
	struct pending *p;
	unsigned int i;

	kern_neigh_close();
	pthread_mutex_lock(&lock);
	for (i = 0; i < KERN_KINDS; i++) {
		if (caches[i] != NULL)
			nl_cache_free(caches[i]);
		caches[i] = NULL;
	}
	while ((p = STAILQ_FIRST(&pendings)) != NULL) {
		STAILQ_REMOVE_HEAD(&pendings, next);
		free(p);
	}
	pthread_mutex_unlock(&lock);
	while ((k = TAILQ_FIRST(&links)) != NULL) {
		TAILQ_REMOVE(&links, k, next);
		free(k);
	}
	nl_socket_free(dump_sock);
	nl_socket_free(event_sock);
	dump_sock = event_sock = NULL;
}

int
kern_start(void)
{
	int ret;

	if (starts > 0) {
		starts++;
		return 0;
	}
	/* subscribed before read, so that no change falls between */
	ret = open_sockets();
	if (ret >= 0)
		ret = kern_neigh_open();
	if (ret >= 0) {
		pthread_mutex_lock(&lock);
		ret = read_all();
		pthread_mutex_unlock(&lock);
	}
	if (ret < 0) {
		LOG_WARNING("the kernel's addresses and routes cannot be read by netlink (%s): "
			    "give "
			    "ports theirs in DPVMA_PORTS",
				nl_geterror(ret));
		close_all();
		return kern_errno(ret);
	}
	starts = 1;
	tell_all();
	return 0;
}

void
kern_stop(void)
{
	if (starts == 0 || --starts > 0)
		return;
	close_all();
}

int
kern_fd(void)
{
	return event_sock != NULL ? nl_socket_get_fd(event_sock) : -1;
}

static void
keep_one(struct nl_object *obj, void *arg)
{
	keep((enum kern_kind)(uintptr_t)arg, obj, false);
}

int
kern_subscribe(const struct kern_events *events)
{
	struct subscriber *s = calloc(1, sizeof(*s));
	struct pending *p;
	unsigned int i;

	if (s == NULL)
		return -ENOMEM;
	s->events = *events;
	if (starts > 0) {
		pthread_mutex_lock(&lock);
		for (i = 0; i < KERN_KINDS; i++)
			nl_cache_foreach(caches[i], keep_one, (void *)(uintptr_t)i);
		pthread_mutex_unlock(&lock);
		/* the others know these */
		while ((p = STAILQ_FIRST(&pendings)) != NULL) {
			STAILQ_REMOVE_HEAD(&pendings, next);
			tell_one(&s->events, &p->change);
			free(p);
		}
	}
	TAILQ_INSERT_TAIL(&subscribers, s, next);
	return 0;
}

void
kern_unsubscribe(void *ctx)
{
	struct subscriber *s, *after;

	for (s = TAILQ_FIRST(&subscribers); s != NULL; s = after) {
		after = TAILQ_NEXT(s, next);
		if (s->events.ctx != ctx)
			continue;
		TAILQ_REMOVE(&subscribers, s, next);
		free(s);
	}
}

int
kern_poll(void)
{
	int ret;

	if (starts == 0)
		return -ENOTCONN;
	pthread_mutex_lock(&lock);
	do {
		ret = nl_recvmsgs_default(event_sock);
	} while (ret >= 0);
	if (ret == -NLE_AGAIN)
		ret = 0;
	/* ENOBUFS is NLE_NOMEM to libnl: the kernel dropped what did not fit */
	if (ret == -NLE_NOMEM) {
		LOG_DEBUG("netlink notifications were lost: reading all again");
		do {
			ret = nl_recvmsgs_default(event_sock);
		} while (ret >= 0 || ret == -NLE_NOMEM);
		ret = read_all();
	}
	pthread_mutex_unlock(&lock);
	if (ret < 0) {
		LOG_DEBUG("netlink: %s", nl_geterror(ret));
		tell_all();
		return kern_errno(ret);
	}
	return tell_all();
}

const struct kern_link *
kern_link_by_index(uint32_t ifindex)
{
	struct known_link *k;

	TAILQ_FOREACH (k, &links, next)
		if (k->link.ifindex == ifindex)
			return &k->link;
	return NULL;
}

const struct kern_link *
kern_link_by_name(const char *name)
{
	struct known_link *k;

	TAILQ_FOREACH (k, &links, next)
		if (strcmp(k->link.name, name) == 0)
			return &k->link;
	return NULL;
}

uint16_t
kern_neigh_state(uint32_t ifindex, const struct ip_addr *addr)
{
	struct kern_change c;
	struct nl_object *obj;
	uint16_t state = 0;

	pthread_mutex_lock(&lock);
	obj = caches[KERN_NEIGH] != NULL ? nl_cache_get_first(caches[KERN_NEIGH]) : NULL;
	for (; obj != NULL; obj = nl_cache_get_next(obj)) {
		if (!kern_parse(KERN_NEIGH, obj, &c) || c.neigh.ifindex != ifindex ||
				!ip_equal(&c.neigh.addr, addr))
			continue;
		state = c.neigh.state;
		break;
	}
	pthread_mutex_unlock(&lock);
	return state;
}
