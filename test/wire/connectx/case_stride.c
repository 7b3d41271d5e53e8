/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Striding queues: packets that take one stride each lie one stride apart up to the end of their
 * buffer, and one mbuf that is held keeps the whole buffer, whatever comes after.
 */
#include "cxtest.h"

#define MAX_PACKETS 32768
#define NUMBER_AT 42

static const uint8_t *seen[MAX_PACKETS];
static struct rte_mbuf *anchor[MAX_PACKETS];

struct run {
	const uint8_t *next;
	const void *buffer;
	unsigned int length, runs, full, anchors, attached;
};

static void
take(struct run *r, struct rte_mbuf *m, const struct test_case *c)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	const void *buffer = RTE_MBUF_HAS_EXTBUF(m) ? m->shinfo->fcb_opaque : NULL;

	CHECK(buffer != NULL, "a packet was copied out of its stride");
	r->attached++;
	if (buffer == r->buffer && data == r->next) {
		r->length++;
	} else {
		r->runs++;
		r->length = 1;
	}
	if (r->length == c->a)
		r->full++;
	if (buffer != r->buffer)
		anchor[r->anchors++] = m;
	else
		rte_pktmbuf_free(m);
	r->buffer = buffer;
	r->next = data + c->b;
}

/* a: strides of a buffer, b: bytes of one */
void
case_stride(const struct test_case *c)
{
	unsigned int want = c->a == 2048 ? 20000 : 8000, got = 0, n, i;
	struct port_conf pc = { .rxqs = 1, .rxd = 4096 };
	struct rte_mbuf *m[64];
	bool scalar = strstr(c->name, "scalar") != NULL;
	struct rte_eth_burst_mode mode;
	struct run r = { 0 };
	uint64_t number;

	port_start(&pc);
	CHECK(rte_eth_rx_burst_mode_get(0, 0, &mode) == 0, "burst mode");
	CHECK(strstr(mode.info, scalar ? "Multi-Packet RQ" : "MPRQ Vector") != NULL, "mode %s",
			mode.info);
	while (got < want) {
		n = port_receive(m, NULL, RTE_DIM(m), 1);
		CHECK(n > 0, "%u packets came, not %u", got, want);
		for (i = 0; i < n; i++) {
			seen[got + i] = rte_pktmbuf_mtod(m[i], const uint8_t *);
			take(&r, m[i], c);
		}
		got += n;
	}
	printf("%u packets in %u runs, %u of them whole buffers\n", got, r.runs, r.full);
	/* whole buffers but for the first, which a frame of the kernel may have shared, and the
	 * last */
	CHECK(r.runs <= want / c->a + 2, "%u runs for %u packets in buffers of %u", r.runs, want,
			c->a);
	CHECK(r.full + 2 >= want / c->a, "only %u whole buffers", r.full);
	for (i = 0; i < got; i++) {
		memcpy(&number, seen[i] + NUMBER_AT, 8);
		CHECK(rte_be_to_cpu_64(number) == i, "packet %u was overwritten", i);
	}
	for (i = 0; i < r.anchors; i++)
		rte_pktmbuf_free(anchor[i]);
	port_stop();
}
