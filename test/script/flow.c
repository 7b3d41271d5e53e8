/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows: the pairs of ports that lines speak of by name.
 */
#include <string.h>

#include "run.h"

struct flow *
run_flow_by_key(struct runner *r, const struct tcp_key *key)
{
	unsigned int i;

	for (i = 0; i < r->n_flows; i++)
		if (memcmp(&r->flows[i].key, key, sizeof(*key)) == 0)
			return &r->flows[i];
	return NULL;
}

struct flow *
run_flow_get(struct runner *r, const char *name)
{
	struct flow *flow;
	unsigned int i;

	for (i = 0; i < r->n_flows; i++)
		if (strcmp(r->flows[i].name, name) == 0)
			return &r->flows[i];
	if (r->n_flows == FLOWS_MAX) {
		run_fail(r, "more than %d flows", FLOWS_MAX);
		return &r->flows[0];
	}
	flow = &r->flows[r->n_flows++];
	snprintf(flow->name, sizeof(flow->name), "%s", name);
	flow->runner = r;
	ip_parse("192.0.2.1", &flow->key.local);
	ip_parse("192.0.2.2", &flow->key.remote);
	flow->key.lport = RTE_BE16(80);
	flow->key.rport = rte_cpu_to_be_16((uint16_t)(40000 + i));
	flow->irs = UINT32_MAX - 2000; /* wraps soon */
	return flow;
}

void
run_flow_line(struct runner *r)
{
	const struct step *s = r->step;

	r->flow = run_flow_get(r, s->name);
	if (s->number != 0)
		r->flow->key.lport = rte_cpu_to_be_16((uint16_t)s->number);
	if (s->has_local)
		r->flow->key.local = s->local;
	if (s->has_remote)
		r->flow->key.remote = s->remote;
}

/* The ports stay, what is relative begins anew. */
void
run_flow_again(struct flow *flow)
{
	flow->iss_known = flow->ts_known = false;
	flow->iss = flow->ts_base = flow->ts_last = 0;
	flow->sent = flow->read = 0;
	flow->n_urgent = 0;
	flow->events = 0;
	flow->irs += 1000000;
}

struct look_for {
	const struct tcp_key *key;
	struct tcp_conn *conn;
};

static void
look_for(struct tcp_conn *conn, void *ctx)
{
	struct look_for *l = ctx;

	if (memcmp(tcp_conn_key(conn), l->key, sizeof(*l->key)) == 0)
		l->conn = conn;
}

struct tcp_conn *
run_conn(struct runner *r, struct flow *flow)
{
	struct look_for l = { &flow->key, NULL };

	if (flow->conn != NULL)
		return flow->conn;
	tcp_foreach(r->engine, look_for, &l);
	return l.conn;
}
