/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a socket is where it is, as text. Offloaded ones are described as they are now; of those that
 * never came into the table a word is kept, by descriptor: a reason, or the number of a rule.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "port/port.h"
#include "sock_priv.h"

#define REASONS (1u << 20)
#define RULES 256 /**< from here on it is a rule */

static uint16_t *reasons;
static unsigned int top; /**< nothing was remembered at or above it */

static uint16_t *
reason_at(int fd)
{
	uint16_t *now = __atomic_load_n(&reasons, __ATOMIC_ACQUIRE), *expected = NULL;

	if ((uint32_t)fd >= REASONS)
		return NULL;
	if (unlikely(now == NULL)) {
		/* pages come when they are touched */
		now = mmap(NULL, REASONS * sizeof(*now), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (now == MAP_FAILED)
			return NULL;
		if (!__atomic_compare_exchange_n(&reasons, &expected, now, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE)) {
			munmap(now, REASONS * sizeof(*now));
			now = expected;
		}
	}
	return &now[fd];
}

/* Threads that come at once may lose a top: such a number is forgotten when it is used again. */
static void
keep(int fd, uint16_t *at, uint16_t reason)
{
	*at = reason;
	if ((unsigned int)fd >= top)
		__atomic_store_n(&top, (unsigned int)fd + 1, __ATOMIC_RELAXED);
}

void
explain_remember(int fd, enum sock_reason reason)
{
	uint16_t *at;

	/* the mark sees to it that its close comes by here */
	sock_mark(fd, reason == REASON_NONE ? SOCK_MARK_NONE : SOCK_MARK_KERNEL);
	/* nothing to forget before there was something to remember */
	if (reason == REASON_NONE && __atomic_load_n(&reasons, __ATOMIC_ACQUIRE) == NULL)
		return;
	if (reason != REASON_NONE)
		report_opened();
	at = reason_at(fd);
	if (at != NULL)
		keep(fd, at, (uint16_t)reason);
}

void
explain_remember_rule(int fd, uint32_t rule)
{
	uint16_t *at = reason_at(fd);

	sock_mark(fd, SOCK_MARK_KERNEL);
	/* so many rules there are not: the last number stands for those beyond */
	if (at != NULL)
		keep(fd, at, (uint16_t)RTE_MIN(rule + RULES, (uint32_t)UINT16_MAX));
}

void
explain_copy(int fd, int to)
{
	const uint16_t *at =
			__atomic_load_n(&reasons, __ATOMIC_ACQUIRE) != NULL ? reason_at(fd) : NULL;

	if (at != NULL && *at >= RULES)
		explain_remember_rule(to, *at - RULES);
	else
		explain_remember(to, at != NULL ? (enum sock_reason) * at : REASON_NONE);
	if (sock_marked(fd) == SOCK_MARK_LOOPBACK)
		sock_mark(to, SOCK_MARK_LOOPBACK);
}

void
explain_forget(unsigned int first, unsigned int last)
{
	unsigned int fd;

	/* only numbers that were remembered once */
	for (fd = first; fd <= last && fd < __atomic_load_n(&top, __ATOMIC_RELAXED); fd++)
		explain_remember((int)fd, REASON_NONE);
}

static void
explain_rule(uint32_t rule, char *why, size_t len)
{
	const char *text = conf_offload_text(rule);

	snprintf(why, len, "rule %s", text != NULL ? text : "of libvma.conf");
}

static uint16_t
remembered(int fd)
{
	const uint16_t *at;

	at = __atomic_load_n(&reasons, __ATOMIC_ACQUIRE) != NULL ? reason_at(fd) : NULL;
	return at != NULL ? *at : REASON_NONE;
}

enum sock_reason
explain_reason(int fd)
{
	uint16_t reason = remembered(fd);

	if (reason >= RULES)
		return REASON_RULE;
	if (reason != REASON_NONE)
		return (enum sock_reason)reason;
	if (sock_marked(fd) == SOCK_MARK_LOOPBACK)
		return REASON_LOOPBACK;
	return sock_marked(fd) == SOCK_MARK_CANDIDATE ? REASON_IDLE : REASON_NONE;
}

/* A child of fork() has logged nothing. */
static void
explain_start(char *why, size_t len)
{
	if (sock_forked)
		snprintf(why, len,
				"this process was forked from one in which dpvma runs, and has "
				"none of its own: exec another program for that");
	else
		snprintf(why, len, "dpvma did not start (%s; the log says why)",
				strerror(-sock_start_error()));
}

static void
explain_unknown(int fd, char *why, size_t len)
{
	int domain;

	switch (explain_reason(fd)) {
	case REASON_RULE:
		explain_rule((uint32_t)(remembered(fd) - RULES), why, len);
		break;
	case REASON_LOOPBACK:
		snprintf(why, len, "bound or sent to 127.0.0.0/8, which is the kernel's");
		break;
	case REASON_IDLE:
		snprintf(why, len, "nothing has needed a port yet");
		break;
	case REASON_OPTION:
		snprintf(why, len, "VMA_OFFLOADED_SOCKETS=0");
		break;
	case REASON_THREAD:
		snprintf(why, len, "thread_offload was off in the thread that opened it");
		break;
	case REASON_FAMILY:
		snprintf(why, len, "its address family: only AF_INET is offloaded");
		break;
	case REASON_TYPE:
		snprintf(why, len, "its type: only SOCK_DGRAM and SOCK_STREAM are offloaded");
		break;
	case REASON_PROTOCOL:
		snprintf(why, len, "its protocol: only UDP and TCP are offloaded");
		break;
	case REASON_START:
		explain_start(why, len);
		break;
	case REASON_TABLE:
		snprintf(why, len, "no memory for it, or a descriptor above %u", REASONS - 1);
		break;
	case REASON_LISTENER:
		snprintf(why, len, "it came to a listener that the kernel carries");
		break;
	case REASON_ACCEPT:
		snprintf(why, len, "it came to a listener by the kernel, through no dpvma port");
		break;
	default:
		/* a program's own that never came by here, or none */
		if (option_of(fd, SOL_SOCKET, SO_DOMAIN, &domain) && domain != AF_INET)
			snprintf(why, len, "its address family: only AF_INET is offloaded");
		else
			snprintf(why, len, "no socket that dpvma_socket() opened");
	}
}

static bool
listens(const struct sock *s)
{
	return s->stream != NULL && stream_phase(s->stream) == STREAM_LISTENING;
}

/* What rules leave to the kernel of a socket that is ours. */
static void
explain_shared(const struct sock *s, char *why, size_t len)
{
	char group[IP_ADDR_STRLEN], rule[SOCK_WHY];
	struct ip_addr addr;
	size_t used = 0;
	unsigned int i;

	if (s->send_rule != 0) {
		explain_rule(s->send_rule, rule, sizeof(rule));
		used += (size_t)snprintf(why, len, ", the kernel sends by %s", rule);
	}
	for (i = 0; i < s->os_groups_n && used < len; i++) {
		explain_rule(s->os_groups[i].rule, rule, sizeof(rule));
		addr = ip_from_v4(s->os_groups[i].addr);
		used += (size_t)snprintf(why + used, len - used, ", the kernel receives %s by %s",
				ip_format(&addr, group), rule);
	}
}

static void
explain_offloaded(struct sock *s, char *why, size_t len)
{
	char local[IP_ADDR_STRLEN], remote[IP_ADDR_STRLEN], rule[SOCK_WHY];
	struct ring *rings[PORT_MAX];
	struct ip_addr addr;
	uint16_t port_be, peer_be;
	unsigned int n;
	size_t used;

	s->ops->local(s, &addr, &port_be);
	if (port_be == 0) {
		snprintf(why, len, "offloaded, not bound yet");
		return;
	}
	used = (size_t)snprintf(why, len, "offloaded: %s %s:%u",
			listens(s) ? "listens on" : "bound to", ip_format(&addr, local),
			rte_be_to_cpu_16(port_be));
	if (used < len && s->ops->peer(s, &addr, &peer_be))
		used += (size_t)snprintf(why + used, len - used, ", connected to %s:%u",
				ip_format(&addr, remote), rte_be_to_cpu_16(peer_be));
	n = RTE_MIN(s->ops->rings(s, rings, PORT_MAX), (unsigned int)PORT_MAX);
	if (used < len && n != 0)
		used += (size_t)snprintf(why + used, len - used, ", port %s, ring %u on queue %u",
				rings[0]->port->name, rings[0]->index, rings[0]->queue);
	if (used < len && n > 1)
		used += (size_t)snprintf(why + used, len - used, " and %u more", n - 1);
	if (used < len && s->rule != 0) {
		explain_rule(s->rule, rule, sizeof(rule));
		used += (size_t)snprintf(why + used, len - used, ", by %s", rule);
	}
	if (used < len)
		explain_shared(s, why + used, len - used);
}

void
explain_sock(struct sock *s, char *why, size_t len)
{
	if (s->offloaded) {
		explain_offloaded(s, why, len);
		return;
	}
	rte_spinlock_lock(&s->lock);
	snprintf(why, len, "%s%s", s->why, s->sends ? ", but dpvma sends" : "");
	rte_spinlock_unlock(&s->lock);
}

enum dpvma_carrier
dpvma_explain(int fd, char *why, size_t len)
{
	struct sock *s = sock_get(fd);
	enum dpvma_carrier carrier = DPVMA_KERNEL;

	if (s == NULL) {
		explain_unknown(fd, why, len);
		return carrier;
	}
	if (s->offloaded)
		carrier = DPVMA_OFFLOADED;
	explain_sock(s, why, len);
	sock_put(s);
	return carrier;
}
