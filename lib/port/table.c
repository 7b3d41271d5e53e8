/* SPDX-License-Identifier: BSD-3-Clause */
/* The ports: found once, and found again by index, ethdev, name, network device and address. */
#include <errno.h>
#include <stdlib.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "port/port_priv.h"

struct port *ports[PORT_MAX];
unsigned int n_ports;
uint64_t ports_owner = RTE_ETH_DEV_NO_OWNER;

static bool
same_name(const char *port, const char *asked)
{
	/* a PCI address may come without its domain */
	return strcmp(port, asked) == 0 ||
			(strncmp(port, "0000:", 5) == 0 && strcmp(port + 5, asked) == 0);
}

/* The entry of the configuration that means this port. */
static const struct conf_port *
conf_of(const struct port *port)
{
	const struct rte_eth_dev_info *info = &port->queues->info;
	const struct conf_port *found = conf_port_find(port->name);

	if (found == NULL && info->device != NULL)
		found = conf_port_find(rte_dev_name(info->device));
	if (found == NULL && port->netdev[0] != '\0')
		found = conf_port_find(port->netdev);
	return found;
}

static void
port_free(struct port *port)
{
	if (port == NULL)
		return;
	if (port->queues != NULL) {
		pthread_mutex_destroy(&port->queues->lock);
		port_rss_free(port);
		free(port->queues->q);
		free(port->queues);
	}
	free(port);
}

static struct port *
port_new(uint16_t id)
{
	struct port *port = NULL;
	pthread_mutexattr_t attr;

	if (posix_memalign((void **)&port, RTE_CACHE_LINE_SIZE, sizeof(*port)) != 0)
		return NULL;
	memset(port, 0, sizeof(*port));
	port->id = id;
	port->queues = calloc(1, sizeof(*port->queues));
	if (port->queues == NULL)
		goto fail;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&port->queues->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	port->queues->q = calloc(PORT_QUEUES_MAX, sizeof(*port->queues->q));
	if (port->queues->q == NULL)
		goto fail;
	return port;
fail:
	port_free(port);
	return NULL;
}

static const struct port_driver *
driver_of(uint16_t id)
{
	struct rte_eth_dev_info info;

	return port_driver_find(rte_eth_dev_info_get(id, &info) == 0 ? info.driver_name : NULL);
}

static uint16_t
parts_of(uint16_t id, uint16_t *parts)
{
	const struct port_driver *driver = driver_of(id);

	return driver->parts != NULL ? driver->parts(id, parts, RTE_MAX_ETHPORTS) : 0;
}

/* Whether an ethdev is a part of another, whose name is written to @p whole. */
static bool
is_part(uint16_t id, char *whole)
{
	uint16_t parts[RTE_MAX_ETHPORTS], n, i, other;

	RTE_ETH_FOREACH_DEV (other) {
		n = parts_of(other, parts);
		for (i = 0; i < n; i++)
			if (parts[i] == id)
				return rte_eth_dev_get_name_by_port(other, whole) == 0;
	}
	return false;
}

static int
gather_all(void)
{
	const struct port_driver *driver;
	uint16_t id;
	int ret = 0;

	RTE_ETH_FOREACH_DEV (id) {
		driver = driver_of(id);
		if (ret == 0 && driver->gather != NULL)
			ret = driver->gather(id);
	}
	return ret;
}

/* 1: taken, 0: not one of ours, or a negative errno. */
static int
take_port(uint16_t id)
{
	struct rte_eth_dev_owner owner = { .id = ports_owner, .name = "dpvma" };
	struct port *port = port_new(id);
	char whole[RTE_ETH_NAME_MAX_LEN];
	uint16_t parts[RTE_MAX_ETHPORTS];
	struct port_queues *qs;
	int ret = 0;

	if (port == NULL)
		return -ENOMEM;
	qs = port->queues;
	rte_eth_dev_get_name_by_port(id, port->name);
	if (is_part(id, whole)) {
		LOG_DEBUG("port %s is a slave of %s", port->name, whole);
		goto out;
	}
	port->socket_id = rte_eth_dev_socket_id(id);
	ret = port_probe_info(port);
	if (ret != 0)
		goto out;
	port->driver = port_driver_find(qs->info.driver_name);
	port->sends_from = port->driver->sends_from;
	qs->behind = RTE_MAX(parts_of(id, parts), (uint16_t)1);
	port->ifindex = qs->info.if_index;
	if (port->ifindex == 0 && port->driver->netdev != NULL)
		port->ifindex = port->driver->netdev(id);
	if (port->ifindex == 0 || if_indextoname(port->ifindex, port->netdev) == NULL)
		port->ifindex = 0;
	port->conf = conf_of(port);
	if (conf_ports_n() > 0 && port->conf == NULL)
		goto out;
	port->kernel = port->ifindex != 0 ? port->driver->kernel : KERNEL_NONE;
	port->trusts_sender = port->driver->trusts_sender;
	rte_eth_macaddr_get(id, &port->mac);
	ret = port_addrs_init(port);
	if (ret == 0 && port->driver->probe != NULL)
		ret = port->driver->probe(port);
	if (ret != 0)
		goto out;
	port_probe_trial(port);
	rte_eth_dev_owner_set(id, &owner);
	port_events_add(port);
	port->index = (uint16_t)n_ports;
	ports[n_ports++] = port;
	return 1;
out:
	port_free(port);
	return ret;
}

/* "net_ring0, 0000:03:00.0" */
static void
list_ethdevs(char *buf, size_t size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t len = 0;
	uint16_t id;

	buf[0] = '\0';
	RTE_ETH_FOREACH_DEV (id) {
		if (rte_eth_dev_get_name_by_port(id, name) != 0 || len >= size)
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s%s", len == 0 ? "" : ", ", name);
	}
	if (len == 0)
		snprintf(buf, size, "none");
}

static int
find_all(void)
{
	uint16_t id;
	int ret = 0;

	RTE_ETH_FOREACH_DEV (id) {
		if (n_ports == PORT_MAX) {
			LOG_WARNING("more than %u ports: the rest is left alone; name those to use "
				    "in "
				    "DPVMA_PORTS",
					PORT_MAX);
			break;
		}
		ret = take_port(id);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static bool
is_named(uint16_t id, const char *want)
{
	char name[RTE_ETH_NAME_MAX_LEN], netdev[IF_NAMESIZE];
	struct rte_eth_dev_info info;

	if (rte_eth_dev_get_name_by_port(id, name) == 0 && same_name(name, want))
		return true;
	if (rte_eth_dev_info_get(id, &info) != 0)
		return false;
	if (info.device != NULL && same_name(rte_dev_name(info.device), want))
		return true;
	if (info.if_index == 0 && driver_of(id)->netdev != NULL)
		info.if_index = driver_of(id)->netdev(id);
	return info.if_index != 0 && if_indextoname(info.if_index, netdev) != NULL &&
			strcmp(netdev, want) == 0;
}

/* Before any port is touched: everything in the configuration must be there. */
static int
check_configured(void)
{
	char whole[RTE_ETH_NAME_MAX_LEN], existing[512];
	unsigned int i;
	bool found;
	uint16_t id;

	for (i = 0; i < conf_ports_n(); i++) {
		const char *want = conf_port_at(i)->name;

		found = false;
		RTE_ETH_FOREACH_DEV (id) {
			bool this = is_named(id, want);

			if (this && is_part(id, whole)) {
				LOG_ERROR("DPVMA_PORTS names port %s, which is a slave of %s: give "
					  "%s the addresses",
						want, whole, whole);
				return -EINVAL;
			}
			found |= this;
		}
		if (!found) {
			list_ethdevs(existing, sizeof(existing));
			LOG_ERROR("DPVMA_PORTS names port %s, which does not exist (there is: %s): "
				  "correct the name, or add the device to DPVMA_EAL_ARGS",
					want, existing);
			return -ENODEV;
		}
	}
	return 0;
}

int
ports_init(void)
{
	int ret;

	if (n_ports > 0)
		return (int)n_ports;
	if (rte_eth_dev_count_avail() == 0) {
		LOG_ERROR("there is no port: give EAL one, as DPVMA_EAL_ARGS='-a 0000:03:00.0' for "
			  "a "
			  "network card or DPVMA_EAL_ARGS='--vdev=net_af_packet0,iface=eth1'");
		return -ENODEV;
	}
	ret = port_kern_start();
	if (ret == 0)
		ret = gather_all();
	if (ret == 0)
		ret = check_configured();
	if (ret == 0)
		ret = port_events_init();
	if (ret == 0)
		ret = rte_eth_dev_owner_new(&ports_owner);
	if (ret == 0)
		ret = find_all();
	if (ret == 0 && n_ports == 0)
		ret = -ENODEV;
	if (ret == 0)
		ret = port_kern_follow();
	if (ret != 0) {
		ports_fini();
		return ret;
	}
	return (int)n_ports;
}

/* Its parts are nobody's any more then. */
static void
close_whole(uint16_t id)
{
	uint16_t parts[RTE_MAX_ETHPORTS], n = parts_of(id, parts), i;

	rte_eth_dev_close(id);
	for (i = 0; i < n; i++)
		rte_eth_dev_close(parts[i]);
}

/*
 * Those that are no ports of ours have their parts, too. EAL would close the parts first, and the
 * alarms of the whole look at them.
 */
static void
close_wholes(void)
{
	uint16_t parts[RTE_MAX_ETHPORTS], id;

	RTE_ETH_FOREACH_DEV (id)
		if (parts_of(id, parts) > 0)
			close_whole(id);
}

void
ports_fini(void)
{
	while (n_ports > 0) {
		struct port *port = ports[n_ports - 1];
		struct rte_flow_error error;

		port_events_del(port);
		if (port->queues->removed) {
			port->started = false;
		} else {
			port_stop(port);
			if (port->caps.isolated && !port_eal_is_ours())
				rte_flow_isolate(port->id, 0, &error);
		}
		rte_eth_dev_owner_unset(port->id, ports_owner);
		/* what the program gave EAL stays the program's; ours goes */
		if (port_eal_is_ours()) {
			close_whole(port->id);
			rte_mempool_free(port->queues->trial_pool);
		}
		ports[--n_ports] = NULL;
		port_free(port);
	}
	if (port_eal_is_ours())
		close_wholes();
	port_kern_stop();
	port_events_fini();
}

unsigned int
port_count(void)
{
	return n_ports;
}

struct port *
port_get(unsigned int index)
{
	return index < n_ports ? ports[index] : NULL;
}

struct port *
port_by_ethdev(uint16_t id)
{
	unsigned int i;

	for (i = 0; i < n_ports; i++)
		if (ports[i]->id == id)
			return ports[i];
	return NULL;
}

struct port *
port_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < n_ports; i++) {
		const struct rte_device *dev = ports[i]->queues->info.device;

		if (same_name(ports[i]->name, name) ||
				(dev != NULL && same_name(rte_dev_name(dev), name)))
			return ports[i];
	}
	for (i = 0; i < n_ports; i++)
		if (ports[i]->netdev[0] != '\0' && strcmp(ports[i]->netdev, name) == 0)
			return ports[i];
	return NULL;
}

struct port *
port_by_ifindex(uint32_t ifindex)
{
	unsigned int i, j;

	if (ifindex == 0)
		return NULL;
	for (i = 0; i < n_ports; i++)
		if (ports[i]->ifindex == ifindex)
			return ports[i];
	/* a VLAN on top of one */
	for (i = 0; i < n_ports; i++)
		for (j = 0; j < ports[i]->n_addrs; j++)
			if (ports[i]->addrs[j].ifindex == ifindex)
				return ports[i];
	return NULL;
}

struct port *
port_by_addr(const struct ip_addr *addr)
{
	unsigned int i;

	for (i = 0; i < n_ports; i++)
		if (port_addr_find(ports[i], addr) != NULL)
			return ports[i];
	return NULL;
}

const struct port_addr *
port_addr_find(const struct port *port, const struct ip_addr *addr)
{
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++)
		if (ip_equal(&port->addrs[i].addr, addr))
			return &port->addrs[i];
	return NULL;
}

const struct port_addr *
port_source(const struct port *port, const struct ip_addr *dst)
{
	const struct port_addr *best = NULL;
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++) {
		const struct port_addr *a = &port->addrs[i];

		if (ip_is_v4(&a->addr) != ip_is_v4(dst))
			continue;
		if (best == NULL)
			best = a;
		/* among networks that hold dst the longest prefix */
		if (ip_in_prefix(dst, &a->addr, a->prefix) &&
				(!ip_in_prefix(dst, &best->addr, best->prefix) ||
						a->prefix > best->prefix))
			best = a;
	}
	return best;
}
