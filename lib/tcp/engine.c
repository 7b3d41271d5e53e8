/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine object: made, told the time, looked at, destroyed.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "tcp_priv.h"

#define TIME_WAIT_MS 60000u /* 2 MSL, with Linux's MSL of 30 s; RFC 9293 3.4.2 has 2 minutes */

static int
config_check(const struct tcp_config *config)
{
	if (config->ops.output == NULL || config->ops.event == NULL || config->ops.mtu == NULL ||
			config->tx_pool == NULL) {
		LOG_ERROR("a TCP engine needs output, event, mtu and tx_pool; give all four");
		return -EINVAL;
	}
	if (rte_pktmbuf_data_room_size(config->tx_pool) < RTE_PKTMBUF_HEADROOM + MSS_DEFAULT) {
		LOG_ERROR("the transmit buffers of a TCP engine hold %u bytes; %u are needed",
				rte_pktmbuf_data_room_size(config->tx_pool),
				RTE_PKTMBUF_HEADROOM + MSS_DEFAULT);
		return -EINVAL;
	}
	return 0;
}

static void
seed(struct tcp_engine *e)
{
	uint64_t words[3];
	unsigned int i;

	if (e->config.seed != 0) {
		e->random = e->config.seed;
		for (i = 0; i < RTE_DIM(words); i++)
			words[i] = random_next(&e->random);
	} else if (getrandom(words, sizeof(words), 0) != sizeof(words)) {
		/* never seen; a clock is better than nothing */
		words[0] = clock_ns();
		words[1] = (uintptr_t)e;
		words[2] = words[0] * words[1];
	}
	memcpy(e->secret.key, words, sizeof(e->secret.key));
	e->random = words[2] | 1;
}

int
tcp_engine_create(const struct tcp_config *config, struct tcp_engine **engine)
{
	struct tcp_engine *e;
	unsigned int i;
	int ret = config_check(config);

	if (ret != 0)
		return ret;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->config = *config;
	if (e->config.time_wait_ms == 0)
		e->config.time_wait_ms = TIME_WAIT_MS;
	e->config.conn_extra = RTE_ALIGN(e->config.conn_extra, 8u);
	seed(e);
	TAILQ_INIT(&e->due);
	TAILQ_INIT(&e->dead);
	TAILQ_INIT(&e->ended);
	TAILQ_INIT(&e->zc);
	e->zc_at = UINT64_MAX;
	for (i = 0; i < RTE_DIM(e->listeners); i++)
		LIST_INIT(&e->listeners[i]);
	wheel_init(&e->wheel, 0);
	ret = table_init(&e->conns, (uint32_t)random_next(&e->random));
	if (ret != 0) {
		free(e);
		return ret;
	}
	buffers_init(e);
	*engine = e;
	return 0;
}

static void
forget(struct tcp_conn *conn, void *ctx)
{
	(void)ctx;
	conn->flags |= F_ORPHAN;
	conn_finish(conn);
}

void
tcp_engine_destroy(struct tcp_engine *engine)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(engine->listeners); i++) {
		struct tcp_listener *l, *next;

		for (l = LIST_FIRST(&engine->listeners[i]); l != NULL; l = next) {
			next = LIST_NEXT(l, next);
			LIST_REMOVE(l, next);
			while (!TAILQ_EMPTY(&l->half))
				listen_forget(TAILQ_FIRST(&l->half));
			while (!TAILQ_EMPTY(&l->ready))
				listen_forget(TAILQ_FIRST(&l->ready));
			free(l);
		}
	}
	/* the table is being walked and goes as a whole */
	engine->ending = true;
	table_foreach(&engine->conns, forget, NULL);
	TAILQ_CONCAT(&engine->dead, &engine->ended, link);
	engine_reap(engine);
	while (engine->free_conns != NULL) {
		struct tcp_conn *conn = engine->free_conns;

		engine->free_conns = conn->owner;
		free(conn);
	}
	table_fini(&engine->conns);
	zc_fini(engine);
	buffers_fini(engine);
	free(engine);
}

void
tcp_clock(struct tcp_engine *engine, uint64_t now_ns)
{
	/* two threads may have asked their clock in the other order */
	if (now_ns > engine->now)
		engine->now = now_ns;
}

void
tcp_engine_waited(struct tcp_engine *engine)
{
	COUNT(engine, engine_waits);
}

const struct tcp_stats *
tcp_engine_stats(const struct tcp_engine *engine)
{
	return &engine->stats;
}

unsigned int
tcp_engine_conns(const struct tcp_engine *engine)
{
	return engine->n_conns;
}

size_t
tcp_conn_size(const struct tcp_engine *engine)
{
	return sizeof(struct tcp_conn) + engine->config.conn_extra;
}

struct foreach {
	void (*cb)(struct tcp_conn *conn, void *ctx);
	void *ctx;
};

static void
foreach_one(struct tcp_conn *conn, void *ctx)
{
	struct foreach *f = ctx;

	f->cb(conn, f->ctx);
}

void
tcp_foreach(struct tcp_engine *engine, void (*cb)(struct tcp_conn *conn, void *ctx), void *ctx)
{
	struct foreach f = { cb, ctx };

	table_foreach(&engine->conns, foreach_one, &f);
}
