/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dpvma/neighbours and /dpvma/routes for rte_telemetry: what this room knows, as it is now.
 */
#include "net/net_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include <rte_telemetry.h>
#include <rte_version.h>

/* One line an entry: a reply holds 512 values, which is more than anybody reads. */
#define LINE_MAX_LEN 128
#define LINES_MAX 512

struct lines {
	struct rte_tel_data *d;
	unsigned int n;
};

static void
neighbour_line(const struct neigh *n, void *ctx)
{
	struct lines *l = ctx;
	char addr[IP_ADDR_STRLEN], line[LINE_MAX_LEN];

	if (l->n++ >= LINES_MAX)
		return;
	snprintf(line, sizeof(line), "%s %s vlan %u " RTE_ETHER_ADDR_PRT_FMT " %s",
			ip_format(&n->addr, addr), n->port->name, n->vlan_id,
			RTE_ETHER_ADDR_BYTES(&n->mac), neigh_state_name(n));
	rte_tel_data_add_array_string(l->d, line);
}

static int
neighbours(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct lines l = { .d = d };

	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	neigh_foreach(neighbour_line, &l);
	return 0;
}

static void
route_line(const struct route *r, void *ctx)
{
	struct lines *l = ctx;
	char dst[IP_ADDR_STRLEN], via[IP_ADDR_STRLEN], line[LINE_MAX_LEN];

	if (l->n++ >= LINES_MAX)
		return;
	snprintf(line, sizeof(line),
			"%s/%u via %s %s vlan %u table %" PRIu32 " metric %" PRIu32 " type %u",
			ip_format(&r->dst, dst), r->prefix,
			ip_is_any(&r->gateway) ? "link" : ip_format(&r->gateway, via),
			r->port != NULL ? r->port->name : "kernel", r->vlan_id, r->table, r->metric,
			r->type);
	rte_tel_data_add_array_string(l->d, line);
}

static int
routes(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct lines l = { .d = d };

	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	route_foreach(route_line, &l);
	return 0;
}

void
telemetry_init(void)
{
	static bool done;

	/* there is no call to take a command back, and a second one would be listed twice */
	if (done)
		return;
	done = true;
	rte_telemetry_register_cmd("/dpvma/neighbours", neighbours,
			"Link addresses of next hops: address, port, VLAN, MAC, state");
	rte_telemetry_register_cmd("/dpvma/routes", routes,
			"Routes in order of lookup: network, next hop, port, VLAN, table");
}
