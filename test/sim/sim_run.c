/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop: what is next, links or hosts or applications, happens. Time stands still meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "sim_rand.h"

#define SEC UINT64_C(1000000000)
#define SAME_TIME_MAX 200000 /* rounds of the loop without the clock moving: nobody gets on */
#define LINGER (400 * SEC)   /* TIME-WAIT, and FIN-WAIT-2 whose peer is gone */

static int
failed(const struct sim *sim)
{
	return sim->failure[0] != '\0' ? -EIO : 0;
}

int
sim_init(struct sim *sim, const struct sim_params *params)
{
	memset(sim, 0, sizeof(*sim));
	sim->params = *params;
	if (sim->params.stall == 0)
		sim->params.stall = 120 * SEC;
	if (sim->params.until == 0)
		sim->params.until = 3600 * SEC;
	if (sim->params.check_each == 0)
		sim->params.check_each = 64;
	sim->random = sim_mix(params->seed);
	/* where sequence numbers and timers begin should not matter: somewhere */
	sim->now = sim_rand_below(&sim->random, 1000000 * SEC);
	sim->moved_at = sim->now;
	sim->params.until += sim->now;
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_link_params *link = &sim->params.link[i];

		link->mtu_at += sim->now;
		link->down_at += sim->now;
		if (sim_link_init(&sim->link[i], link, sim_mix(params->seed + 10 + i)) != 0)
			sim_fail(sim, "link %u: bad parameters", i);
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (sim_host_init(sim, i) != 0) {
			sim_fail(sim, "host %u: no engine", i);
			break;
		}
		tcp_clock(sim->host[i].engine, sim->now);
	}
	return failed(sim);
}

void
sim_flow_default(struct sim_flow_params *params)
{
	memset(params, 0, sizeof(*params));
	tcp_options_default(&params->opt[0]);
	tcp_options_default(&params->opt[1]);
	params->app[0].end = SIM_END_SHUT;
	params->app[1].end = SIM_END_WAIT;
}

struct sim_flow *
sim_flow_add(struct sim *sim, const struct sim_flow_params *params)
{
	unsigned int n = sim->n_flows;
	struct sim_flow *flow = &sim->flow[n];

	if (n == SIM_FLOWS_MAX) {
		sim_fail(sim, "too many flows");
		return NULL;
	}
	sim->n_flows++;
	flow->sim = sim;
	flow->params = *params;
	flow->params.start += sim->now;
	flow->ports[0] = (uint16_t)(40000 + n);
	flow->ports[1] = (uint16_t)(5000 + n);
	for (unsigned int i = 0; i < 2; i++) {
		flow->app[i].flow = flow;
		flow->app[i].host = &sim->host[i];
		flow->app[i].peer = &flow->app[!i];
		flow->app[i].params = params->app[i];
	}
	return flow;
}

static void
start_flows(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->n_flows; i++) {
		struct sim_flow *flow = &sim->flow[i];

		if (flow->started || flow->params.start > sim->now)
			continue;
		flow->started = true;
		sim->moved_at = sim->now;
		sim_app_start(&flow->app[1]);
		sim_app_start(&flow->app[0]);
	}
}

static bool
apps_done(const struct sim *sim)
{
	for (unsigned int i = 0; i < sim->n_flows; i++) {
		const struct sim_flow *flow = &sim->flow[i];

		if (!flow->started || !sim_app_done(&flow->app[0]) || !sim_app_done(&flow->app[1]))
			return false;
	}
	return true;
}

static bool
all_done(const struct sim *sim)
{
	if (!apps_done(sim))
		return false;
	return !sim->params.linger ||
			(tcp_engine_conns(sim->host[0].engine) == 0 &&
					tcp_engine_conns(sim->host[1].engine) == 0);
}

static uint64_t
next_event(const struct sim *sim)
{
	uint64_t at = RTE_MIN(sim_link_next(&sim->link[0]), sim_link_next(&sim->link[1]));

	for (unsigned int i = 0; i < 2; i++)
		at = RTE_MIN(at, sim_host_next(&sim->host[i]));
	for (unsigned int i = 0; i < sim->n_flows; i++) {
		const struct sim_flow *flow = &sim->flow[i];

		if (!flow->started) {
			at = RTE_MIN(at, flow->params.start);
			continue;
		}
		at = RTE_MIN(at, sim_app_next(&flow->app[0]));
		at = RTE_MIN(at, sim_app_next(&flow->app[1]));
	}
	return at;
}

static void
one_round(struct sim *sim)
{
	struct rte_mbuf *m;

	start_flows(sim);
	for (unsigned int i = 0; i < 2; i++) {
		while ((m = sim_link_take(&sim->link[i], sim->now)) != NULL)
			sim_host_rx(&sim->host[!i], m);
	}
	sim_host_turn(&sim->host[0]);
	sim_host_turn(&sim->host[1]);
	for (unsigned int i = 0; i < sim->n_flows; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			if (sim_app_next(&sim->flow[i].app[j]) <= sim->now)
				sim_app_turn(&sim->flow[i].app[j]);
		}
	}
	if (sim->events++ % sim->params.check_each == 0)
		sim_check(sim);
}

/** Who waits for what, for whoever reads the failure. */
static void
fail_stalled(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->n_flows; i++) {
		const struct sim_app *a = &sim->flow[i].app[0], *b = &sim->flow[i].app[1];

		if (sim_app_done(a) && sim_app_done(b))
			continue;
		sim_fail(sim,
				"stalled since %.6f s; flow %u: %s sent %lu received %lu%s%s; "
				"%s sent %lu received %lu%s%s",
				(double)sim->moved_at / 1e9, i,
				a->conn == NULL || a->closed
						? "-"
						: tcp_state_name(tcp_conn_state(a->conn)),
				(unsigned long)a->sent, (unsigned long)a->received,
				a->end_read ? " end" : "", a->closed ? " closed" : "",
				b->conn == NULL || b->closed
						? "-"
						: tcp_state_name(tcp_conn_state(b->conn)),
				(unsigned long)b->sent, (unsigned long)b->received,
				b->end_read ? " end" : "", b->closed ? " closed" : "");
	}
	sim_fail(sim, "stalled since %.6f s: %u and %u connections linger",
			(double)sim->moved_at / 1e9, tcp_engine_conns(sim->host[0].engine),
			tcp_engine_conns(sim->host[1].engine));
}

int
sim_run(struct sim *sim, uint64_t until)
{
	until = RTE_MIN(until, sim->params.until);
	while (!failed(sim) && !all_done(sim)) {
		uint64_t at = next_event(sim);
		uint64_t stuck = sim->moved_at + sim->params.stall + (apps_done(sim) ? LINGER : 0);

		if (at > stuck && stuck < until) {
			fail_stalled(sim);
			break;
		}
		if (at > until) {
			sim->now = RTE_MAX(sim->now, until);
			break;
		}
		if (at > sim->now) {
			sim->now = at;
			sim->same_time = 0;
		} else if (++sim->same_time > SAME_TIME_MAX) {
			sim_fail(sim, "time stands still");
		}
		one_round(sim);
	}
	if (!failed(sim))
		sim_check(sim);
	return failed(sim);
}

int
sim_fini(struct sim *sim)
{
	for (unsigned int i = 0; i < 2; i++) {
		sim_host_fini(&sim->host[i]);
		sim_link_fini(&sim->link[i]);
	}
	if (rte_mempool_in_use_count(sim_tx_pool) != 0)
		sim_fail(sim, "%u buffers of the engines are missing",
				rte_mempool_in_use_count(sim_tx_pool));
	if (rte_mempool_in_use_count(sim_wire_pool) != 0)
		sim_fail(sim, "%u buffers of the wire are missing",
				rte_mempool_in_use_count(sim_wire_pool));
	return failed(sim);
}
