/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about what a socket sent become its pending error (RFC 1122 section 4.1.3.3), and
 * with IP_RECVERR all of them are told one by one, also to a socket without a peer. They come while
 * a ring is locked, so the sockets that hear of them are kept in a table with a lock of its own.
 */
#include <netinet/ip_icmp.h>
#include <poll.h>

#include <rte_jhash.h>

#include "udp/udp_priv.h"

#define BUCKETS 4096

static LIST_HEAD(, udp_sock) buckets[BUCKETS];
static rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;

/* Those without a peer stand at peer 0, port 0. */
static unsigned int
bucket_of(uint32_t peer, uint16_t peer_port, uint16_t lport)
{
	return rte_jhash_3words(peer, peer_port, lport, 0) % BUCKETS;
}

void
error_forget(struct udp_sock *s)
{
	rte_spinlock_lock(&lock);
	if (s->watched)
		LIST_REMOVE(s, same_peer);
	s->watched = false;
	rte_spinlock_unlock(&lock);
}

void
error_watch(struct udp_sock *s)
{
	unsigned int b;

	rte_spinlock_lock(&lock);
	if (!s->watched && s->lport != 0 && (s->connected || s->recverr != NULL)) {
		b = s->connected ? bucket_of(s->peer_ip, s->head.peer_port, s->lport)
				 : bucket_of(0, 0, s->lport);
		LIST_INSERT_HEAD(&buckets[b], s, same_peer);
		s->watched = true;
	}
	rte_spinlock_unlock(&lock);
}

void
udp_set_recverr(struct udp_sock *s, net_report_cb cb)
{
	control_lock();
	error_forget(s);
	__atomic_store_n(&s->recverr, cb, __ATOMIC_RELEASE);
	error_watch(s);
	control_unlock();
}

static void
set(struct udp_sock *s, int err)
{
	rte_spinlock_lock(&s->queue_lock);
	__atomic_store_n(&s->head.error, err, __ATOMIC_RELEASE);
	STAT_INC(&s->stats, SOCK, errors);
	if (s->head.checks & CHECK_WAKE)
		s->wake(s->wake_ctx, NULL, POLLERR);
	rte_spinlock_unlock(&s->queue_lock);
}

/*
 * Whether a socket without IP_RECVERR hears of it, as Linux does it: not of what may pass (RFC 1122
 * section 4.2.3.9 calls them soft), and of a too large packet only when it asked not to fragment.
 */
static bool
tells(const struct udp_sock *s, uint8_t type, uint8_t code)
{
	if (type == ICMP_PARAMPROB)
		return true;
	if (type != ICMP_UNREACH)
		return false;
	switch (code) {
	case ICMP_UNREACH_NET:
	case ICMP_UNREACH_HOST:
	case ICMP_UNREACH_SRCFAIL:
	case ICMP_UNREACH_TOSNET:
	case ICMP_UNREACH_TOSHOST:
		return false;
	case ICMP_UNREACH_NEEDFRAG:
		return s->opt.df;
	default:
		return true;
	}
}

static void
tell(struct udp_sock *s, const struct flow_key *key, const struct net_error *e)
{
	if (s->recverr != NULL) {
		s->recverr(s->wake_ctx, key, e);
		set(s, e->err);
	} else if (tells(s, e->type, e->code)) {
		set(s, e->err);
	}
}

/* All that have this peer; lock held. */
static bool
to_connected(const struct flow_key *key, const struct net_error *e)
{
	struct udp_sock *s;
	bool any = false;

	LIST_FOREACH (s, &buckets[bucket_of(ip_v4(&key->remote), key->rport, key->lport)],
			same_peer) {
		if (!s->connected || s->lport != key->lport || s->head.peer_port != key->rport ||
				!ip_equal(&s->peer, &key->remote))
			continue;
		/* A socket bound to a group sends from an address that it does not keep. */
		if (s->kind == LOCAL_UNICAST && !ip_equal(&s->local, &key->local))
			continue;
		tell(s, key, e);
		any = true;
	}
	return any;
}

/* One of those that asked for errors and have no peer: bound to the address, or to any. */
static void
to_open(const struct flow_key *key, const struct net_error *e)
{
	struct udp_sock *s, *best = NULL;

	LIST_FOREACH (s, &buckets[bucket_of(0, 0, key->lport)], same_peer) {
		if (s->connected || s->lport != key->lport)
			continue;
		if (s->kind == LOCAL_UNICAST && !ip_equal(&s->local, &key->local))
			continue;
		if (best == NULL || (best->kind != LOCAL_UNICAST && s->kind == LOCAL_UNICAST))
			best = s;
	}
	if (best != NULL)
		tell(best, key, e);
}

void
error_icmp(const struct flow_key *key, const struct net_error *e)
{
	rte_spinlock_lock(&lock);
	if (!to_connected(key, e))
		to_open(key, e);
	rte_spinlock_unlock(&lock);
}

/* Linux names the peer's port here, also when another was sent to. */
void
error_too_long(struct udp_sock *s, const struct udp_out *out, uint32_t mtu)
{
	struct net_error e = { .err = EMSGSIZE, .info = mtu };
	struct flow_key key = {
		.local = s->local,
		.remote = out->addr != NULL ? *out->addr : s->peer,
		.lport = s->lport,
		.rport = s->head.peer_port,
		.proto = IPPROTO_UDP,
	};
	net_report_cb cb = __atomic_load_n(&s->recverr, __ATOMIC_ACQUIRE);

	if (cb != NULL)
		cb(s->wake_ctx, &key, &e);
}

int
udp_take_error(struct udp_sock *s)
{
	if (likely(__atomic_load_n(&s->head.error, __ATOMIC_RELAXED) == 0))
		return 0;
	return __atomic_exchange_n(&s->head.error, 0, __ATOMIC_ACQUIRE);
}

void
udp_put_error(struct udp_sock *s, int err)
{
	__atomic_store_n(&s->head.error, err, __ATOMIC_RELEASE);
}

bool
udp_has_error(const struct udp_sock *s)
{
	return __atomic_load_n(&s->head.error, __ATOMIC_RELAXED) != 0;
}
