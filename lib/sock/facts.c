/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of a descriptor. Control path: each room is asked under its own locks, one after
 * the other, so that a socket which changes meanwhile may be told of as it never was.
 */
#include <dirent.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <unistd.h>

#include "facts.h"
#include "port/port.h"

const char *
reason_word(enum sock_reason reason)
{
	static const char *const words[] = {
		[REASON_NONE] = "unknown",
		[REASON_OPTION] = "option",
		[REASON_THREAD] = "thread_offload",
		[REASON_FAMILY] = "family",
		[REASON_TYPE] = "type",
		[REASON_PROTOCOL] = "protocol",
		[REASON_START] = "start",
		[REASON_TABLE] = "limit",
		[REASON_ACCEPT] = "route",
		[REASON_LISTENER] = "listener",
		[REASON_RULE] = "rule",
		[REASON_ADDRESS] = "address",
		[REASON_LOOPBACK] = "loopback",
		[REASON_ROUTE] = "route",
		[REASON_DEVICE] = "device",
		[REASON_STEERING] = "steering",
		[REASON_IDLE] = "idle",
	};

	return words[reason];
}

static void
name_text(char *buf, const struct ip_addr *addr, uint16_t port_be)
{
	char ip[IP_ADDR_STRLEN];

	snprintf(buf, FACTS_NAME, "%s:%u", ip_format(addr, ip), rte_be_to_cpu_16(port_be));
}

/* Of the kernel's socket. */
static void
kernel_name(char *buf, int (*get)(int fd, struct sockaddr *sa, socklen_t *len), int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ip_addr addr;
	uint16_t port_be;

	memset(&ss, 0, sizeof(ss));
	if (get(fd, (struct sockaddr *)&ss, &len) == 0 &&
			ip_from_sockaddr((struct sockaddr *)&ss, len, &addr, &port_be) == 0 &&
			port_be != 0)
		name_text(buf, &addr, port_be);
}

/* The device of the address that the kernel chose for a connection: where its way leads. */
static void
add_device(struct facts *f)
{
	struct ifaddrs *all, *a;
	struct ip_addr addr;
	uint16_t port_be;
	char name[FACTS_NAME];
	size_t len = strlen(f->why);

	if (f->local[0] == '\0' || getifaddrs(&all) != 0)
		return;
	for (a = all; a != NULL; a = a->ifa_next) {
		if (a->ifa_addr == NULL ||
				ip_from_sockaddr(a->ifa_addr, sizeof(struct sockaddr_in6), &addr,
						&port_be) != 0)
			continue;
		ip_format(&addr, name);
		if (strncmp(name, f->local, strlen(name)) == 0 && f->local[strlen(name)] == ':') {
			snprintf(f->why + len, sizeof(f->why) - len, ", but through %s",
					a->ifa_name);
			break;
		}
	}
	freeifaddrs(all);
}

static void
take_flow(struct flow *flow, void *ctx)
{
	struct facts *f = ctx;

	if (f->flows_n < FACTS_FLOWS)
		ring_flow_text(flow, f->flows[f->flows_n], sizeof(f->flows[0]));
	f->flows_n++;
}

static void
take_rings(struct facts *f, struct sock *s)
{
	struct ring *rings[FACTS_RINGS];
	unsigned int i;

	f->rings_n = s->ops->hold_rings(s, rings, FACTS_RINGS);
	for (i = 0; i < f->rings_n; i++) {
		f->rings[i].index = rings[i]->index;
		f->rings[i].queue = rings[i]->queue;
		strlcpy(f->rings[i].port, rings[i]->port->name, sizeof(f->rings[i].port));
		strlcpy(f->rings[i].netdev, rings[i]->port->netdev, sizeof(f->rings[i].netdev));
		ring_release(rings[i]);
	}
}

static const char *
stream_state(struct sock *s)
{
	struct tcp_snapshot look;
	enum stream_phase phase = stream_phase(s->stream);

	if (phase == STREAM_LISTENING)
		return "LISTEN";
	if (phase == STREAM_IDLE)
		return s->bound ? "bound" : "unbound";
	/* its connection has no lock then, and may go while another thread looks */
	if (conf()->thread_mode == CONF_THREAD_SINGLE)
		return phase == STREAM_CONNECTED ? "connected" : "connecting";
	return stream_look(s->stream, &look) == 0 ? tcp_state_name(look.state) : "CLOSED";
}

static void
take_ours(struct facts *f, struct sock *s)
{
	struct ip_addr addr;
	uint16_t port_be;

	f->carrier = s->send_rule != 0 || s->os_groups_n != 0 ? "mixed" : "offloaded";
	f->decided = s->rule != 0 ? "rule" : "port";
	s->ops->local(s, &addr, &port_be);
	if (port_be != 0)
		name_text(f->local, &addr, port_be);
	if (s->ops->peer(s, &addr, &port_be))
		name_text(f->remote, &addr, port_be);
	take_rings(f, s);
	if (s->udp != NULL) {
		udp_foreach_flow(s->udp, take_flow, f);
		f->state = f->remote[0] != '\0' ? "connected" : s->bound ? "bound" : "unbound";
	} else {
		stream_foreach_flow(s->stream, take_flow, f);
		f->state = stream_state(s);
	}
}

/* What the kernel tells of its own. */
static void
take_kernels(struct facts *f, int fd)
{
	int type = 0, listens = 0;

	kernel_name(f->local, os.getsockname, fd);
	kernel_name(f->remote, os.getpeername, fd);
	option_of(fd, SOL_SOCKET, SO_TYPE, &type);
	option_of(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
	f->type = type == SOCK_DGRAM ? "udp" : type == SOCK_STREAM ? "tcp" : "other";
	f->state = listens	       ? "LISTEN"
			: f->remote[0] ? "connected"
			: f->local[0]  ? "bound"
				       : "unbound";
}

static bool
is_internet(int fd)
{
	int domain;

	return option_of(fd, SOL_SOCKET, SO_DOMAIN, &domain) &&
			(domain == AF_INET || domain == AF_INET6);
}

/* A socket of no table: the kernel's, and perhaps none of the program's own. */
static bool
take_other(struct facts *f, int fd)
{
	enum sock_reason reason = explain_reason(fd);
	int type, domain;

	if (!option_of(fd, SOL_SOCKET, SO_TYPE, &type) ||
			(reason == REASON_NONE && !is_internet(fd)))
		return false;
	if (reason == REASON_NONE && option_of(fd, SOL_SOCKET, SO_DOMAIN, &domain) &&
			domain != AF_INET)
		reason = REASON_FAMILY;
	take_kernels(f, fd);
	f->carrier = "kernel";
	f->decided = reason_word(reason);
	dpvma_explain(fd, f->why, sizeof(f->why));
	return true;
}

bool
facts_get(int fd, struct facts *f)
{
	struct sock *s = sock_get(fd);
	size_t len;

	memset(f, 0, offsetof(struct facts, flows));
	f->fd = fd;
	if (s == NULL)
		return take_other(f, fd);
	if (s->udp == NULL && s->stream == NULL) {
		sock_put(s);
		return false;
	}
	f->table = true;
	f->stats = *s->ops->stats(s);
	explain_sock(s, f->why, sizeof(f->why));
	f->type = s->udp != NULL ? "udp" : "tcp";
	if (s->offloaded) {
		take_ours(f, s);
	} else {
		take_kernels(f, fd);
		f->carrier = s->sends ? "mixed" : "kernel";
		f->decided = reason_word(s->reason);
		if (s->reason == REASON_ROUTE)
			add_device(f);
	}
	len = strlen(f->why);
	if (s->fd != fd)
		snprintf(f->why + len, sizeof(f->why) - len, ", another name of fd %d", s->fd);
	sock_put(s);
	return true;
}

static int
ascending(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Without /proc, or at the limit of descriptors, those of the table alone. */
struct list {
	int *fds;
	int first;
	unsigned int n, max;
};

static void
take_fd(struct sock *s, void *ctx)
{
	struct list *l = ctx;

	if (s->fd >= l->first && l->n < l->max)
		l->fds[l->n++] = s->fd;
}

static bool
is_told(int fd)
{
	int type;

	return option_of(fd, SOL_SOCKET, SO_TYPE, &type) &&
			(sock_is_ours(fd) || explain_reason(fd) != REASON_NONE || is_internet(fd));
}

unsigned int
facts_list(int first, int *fds, unsigned int max)
{
	struct list l = { .fds = fds, .first = first, .max = max };
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	int fd;

	if (d == NULL && sock_is_started())
		sock_foreach(take_fd, &l);
	/* in ascending order, as /proc has them */
	while (d != NULL && l.n < max && (e = readdir(d)) != NULL) {
		fd = e->d_name[0] == '.' ? -1 : atoi(e->d_name);
		if (fd >= first && is_told(fd))
			fds[l.n++] = fd;
	}
	if (d != NULL)
		closedir(d);
	qsort(fds, l.n, sizeof(*fds), ascending);
	return l.n;
}
