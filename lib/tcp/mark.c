/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Marks in the stream of what is sent: when the last byte of a write goes and when it is
 * acknowledged, for timestamps. A connection has room for them from the first one on.
 */
#include <stdlib.h>

#include "tcp_priv.h"

#define MARKS 128u

struct marks {
	uint32_t first, n;
	struct mark {
		uint32_t end; /**< sequence number behind the byte */
		uint32_t key;
		unsigned int want;
	} m[MARKS];
};

static void
tell(struct tcp_conn *conn, struct mark *m, unsigned int what)
{
	const struct tcp_config *config = &conn->engine->config;

	if ((m->want & what) == 0)
		return;
	m->want &= ~what;
	if (conn->owner != NULL && (conn->flags & F_ORPHAN) == 0 && config->ops.mark != NULL)
		config->ops.mark(config->ctx, conn->owner, what, m->key);
}

void
marks_look(struct tcp_conn *conn)
{
	struct marks *marks = conn->marks;

	for (uint32_t i = 0; i < marks->n; i++) {
		struct mark *m = &marks->m[(marks->first + i) % MARKS];

		if (seq_gt(m->end, conn->snd_nxt))
			break;
		tell(conn, m, TCP_MARK_SENT);
		if (seq_leq(m->end, conn->snd_una))
			tell(conn, m, TCP_MARK_ACKED);
	}
	while (marks->n != 0 && marks->m[marks->first].want == 0) {
		marks->first = (marks->first + 1) % MARKS;
		marks->n--;
	}
	if (marks->n == 0)
		conn->flags &= ~(uint32_t)F_MARKS;
}

int
tcp_mark(struct tcp_conn *conn, unsigned int want, uint32_t key)
{
	struct marks *marks = conn->marks;

	if (conn->state == TCP_S_CLOSED)
		return -ENOTCONN;
	if (marks == NULL) {
		marks = calloc(1, sizeof(*marks));
		if (marks == NULL)
			return -ENOMEM;
		conn->marks = marks;
	}
	if (marks->n == MARKS)
		return -ENOBUFS;
	marks->m[(marks->first + marks->n++) % MARKS] = (struct mark){
		.end = conn->snd_una + conn->sndq.bytes,
		.key = key,
		.want = want,
	};
	conn->flags |= F_MARKS;
	marks_look(conn);
	return 0;
}

void
marks_free(struct tcp_conn *conn)
{
	free(conn->marks);
	conn->marks = NULL;
}
