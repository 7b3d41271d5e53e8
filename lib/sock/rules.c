/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of libvma.conf, asked for a socket: each when it is about to become what a rule speaks
 * of, and what follows when the kernel is to carry it.
 *
 * A datagram socket has two directions. One that the kernel receives for is bound there alone, and
 * every call on it is the kernel's but sends: sock.sends, and not offloaded. One that the kernel
 * sends for is offloaded, and its sends go by the kernel's socket, which has the same number.
 */
#include "sock_priv.h"

/* Where a cached destination is in sock.sent; the lowest bits say that it is one, and by whom. */
#define SENT_KNOWN 1u
#define SENT_KERNEL 2u

void
rules_whole(struct sock *s, const struct conf_offload *o)
{
	s->reason = REASON_RULE;
	s->rule = o->rule;
	sock_to_kernel(s, "rule %s", o->text);
}

/* @return 0, or -errno: the kernel cannot carry it, as it has not the address */
static int
give_up(struct sock *s, const struct conf_offload *o, int err)
{
	int ret = kernel_takes_over(s);

	if (ret == 0)
		return 0;
	LOG_WARNING("fd %d: the kernel shall carry it (%s) but does not have its address: %s",
			s->fd, o->text, strerror(err));
	return -err;
}

int
rules_connect(struct sock *s, const struct ip_addr *peer, uint16_t port_be)
{
	enum conf_role role = s->udp != NULL ? CONF_UDP_CONNECT : CONF_TCP_CLIENT;
	struct ip_addr local;
	struct conf_offload o;
	uint16_t local_be;
	int ret;

	s->ops->local(s, &local, &local_be);
	o = conf_offload(role, &local, local_be, peer, port_be);
	if (o.offload) {
		s->rule = o.rule;
		return 0;
	}
	ret = give_up(s, &o, ENETUNREACH);
	if (ret != 0)
		return ret;
	rules_whole(s, &o);
	return -EREMOTE;
}

int
rules_listen(struct sock *s)
{
	struct ip_addr local;
	struct conf_offload o;
	uint16_t local_be;
	int ret;

	s->ops->local(s, &local, &local_be);
	o = conf_offload(CONF_TCP_SERVER, &local, local_be, NULL, 0);
	if (o.offload) {
		s->rule = o.rule;
		return 0;
	}
	ret = give_up(s, &o, EADDRNOTAVAIL);
	if (ret != 0)
		return ret;
	rules_whole(s, &o);
	return -EREMOTE;
}

bool
rules_receiver(const struct ip_addr *local, uint16_t port_be, struct conf_offload *o)
{
	*o = conf_offload(CONF_UDP_RECEIVER, local, port_be, NULL, 0);
	return !o->offload;
}

void
rules_peer(struct sock *s, const struct ip_addr *peer, uint16_t port_be)
{
	s->peer_os = conf_offload_asked(CONF_UDP_SENDER) && rules_sends(s, peer, port_be);
}

/*
 * A decision is kept for as long as its place in the cache, as that of the same destination is
 * asked for with every datagram.
 */
bool
rules_sends(struct sock *s, const struct ip_addr *to, uint16_t port_be)
{
	uint64_t key = (uint64_t)ip_v4(to) << 32 | (uint32_t)port_be << 16 | SENT_KNOWN, have;
	uint64_t *at = &s->sent[(key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SOCK_SENT_BITS)];
	struct conf_offload o;

	have = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (likely((have & ~(uint64_t)SENT_KERNEL) == key))
		return (have & SENT_KERNEL) != 0;
	o = conf_offload(CONF_UDP_SENDER, NULL, 0, to, port_be);
	if (!o.offload)
		s->send_rule = o.rule;
	__atomic_store_n(at, o.offload ? key : key | SENT_KERNEL, __ATOMIC_RELAXED);
	return !o.offload;
}
