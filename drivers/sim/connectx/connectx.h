/* SPDX-License-Identifier: BSD-3-Clause */
/* connectx: a user-space software model of a ConnectX NIC that sits behind the
 * libibverbs/libmlx5 ABI. Internal declarations. */
#ifndef CONNECTX_H
#define CONNECTX_H
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <infiniband/verbs.h>
#include <infiniband/mlx5dv.h>
#include "prm.h"

#define SIM_EXPORT __attribute__((visibility("default")))

/* ---- big-endian bit-field access (device format) ---- */
static inline uint64_t
bget(const void *p, size_t off, size_t n)
{
	const uint8_t *b = p;
	uint64_t v = 0;
	size_t i, end = off + n;

	if (!(off & 7) && !(n & 7)) {
		for (i = off / 8; i < end / 8; i++)
			v = v << 8 | b[i];
		return v;
	}
	for (i = off; i < end; i++)
		v = v << 1 | ((b[i >> 3] >> (7 - (i & 7))) & 1);
	return v;
}
static inline void
bset(void *p, size_t off, size_t n, uint64_t v)
{
	uint8_t *b = p;
	size_t i;

	for (i = 0; i < n; i++) {
		size_t pos = off + n - 1 - i;
		uint8_t m = 1u << (7 - (pos & 7));

		if (v >> i & 1)
			b[pos >> 3] |= m;
		else
			b[pos >> 3] &= ~m;
	}
}
#define SIM_OFF_(o, n) (o)
#define SIM_LEN_(o, n) (n)
#define SIM_OFF(f) SIM_OFF_(f)
/* GET(buf, F_struct__field), SET(buf, F_struct__field, value) */
#define GET_(p, o, n) bget(p, o, n)
#define GET(p, ...) GET_(p, __VA_ARGS__)
#define SET_(p, o, n, v) bset(p, o, n, v)
#define SET(p, ...) SET_(p, __VA_ARGS__)
static inline void *
bptr_(const void *p, size_t o, size_t n)
{
	(void)n;
	return (uint8_t *)(uintptr_t)p + o / 8;
}
#define PTR(p, ...) bptr_(p, __VA_ARGS__)

/* ---- objects ---- */
enum sim_type {
	T_NONE,
	T_TD,
	T_TIS,
	T_CQ,
	T_RQ,
	T_RMP,
	T_SQ,
	T_RQT,
	T_TIR,
	T_MKEY,
	T_QCTR,
	T_FCTR,
	T_GENERIC,
};

struct sim_cq {
	uint8_t *buf;
	volatile uint32_t *db;
	uint32_t log_sz, pi;
	bool comp_en, oi, overrun;
	/* CQE compression: completions of the current batch not yet visible */
	uint32_t fmt, pend_n, pend_at;
	uint8_t (*pend)[64];
	bool on_flush_list;
	struct sim_cq *flush_next;
	/* completion events */
	struct sim_chan *chan;
	uint64_t cookie;
	uint32_t last_arm;
	struct sim_cq *ev_next;
};
struct sim_chan {
	struct mlx5dv_devx_event_channel pub;
	uint64_t q[64];
	uint32_t h, t;
};
struct sim_wq {
	uint8_t *buf;
	volatile uint32_t *db;
	uint32_t log_sz, log_stride;
	bool striding;
	uint32_t log_strides, log_stride_bytes, shift2;
	uint16_t ci;   /* next WQE the device will use */
	uint32_t strd; /* next stride inside it */
};
struct sim_lro;
struct mlx5dv_devx_obj {
	enum sim_type type;
	uint32_t id;
	uint32_t state;
	struct sim_cq cq;
	struct sim_wq wq;	     /* RQ, RMP, SQ */
	struct mlx5dv_devx_obj *cqo; /* RQ, SQ */
	struct mlx5dv_devx_obj *rmp;
	uint32_t user_index;
	bool vsd;
	struct mlx5dv_devx_obj *qctr;
	/* RQT */
	uint32_t *rqn;
	uint32_t rqn_n;
	/* TIR */
	uint32_t disp, rqtn, inline_rqn, hash_fn, sel_l3, sel_l4, sel;
	uint32_t lro_mask, lro_max, lro_usec;
	uint8_t key[40];
	/* counters */
	uint64_t *pkts, *bytes;
	uint32_t n;
	uint64_t out_of_buffer;
	struct mlx5dv_devx_obj *next; /* list of SQs / RQs */
};

struct sim_umem {
	struct mlx5dv_devx_umem pub;
	void *addr;
	size_t len;
};
struct sim_mr {
	struct ibv_mr pub;
	bool used;
};

/* ---- steering ---- */
enum act_type { A_TIR, A_TABLE, A_DROP, A_MISS, A_TAG, A_COUNT, A_OTHER };
struct mlx5dv_dr_action {
	enum act_type type;
	struct mlx5dv_devx_obj *obj;
	struct mlx5dv_dr_table *tbl;
	uint32_t val;
};
struct mlx5dv_dr_rule {
	struct mlx5dv_dr_matcher *m;
	uint32_t value[0x200 / 4];
	struct mlx5dv_dr_action *act[16];
	unsigned int n_act;
	uint64_t hits;
	struct mlx5dv_dr_rule *next;
};
struct mlx5dv_dr_matcher {
	struct mlx5dv_dr_table *tbl;
	uint16_t prio;
	uint32_t mask[0x200 / 4];
	size_t mask_len;
	uint16_t idx[0x200 / 4];
	unsigned int n_idx;
	struct mlx5dv_dr_rule *rules;
	struct mlx5dv_dr_matcher *next;
};
struct mlx5dv_dr_table {
	struct mlx5dv_dr_domain *dmn;
	uint32_t level, ref;
	struct mlx5dv_dr_matcher *matchers;
	struct mlx5dv_dr_table *next;
};
struct mlx5dv_dr_domain {
	enum mlx5dv_dr_domain_type type;
	struct mlx5dv_dr_table *tables;
	struct mlx5dv_dr_domain *next;
};

/* ---- packet metadata ---- */
struct pkt {
	uint8_t *d;
	uint32_t len;
	uint32_t mp[0x1c0 / 4]; /* match parameters (fte_match_param layout) */
	uint16_t l3_off, l4_off, pay_off;
	uint8_t l3, l4; /* CQE l3_hdr_type / l4_hdr_type encodings */
	bool frag, l3_ok, l4_ok, has_vlan;
	uint16_t vlan_tci;
	uint32_t pay_len;
	/* steering results */
	uint32_t tag;
	uint32_t hash;
	uint8_t hash_type;
	struct mlx5dv_devx_obj *tir, *rq;
};

/* LRO result carried to the CQE */
struct lro_info {
	uint8_t segs, psh, min_ttl;
	uint16_t win, csum; /* network order fields, csum native */
	uint32_t ack;
};

struct sim_dev {
	struct ibv_device ibdev;
	char root[200], pci[32], netdev[32], wire[256];
	pthread_mutex_t lock;
	pthread_t thr;
	bool thr_up;
	volatile bool stop;
	uint32_t next_id;
	struct mlx5dv_devx_obj *objs[1 << 16];
	struct mlx5dv_devx_obj *sqs, *rqs;
	struct sim_umem *umems[4096];
	struct sim_mr *mrs[4096];
	struct mlx5dv_dr_domain *domains;
	struct sim_cq *ev_cqs;
	int tap_fd, wire_fd;
	/* statistics */
	uint64_t rx_wire, rx_deliv, rx_miss, rx_drop, rx_nobuf, rx_toobig, tx_pkts, tx_bytes,
			tx_wqes, fillers, lro_in, lro_out, bad_lkey, cq_overrun, tx_err, krx,
			comp_sess, comp_cqes;
	unsigned int verbose, cqe_comp;
};
extern struct sim_dev sim;

void sim_log(int lvl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_init_once(void);
void sim_thread_start(void);
void sim_thread_stop(void);

/* steer.c */
void pkt_parse(struct pkt *p);
/* 0: drop/consumed, 1: p->tir valid, -1: no match (miss to kernel) */
int steer_rx(struct pkt *p);
void rss(struct pkt *p);

/* data.c */
void sim_rx_frame(uint8_t *d, uint32_t len);
bool sim_poll_tx(void);
void lro_input(struct pkt *p);
void cq_flush_all(void);
void cq_events(void);
void lro_poll(uint64_t now_ns);
void lro_flush_rq(struct mlx5dv_devx_obj *rq);
void rx_deliver(struct mlx5dv_devx_obj *rq, struct pkt *p, const struct lro_info *l);
uint64_t now_ns(void);

/* wire.c */
int netdev_open(void);
int wire_open(void);
int wire_rx(uint8_t *buf, size_t cap); /* >0 frame, 0 none */
void wire_tx(const uint8_t *buf, size_t len);
int kernel_rx(uint8_t *buf, size_t cap); /* frame the kernel sent on the netdev */
void kernel_tx(const uint8_t *buf, size_t len);
void wire_idle(void);
#endif
