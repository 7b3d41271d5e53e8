/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How scenarios are drawn, and printed when one fails.
 */
#include "scenario.h"

#include <math.h>
#include <string.h>

#include "sim_rand.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

const char *
scenario_name(enum scenario_kind kind)
{
	static const char *const names[] = {
#define NAME(name, help) #name,
		SCENARIO_KINDS(NAME)
#undef NAME
	};

	return names[kind];
}

int
scenario_by_name(const char *name)
{
	for (int i = 0; i < SCENARIO_MAX; i++) {
		if (strcmp(name, scenario_name((enum scenario_kind)i)) == 0)
			return i;
	}
	return -1;
}

static bool
chance(uint64_t *r, double p)
{
	return sim_rand_unit(r) < p;
}

/** Every order of magnitude is as likely as any other; @p low > 0. */
static uint64_t
between(uint64_t *r, uint64_t low, uint64_t high)
{
	uint64_t v = (uint64_t)((double)low * pow((double)high / (double)low, sim_rand_unit(r)));

	v = RTE_MIN(v, high);
	return RTE_MAX(low, v);
}

static uint64_t
one_of(uint64_t *r, const uint64_t *values, unsigned int n)
{
	return values[sim_rand_below(r, n)];
}
#define ONE_OF(r, ...)                                                                             \
	one_of(r, (const uint64_t[]){ __VA_ARGS__ },                                               \
			sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static bool
about(const struct scenario *s, enum scenario_kind kind)
{
	return s->kind == kind || s->kind == SCENARIO_all;
}

/** Rate, delay and a queue in which at least two windows of ten segments fit. */
static void
make_network(struct scenario *s, uint64_t *r)
{
	uint64_t delay = ONE_OF(r, 5 * US, 50 * US, 500 * US, 5 * MS, 20 * MS, 50 * MS, 150 * MS);
	uint64_t rate = ONE_OF(r, 1000000, 10000000, 100000000, 1000000000, UINT64_C(10000000000));
	uint64_t product = (uint64_t)((double)rate / 8 * (double)delay * 2 / 1e9);

	for (unsigned int i = 0; i < 2; i++) {
		struct sim_link_params *link = &s->sim.link[i];

		link->delay = delay;
		link->rate = i == 0 || !chance(r, 0.1) || s->kind == SCENARIO_clean
				? rate
				: RTE_MAX(rate / 50, 100000u);
		link->overhead = 38;
		link->queue = RTE_MAX(product, 64000u);
		link->queue = RTE_MIN(link->queue, 4000000u);
	}
	if (chance(r, 0.1)) { /* no serialising at all: whole windows arrive at once */
		s->sim.link[0].rate = 0;
		s->sim.link[1].rate = 0;
	}
}

static void
make_loss(struct scenario *s, uint64_t *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_link_params *link = &s->sim.link[i];

		if (i == 1 && chance(r, 0.5))
			continue; /* acknowledgements all arrive */
		switch (sim_rand_below(r, 5)) {
		case 0:
			link->loss = (double)ONE_OF(r, 1, 10, 30, 100, 200) / 1000;
			break;
		case 1:
			link->burst_enter = (double)ONE_OF(r, 1, 5, 10) / 1000;
			/* a burst lasts for packets, not for a time: retransmissions have to end it
			 */
			link->burst_leave = (double)ONE_OF(r, 30, 50) / 100;
			link->burst_loss = chance(r, 0.5) ? 0.8 : 0.5;
			break;
		case 2:
			link->drop_every = (uint32_t)ONE_OF(r, 5, 7, 13, 50, 100);
			break;
		case 3:
			link->n_drops = 1 + (uint32_t)sim_rand_below(r, 10);
			for (uint32_t j = 0, at = 0; j < link->n_drops; j++) {
				at += 1 + (uint32_t)sim_rand_below(r, chance(r, 0.5) ? 2 : 20);
				link->drops[j] = at;
			}
			break;
		default:
			link->corrupt = (double)ONE_OF(r, 1, 10, 50) / 1000;
			break;
		}
	}
}

static void
make_disorder(struct scenario *s, uint64_t *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_link_params *link = &s->sim.link[i];
		unsigned int what = 1 + (unsigned int)sim_rand_below(r, 7);

		if ((what & 1) != 0) {
			link->reorder = (double)ONE_OF(r, 1, 10, 100, 300) / 1000;
			link->reorder_for = between(r, 10 * US, link->delay + 100 * US);
		}
		if ((what & 2) != 0)
			link->jitter = between(r, 10 * US, link->delay / 2 + 20 * US);
		if ((what & 4) != 0)
			link->duplicate = (double)ONE_OF(r, 1, 10, 100, 500) / 1000;
	}
}

static void
make_path(struct scenario *s, uint64_t *r)
{
	struct sim_link_params *link = &s->sim.link[sim_rand_below(r, 2)];
	unsigned int what = 1 + (unsigned int)sim_rand_below(r, 3);

	if ((what & 1) != 0) {
		link->mtu = 1500;
		link->mtu_then = (uint32_t)ONE_OF(r, 1492, 1400, 1280, 576);
		link->mtu_at = between(r, MS, SEC);
	}
	if ((what & 2) != 0) {
		link->down_at = between(r, MS, SEC);
		link->down_for = between(r, MS, 5 * SEC);
		if (chance(r, 0.5))
			link->down_every = link->down_for * 3 + 3 * SEC;
	}
}

static void
make_hosts(struct scenario *s, uint64_t *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_host_params *host = &s->sim.host[i];

		host->time_wait_ms = (uint32_t)ONE_OF(r, 50, 1000, 0);
		host->l2_len = chance(r, 0.5) ? 14 : 0;
		if (!about(s, SCENARIO_card) && chance(r, 0.7))
			continue;
		host->tso_max = (uint32_t)ONE_OF(r, 0, 3000, 16384, 65000);
		host->multi_seg = host->tso_max > 0 || chance(r, 0.5);
		host->lro = (uint8_t)sim_rand_below(r, 3);
		host->lro_max = (uint16_t)ONE_OF(r, 2, 8, 40);
		host->rx_delay = ONE_OF(r, 0, 5 * US, 50 * US, 500 * US);
		host->tx_hold = ONE_OF(r, 0, 20 * US, 5 * MS, 500 * MS);
	}
}

static void
make_options(struct scenario *s, uint64_t *r, struct tcp_options *o)
{
	bool window = about(s, SCENARIO_window);

	o->sndbuf = (uint32_t)between(r, window ? 2048 : 16384, 1 << 20);
	o->rcvbuf = (uint32_t)between(r, window ? 2048 : 16384, 1 << 20);
	o->cc = chance(r, 0.7) ? TCP_CC_CUBIC : TCP_CC_NEWRENO;
	if (s->kind == SCENARIO_clean && chance(r, 0.1))
		o->cc = TCP_CC_NONE; /* where no queue is full */
	o->nodelay = chance(r, 0.5);
	o->cork = chance(r, 0.05);
	o->quickack = chance(r, 0.1);
	o->timestamps = chance(r, 0.7);
	o->sack = chance(r, 0.75);
	o->window_scaling = chance(r, 0.8);
	o->ecn = chance(r, 0.5);
	o->pacing = chance(r, 0.3);
	o->syn_retries = 12;
	if (chance(r, 0.1))
		o->mss = (uint16_t)ONE_OF(r, 100, 536, 1000);
	if (chance(r, 0.1))
		o->pacing_rate = between(r, 100000, 100000000);
	if (chance(r, 0.1)) {
		o->keepalive = true;
		o->keep_idle_s = 1;
		o->keep_interval_s = 1;
		o->keep_count = 20;
	}
}

/** What takes long is made short. */
static uint64_t
make_size(const struct scenario *s, uint64_t *r, const struct sim_flow_params *f, unsigned int from)
{
	uint64_t most = 2000000, rate = s->sim.link[from].rate;
	uint64_t loss = s->sim.link[0].loss > 0.05 || s->sim.link[1].loss > 0.05 ||
			s->sim.link[from].drop_every == 5 || s->sim.link[from].drop_every == 7;

	if (rate > 0 && rate <= 1000000)
		most = 500000;
	if (f->opt[0].mss == 100 || f->opt[1].mss == 100 || loss)
		most = 100000;
	if (f->opt[from].sndbuf < 16384 || f->opt[!from].rcvbuf < 16384)
		most = RTE_MIN(most, 200000u);
	if (s->n_flows > 1)
		most /= 2;
	return chance(r, 0.05) ? 0 : between(r, 1, most);
}

static void
make_reader(struct scenario *s, uint64_t *r, struct sim_app_params *a)
{
	a->zero_copy = chance(r, 0.2);
	if (chance(r, 0.2))
		a->read_size = (uint32_t)between(r, 10, 20000);
	if (!about(s, SCENARIO_window))
		return;
	if (chance(r, 0.5)) {
		a->read_gap = between(r, 10 * US, 50 * MS);
		a->read_size = (uint32_t)between(r, 500, 65536);
	}
	if (chance(r, 0.6)) {
		a->pause_at = between(r, 1, 200000);
		a->pause_for = between(r, MS, 20 * SEC);
	}
}

static void
make_talk(uint64_t *r, struct sim_flow_params *f)
{
	uint64_t rounds = between(r, 1, 100), request = between(r, 1, 5000);
	uint64_t answer = between(r, 1, 20000);
	uint64_t ahead = chance(r, 0.7) ? 1 : 1 + sim_rand_below(r, 4);

	f->app[0].send = rounds * request;
	f->app[0].send_first = ahead * request;
	f->app[0].per_read = answer;
	f->app[0].send_each = request;
	f->app[1].send = rounds * answer;
	f->app[1].per_read = request;
	f->app[1].send_each = answer;
}

static void
make_end(uint64_t *r, struct sim_flow_params *f)
{
	static const uint8_t ends[][2] = { { SIM_END_SHUT, SIM_END_WAIT },
		{ SIM_END_WAIT, SIM_END_SHUT }, { SIM_END_SHUT, SIM_END_SHUT },
		{ SIM_END_CLOSE, SIM_END_WAIT }, { SIM_END_WAIT, SIM_END_CLOSE },
		{ SIM_END_CLOSE, SIM_END_CLOSE }, { SIM_END_SHUT, SIM_END_CLOSE } };
	unsigned int i = (unsigned int)sim_rand_below(r, RTE_DIM(ends)), who;

	f->app[0].end = ends[i][0];
	f->app[1].end = ends[i][1];
	f->simultaneous = chance(r, 0.1);
	if (!chance(r, 0.25))
		return;
	who = (unsigned int)sim_rand_below(r, 2);
	f->app[who].end = SIM_END_ABORT;
	f->app[who].send = sim_rand_below(r, f->app[who].send + 1);
	if (f->app[!who].send > 0 && f->app[who].per_read == 0 && f->app[!who].per_read == 0)
		f->app[who].abort_read = sim_rand_below(r, f->app[!who].send + 1);
	f->may_reset = true;
	/* the RST may be lost */
	f->opt[!who].keepalive = true;
	f->opt[!who].keep_idle_s = 2;
	f->opt[!who].keep_interval_s = 1;
	f->opt[!who].keep_count = 100;
}

static void
make_flow(struct scenario *s, uint64_t *r, struct sim_flow_params *f)
{
	sim_flow_default(f);
	for (unsigned int i = 0; i < 2; i++) {
		make_options(s, r, &f->opt[i]);
		make_reader(s, r, &f->app[i]);
	}
	if (about(s, SCENARIO_talk) && (s->kind == SCENARIO_talk || chance(r, 0.3))) {
		make_talk(r, f);
	} else {
		f->app[0].send = make_size(s, r, f, 0);
		if (chance(r, 0.5))
			f->app[1].send = make_size(s, r, f, 1);
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (!chance(r, about(s, SCENARIO_talk) ? 0.5 : 0.1))
			continue;
		f->app[i].write_size = (uint32_t)between(r, 1, 5000);
		f->app[i].write_gap = chance(r, 0.5) ? 0 : between(r, 10 * US, 100 * MS);
		f->app[i].send = RTE_MIN(f->app[i].send, f->app[i].write_size * 500u);
	}
	/* who waits for answers cannot send less than what the answers are to */
	if (f->app[0].per_read != 0)
		f->app[1].send = f->app[0].send / f->app[0].send_each * f->app[0].per_read;
	if (f->app[0].per_read != 0)
		f->app[0].send -= f->app[0].send % f->app[0].send_each;
	if (about(s, SCENARIO_end))
		make_end(r, f);
	f->start = s->n_flows > 1 && !f->simultaneous ? between(r, 1, 500 * MS) : 0;
}

/** What somebody who looks at it would call stuck. */
static void
make_bounds(struct scenario *s)
{
	/* a full queue may drop what was sent again, and an RTO grows with the queue */
	uint64_t stall = (s->sim.link[0].queue == 0 ? 5 : 40) * SEC;

	for (unsigned int i = 0; i < 2; i++) {
		const struct sim_link_params *l = &s->sim.link[i];

		if (l->loss > 0.05 || l->drop_every != 0 || l->n_drops > 0 || l->burst_enter > 0)
			stall = RTE_MAX(stall, 800 * SEC);
		else if (l->loss > 0 || l->corrupt > 0 || l->mtu_then != 0)
			stall = RTE_MAX(stall, 100 * SEC);
		stall += l->down_for * 4;
	}
	s->sim.stall = stall;
	s->sim.until = 20000 * SEC;
}

void
scenario_make(struct scenario *s, enum scenario_kind kind, uint64_t seed)
{
	uint64_t random = sim_mix(seed * SCENARIO_MAX + kind), *r = &random;

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->seed = seed;
	s->sim.seed = seed;
	s->sim.linger = true;
	s->n_flows = 1;
	make_network(s, r);
	if (about(s, SCENARIO_loss) || (kind != SCENARIO_clean && chance(r, 0.2)))
		make_loss(s, r);
	if (about(s, SCENARIO_order))
		make_disorder(s, r);
	if (about(s, SCENARIO_path) && (kind == SCENARIO_path || chance(r, 0.3)))
		make_path(s, r);
	make_hosts(s, r);
	if (about(s, SCENARIO_crowd)) {
		s->n_flows = 2 + (unsigned int)sim_rand_below(r, SCENARIO_FLOWS_MAX - 1);
		for (unsigned int i = 0; i < 2; i++) {
			struct sim_link_params *l = &s->sim.link[i];

			l->queue = between(r, 20000, l->queue);
			if (chance(r, 0.4))
				l->ecn_mark = l->queue / 3;
			else if (chance(r, 0.5))
				l->codel = 5 * MS;
		}
	}
	for (unsigned int i = 0; i < s->n_flows; i++)
		make_flow(s, r, &s->flow[i]);
	if (kind == SCENARIO_clean || (kind == SCENARIO_window && seed % 2 == 0)) {
		/* and nothing drops, whatever is sent */
		for (unsigned int i = 0; i < 2; i++)
			s->sim.link[i].queue = 0;
	}
	make_bounds(s);
}

static void
print_app(const struct sim_app_params *a, const struct tcp_options *o, FILE *f)
{
	static const char *const ends[] = { "shut", "wait", "close", "abort", "not" };

	fprintf(f, "send %lu", (unsigned long)a->send);
	if (a->per_read != 0)
		fprintf(f, " (%lu, then %lu for each %lu read)", (unsigned long)a->send_first,
				(unsigned long)a->send_each, (unsigned long)a->per_read);
	if (a->write_size != 0)
		fprintf(f, " by %u each %lu us", a->write_size, (unsigned long)a->write_gap / 1000);
	if (a->read_size != 0)
		fprintf(f, ", read %u each %lu us", a->read_size,
				(unsigned long)a->read_gap / 1000);
	if (a->pause_for != 0)
		fprintf(f, ", pause at %lu for %lu ms", (unsigned long)a->pause_at,
				(unsigned long)a->pause_for / 1000000);
	if (a->end == SIM_END_ABORT)
		fprintf(f, ", abort after %lu read", (unsigned long)a->abort_read);
	fprintf(f, ", end %s%s\n      ", ends[a->end], a->zero_copy ? ", zero copy" : "");
	fprintf(f, "%s sndbuf %u rcvbuf %u%s%s%s%s%s%s%s%s%s", tcp_cc_name(o->cc), o->sndbuf,
			o->rcvbuf, o->timestamps ? " ts" : "", o->sack ? " sack" : "",
			o->window_scaling ? " ws" : "", o->ecn ? " ecn" : "",
			o->pacing ? " pacing" : "", o->nodelay ? " nodelay" : "",
			o->cork ? " cork" : "", o->quickack ? " quickack" : "",
			o->keepalive ? " keepalive" : "");
	if (o->mss != 0)
		fprintf(f, " mss %u", o->mss);
	if (o->pacing_rate != 0)
		fprintf(f, " pacing_rate %lu", (unsigned long)o->pacing_rate);
	fputc('\n', f);
}

void
scenario_print(const struct scenario *s, FILE *f)
{
	char buf[1024];

	for (unsigned int i = 0; i < 2; i++)
		fprintf(f, "  link %u: %s\n", i,
				sim_link_format(&s->sim.link[i], buf, sizeof(buf)));
	for (unsigned int i = 0; i < 2; i++) {
		const struct sim_host_params *h = &s->sim.host[i];

		fprintf(f,
				"  host %u: tso %u%s lro %u max %u rx_delay %lu us tx_hold %lu us "
				"l2 %u "
				"time_wait %u ms\n",
				i, h->tso_max, h->multi_seg ? " multi_seg" : "", h->lro, h->lro_max,
				(unsigned long)h->rx_delay / 1000, (unsigned long)h->tx_hold / 1000,
				h->l2_len, h->time_wait_ms);
	}
	for (unsigned int i = 0; i < s->n_flows; i++) {
		fprintf(f, "  flow %u at %lu us%s%s\n", i, (unsigned long)s->flow[i].start / 1000,
				s->flow[i].simultaneous ? ", simultaneous" : "",
				s->flow[i].may_reset ? ", may reset" : "");
		for (unsigned int j = 0; j < 2; j++) {
			fprintf(f, "    %u: ", j);
			print_app(&s->flow[i].app[j], &s->flow[i].opt[j], f);
		}
	}
}
