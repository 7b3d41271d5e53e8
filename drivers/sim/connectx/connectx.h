/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software ConnectX, shared by its files: configuration, objects, the device and who calls
 * what. Layouts that the PMD sees are in hw.h and prm.h.
 *
 * Threads: the application's threads make and destroy objects (control), one device thread moves
 * packets. Both hold cx.lock while they touch the device; a control call gets it between two turns
 * of the device thread (cx_lock). The rings themselves are shared with the PMD without a lock, as
 * they are with hardware.
 */
#ifndef CONNECTX_H
#define CONNECTX_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <infiniband/verbs.h>
#include <infiniband/mlx5dv.h>
#include "bits.h"

#define CX_EXPORT __attribute__((visibility("default")))
#define cx_likely(x) __builtin_expect(!!(x), 1)
#define cx_unlikely(x) __builtin_expect(!!(x), 0)

#define CX_MAX_FRAME 65536 /* bytes, LRO's largest */
#define CX_RX_BATCH 64	   /* frames taken from a wire in one turn of the device thread */

/* ---- configuration (conf.c) ---- */
struct cx_conf {
	char wire[512]; /* CONNECTX_WIRE */
	char netdev[IBV_SYSFS_NAME_MAX];
	char mac[32];
	char pci[32];
	char devid[16];
	unsigned int cqe_comp;
	unsigned int devx;
	unsigned int sleep_us;
	int cpu;
	int verbose;
};

/* ---- tables of objects by id, which grow and give freed ids out again (table.c) ---- */
struct cx_table {
	void **slot;
	uint32_t *free_ids;
	uint32_t n_slots, n_free, next, first, limit;
};

/* Returns an id from first to limit - 1, or 0 and errno. */
uint32_t cx_table_add(struct cx_table *t, void *object);
void cx_table_del(struct cx_table *t, uint32_t id);

static inline void *
cx_table_get(const struct cx_table *t, uint32_t id)
{
	return cx_likely(id < t->n_slots) ? t->slot[id] : NULL;
}

/* ---- device objects ---- */
enum cx_type {
	CX_TD = 1,
	CX_TIS,
	CX_CQ,
	CX_RQ,
	CX_RMP,
	CX_SQ,
	CX_RQT,
	CX_TIR,
	CX_MKEY,
	CX_Q_COUNTER,
	CX_FLOW_COUNTER,
};

#define CX_QUEUE_READY 1 /* state of an RQ or SQ: 0 reset, 1 ready, 3 error */
#define CX_COMP_MAX 64	 /* completions held back for one compressed session */

struct cx_channel;
struct hw_cqe;

struct cx_count {
	uint64_t pkts, bytes;
};

struct cx_cq {
	uint8_t *buf;
	volatile uint32_t *db;
	uint32_t log_size, pi;
	uint32_t seen_ci; /* consumer index when it was last read: the PMD writes that line */
	bool compress, ignore_overrun;
	uint8_t mini_format;
	/* the first completion of this turn, written last: see cq.c */
	struct hw_cqe *held;
	uint32_t held_at;
	bool holding;
	/* completions of the current session, not visible yet */
	uint32_t pend_n, pend_at;
	struct hw_cqe *pend;
	bool on_flush_list;
	struct cx_cq *flush_next;
	/* completion events */
	struct cx_channel *channel;
	uint64_t cookie;
	uint32_t last_arm;
	struct cx_cq *event_next;
};

struct cx_wq {
	uint8_t *buf;
	volatile uint32_t *db; /* the producer index that the PMD writes */
	uint16_t ci;	       /* next entry the device will use */
	uint16_t seen_pi;      /* producer index when it was last read */
	bool striding;
	uint8_t log_size, log_entry; /* entries; bytes of one */
	uint8_t log_strides, log_stride_bytes, shift;
	uint32_t stride; /* next stride inside entry ci */
};

#define CX_RSS_KEY_LEN 40
#define CX_RSS_INPUT_MAX 36 /* two IPv6 addresses and two ports */

struct mlx5dv_devx_obj {
	enum cx_type type;
	uint32_t id;
	uint32_t state;
	struct mlx5dv_devx_obj *next; /* all SQs, or all RQs */
	union {
		struct cx_cq cq;
		struct {
			struct cx_wq wq;
			struct mlx5dv_devx_obj *cq_obj, *rmp, *q_counter;
			uint32_t user_index;
			bool keep_vlan;
		} q; /* RQ, RMP, SQ */
		struct {
			uint32_t *rqn;
			uint32_t n;
		} rqt;
		struct {
			uint32_t indirect, rqtn, inline_rqn;
			uint32_t l3_ipv6, l4_udp, fields;
			uint32_t lro_mask, lro_max, lro_usec;
			uint8_t key[CX_RSS_KEY_LEN];
			/* key folded for each nibble of the input, see rss.c */
			uint32_t (*nibble)[16];
		} tir;
		struct {
			struct cx_count *count;
			uint32_t n;
		} flow_counter;
		struct {
			uint32_t id; /* 8 bits, apart from the object's */
			uint64_t out_of_buffer;
		} q_counter;
	};
};

struct cx_umem {
	struct mlx5dv_devx_umem pub;
	uint8_t *addr;
	size_t len;
};

/* ---- steering (dr.c, steer.c) ---- */
#define CX_MATCH_BYTES 0x40 /* of the match layout, the outer headers are modelled */
#define CX_MATCH_WORDS (CX_MATCH_BYTES / 4)
#define CX_RULE_COUNTERS 2

enum cx_action_type { CX_TO_TIR, CX_TO_TABLE, CX_DROP, CX_MISS, CX_TAG, CX_COUNT };

struct mlx5dv_dr_action {
	enum cx_action_type type;
	struct mlx5dv_devx_obj *obj;
	struct mlx5dv_dr_table *table;
	uint32_t value;
};

/* What a lookup touches is in one pair of lines, key and all: rules by the thousand are not in the
 * nearest cache. */
struct mlx5dv_dr_rule {
	struct mlx5dv_dr_rule *next; /* of the same bucket */
	uint32_t hash;
	uint8_t verdict; /* CX_STEER_ */
	bool tagged;
	uint8_t n_counters;
	struct mlx5dv_devx_obj *tir;
	struct mlx5dv_dr_table *to_table;
	struct cx_count *counter[CX_RULE_COUNTERS];
	uint64_t hits;
	struct mlx5dv_dr_matcher *matcher;
	uint32_t tag;
	uint32_t key[]; /* masked words, those of the matcher's idx[] only */
} __attribute__((aligned(64)));

struct mlx5dv_dr_matcher {
	struct mlx5dv_dr_matcher *next; /* by priority */
	uint32_t n_words;
	uint32_t bucket_mask, n_rules;
	struct mlx5dv_dr_rule **bucket;
	uint32_t mask[CX_MATCH_WORDS];
	uint8_t idx[CX_MATCH_WORDS];
	uint16_t priority;
	struct mlx5dv_dr_table *table;
};

struct mlx5dv_dr_table {
	struct mlx5dv_dr_domain *domain;
	uint32_t level;
	struct mlx5dv_dr_matcher *matchers;
	struct mlx5dv_dr_table *next;
};

struct mlx5dv_dr_domain {
	enum mlx5dv_dr_domain_type type;
	struct mlx5dv_dr_table *tables;
	struct mlx5dv_dr_domain *next;
};

/* ---- a frame on its way in ---- */
#define CX_PKT_HITS 8 /* rules that count it */

struct cx_pkt {
	uint8_t *data;
	uint32_t len;
	uint16_t l3_off, l4_off, pay_off;
	uint8_t l3, l4; /* L3_ and L4_ of hw.h */
	bool fragment, l3_ok, l4_ok, vlan;
	uint16_t vlan_tci;
	uint32_t pay_len;
	/* found by steering */
	uint32_t tag, hash;
	bool hashed;
	uint8_t n_hits;
	struct mlx5dv_devx_obj *tir, *rq;
	/* from here on not cleared for each frame */
	struct mlx5dv_dr_rule *hit[CX_PKT_HITS];
	uint32_t match[CX_MATCH_WORDS]; /* the headers in the match layout of prm.h */
};

/* What LRO found out about the merged packets; window, ack in network order, sum in native. */
struct cx_lro_info {
	uint8_t segs, psh, min_ttl;
	uint16_t win, csum;
	uint32_t ack;
};

enum cx_rx_result {
	CX_RX_TAKEN,  /* delivered, merged, or dropped by a rule */
	CX_RX_MISS,   /* no rule: the kernel's */
	CX_RX_NO_BUF, /* the queue has no room */
	CX_RX_CLOSED, /* a rule, but no queue that is ready */
	CX_RX_ERROR,  /* too long, or the queue's memory is not registered */
};

#define CX_RX_HOLD 1	/* a frame that is not taken leaves no trace: it is offered again */
#define CX_RX_CSUM_OK 2 /* the wire made the checksums itself: no need to verify */
#define CX_RX_FIRST 4	/* one that a rule drops is not taken either */

/* ---- wires ---- */
struct cx_wire {
	const char *name; /* before the colon of CONNECTX_WIRE */
	const char *help;
	/* arg: what follows the colon. 0, or -1 after one log line. */
	int (*open)(const char *arg);
	void (*close)(void);
	/* Offers up to CX_RX_BATCH frames to cx_rx_frame(); returns whether any was taken. */
	bool (*poll)(void);
	void (*send)(const uint8_t *frame, size_t len);
	int fd;	   /* to sleep on, or -1 */
	bool busy; /* made traffic of its own: never sleep on it */
};

extern struct cx_wire cx_wire_tap, cx_wire_afp, cx_wire_loop, cx_wire_null, cx_wire_gen;
extern struct cx_wire *const cx_wires[];

/* ---- the device ---- */
struct cx_stats {
	uint64_t rx_wire, rx_delivered, rx_miss, rx_dropped, rx_no_buf, rx_closed, rx_too_big;
	uint64_t rx_fillers, lro_in, lro_out, comp_sessions, comp_cqes;
	uint64_t tx_frames, tx_bytes, tx_wqes, tx_errors, tx_lost, from_kernel;
	uint64_t bad_lkey, cq_overrun;
};

struct cx_dev {
	pthread_mutex_t lock;
	unsigned int waiters; /* control calls that want the lock, atomic */
	struct cx_table objs, mrs, umems;
	struct mlx5dv_devx_obj *sqs, *rqs;
	struct mlx5dv_devx_obj *q_counters[256]; /* by their own 8-bit number */
	struct mlx5dv_dr_domain *domains;
	struct mlx5dv_dr_table *root; /* level 0 of the receive domain */
	struct cx_cq *event_cqs, *flush_list;
	struct cx_wire *wire;
	uint64_t now; /* ns, CLOCK_MONOTONIC, as of the current batch */
	int netdev_fd;
	bool running; /* the device thread is there */
	struct cx_stats stat;
	struct cx_conf conf;
	struct ibv_device ibdev;
};

extern struct cx_dev cx;

void cx_lock(void);
void cx_unlock(void);
/* level 0 errors and warnings, 1 a summary, 2 objects and rules, 3 every command */
void cx_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t cx_clock(void);

/* conf.c */
bool cx_conf_wanted(void);
void cx_conf_read(struct cx_conf *c);
void cx_conf_help(FILE *f);

/* sysfs.c: the PCI and verbs trees. 0 or -1 after one log line. */
int cx_sysfs_make(void);
void cx_sysfs_remove(void);
const char *cx_sysfs_pci(void);

/* core.c */
bool cx_open_wire(void);

/* thread.c */
int cx_thread_start(void);
void cx_thread_stop(void);
void cx_thread_remember_cpus(void);

/* netdev.c: the kernel's interface beside the wire */
int cx_tap_open(const char *name, const char *mac);
int cx_netdev_open(void);
bool cx_netdev_poll(void);
void cx_netdev_send(const uint8_t *frame, size_t len);
int cx_netdev_mac(uint8_t mac[6]);

/* mr.c: memory the device may touch */
void *cx_mr_check(uint32_t lkey, uint64_t addr, uint64_t len);
void *cx_umem_range(uint32_t id, uint64_t off, uint64_t len);

/* devx.c */
struct mlx5dv_devx_obj *cx_obj_new(enum cx_type type);
struct mlx5dv_devx_obj *cx_obj_get(uint32_t id, enum cx_type type);

/* vobj.c, vflow.c */
void cx_vobj_ops(struct verbs_context *v);
void cx_vflow_ops(struct verbs_context *v);
struct mlx5dv_devx_obj *cx_qp_tir(struct ibv_qp *qp);

/* caps.c */
void cx_caps_fill(unsigned int type, void *caps);

/* parse.c */
void cx_parse(struct cx_pkt *p, bool verify);
/* For a TSO template, whose lengths need not be those of the frame. */
void cx_parse_headers(struct cx_pkt *p);

/* csum.c: sums of native 16-bit words as in RFC 1071 */
uint64_t cx_sum(const void *data, uint32_t len);
uint16_t cx_fold(uint64_t sum);
uint64_t cx_sum_pseudo(const struct cx_pkt *p, uint32_t l4_len, uint8_t proto);

/* rss.c */
int cx_rss_key(struct mlx5dv_devx_obj *tir);
void cx_rss(struct cx_pkt *p);

/* steer.c */
enum { CX_STEER_NEXT, CX_STEER_DROP, CX_STEER_QUEUE, CX_STEER_MISS };
int cx_steer(struct cx_pkt *p);
void cx_steer_commit(const struct cx_pkt *p);
uint32_t cx_steer_hash(const uint32_t *key, uint32_t n);

/* rx.c */
enum cx_rx_result cx_rx_frame(uint8_t *frame, uint32_t len, unsigned int flags);
/* rxq.c */
enum cx_rx_result cx_rxq_deliver(
		struct mlx5dv_devx_obj *rq, struct cx_pkt *p, const struct cx_lro_info *lro);
void cx_rxq_no_buf(struct mlx5dv_devx_obj *rq);

/* cq.c */
int cx_cq_init(struct cx_cq *q);
void cx_cq_fini(struct cx_cq *q);
bool cx_cq_room(struct cx_cq *q);
void cx_wq_reset(struct cx_wq *w);
void cx_cq_post(struct cx_cq *q, const struct hw_cqe *c, unsigned int opcode);
void cx_cq_flush_all(void);

/* event.c */
void cx_events_fire(void);
void cx_events_forget(struct cx_cq *q);

/* lro.c */
enum cx_rx_result cx_lro_input(struct cx_pkt *p);
void cx_lro_poll(void);
void cx_lro_forget(const struct mlx5dv_devx_obj *rq);

/* txq.c */
bool cx_tx_poll(void);

#endif
