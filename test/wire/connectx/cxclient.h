/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of the model that is not the PMD: it calls the two libraries' functions itself, so that
 * it can say what no driver would. The model's sources are compiled into it (with the sanitizers
 * in one of two builds), and its counters are at hand.
 */
#ifndef CXCLIENT_H
#define CXCLIENT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "connectx.h"
#include "hw.h"
#include "prm.h"

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: %s: ", __FILE__, __LINE__, #cond);                          \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define BLOB 512 /* bytes, more than any command here */
#define OUT 64
#define LOG_CQ 6
#define LOG_WQ 4
#define WQ_ENTRIES (1u << LOG_WQ)

/* Places in the umem of a set. */
#define AT_RX_CQ 0x0000
#define AT_TX_CQ 0x1000
#define AT_RQ 0x2000
#define AT_SQ 0x3000
#define AT_DB 0x4000
#define DB_RX_CQ (AT_DB + 0x00)
#define DB_TX_CQ (AT_DB + 0x40)
#define DB_RQ (AT_DB + 0x80)
#define DB_SQ (AT_DB + 0xc0)
#define UMEM_BYTES 0x8000
#define BUF_BYTES 0x10000
#define FRAME 128 /* bytes, of what the client sends */

struct blob {
	uint8_t in[BLOB], out[OUT];
	size_t in_len;
};

/* One of everything, connected: what its SQ sends comes to its RQ over the loop wire. */
struct set {
	uint8_t *umem, *buf; /* each ends at a page that cannot be touched */
	struct mlx5dv_devx_umem *u;
	struct ibv_mr *mr;
	struct mlx5dv_devx_obj *rx_cq, *tx_cq, *rq, *sq, *rqt, *tir, *counter;
	struct mlx5dv_dr_domain *domain;
	struct mlx5dv_dr_table *table;
	struct mlx5dv_dr_matcher *matcher;
	struct mlx5dv_dr_action *to_tir, *count;
	struct mlx5dv_dr_rule *rule;
	uint16_t rq_pi, sq_pi;
	uint32_t rx_ci, tx_ci;
};

extern struct ibv_context *ctx;
extern struct ibv_pd *pd;

static inline struct cx_stats
stats(void)
{
	struct cx_stats s;

	cx_lock(cx_devs[0]);
	s = cx_devs[0]->stat;
	cx_unlock(cx_devs[0]);
	return s;
}

/* client.c */
void client_open(void);
/* len bytes, the last of them before a page that faults */
uint8_t *guarded(size_t len);
struct mlx5dv_devx_obj *create(struct blob *b);
uint32_t status_of(const struct blob *b);
uint32_t id_of(const struct mlx5dv_devx_obj *o);
void blob_cq(struct blob *b, const struct set *s, uint32_t at, uint32_t db);
void blob_rq(struct blob *b, const struct set *s);
void blob_rmp(struct blob *b, const struct set *s);
void blob_sq(struct blob *b, const struct set *s);
void blob_rqt(struct blob *b, const struct mlx5dv_devx_obj *rq);
void blob_tir(struct blob *b, const struct mlx5dv_devx_obj *rqt);
void blob_state(struct blob *b, unsigned int op, uint32_t state);
/* which: 0 to 3, objects of hardware steering that need no others */
void blob_steering(struct blob *b, unsigned int which);
void queue_state(struct mlx5dv_devx_obj *o, uint32_t state);
void set_make(struct set *s);
void set_free(struct set *s);
void set_reset(struct set *s);
void post_receive(struct set *s, uint32_t lkey, uint64_t addr, uint32_t len);
void post_send(struct set *s, uint32_t lkey, uint64_t addr, uint32_t len);
void ring(const struct set *s, uint32_t db, uint32_t value);
/* Waits for the next completion of the ring at that place; its opcode. */
unsigned int wait_cqe(const struct set *s, uint32_t at, uint32_t *ci, struct hw_cqe *c);
void check_traffic(struct set *s, const char *after);
/* Until the device has had two whole turns. */
void turns(void);

/* the tests */
void test_commands(void);
void test_busy(void);
void test_rings(void);
void test_symmetric(void);
void test_hws(void);
void fuzz_commands(uint64_t seed, unsigned int rounds);
void fuzz_rings(uint64_t seed, unsigned int rounds);

#endif
