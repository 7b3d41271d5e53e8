/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of wires, and the two that need no file: null, and loop with its ring. */
#include "connectx.h"

const struct cx_wire_ops *const cx_wires[] = {
	&cx_wire_tap,
	&cx_wire_afp,
	&cx_wire_loop,
	&cx_wire_null,
	&cx_wire_gen,
	&cx_wire_shm,
	&cx_wire_pcap,
	NULL,
};

static const struct cx_wire_ops *
by_name(const char *name, size_t n)
{
	size_t i;

	for (i = 0; cx_wires[i] != NULL; i++)
		if (strlen(cx_wires[i]->name) == n && strncmp(cx_wires[i]->name, name, n) == 0)
			return cx_wires[i];
	return NULL;
}

int
cx_wire_open(struct cx_dev *d)
{
	const char *text = d->conf.wire;
	size_t n = strcspn(text, ":");
	const struct cx_wire_ops *ops = by_name(text, n);

	if (ops == NULL) {
		cx_log(0, "%s: wire \"%s\": no such wire (CONNECTX_WIRE=help explains them)",
				d->conf.name, text);
		return -1;
	}
	d->wire.fd = -1;
	d->wire.carrier = true;
	if (ops->open(d, text[n] == ':' ? text + n + 1 : "") != 0)
		return -1;
	d->wire.ops = ops;
	return 0;
}

void
cx_wire_close(struct cx_dev *d)
{
	if (d->wire.ops != NULL)
		d->wire.ops->close(d);
	d->wire.ops = NULL;
}

/* ---- null: nothing comes, what is sent is gone ---- */
static int
null_open(struct cx_dev *d, const char *arg)
{
	(void)d;
	(void)arg;
	return 0;
}

static void
null_close(struct cx_dev *d)
{
	(void)d;
}

static bool
null_poll(struct cx_dev *d)
{
	(void)d;
	return false;
}

static void
null_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	(void)d;
	(void)frame;
	(void)len;
	(void)flags;
}

const struct cx_wire_ops cx_wire_null = {
	.name = "null",
	.help = "null: nothing comes in, what is sent is gone",
	.open = null_open,
	.close = null_close,
	.poll = null_poll,
	.send = null_send,
};

/* ---- loop: what is sent comes back, through a ring of records: length, frame ---- */
#define RING_SIZE (4u << 20) /* bytes */
#define ALIGN 8
#define WRAP UINT32_MAX /* instead of a length: the next record is at the start */

struct loop {
	uint32_t head, tail; /* offsets; equal when empty */
	uint8_t ring[RING_SIZE] __attribute__((aligned(64)));
};

static int
loop_open(struct cx_dev *d, const char *arg)
{
	struct loop *l = aligned_alloc(64, sizeof(*l));

	(void)arg;
	if (l == NULL) {
		cx_log(0, "%s: loop wire: no memory for its ring", d->conf.name);
		return -1;
	}
	l->head = l->tail = 0;
	d->wire.priv = l;
	return 0;
}

static void
loop_close(struct cx_dev *d)
{
	free(d->wire.priv);
}

static bool
loop_poll(struct cx_dev *d)
{
	struct loop *l = d->wire.priv;
	bool work = false;
	uint32_t len;
	int i;

	/* what was sent in this turn cannot have come at its start */
	if (l->tail != l->head)
		d->now = cx_clock();
	for (i = 0; i < CX_RX_BATCH && l->tail != l->head; i++) {
		memcpy(&len, l->ring + l->tail, sizeof(len));
		if (len == WRAP) {
			l->tail = 0;
			continue;
		}
		cx_port_rx(d, l->ring + l->tail + ALIGN, len, 0);
		l->tail += ALIGN + (len + ALIGN - 1) / ALIGN * ALIGN;
		work = true;
	}
	return work;
}

static void
loop_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	struct loop *l = d->wire.priv;
	uint32_t need = ALIGN + (len + ALIGN - 1) / ALIGN * ALIGN, n = len, wrap = WRAP;
	bool wrapped = l->head < l->tail;

	(void)flags;
	/* one record less than full, and always room for a WRAP at the end */
	if (!wrapped && l->head + need + ALIGN > RING_SIZE) {
		if (need >= l->tail)
			goto full;
		memcpy(l->ring + l->head, &wrap, sizeof(wrap));
		l->head = 0;
	} else if (wrapped && l->head + need >= l->tail) {
		goto full;
	}
	memcpy(l->ring + l->head, &n, sizeof(n));
	memcpy(l->ring + l->head + ALIGN, frame, len);
	l->head += need;
	return;
full:
	d->stat.tx_lost++;
}

const struct cx_wire_ops cx_wire_loop = {
	.name = "loop",
	.help = "loop: what is sent comes back",
	.open = loop_open,
	.close = loop_close,
	.poll = loop_poll,
	.send = loop_send,
};
