/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a port from outside: link, removal, reset. ethdev calls on EAL's interrupt
 * thread, where only a bit is set; port_poll() does the rest in the control thread. Also here: the
 * callbacks by which other rooms follow restarts and changes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>

#include "port/port_priv.h"

/* How often links are looked at, beside the events that not every PMD has. */
#define LINK_POLL_MS 100

struct subscriber {
	LIST_ENTRY(subscriber) next;
	port_restart_cb restart;
	port_change_cb change;
	void *ctx;
};

static LIST_HEAD(, subscriber) subscribers = LIST_HEAD_INITIALIZER(subscribers);
static pthread_mutex_t subscribers_lock = PTHREAD_MUTEX_INITIALIZER;
static int event_fd = -1;
static uint64_t last_link_ms;

static const enum rte_eth_event_type events_heeded[] = {
	RTE_ETH_EVENT_INTR_LSC,
	RTE_ETH_EVENT_INTR_RMV,
	RTE_ETH_EVENT_INTR_RESET,
};

/* On EAL's interrupt thread. */
static int
on_event(uint16_t port_id, enum rte_eth_event_type type, void *arg, void *ret_param)
{
	struct port *port = arg;
	uint64_t one = 1;

	RTE_SET_USED(port_id);
	RTE_SET_USED(ret_param);
	__atomic_fetch_or(&port->queues->events, 1u << type, __ATOMIC_RELEASE);
	if (event_fd >= 0 && write(event_fd, &one, sizeof(one)) < 0)
		return -1;
	return 0;
}

int
port_events_init(void)
{
	if (event_fd < 0)
		event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return event_fd < 0 ? -errno : 0;
}

void
port_events_fini(void)
{
	if (event_fd >= 0)
		port_fork_close(event_fd);
	event_fd = -1;
}

/* The link of a part is news of its port; what else befalls it is its driver's business. */
static void
watch_parts(struct port *port, bool on)
{
	uint16_t parts[RTE_MAX_ETHPORTS], n, i;

	if (port->driver->parts == NULL)
		return;
	n = port->driver->parts(port->id, parts, RTE_MAX_ETHPORTS);
	for (i = 0; i < n && on; i++)
		rte_eth_dev_callback_register(parts[i], RTE_ETH_EVENT_INTR_LSC, on_event, port);
	for (i = 0; i < n && !on; i++)
		rte_eth_dev_callback_unregister(parts[i], RTE_ETH_EVENT_INTR_LSC, on_event, port);
}

int
port_events_add(struct port *port)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < RTE_DIM(events_heeded) && ret == 0; i++)
		ret = rte_eth_dev_callback_register(port->id, events_heeded[i], on_event, port);
	watch_parts(port, true);
	return ret;
}

void
port_events_del(struct port *port)
{
	unsigned int i;

	watch_parts(port, false);
	for (i = 0; i < RTE_DIM(events_heeded); i++)
		rte_eth_dev_callback_unregister(port->id, events_heeded[i], on_event, port);
}

int
port_event_fd(void)
{
	return event_fd;
}

static int
subscribe(port_restart_cb restart, port_change_cb change, void *ctx)
{
	struct subscriber *s;
	int ret = 0;

	pthread_mutex_lock(&subscribers_lock);
	LIST_FOREACH (s, &subscribers, next)
		if (s->restart == restart && s->change == change && s->ctx == ctx)
			break;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s != NULL) {
			s->restart = restart;
			s->change = change;
			s->ctx = ctx;
			LIST_INSERT_HEAD(&subscribers, s, next);
		} else {
			ret = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&subscribers_lock);
	return ret;
}

int
port_on_restart(port_restart_cb cb, void *ctx)
{
	return subscribe(cb, NULL, ctx);
}

int
port_on_change(port_change_cb cb, void *ctx)
{
	return subscribe(NULL, cb, ctx);
}

void
port_off(void *ctx)
{
	struct subscriber *s, *after;

	pthread_mutex_lock(&subscribers_lock);
	for (s = LIST_FIRST(&subscribers); s != NULL; s = after) {
		after = LIST_NEXT(s, next);
		if (s->ctx == ctx) {
			LIST_REMOVE(s, next);
			free(s);
		}
	}
	pthread_mutex_unlock(&subscribers_lock);
}

/*
 * Callbacks may subscribe and take locks of their own, so they run on a copy of the list. Rooms
 * subscribe at start and leave at the end, never while a port changes.
 */
static unsigned int
copy_subscribers(struct subscriber *copy, unsigned int max)
{
	struct subscriber *s;
	unsigned int n = 0;

	pthread_mutex_lock(&subscribers_lock);
	LIST_FOREACH (s, &subscribers, next)
		if (n < max)
			copy[n++] = *s;
	pthread_mutex_unlock(&subscribers_lock);
	return n;
}

void
port_changed(struct port *port)
{
	struct subscriber copy[32];
	unsigned int i, n = copy_subscribers(copy, RTE_DIM(copy));

	port->generation++;
	for (i = 0; i < n; i++)
		if (copy[i].change != NULL)
			copy[i].change(port, copy[i].ctx);
}

void
port_restarting(struct port *port, bool up)
{
	struct subscriber copy[32];
	unsigned int i, n = copy_subscribers(copy, RTE_DIM(copy));

	for (i = 0; i < n; i++)
		if (copy[i].restart != NULL)
			copy[i].restart(port, up, copy[i].ctx);
}

/*
 * Up is what PMD and kernel both call so: af_packet's link stays up whatever its network device
 * does.
 */
bool
port_link_is_up(const struct port *port)
{
	struct rte_eth_link link = { 0 };

	return port->started && !port->queues->netdev_down &&
			rte_eth_link_get_nowait(port->id, &link) == 0 &&
			link.link_status == RTE_ETH_LINK_UP &&
			(port->driver->carries == NULL || port->driver->carries(port));
}

static void
check_link(struct port *port, bool event)
{
	bool up = port_link_is_up(port);
	bool moved = port->driver->moved != NULL && port->driver->moved(port);

	if (up && (up != port->up || (event && port->driver->parts != NULL)))
		port_fork_connected(port);
	if (up == port->up && !moved)
		return;
	if (up != port->up)
		LOG_DEBUG("port %s: link %s", port->name, up ? "up" : "down");
	port->up = up;
	port_changed(port);
}

static void __attribute__((cold)) port_gone(struct port *port)
{
	struct port_queues *qs = port->queues;

	LOG_WARNING("port %s was removed: nothing goes through it any more", port->name);
	port_lock(port);
	qs->removed = true;
	port_restarting(port, false);
	port_stop(port);
	port_restarting(port, true);
	port_unlock(port);
	port_changed(port);
}

static void __attribute__((cold)) port_reset(struct port *port)
{
	int ret;

	LOG_INFO("port %s asks for a reset", port->name);
	port_lock(port);
	ret = port->started ? port_restart(port, true) : 0;
	if (ret != 0) {
		port->queues->broken = true;
		LOG_ERROR("port %s cannot be started after its reset: %s; nothing goes through it "
			  "until the program starts anew",
				port->name, rte_strerror(-ret));
	}
	port_unlock(port);
	port_changed(port);
}

void
port_poll(void)
{
	uint64_t now = clock_ms(), count;
	bool look = now - last_link_ms >= LINK_POLL_MS;
	unsigned int i;

	if (event_fd >= 0 && read(event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		LOG_DEBUG("event fd of ports: %s", strerror(errno));
	if (look)
		last_link_ms = now;
	for (i = 0; i < n_ports; i++) {
		struct port *port = ports[i];
		struct port_queues *qs = port->queues;
		uint32_t events = __atomic_exchange_n(&qs->events, 0, __ATOMIC_ACQUIRE);

		if (qs->removed)
			continue;
		if (events & (1u << RTE_ETH_EVENT_INTR_RMV))
			port_gone(port);
		else if (events & (1u << RTE_ETH_EVENT_INTR_RESET))
			port_reset(port);
		else if ((events & (1u << RTE_ETH_EVENT_INTR_LSC)) || look)
			check_link(port, (events & (1u << RTE_ETH_EVENT_INTR_LSC)) != 0);
	}
}
