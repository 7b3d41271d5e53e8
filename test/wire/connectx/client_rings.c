/* SPDX-License-Identifier: BSD-3-Clause */
/* Wrong ring contents and doorbells, one at a time: what the device says, and that it goes on. */
#include "cxclient.h"
#include <sys/mman.h>

/* A frame for the RQ, whatever its ring holds. */
static void
send_frame(struct set *s)
{
	struct hw_cqe c;

	memset(s->buf, 0x5a, FRAME);
	memcpy(s->buf, "\x02\0\0\0\0\x99\x02\0\0\0\0\x98\x88\xb5", 14);
	post_send(s, s->mr->lkey, (uintptr_t)s->buf, FRAME);
	CHECK(wait_cqe(s, AT_TX_CQ, &s->tx_ci, &c) == CQE_OP_REQ, "send");
	turns();
}

static void
expect_error(struct set *s, uint8_t syndrome, const char *what)
{
	uint64_t before = stats().rx_errors;
	struct hw_cqe c;
	unsigned int op;

	send_frame(s);
	op = wait_cqe(s, AT_RX_CQ, &s->rx_ci, &c);
	CHECK(op == CQE_OP_RESP_ERR, "%s: completion %#x", what, op);
	CHECK(((uint8_t *)&c)[CQE_SYNDROME_AT] == syndrome, "%s: syndrome %#x", what,
			((uint8_t *)&c)[CQE_SYNDROME_AT]);
	CHECK(stats().rx_errors == before + 1, "%s: not counted", what);
	/* the driver resets a queue for its own mistakes; after a frame too long it goes on */
	if (syndrome == SYNDROME_LOCAL_LENGTH) {
		CHECK(s->rq->state == CX_QUEUE_READY, "%s: queue in state %u", what, s->rq->state);
		check_traffic(s, what);
		return;
	}
	CHECK(s->rq->state == CX_QUEUE_ERROR, "%s: queue in state %u", what, s->rq->state);
	/* nothing comes to a queue in error */
	post_receive(s, s->mr->lkey, (uintptr_t)s->buf + 0x8000, 2048);
	before = stats().rx_closed;
	send_frame(s);
	CHECK(stats().rx_closed == before + 1, "%s: the queue goes on", what);
	set_reset(s);
	check_traffic(s, what);
}

static void
wrong_entries(struct set *s)
{
	uint64_t buf = (uintptr_t)s->buf;
	struct ibv_mr *gone;
	uint8_t *memory;
	uint32_t key;

	post_receive(s, s->mr->lkey ^ 0x100000, buf, 2048);
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "a key that is not");
	post_receive(s, s->mr->lkey + 1, buf, 2048);
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "an old variant of a key");
	post_receive(s, s->mr->lkey, buf - 64, 2048);
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "an address before the region");
	post_receive(s, s->mr->lkey, buf + BUF_BYTES - FRAME + 1, 2048);
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "a frame beyond the region");
	post_receive(s, s->mr->lkey, UINT64_MAX - 10, 2048);
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "an address that wraps");
	post_receive(s, s->mr->lkey, buf, FRAME - 1);
	expect_error(s, SYNDROME_LOCAL_LENGTH, "a frame longer than its entry");
	/* a region that goes while an entry names it */
	gone = ibv_reg_mr_iova2(pd, s->buf, BUF_BYTES, buf, IBV_ACCESS_LOCAL_WRITE);
	key = gone->lkey;
	post_receive(s, key, buf + 0x8000, 2048);
	CHECK(ibv_dereg_mr(gone) == 0, "dereg");
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "a region that is gone");
	/* memory that goes while a region and an entry name it */
	memory = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED, "mmap: %m");
	gone = ibv_reg_mr(pd, memory, 2 * 4096, IBV_ACCESS_LOCAL_WRITE);
	CHECK(gone != NULL, "region: %m");
	post_receive(s, gone->lkey, (uintptr_t)memory + 4096, 2048);
	CHECK(munmap(memory + 4096, 4096) == 0, "munmap: %m");
	expect_error(s, SYNDROME_LOCAL_PROTECTION, "memory that was unmapped");
	CHECK(ibv_dereg_mr(gone) == 0 && munmap(memory, 4096) == 0, "%m");
}

static void
wrong_doorbells(struct set *s)
{
	static const uint32_t ahead[] = { WQ_ENTRIES + 1, 1000, 0x7fff, 0x8000, 0xfff0 };
	uint64_t before, missed;
	size_t i;

	for (i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		before = stats().bad_doorbell;
		missed = s->counter->q_counter.out_of_buffer;
		ring(s, DB_RQ, s->rq_pi + ahead[i]);
		send_frame(s);
		CHECK(stats().bad_doorbell > before, "RQ doorbell %u ahead was taken", ahead[i]);
		CHECK(s->counter->q_counter.out_of_buffer == missed + 1, "missed");
		ring(s, DB_RQ, s->rq_pi);
		check_traffic(s, "after a receive doorbell");
	}
	for (i = 0; i < 3; i++) {
		before = stats().bad_doorbell;
		post_receive(s, s->mr->lkey, (uintptr_t)s->buf + 0x8000, 2048);
		/* a full CQ makes the device look: its index seems to be behind by a ring */
		cx_lock(cx_devs[0]);
		s->rx_cq->cq.seen_ci = s->rx_ci - (1u << LOG_CQ);
		cx_unlock(cx_devs[0]);
		ring(s, DB_RX_CQ, s->rx_ci + 1 + i * 7);
		send_frame(s);
		CHECK(stats().bad_doorbell > before, "CQ doorbell ahead was taken");
		ring(s, DB_RX_CQ, s->rx_ci);
		set_reset(s);
		check_traffic(s, "after a CQ doorbell");
	}
}

/* The CQ full: the frames that find no room are out_of_buffer, each, and none overwrites another.
 */
static void
full_cq(struct set *s)
{
	uint32_t i, n = (1u << LOG_CQ) + 10, ci = s->rx_ci;
	uint64_t missed = s->counter->q_counter.out_of_buffer;
	struct hw_cqe c;

	for (i = 0; i < n; i++) {
		post_receive(s, s->mr->lkey, (uintptr_t)s->buf + 0x8000, 2048);
		if (i >= WQ_ENTRIES - 1 + (1u << LOG_CQ))
			s->rq_pi--;
		send_frame(s);
	}
	CHECK(s->counter->q_counter.out_of_buffer - missed == 10, "%lu missed",
			s->counter->q_counter.out_of_buffer - missed);
	CHECK(stats().cq_overrun == 0, "overrun");
	for (i = 0; i < 1u << LOG_CQ; i++)
		CHECK(wait_cqe(s, AT_RX_CQ, &s->rx_ci, &c) == CQE_OP_RESP_SEND, "completion %u", i);
	CHECK(s->rx_ci - ci == 1u << LOG_CQ, "completions");
	set_reset(s);
	check_traffic(s, "after a full CQ");
}

void
test_rings(void)
{
	struct set s;

	set_make(&s);
	check_traffic(&s, "at first");
	wrong_entries(&s);
	wrong_doorbells(&s);
	full_cq(&s);
	set_free(&s);
}
