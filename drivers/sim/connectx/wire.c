/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of wires, and the two that need no file: null, and loop with its ring. */
#include "connectx.h"

struct cx_wire *const cx_wires[] = {
	&cx_wire_tap,
	&cx_wire_afp,
	&cx_wire_loop,
	&cx_wire_null,
	&cx_wire_gen,
	NULL,
};

/* ---- null: nothing comes, what is sent is gone ---- */
static int
null_open(const char *arg)
{
	(void)arg;
	return 0;
}

static void
null_close(void)
{
}

static bool
null_poll(void)
{
	return false;
}

static void
null_send(const uint8_t *frame, size_t len)
{
	(void)frame;
	(void)len;
}

struct cx_wire cx_wire_null = {
	.name = "null",
	.help = "null: nothing comes in, what is sent is gone",
	.open = null_open,
	.close = null_close,
	.poll = null_poll,
	.send = null_send,
	.fd = -1,
};

/* ---- loop: what is sent comes back, through a ring of records: length, frame ---- */
#define RING_SIZE (4u << 20) /* bytes */
#define ALIGN 8
#define WRAP UINT32_MAX /* instead of a length: the next record is at the start */

static uint8_t *ring;
static uint32_t head, tail; /* offsets; equal when empty */

static int
loop_open(const char *arg)
{
	(void)arg;
	ring = malloc(RING_SIZE);
	if (ring == NULL)
		cx_log(0, "loop wire: no memory for its ring");
	return ring == NULL ? -1 : 0;
}

static void
loop_close(void)
{
	free(ring);
	ring = NULL;
}

static bool
loop_poll(void)
{
	bool work = false;
	uint32_t len;
	int i;

	for (i = 0; i < CX_RX_BATCH && tail != head; i++) {
		memcpy(&len, ring + tail, sizeof(len));
		if (len == WRAP) {
			tail = 0;
			continue;
		}
		cx_rx_frame(ring + tail + ALIGN, len, 0);
		tail += ALIGN + (len + ALIGN - 1) / ALIGN * ALIGN;
		work = true;
	}
	return work;
}

static void
loop_send(const uint8_t *frame, size_t len)
{
	uint32_t need = ALIGN + (len + ALIGN - 1) / ALIGN * ALIGN, n = len, wrap = WRAP;
	bool wrapped = head < tail;

	/* one record less than full, and always room for a WRAP at the end */
	if (!wrapped && head + need + ALIGN > RING_SIZE) {
		if (need >= tail)
			goto full;
		memcpy(ring + head, &wrap, sizeof(wrap));
		head = 0;
	} else if (wrapped && head + need >= tail) {
		goto full;
	}
	memcpy(ring + head, &n, sizeof(n));
	memcpy(ring + head + ALIGN, frame, len);
	head += need;
	return;
full:
	cx.stat.tx_lost++;
}

struct cx_wire cx_wire_loop = {
	.name = "loop",
	.help = "loop: what is sent comes back",
	.open = loop_open,
	.close = loop_close,
	.poll = loop_poll,
	.send = loop_send,
	.fd = -1,
};
