/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to the kernel about its neighbours, from any thread, on a socket of their own. The
 * kernel answers at once; what it learns comes as an event.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/route/neighbour.h>

#include "kern/kern_priv.h"

static struct nl_sock *sock;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int
kern_neigh_open(void)
{
	int ret;

	sock = nl_socket_alloc();
	if (sock == NULL)
		return -ENOMEM;
	ret = nl_connect(sock, NETLINK_ROUTE);
	if (ret == 0)
		return 0;
	nl_socket_free(sock);
	sock = NULL;
	return kern_errno(ret);
}

void
kern_neigh_close(void)
{
	pthread_mutex_lock(&lock);
	nl_socket_free(sock);
	sock = NULL;
	pthread_mutex_unlock(&lock);
}

static int
request(uint32_t ifindex, const struct ip_addr *addr, int state, unsigned int flags, int nlm_flags)
{
	struct rtnl_neigh *neigh = rtnl_neigh_alloc();
	struct nl_addr *dst;
	int ret;

	if (ip_is_v4(addr))
		dst = nl_addr_build(AF_INET, &addr->w[3], sizeof(addr->w[3]));
	else
		dst = nl_addr_build(AF_INET6, addr->b, sizeof(addr->b));
	if (neigh == NULL || dst == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	rtnl_neigh_set_ifindex(neigh, (int)ifindex);
	rtnl_neigh_set_dst(neigh, dst);
	rtnl_neigh_set_state(neigh, state);
	rtnl_neigh_set_flags(neigh, flags);
	pthread_mutex_lock(&lock);
	if (sock == NULL)
		ret = -ENOTCONN;
	else
		ret = kern_errno(rtnl_neigh_add(sock, neigh, nlm_flags));
	pthread_mutex_unlock(&lock);
out:
	nl_addr_put(dst);
	rtnl_neigh_put(neigh);
	return ret;
}

int
kern_neigh_resolve(uint32_t ifindex, const struct ip_addr *addr)
{
	/* NTF_USE: as if a packet wanted to go there */
	return request(ifindex, addr, NUD_NONE, NTF_USE, NLM_F_CREATE);
}

int
kern_neigh_confirm(uint32_t ifindex, const struct ip_addr *addr)
{
	uint16_t state = kern_neigh_state(ifindex, addr);

	if (state & (NUD_PERMANENT | NUD_NOARP))
		return 0;
	if ((state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)) == 0)
		return -ENOENT;
	/* without NLM_F_CREATE: one that has vanished meanwhile is not made anew */
	return request(ifindex, addr, NUD_REACHABLE, 0, 0);
}
