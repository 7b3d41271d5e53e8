/* SPDX-License-Identifier: BSD-3-Clause */
/* What the client is made of: valid commands, one set of connected objects, entries and doorbells.
 */
#include "cxclient.h"
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096
#define PATIENCE 30 /* s */

struct ibv_context *ctx;
struct ibv_pd *pd;

static const uint8_t frame_start[14] = { 0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x98, 0x88,
	0xb5 };

uint8_t *
guarded(size_t len)
{
	size_t pages = (len + PAGE - 1) / PAGE * PAGE;
	uint8_t *m = mmap(NULL, pages + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(m != MAP_FAILED, "mmap: %m");
	CHECK(mprotect(m + PAGE, pages, PROT_READ | PROT_WRITE) == 0, "mprotect: %m");
	return m + PAGE + pages - len;
}

void
client_open(void)
{
	struct mlx5dv_context_attr attr = { .flags = MLX5DV_CONTEXT_FLAGS_DEVX };
	struct ibv_device **list;
	int n = 0;

	setenv("CONNECTX_WIRE", "loop", 1);
	CHECK(getenv("SYSFS_PCI_DEVICES") != NULL, "the model did not start");
	list = ibv_get_device_list(&n);
	CHECK(list != NULL && n == 1, "%d devices", n);
	ctx = mlx5dv_open_device(list[0], &attr);
	CHECK(ctx != NULL, "open");
	ibv_free_device_list(list);
	pd = ibv_alloc_pd(ctx);
	CHECK(pd != NULL, "PD");
}

struct mlx5dv_devx_obj *
create(struct blob *b)
{
	memset(b->out, 0xee, sizeof(b->out));
	return mlx5dv_devx_obj_create(ctx, b->in, b->in_len, b->out, sizeof(b->out));
}

uint32_t
status_of(const struct blob *b)
{
	return b->out[0];
}

uint32_t
id_of(const struct mlx5dv_devx_obj *o)
{
	return o->id;
}

static void
start_blob(struct blob *b, unsigned int op, size_t len)
{
	memset(b, 0, sizeof(*b));
	put16(b->in, op);
	b->in_len = len;
}

void
blob_cq(struct blob *b, const struct set *s, uint32_t at, uint32_t db)
{
	uint8_t *c = b->in + 16;

	start_blob(b, OP_CREATE_CQ, 272);
	SET(c, F_cqc__log_cq_size, LOG_CQ);
	SET(c, F_cqc__dbr_umem_id, s->u->umem_id);
	SET(c, F_cqc__dbr_addr, db);
	SET(b->in, F_create_cq_in__cq_umem_id, s->u->umem_id);
	SET(b->in, F_create_cq_in__cq_umem_offset, at);
}

static void
fill_wq(uint8_t *w, const struct set *s, uint32_t at, uint32_t db, uint32_t log_entry)
{
	SET(w, F_wq__wq_type, 1);
	SET(w, F_wq__log_wq_sz, LOG_WQ);
	SET(w, F_wq__log_wq_stride, log_entry);
	SET(w, F_wq__wq_umem_id, s->u->umem_id);
	SET(w, F_wq__wq_umem_offset, at);
	SET(w, F_wq__dbr_umem_id, s->u->umem_id);
	SET(w, F_wq__dbr_addr, db);
}

void
blob_rq(struct blob *b, const struct set *s)
{
	uint8_t *c = b->in + 32;

	start_blob(b, OP_CREATE_RQ, 272);
	SET(c, F_rqc__vsd, 1);
	SET(c, F_rqc__cqn, id_of(s->rx_cq));
	SET(c, F_rqc__counter_set_id, s->counter->q_counter.id);
	fill_wq(c + 48, s, AT_RQ, DB_RQ, 4);
}

void
blob_rmp(struct blob *b, const struct set *s)
{
	start_blob(b, OP_CREATE_RMP, 272);
	fill_wq(b->in + 32 + 48, s, AT_RQ, DB_RQ, 4);
}

void
blob_sq(struct blob *b, const struct set *s)
{
	uint8_t *c = b->in + 32;

	start_blob(b, OP_CREATE_SQ, 272);
	SET(c, F_sqc__cqn, id_of(s->tx_cq));
	fill_wq(c + 48, s, AT_SQ, DB_SQ, 6);
}

void
blob_rqt(struct blob *b, const struct mlx5dv_devx_obj *rq)
{
	uint8_t *c = b->in + 32;

	start_blob(b, OP_CREATE_RQT, 32 + 240 + 4);
	SET(c, F_rqtc__rqt_actual_size, 1);
	SET(c, F_rqtc__rqt_max_size, 8);
	put32(c + 240, id_of(rq));
}

void
blob_tir(struct blob *b, const struct mlx5dv_devx_obj *rqt)
{
	uint8_t *c = b->in + 32;
	int i;

	start_blob(b, OP_CREATE_TIR, 272);
	SET(c, F_tirc__disp_type, 1);
	SET(c, F_tirc__indirect_table, id_of(rqt));
	SET(c, F_tirc__rx_hash_fn, 2);
	SET(c + 80, F_rx_hash_field_select__selected_fields, 3);
	for (i = 0; i < CX_RSS_KEY_LEN; i++)
		c[40 + i] = 17 * i + 3;
}

void
blob_state(struct blob *b, unsigned int op, uint32_t state)
{
	start_blob(b, op, 272);
	SET(b->in + 32, F_rqc__state, state);
}

void
queue_state(struct mlx5dv_devx_obj *o, uint32_t state)
{
	struct blob b;

	blob_state(&b, o->type == CX_RQ ? OP_MODIFY_RQ : OP_MODIFY_SQ, state);
	CHECK(mlx5dv_devx_obj_modify(o, b.in, b.in_len, b.out, sizeof(b.out)) == 0, "state %u",
			state);
}

static struct mlx5dv_devx_obj *
must_create(struct blob *b, const char *what)
{
	struct mlx5dv_devx_obj *o = create(b);

	CHECK(o != NULL, "%s: status %#x", what, status_of(b));
	return o;
}

static void
make_rule(struct set *s)
{
	struct {
		size_t size;
		uint8_t b[CX_MATCH_BYTES];
	} m = { .size = CX_MATCH_BYTES }, v = { .size = CX_MATCH_BYTES };
	struct mlx5dv_dr_action *actions[2];

	memset(m.b + 8, 0xff, 6);
	memcpy(v.b + 8, frame_start, 6);
	s->domain = mlx5dv_dr_domain_create(ctx, MLX5DV_DR_DOMAIN_TYPE_NIC_RX);
	s->table = mlx5dv_dr_table_create(s->domain, 0);
	s->matcher = mlx5dv_dr_matcher_create(s->table, 0, 1, (void *)&m);
	s->to_tir = mlx5dv_dr_action_create_dest_devx_tir(s->tir);
	CHECK(s->matcher != NULL && s->to_tir != NULL, "steering");
	actions[0] = s->to_tir;
	s->rule = mlx5dv_dr_rule_create(s->matcher, (void *)&v, 1, actions);
	CHECK(s->rule != NULL, "rule");
}

void
set_make(struct set *s)
{
	struct blob b;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->umem = guarded(UMEM_BYTES);
	s->buf = guarded(BUF_BYTES);
	s->u = mlx5dv_devx_umem_reg(ctx, s->umem, UMEM_BYTES, 0);
	s->mr = ibv_reg_mr_iova2(pd, s->buf, BUF_BYTES, (uintptr_t)s->buf, IBV_ACCESS_LOCAL_WRITE);
	CHECK(s->u != NULL && s->mr != NULL, "memory");
	for (i = 0; i < 2u << LOG_CQ; i++)
		s->umem[AT_RX_CQ + CQE_SIZE * i + CQE_SIZE - 1] = CQE_INVALID;
	start_blob(&b, OP_ALLOC_Q_COUNTER, 16);
	s->counter = must_create(&b, "queue counter");
	blob_cq(&b, s, AT_RX_CQ, DB_RX_CQ);
	s->rx_cq = must_create(&b, "CQ");
	blob_cq(&b, s, AT_TX_CQ, DB_TX_CQ);
	s->tx_cq = must_create(&b, "CQ");
	blob_rq(&b, s);
	s->rq = must_create(&b, "RQ");
	blob_sq(&b, s);
	s->sq = must_create(&b, "SQ");
	blob_rqt(&b, s->rq);
	s->rqt = must_create(&b, "RQT");
	blob_tir(&b, s->rqt);
	s->tir = must_create(&b, "TIR");
	make_rule(s);
	queue_state(s->rq, CX_QUEUE_READY);
	queue_state(s->sq, CX_QUEUE_READY);
}

void
set_free(struct set *s)
{
	CHECK(mlx5dv_dr_rule_destroy(s->rule) == 0, "rule");
	CHECK(mlx5dv_dr_action_destroy(s->to_tir) == 0, "action");
	CHECK(mlx5dv_dr_matcher_destroy(s->matcher) == 0, "matcher");
	CHECK(mlx5dv_dr_table_destroy(s->table) == 0, "table");
	CHECK(mlx5dv_dr_domain_destroy(s->domain) == 0, "domain");
	CHECK(mlx5dv_devx_obj_destroy(s->tir) == 0, "TIR");
	CHECK(mlx5dv_devx_obj_destroy(s->rqt) == 0, "RQT");
	CHECK(mlx5dv_devx_obj_destroy(s->rq) == 0, "RQ");
	CHECK(mlx5dv_devx_obj_destroy(s->sq) == 0, "SQ");
	CHECK(mlx5dv_devx_obj_destroy(s->rx_cq) == 0, "CQ");
	CHECK(mlx5dv_devx_obj_destroy(s->tx_cq) == 0, "CQ");
	CHECK(mlx5dv_devx_obj_destroy(s->counter) == 0, "queue counter");
	CHECK(mlx5dv_devx_umem_dereg(s->u) == 0, "umem");
	CHECK(ibv_dereg_mr(s->mr) == 0, "region");
	CHECK(munmap(s->umem, UMEM_BYTES) == 0 && munmap(s->buf, BUF_BYTES) == 0, "munmap: %m");
}

void
ring(const struct set *s, uint32_t db, uint32_t value)
{
	bool send = db == DB_SQ;

	__atomic_store_n((uint32_t *)(s->umem + db) + (send ? DB_SEND : DB_RECV), htobe32(value),
			__ATOMIC_RELEASE);
}

/* As a driver does after an error: both queues empty and ready, all completions consumed. */
void
set_reset(struct set *s)
{
	queue_state(s->rq, 0);
	queue_state(s->sq, 0);
	turns();
	s->rx_ci = s->rx_cq->cq.pi;
	s->tx_ci = s->tx_cq->cq.pi;
	s->rq_pi = s->sq_pi = 0;
	ring(s, DB_RX_CQ, s->rx_ci);
	ring(s, DB_TX_CQ, s->tx_ci);
	ring(s, DB_RQ, 0);
	ring(s, DB_SQ, 0);
	queue_state(s->rq, CX_QUEUE_READY);
	queue_state(s->sq, CX_QUEUE_READY);
}

void
post_receive(struct set *s, uint32_t lkey, uint64_t addr, uint32_t len)
{
	struct hw_data_seg *d = (void *)(s->umem + AT_RQ);

	d[s->rq_pi % WQ_ENTRIES] = (struct hw_data_seg){
		.bytes = htobe32(len),
		.lkey = htobe32(lkey),
		.addr = htobe64(addr),
	};
	ring(s, DB_RQ, ++s->rq_pi);
}

void
post_send(struct set *s, uint32_t lkey, uint64_t addr, uint32_t len)
{
	uint8_t *w = s->umem + AT_SQ + WQEBB_SIZE * (s->sq_pi % WQ_ENTRIES);
	struct hw_wqe_ctrl c = { .opcode = WQE_SEND, .segs = 3, .fm_ce_se = 2 << 2 };
	struct hw_data_seg d = {
		.bytes = htobe32(len),
		.lkey = htobe32(lkey),
		.addr = htobe64(addr),
	};

	c.index = htobe16(s->sq_pi);
	memset(w, 0, WQEBB_SIZE);
	memcpy(w, &c, sizeof(c));
	memcpy(w + 2 * WQE_SEG_SIZE, &d, sizeof(d));
	ring(s, DB_SQ, ++s->sq_pi);
}

static uint64_t
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

unsigned int
wait_cqe(const struct set *s, uint32_t at, uint32_t *ci, struct hw_cqe *c)
{
	const uint8_t *e = s->umem + at + CQE_SIZE * (*ci % (1u << LOG_CQ));
	uint64_t end = seconds() + PATIENCE;
	uint8_t op;

	do {
		op = __atomic_load_n(e + CQE_SIZE - 1, __ATOMIC_ACQUIRE);
		if (op != CQE_INVALID && (op & 1) == (*ci >> LOG_CQ & 1)) {
			memcpy(c, e, sizeof(*c));
			++*ci;
			ring(s, at == AT_RX_CQ ? DB_RX_CQ : DB_TX_CQ, *ci);
			return op >> 4;
		}
		sched_yield();
	} while (seconds() < end);
	CHECK(false, "no completion at %#x", at);
	return 0;
}

void
turns(void)
{
	struct timespec ts = { .tv_nsec = 100000 };
	uint64_t now, first;
	int i;

	for (i = 0; i < 2; i++) {
		cx_lock(cx_devs[0]);
		first = now = cx_devs[0]->now;
		cx_unlock(cx_devs[0]);
		while (now == first) {
			nanosleep(&ts, NULL);
			cx_lock(cx_devs[0]);
			now = cx_devs[0]->now;
			cx_unlock(cx_devs[0]);
		}
	}
	/* the lock is free again when that turn is over */
	cx_lock(cx_devs[0]);
	cx_unlock(cx_devs[0]);
}

/* A frame goes out and comes in, byte for byte. */
void
check_traffic(struct set *s, const char *after)
{
	uint8_t *out = s->buf, *in = s->buf + 0x8000;
	static uint8_t number;
	struct hw_cqe c;
	unsigned int op;

	memset(out, ++number, FRAME);
	memcpy(out, frame_start, sizeof(frame_start));
	memset(in, 0, FRAME);
	post_receive(s, s->mr->lkey, (uintptr_t)in, 2048);
	post_send(s, s->mr->lkey, (uintptr_t)out, FRAME);
	op = wait_cqe(s, AT_TX_CQ, &s->tx_ci, &c);
	CHECK(op == CQE_OP_REQ, "%s: send completion %#x", after, op);
	op = wait_cqe(s, AT_RX_CQ, &s->rx_ci, &c);
	CHECK(op == CQE_OP_RESP_SEND, "%s: receive completion %#x", after, op);
	CHECK(be32toh(c.byte_cnt) == FRAME, "%s: %u bytes", after, be32toh(c.byte_cnt));
	CHECK(memcmp(in, out, FRAME) == 0, "%s: bytes differ", after);
}
