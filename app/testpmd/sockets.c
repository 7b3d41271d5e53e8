/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets, and the ring that receives for them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "dpvma.h"
#include "mellanox/vma_extra.h"
#include "port/port.h"
#include "testpmd.h"

static int
fail(const char *what, const char *where)
{
	fprintf(stderr, "dpvma-testpmd: %s%s%s: %s\n", what, where[0] ? " " : "", where,
			strerror(errno));
	return -1;
}

static int
fail_bind(const struct ip_addr *addr, uint32_t udp_port)
{
	char text[IP_ADDR_STRLEN], where[IP_ADDR_STRLEN + 128];
	const char *cure = "";
	int err = errno;

	if (err == EADDRINUSE)
		cure = " (give another --udp-port, or end the program that has it)";
	else if (err == EADDRNOTAVAIL)
		cure = " (give --address one of a port's addresses)";
	snprintf(where, sizeof(where), "%s port %u%s", ip_format(addr, text), udp_port, cure);
	errno = err;
	return fail("bind to", where);
}

static const struct {
	const char *name;
	vma_cb_packet_rec_mode mode;
} ring_modes[] = {
	{ "padded", PADDED_PACKET },
	{ "raw", RAW_PACKET },
	{ "strip", STRIP_NETWORK_HDRS },
	{ "separate", SEPERATE_NETWORK_HDRS },
};

static int
cyclic_profile(const struct tp_args *args)
{
	struct vma_ring_type_attr attr = { .ring_type = VMA_RING_CYCLIC_BUFFER };
	unsigned int i;
	int key;

	for (i = 0; i < RTE_DIM(ring_modes) && strcmp(ring_modes[i].name, args->ring_mode) != 0;
			i++)
		;
	if (i == RTE_DIM(ring_modes)) {
		fprintf(stderr,
				"dpvma-testpmd: --ring-mode=%s: give padded, raw, strip or "
				"separate\n",
				args->ring_mode);
		errno = EINVAL;
		return -1;
	}
	attr.ring_cyclicb.num = args->num;
	attr.ring_cyclicb.stride_bytes =
			(uint16_t)(args->stride_bytes ? args->stride_bytes : args->size);
	attr.ring_cyclicb.packet_receive_mode = ring_modes[i].mode;
	if (dpvma_get_api()->vma_add_ring_profile(&attr, &key) != 0)
		return fail("ring profile", "");
	return key;
}

/* All sockets share one ring: by user id with a profile, else by the default logic. */
static int
use_profile(int fd, int key)
{
	struct vma_ring_alloc_logic_attr logic = {
		.comp_mask = VMA_RING_ALLOC_MASK_RING_PROFILE_KEY |
				VMA_RING_ALLOC_MASK_RING_USER_ID | VMA_RING_ALLOC_MASK_RING_INGRESS,
		.ring_alloc_logic = RING_LOGIC_PER_USER_ID,
		.ring_profile_key = (uint32_t)key,
		.user_id = 1,
		.ingress = 1,
	};

	return dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic, sizeof(logic));
}

static int
local_address(const struct tp_args *args, struct ip_addr *addr)
{
	if (args->address[0] != '\0') {
		if (ip_parse(args->address, addr) == 0)
			return 0;
		fprintf(stderr, "dpvma-testpmd: --address=%s: not an IP address\n", args->address);
		return -1;
	}
	if (port_count() == 0 || port_get(0)->n_addrs == 0) {
		fprintf(stderr,
				"dpvma-testpmd: the first port has no address: give --address, or "
				"DPVMA_PORTS='%s=10.0.0.1/24'\n",
				port_count() ? port_get(0)->name : "PORT");
		return -1;
	}
	*addr = port_get(0)->addrs[0].addr;
	return 0;
}

static int
addresses(const char *option, const char *text, struct ip_addr *out, uint32_t *n)
{
	char list[sizeof(((struct tp_args *)0)->peer)], *save, *word;

	snprintf(list, sizeof(list), "%s", text);
	*n = 0;
	for (word = strtok_r(list, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		if (*n == TP_ADDRS_MAX || ip_parse(word, &out[*n]) != 0) {
			fprintf(stderr,
					"dpvma-testpmd: --%s=%s: give IP addresses with commas "
					"between, %d at most\n",
					option, text, TP_ADDRS_MAX);
			return -1;
		}
		++*n;
	}
	return 0;
}

static int
tcp_addresses(struct tp *tp)
{
	if (addresses("peer", tp->args.peer, tp->peers, &tp->n_peers) != 0)
		return -1;
	if (tp->args.address[0] != '\0')
		return addresses("address", tp->args.address, tp->locals, &tp->n_locals);
	tp->n_locals = 1;
	/* any of the kernel's, the first port's of ours */
	return tp->args.kernel || tp->args.peer[0] != '\0'
			? ip_parse("0.0.0.0", &tp->locals[0]) != 0
			: local_address(&tp->args, &tp->locals[0]);
}

static int
join(int fd, const struct ip_addr *group)
{
	struct ip_mreqn mreq = { .imr_multiaddr.s_addr = ip_v4(group) };

	if (port_count() != 0 && port_get(0)->n_addrs != 0)
		mreq.imr_address.s_addr = ip_v4(&port_get(0)->addrs[0].addr);
	return dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
}

static int
open_one(struct tp *tp, uint32_t i, const struct ip_addr *local, int key)
{
	struct sockaddr_in sin;
	char why[256];
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return fail("socket", "");
	tp->fds[i] = fd;
	if (key > 0 && use_profile(fd, key) != 0)
		return fail("ring allocation logic", "");
	ip_to_sockaddr(local, rte_cpu_to_be_16((uint16_t)(tp->args.udp_port + i)), &sin);
	if (tp->sends) {
		struct ip_addr peer;

		if (ip_parse(tp->args.peer, &peer) != 0) {
			fprintf(stderr,
					"dpvma-testpmd: --peer=%s: give the IP address to send "
					"to\n",
					tp->args.peer);
			return -1;
		}
		ip_to_sockaddr(&peer, rte_cpu_to_be_16((uint16_t)(tp->args.udp_port + i)), &sin);
		if (dpvma_connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
			return fail("connect to", tp->args.peer);
	} else if (dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		return fail_bind(local, tp->args.udp_port + i);
	} else if (ip_is_multicast(local) && join(fd, local) != 0) {
		return fail("join", tp->args.address);
	}
	if (dpvma_explain(fd, why, sizeof(why)) != DPVMA_OFFLOADED) {
		fprintf(stderr, "dpvma-testpmd: the socket is not offloaded: %s\n", why);
		return -1;
	}
	return 0;
}

/* Completions and callbacks tell of a packet by its socket's descriptor. */
static int
number_sockets(struct tp *tp)
{
	uint32_t i;

	for (i = 0; i < tp->args.sockets; i++)
		tp->n_socket_of = RTE_MAX(tp->n_socket_of, (uint32_t)tp->fds[i] + 1);
	tp->socket_of = malloc(tp->n_socket_of * sizeof(*tp->socket_of));
	if (tp->socket_of == NULL)
		return fail("memory for the sockets", "");
	memset(tp->socket_of, 0xff, tp->n_socket_of * sizeof(*tp->socket_of));
	for (i = 0; i < tp->args.sockets; i++)
		tp->socket_of[tp->fds[i]] = i;
	return 0;
}

static void
raise_fd_limit(uint32_t sockets)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur >= sockets + 256)
		return;
	lim.rlim_cur = sockets + 256;
	lim.rlim_max = RTE_MAX(lim.rlim_max, lim.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &lim) == 0 || getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	/* who may not raise it has what there is */
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

int
tp_sockets_open(struct tp *tp)
{
	struct ip_addr local;
	int key = 0;
	uint32_t i;

	if (tp->mode[0]->step != NULL) {
		raise_fd_limit(tp->args.peer[0] != '\0'
						? tp->args.sockets + tp->args.idle_connections
						: TP_CONNS_MAX);
		return tcp_addresses(tp) != 0 ? -1 : tp_tcp_open(tp);
	}
	if (local_address(&tp->args, &local) != 0)
		return -1;
	if (tp->args.udp_port + tp->args.sockets > 65536) {
		fprintf(stderr, "dpvma-testpmd: --udp-port=%u --sockets=%u: ports end at 65535\n",
				tp->args.udp_port, tp->args.sockets);
		return -1;
	}
	raise_fd_limit(tp->args.sockets);
	tp->fds = malloc(tp->args.sockets * sizeof(*tp->fds));
	tp->next_seq = malloc(tp->args.sockets * sizeof(*tp->next_seq));
	if (tp->fds == NULL || tp->next_seq == NULL)
		return fail("memory for the sockets", "");
	for (i = 0; i < tp->args.sockets; i++)
		tp->fds[i] = -1;
	tp_check_forget(tp);
	if (tp->cyclic && (key = cyclic_profile(&tp->args)) < 0)
		return -1;
	for (i = 0; i < tp->args.sockets; i++)
		if (open_one(tp, i, &local, key) != 0)
			return -1;
	if (number_sockets(tp) != 0)
		return -1;
	if (dpvma_get_api()->get_socket_rings_fds(tp->fds[0], &tp->ring_fd, 1) < 1)
		return fail("ring of the socket", "");
	tp->ring = ring_by_fd(tp->ring_fd);
	for (i = 0; i < tp->modes; i++)
		if (tp_mode_works(tp, tp->mode[i]) != 0)
			return -1;
	return 0;
}

void
tp_sockets_close(struct tp *tp)
{
	uint32_t i;

	tp_tcp_close(tp);
	for (i = 0; tp->fds != NULL && i < tp->args.sockets; i++)
		if (tp->fds[i] >= 0)
			dpvma_close(tp->fds[i]);
	free(tp->fds);
	free(tp->next_seq);
	free(tp->socket_of);
	tp->socket_of = NULL;
	tp->fds = NULL;
	tp->next_seq = NULL;
}
