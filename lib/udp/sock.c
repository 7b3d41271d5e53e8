/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A UDP socket as an object: made, asked about, shut, closed; and the room as a whole. What it is
 * bound to is in bind.c, its datagrams are in queue.c and send.c.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "udp/udp_priv.h"

/* net.core.rmem_default of Linux, until the socket above says what the kernel's has. */
#define RCVBUF_DEFAULT 212992

static pthread_mutex_t control = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void
control_lock(void)
{
	pthread_mutex_lock(&control);
}

void
control_unlock(void)
{
	pthread_mutex_unlock(&control);
}

static bool
migrates(const struct ring_alloc *alloc)
{
	return alloc->logic >= CONF_RING_PER_THREAD && alloc->ratio >= 0;
}

static int32_t
companion_of(const struct udp_sock *s, const void *ctx)
{
	intptr_t lines = ((intptr_t)ctx - (intptr_t)s) / RTE_CACHE_LINE_SIZE;

	return ctx == NULL || lines != (int32_t)lines ? 0 : (int32_t)lines;
}

int
udp_open(int id, udp_wake_cb wake, void *ctx, struct udp_sock **sock)
{
	struct udp_sock *s = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	rte_spinlock_init(&s->queue_lock);
	rte_spinlock_init(&s->poll_lock);
	rte_spinlock_init(&s->tx_lock);
	s->sink.deliver = queue_deliver;
	s->sink_any.deliver = queue_deliver_any;
	s->wake = wake;
	s->wake_ctx = ctx;
	s->companion = companion_of(s, ctx);
	s->head.checks = wake != NULL ? CHECK_WAKE : 0;
	s->opt.rcvbuf = RCVBUF_DEFAULT;
	s->opt.ttl = 64;
	s->opt.mc_ttl = 1;
	s->opt.mc_loop = conf()->tx_mc_loopback;
	s->opt.mc_all = true;
	LIST_INIT(&s->members);
	ring_alloc_init(&s->rx_alloc, RING_RX, id);
	ring_alloc_init(&s->tx_alloc, RING_TX, id);
	s->rx_migrates = migrates(&s->rx_alloc);
	s->tx_migrates = migrates(&s->tx_alloc);
	*sock = s;
	return 0;
}

void
udp_close(struct udp_sock *s)
{
	control_lock();
	/* first, as the reports of it need a ring to go by */
	members_leave_all(s);
	bind_leave(s);
	control_unlock();
	way_close(s);
	udp_set_pacing(s, 0, 0, 0);
	queue_free(s);
	free(s->stage.front);
	free(s->rings);
	free(s);
}

struct udp_options *
udp_options(struct udp_sock *s)
{
	return &s->opt;
}

struct sock_stats *
udp_stats(struct udp_sock *s)
{
	uint32_t queued = __atomic_load_n(&s->head.queued, __ATOMIC_RELAXED);
	const struct udp_stage *st = &s->stage;
	uint32_t waiting = queued + st->n + st->out, charge = waiting * UDP_PACKET_CHARGE;
	uint32_t bytes = s->bytes + st->bytes;

	/* A delivery counts nothing: what it brought was read or is waiting. Good enough unlocked.
	 */
	STAT_GET(&s->stats, SOCK, rx_packets) = s->read_packets + st->gone + waiting;
	STAT_GET(&s->stats, SOCK, rx_read) = s->read_packets;
	STAT_GET(&s->stats, SOCK, rx_bytes) =
			s->read_bytes + st->gone_bytes + (bytes > charge ? bytes - charge : 0);
	return &s->stats;
}

struct ring_alloc *
udp_ring_alloc(struct udp_sock *s, enum ring_dir dir)
{
	return dir == RING_RX ? &s->rx_alloc : &s->tx_alloc;
}

int
udp_set_ring_alloc(struct udp_sock *s, enum ring_dir dir, const struct ring_alloc *alloc)
{
	struct ring_alloc before;
	int rc = 0;

	rte_spinlock_lock(&s->tx_lock);
	control_lock();
	if (dir == RING_TX) {
		s->tx_alloc = *alloc;
		s->tx_migrates = migrates(alloc);
		way_reset(s);
	} else {
		before = s->rx_alloc;
		s->rx_alloc = *alloc;
		rc = flows_migrate(s);
		if (rc < 0)
			s->rx_alloc = before;
		s->rx_migrates = migrates(&s->rx_alloc);
	}
	control_unlock();
	rte_spinlock_unlock(&s->tx_lock);
	return rc;
}

int
udp_renew(struct udp_sock *s)
{
	int rc = 0;

	rte_spinlock_lock(&s->tx_lock);
	control_lock();
	if (s->lport != 0)
		rc = flows_renew(lport_find(s->lport), s, NULL);
	if (rc < 0)
		flows_renew(lport_find(s->lport), NULL, NULL);
	way_reset(s);
	control_unlock();
	rte_spinlock_unlock(&s->tx_lock);
	return rc;
}

int
udp_shutdown(struct udp_sock *s, int how)
{
	uint8_t bits = how == SHUT_RD ? 1 : how == SHUT_WR ? 2 : 3;

	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	rte_spinlock_lock(&s->queue_lock);
	__atomic_or_fetch(&s->head.shut, bits, __ATOMIC_RELEASE);
	if ((bits & 1) && (s->head.checks & CHECK_WAKE))
		s->wake(s->wake_ctx, NULL, 0);
	rte_spinlock_unlock(&s->queue_lock);
	return s->connected ? 0 : -ENOTCONN;
}

int
udp_init(void)
{
	net_on_icmp_error(IPPROTO_UDP, error_icmp);
	return port_on_change(flows_note_change, &flows_stale);
}

void
udp_fini(void)
{
	net_on_icmp_error(IPPROTO_UDP, NULL);
	port_off(&flows_stale);
	fan_pool_free();
}
