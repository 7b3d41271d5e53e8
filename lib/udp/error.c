/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about what a connected socket sent become its pending error (RFC 1122 section
 * 4.1.3.3). They come while a ring is locked, so the sockets that have a peer are kept in a table
 * with a lock of its own.
 */
#include <netinet/ip_icmp.h>

#include <rte_jhash.h>

#include "udp/udp_priv.h"

#define BUCKETS 4096

static LIST_HEAD(, udp_sock) buckets[BUCKETS];
static rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;

static unsigned int
bucket_of(const struct ip_addr *peer, uint16_t peer_port, uint16_t lport)
{
	return rte_jhash_3words(ip_v4(peer), peer_port, lport, 0) % BUCKETS;
}

void
error_watch(struct udp_sock *s, bool on)
{
	rte_spinlock_lock(&lock);
	if (on)
		LIST_INSERT_HEAD(&buckets[bucket_of(&s->peer, s->head.peer_port, s->lport)], s,
				same_peer);
	else
		LIST_REMOVE(s, same_peer);
	rte_spinlock_unlock(&lock);
}

void
error_set(struct udp_sock *s, int err)
{
	rte_spinlock_lock(&s->queue_lock);
	__atomic_store_n(&s->head.error, err, __ATOMIC_RELEASE);
	STAT_INC(&s->stats, SOCK, errors);
	if (s->head.checks & CHECK_WAKE)
		s->wake(s->wake_ctx);
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

void
error_icmp(const struct flow_key *key, int err, uint8_t type, uint8_t code, uint32_t info,
		uint32_t seq)
{
	struct udp_sock *s;

	(void)info;
	(void)seq;
	rte_spinlock_lock(&lock);
	LIST_FOREACH (s, &buckets[bucket_of(&key->remote, key->rport, key->lport)], same_peer) {
		if (s->lport != key->lport || s->head.peer_port != key->rport ||
				!ip_equal(&s->peer, &key->remote))
			continue;
		/* A socket bound to a group sends from an address that it does not keep. */
		if (s->kind == LOCAL_UNICAST && !ip_equal(&s->local, &key->local))
			continue;
		if (tells(s, type, code))
			error_set(s, err);
	}
	rte_spinlock_unlock(&lock);
}

int
udp_take_error(struct udp_sock *s)
{
	if (likely(__atomic_load_n(&s->head.error, __ATOMIC_RELAXED) == 0))
		return 0;
	return __atomic_exchange_n(&s->head.error, 0, __ATOMIC_ACQUIRE);
}

bool
udp_has_error(const struct udp_sock *s)
{
	return __atomic_load_n(&s->head.error, __ATOMIC_RELAXED) != 0;
}
