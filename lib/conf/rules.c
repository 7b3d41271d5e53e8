/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What options force on each other once all of them are read. A value that somebody chose is
 * replaced with a warning, one that nobody chose silently.
 */
#include "conf/conf_priv.h"

static void
forced(const struct conf_build *b, unsigned int o, int was, int now, const char *why)
{
	if (was != now)
		conf_say(conf_build_is_set(b, o) ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
				"%s=%d %s: using %d", conf_options[o].name, was, why, now);
}

/* value moves to limit when it is beyond it */
static void
at_least(struct conf_build *b, unsigned int o, int *value, int limit, const char *why)
{
	if (*value < limit) {
		forced(b, o, *value, limit, why);
		*value = limit;
	}
}

static void
at_most(struct conf_build *b, unsigned int o, int *value, int limit, const char *why)
{
	if (*value > limit) {
		forced(b, o, *value, limit, why);
		*value = limit;
	}
}

static int
twice(int v)
{
	return v > INT_MAX / 2 ? INT_MAX : 2 * v;
}

static void
rings(struct conf_build *b)
{
	struct conf *c = b->c;

	at_least(b, CONF_O_tx_wre, &c->tx_wre, twice(c->tx_wre_batching),
			"is less than twice VMA_TX_WRE_BATCHING");
	at_least(b, CONF_O_rx_wre, &c->rx_wre, twice(c->rx_wre_batching),
			"is less than twice VMA_RX_WRE_BATCHING");
	at_least(b, CONF_O_qp_compensation_level, &c->qp_compensation_level, c->rx_wre_batching,
			"is less than VMA_RX_WRE_BATCHING");
	if (c->tso && c->ring_migration_ratio_tx != -1) {
		forced(b, CONF_O_ring_migration_ratio_tx, c->ring_migration_ratio_tx, -1,
				"does not go with VMA_TSO=1");
		c->ring_migration_ratio_tx = -1;
	}
	if (c->buffer_batching_mode == CONF_BATCHING_NONE)
		c->tx_bufs_batch_tcp = c->tx_bufs_batch_udp = c->rx_bufs_batch = 1;
	if (c->mtu != 0) {
		at_most(b, CONF_O_tx_prefetch_bytes, &c->tx_prefetch_bytes, c->mtu,
				"is greater than VMA_MTU");
		if (c->tx_buf_size != 0 && c->tx_buf_size < c->mtu) {
			forced(b, CONF_O_tx_buf_size, c->tx_buf_size, 0, "is less than VMA_MTU");
			c->tx_buf_size = 0;
		}
	}
}

static void
polling(struct conf_build *b)
{
	struct conf *c = b->c;

	/* one look at the ring at least, or nothing would ever come out of it */
	if (c->rx_poll == 0)
		c->rx_poll = 1;
	if (c->select_poll_os_force) {
		if (!conf_build_is_set(b, CONF_O_select_poll_os_ratio))
			c->select_poll_os_ratio = 1;
		if (!conf_build_is_set(b, CONF_O_select_skip_os))
			c->select_skip_os = 1;
	}
	if (c->socketxtreme && c->progress_engine_interval != 0) {
		forced(b, CONF_O_progress_engine_interval, c->progress_engine_interval, 0,
				"does not go with VMA_SOCKETXTREME=1");
		c->progress_engine_interval = 0;
	}
	if ((c->rx_poll < 0 || c->select_poll < 0) &&
			!conf_build_is_set(b, CONF_O_cq_moderation_enable))
		c->cq_moderation_enable = false;
	at_most(b, CONF_O_cq_moderation_count, &c->cq_moderation_count, c->rx_wre / 2,
			"is more than half of VMA_RX_WRE");
	at_most(b, CONF_O_cq_aim_max_count, &c->cq_aim_max_count, c->rx_wre / 2,
			"is more than half of VMA_RX_WRE");
	if (!c->cq_moderation_enable && c->cq_aim_interval_msec != 0) {
		forced(b, CONF_O_cq_aim_interval_msec, c->cq_aim_interval_msec, 0,
				"does not go with VMA_CQ_MODERATION_ENABLE=0");
		c->cq_aim_interval_msec = 0;
	}
}

void
conf_rules(struct conf_build *b)
{
	struct conf *c = b->c;

	if (b->source[CONF_O_log_details] == CONF_FROM_DEFAULT && c->tracelevel >= CONF_TRACE_DEBUG)
		c->log_details = 2;
	rings(b);
	polling(b);
	at_least(b, CONF_O_tcp_timer_resolution_msec, &c->tcp_timer_resolution_msec,
			c->timer_resolution_msec, "is less than VMA_TIMER_RESOLUTION_MSEC");
	if (c->ephemeral_first > c->ephemeral_last) {
		int first = conf_options[CONF_O_ephemeral_first].def;
		int last = conf_options[CONF_O_ephemeral_last].def;

		conf_say(LOG_LEVEL_WARNING,
				"DPVMA_EPHEMERAL_FIRST=%d is greater than DPVMA_EPHEMERAL_LAST=%d: "
				"using %d and %d",
				c->ephemeral_first, c->ephemeral_last, first, last);
		c->ephemeral_first = first;
		c->ephemeral_last = last;
	}
}
