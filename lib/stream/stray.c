/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of a connection that another engine of the port has. Where several rings share a
 * listener's key, a packet may come to another ring than its connection lives at: the group has
 * changed, and a connection without a flow of its own is where it was. Its engine is looked for
 * before the segment is answered by a reset, and gets it from whoever has received it; the
 * connection gets a flow of its own soon.
 *
 * Only one engine is locked at a time: segments wait until the first is left.
 */
#include "stream/stream_priv.h"

/* Whether any key was ever shared: before, nobody is asked. */
static bool spread_seen;

void
stray_expect(void)
{
	__atomic_store_n(&spread_seen, true, __ATOMIC_RELAXED);
}

bool
stray_take(void *ctx, const struct tcp_key *key, struct rte_mbuf *m)
{
	struct stream_engine *e = ctx;

	if (likely(!__atomic_load_n(&spread_seen, __ATOMIC_RELAXED)) || e->strays_asked ||
			e->strays == STRAYS)
		return false;
	e->stray[e->strays++] = (struct stray){ .key = *key, .m = m };
	return true;
}

/* False: it is not that engine's. */
static bool
give(struct stream_engine *to, struct stray *s)
{
	struct tcp_conn *conn;

	engine_enter(to);
	conn = tcp_find(to->tcp, &s->key);
	if (conn != NULL) {
		own_want_stray(to, conn);
		tcp_input(to->tcp, &s->m, 1);
	}
	engine_leave(to);
	return conn != NULL;
}

struct search {
	struct stream_engine *from;
	struct stray *s;
	bool found;
};

static void
try_engine(struct stream_engine *e, void *ctx)
{
	struct search *look = ctx;

	if (!look->found && e != look->from && e->ring->port == look->from->ring->port)
		look->found = give(e, look->s);
}

void
strays_hand(struct stream_engine *e, struct ring *ring, struct stray *strays, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct search look = { .from = e, .s = &strays[i] };

		engine_foreach(try_engine, &look);
		if (look.found) {
			STAT_INC(&ring->stats, RING, strays_handed);
			continue;
		}
		engine_enter(e);
		e->strays_asked = true;
		tcp_input(e->tcp, &strays[i].m, 1);
		e->strays_asked = false;
		engine_leave(e);
	}
}
