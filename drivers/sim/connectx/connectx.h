/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software ConnectX, shared by its files: configuration, objects, the devices and who calls
 * what. Layouts that the PMD sees are in hw.h and prm.h; wires are in wire.h.
 *
 * Threads: the application's threads make and destroy objects (control), device threads move
 * packets, each for the NICs it was given (thread.c). Both hold the NIC's lock while they touch it;
 * a control call gets it between two turns of the device thread (cx_lock). The rings themselves are
 * shared with the PMD without a lock, as they are with hardware. NICs share nothing but the
 * configuration, which does not change after the start.
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
#include "impair.h"
#include "wire.h"

#define CX_EXPORT __attribute__((visibility("default")))
#define cx_likely(x) __builtin_expect(!!(x), 1)
#define cx_unlikely(x) __builtin_expect(!!(x), 0)

#define CX_MAX_FRAME 65536 /* bytes, LRO's largest */
#define CX_RX_BATCH 64	   /* frames taken from a wire in one turn of the device thread */

#define CX_MAX_NICS 32

struct cx_dev;

/* ---- configuration (conf.c) ---- */
/* One NIC: the keys of an entry of CONNECTX_NICS, or the variables of the same names. */
struct cx_nic_conf {
	char name[IBV_SYSFS_NAME_MAX]; /* of the RDMA device */
	char pci[32];
	char devid[16];
	char netdev[IBV_SYSFS_NAME_MAX];
	char mac[32];
	unsigned int mtu; /* bytes, 0: the interface's own */
	char wire[512];
	unsigned int cqe_comp;
	unsigned int wait_on_time;
	unsigned int rules; /* most that mark packets, 0: no limit */
	char faults[1024], shape[512];
};

/* The process. */
struct cx_conf {
	unsigned int devx, sleep_us, threads;
	int cpu, verbose;
};

extern struct cx_conf cx_conf;

/* ---- tables of objects by id, which grow and give freed ids out again (table.c) ---- */
struct cx_table {
	void **slot;
	uint32_t *free_ids;
	uint32_t n_slots, n_free, next, first, limit;
};

/* The caller holds the lock of the NIC that the table belongs to.
 * Returns an id from first to limit - 1, or 0 and errno. */
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
	CX_FT,
	CX_RTC,
	CX_STC,
	CX_STE,
	CX_DEFINER,
	CX_TYPES, /* one more than the last */
};

/* state of an RQ or SQ, as commands name it; 0 is reset */
#define CX_QUEUE_READY 1
#define CX_QUEUE_ERROR 3
#define CX_COMP_MAX 64 /* completions held back for one compressed session */

struct cx_channel;
struct cx_umem;
struct hw_cqe;
struct cx_ft;
struct cx_rtc;
struct cx_stc_range;
struct cx_ste_range;
struct cx_ste;
struct cx_definer;

struct cx_count {
	uint64_t pkts, bytes;
};

struct cx_cq {
	struct cx_dev *dev;
	uint8_t *buf;
	volatile uint32_t *db;
	struct cx_umem *umem[2]; /* of ring and doorbell records, NULL: the model's own memory */
	uint32_t log_size, pi;
	uint32_t seen_ci; /* consumer index when it was last read: the PMD writes that line */
	bool compress, ignore_overrun;
	uint8_t mini_format;
	/* the first completion of this turn, written last: see cq.c */
	struct hw_cqe *held;
	uint32_t held_at;
	bool holding;
	uint64_t stalled_until; /* ns, else 0: completions stay invisible */
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
	uint64_t overruns; /* completions lost as it was full */
};

struct cx_wq {
	uint8_t *buf;
	volatile uint32_t *db; /* the producer index that the PMD writes */
	struct cx_umem *umem[2];
	uint16_t ci;	  /* next entry the device will use */
	uint16_t seen_pi; /* producer index when it was last read */
	bool striding;
	uint8_t log_size, log_entry; /* entries; bytes of one */
	uint8_t log_strides, log_stride_bytes, shift;
	uint32_t stride; /* next stride inside entry ci */
};

#define CX_RSS_KEY_LEN 40
#define CX_RSS_INPUT_MAX 36 /* two IPv6 addresses and two ports */

struct mlx5dv_devx_obj {
	struct cx_dev *dev;
	enum cx_type type;
	uint32_t id;
	uint32_t state;
	uint32_t refs; /* objects and actions that use it: it cannot go before they do */
	struct mlx5dv_devx_obj *next; /* all SQs, or all RQs */
	bool gone;		      /* made before the NIC was removed */
	union {
		struct cx_cq cq;
		struct {
			struct cx_wq wq;
			struct mlx5dv_devx_obj *cq_obj, *rmp, *q_counter;
			uint32_t user_index;
			bool keep_vlan;
			bool non_wire; /* SQ that sends nothing: it need not wait for the wire */
			struct cx_count done; /* put into the queue, or handed to the port */
			uint64_t no_buf, errors;
			uint64_t no_buf_until, stall_until; /* ns; RQ, SQ */
			/* SQ that waits for a time: entries before held_pi were posted ahead of
			 * theirs; when the last of them went */
			bool waits, held;
			uint16_t held_pi;
			uint64_t sent_at;
		} q; /* RQ, RMP, SQ */
		struct {
			struct mlx5dv_devx_obj **rq;
			uint32_t n, max;
		} rqt;
		struct {
			struct mlx5dv_devx_obj *table, *rq; /* one of them is NULL */
			bool symmetric;
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
		/* hardware steering, see hws.h */
		struct cx_ft *ft;
		struct cx_rtc *rtc;
		struct cx_stc_range *stc;
		struct cx_ste_range *ste;
		struct cx_definer *definer;
	};
};

struct cx_umem {
	struct mlx5dv_devx_umem pub;
	struct cx_dev *dev;
	uint8_t *addr;
	size_t len;
	uint32_t id, refs; /* refs: rings and doorbell records in it */
};

/* ---- steering (dr.c, steer.c) ---- */
#define CX_MATCH_BYTES 0x40 /* of the match layout, the outer headers are modelled */
#define CX_MATCH_WORDS (CX_MATCH_BYTES / 4)
#define CX_RULE_COUNTERS 2
#define CX_TAG_MASK 0xffffff

enum cx_action_type { CX_TO_TIR, CX_TO_TABLE, CX_TO_FT, CX_DROP, CX_MISS, CX_TAG, CX_COUNT };

struct mlx5dv_dr_action {
	enum cx_action_type type;
	struct cx_dev *dev;	     /* NULL: of no NIC in particular */
	struct mlx5dv_devx_obj *obj; /* used by it, as is table */
	struct mlx5dv_dr_table *table;
	uint32_t value, refs; /* refs: rules */
};

/* What a lookup touches is in one pair of lines, key and all: rules by the thousand are not in the
 * nearest cache. */
struct mlx5dv_dr_rule {
	struct mlx5dv_dr_rule *next; /* of the same bucket */
	uint32_t hash;
	uint8_t verdict; /* CX_STEER_ */
	bool tagged;
	uint8_t n_counters;
	union {
		struct mlx5dv_devx_obj *tir;
		struct mlx5dv_devx_obj *ft; /* CX_STEER_FT */
	};
	struct mlx5dv_dr_table *to_table;
	struct cx_count *counter[CX_RULE_COUNTERS];
	uint64_t hits;
	struct mlx5dv_dr_matcher *matcher;
	struct mlx5dv_dr_action **action;
	uint32_t n_actions, tag;
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
	uint64_t hits; /* of all its rules, those that are gone too */
};

struct mlx5dv_dr_table {
	struct mlx5dv_dr_domain *domain;
	uint32_t level;
	uint32_t refs; /* actions that jump to it */
	struct mlx5dv_dr_matcher *matchers;
	struct mlx5dv_dr_table *next;
};

struct mlx5dv_dr_domain {
	struct cx_dev *dev;
	enum mlx5dv_dr_domain_type type;
	struct mlx5dv_dr_table *tables;
	struct mlx5dv_dr_domain *next;
	bool gone; /* made before the NIC was removed */
};

/* ---- a frame on its way in ---- */
#define CX_MAX_HOPS 64 /* tables that a frame goes through */

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
	uint8_t n_hits, n_stes;
	struct mlx5dv_devx_obj *tir, *rq;
	/* from here on not cleared for each frame */
	struct mlx5dv_dr_rule *hit[CX_MAX_HOPS];
	struct cx_ste *ste[CX_MAX_HOPS];
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
#define CX_RX_PAUSE 8	/* one that finds no buffer leaves no trace: it is offered again */

/* ---- what is counted: one list gives the fields, their names and what they mean (stat.c) ---- */
#define CX_STATS(X)                                                                                \
	X(rx_wire, "frames from the wire")                                                         \
	X(rx_bytes, "bytes of them")                                                               \
	X(rx_delivered, "frames put into a queue")                                                 \
	X(rx_miss, "frames that no rule took, to the kernel's interface")                          \
	X(rx_dropped, "frames that a rule dropped")                                                \
	X(rx_no_buf, "frames lost as their queue had no buffer: out_of_buffer")                    \
	X(rx_closed, "frames lost as their queue was not ready")                                   \
	X(rx_too_long, "frames longer than the interface's MTU, or than a buffer")                 \
	X(rx_errors, "error completions of receive queues")                                        \
	X(rx_fillers, "striding buffers given up before their end")                                \
	X(lro_in, "segments offered to LRO")                                                       \
	X(lro_out, "frames that LRO made of them")                                                 \
	X(steer_masks, "masks that frames were compared under")                                    \
	X(steer_rules, "rules that frames were compared with")                                     \
	X(comp_sessions, "compressed sessions of completions")                                     \
	X(comp_cqes, "completions in them")                                                        \
	X(tx_frames, "frames sent to the wire")                                                    \
	X(tx_bytes, "bytes of them")                                                               \
	X(tx_wqes, "send entries used up")                                                         \
	X(tx_errors, "send entries in error: error completions")                                   \
	X(tx_lost, "frames that the wire or the kernel's interface did not take")                  \
	X(rx_bad_wire, "records of a shared wire that make no sense")                              \
	X(rx_no_link, "frames that came while the link was down")                                  \
	X(tx_no_link, "frames sent while the link was down")                                       \
	X(tx_time_waits, "send entries that held their queue until their time came")               \
	X(hws_written, "steering entries that send queues wrote")                                  \
	X(hws_removed, "steering entries that send queues removed")                                \
	X(hws_refused, "steering entries without room, or removed without being there")            \
	X(tx_waits, "turns in which the wire had no room for a send queue")                        \
	X(from_kernel, "frames that the kernel sent on the interface")                             \
	X(bad_lkey, "accesses outside a registered region, refused")                               \
	X(bad_doorbell, "doorbells beyond their ring, refused")                                    \
	X(busy_destroys, "objects destroyed while in use, refused")                                \
	X(cq_overrun, "completions lost as their queue was full")                                  \
	X(rx_fault_drop, "received frames that a fault dropped")                                   \
	X(rx_fault_dup, "received frames that a fault doubled")                                    \
	X(rx_fault_reorder, "received frames that a fault held back for others")                   \
	X(rx_fault_delay, "received frames that a fault delayed")                                  \
	X(rx_fault_corrupt, "received frames in which a fault flipped a bit")                      \
	X(rx_fault_cqe_error, "error completions of receive queues made by a fault")               \
	X(rx_fault_stall, "stalls of receive queues")                                              \
	X(rx_fault_no_buf, "frames that a fault let find no buffer")                               \
	X(tx_fault_drop, "sent frames that a fault dropped")                                       \
	X(tx_fault_dup, "sent frames that a fault doubled")                                        \
	X(tx_fault_reorder, "sent frames that a fault held back for others")                       \
	X(tx_fault_delay, "sent frames that a fault delayed")                                      \
	X(tx_fault_corrupt, "sent frames in which a fault flipped a bit")                          \
	X(tx_fault_cqe_error, "error completions of send queues made by a fault")                  \
	X(tx_fault_stall, "stalls of send queues")                                                 \
	X(link_downs, "times that a fault took the link down")                                     \
	X(removals, "times that the NIC was removed")                                              \
	X(rx_shaped, "received frames that crossed the shaped link")                               \
	X(rx_queue_drop, "received frames that its queue had no room for")                         \
	X(rx_ecn_mark, "received frames that it marked (ECN)")                                     \
	X(rx_stage_full, "received frames lost as no more can be kept for later")                  \
	X(tx_shaped, "sent frames that crossed the shaped link")                                   \
	X(tx_queue_drop, "sent frames that its queue had no room for")                             \
	X(tx_ecn_mark, "sent frames that it marked (ECN)")                                         \
	X(tx_stage_full, "sent frames lost as no more can be kept for later")

struct cx_stats {
#define CX_STAT_FIELD(name, help) uint64_t name;
	CX_STATS(CX_STAT_FIELD)
#undef CX_STAT_FIELD
};

/*
 * A completion's time stamp. The PMD takes a clock of 1 GHz for one of the real-time kind, whose
 * stamps are seconds in the upper word and nanoseconds in the lower, and makes nanoseconds of them;
 * without DevX it cannot ask for the frequency, and takes them as they are.
 */
static inline uint64_t
cx_stamp(uint64_t ns)
{
	return cx_conf.devx ? ns / 1000000000 << 32 | ns % 1000000000 : ns;
}

/* ---- a NIC ---- */
struct cx_lro;
struct cx_tx_scratch;
struct cx_stage;
struct cx_impair;
struct cx_context;
struct cx_return;

struct cx_dev {
	pthread_mutex_t lock;
	unsigned int waiters; /* control calls that want the lock, atomic */
	unsigned int index;
	struct cx_table objs, mrs, umems;
	struct mlx5dv_devx_obj *sqs, *rqs;
	struct mlx5dv_devx_obj *q_counters[256]; /* by their own 8-bit number */
	struct mlx5dv_devx_obj *definers[256];	 /* the same */
	struct mlx5dv_dr_domain *domains;
	struct mlx5dv_dr_table *root;	     /* level 0 of the receive domain */
	unsigned int tagged_rules;	     /* there are */
	struct mlx5dv_dr_table *verbs_table; /* of ibv_create_flow() */
	struct cx_cq *event_cqs, *flush_list;
	struct cx_wire wire;
	uint64_t now;	       /* ns, CLOCK_MONOTONIC, as of the current batch */
	uint64_t turned;       /* now, when the turn of the send queues began */
	uint64_t clock_offset; /* ns, from now to the clock that the driver sees */
	uint64_t last_lro, last_netdev;
	struct cx_lro *lro;
	struct cx_tx_scratch *tx;
	uint8_t *frame;	       /* room for one from a file descriptor */
	int netdev_fd, ctl_fd; /* the TAP, and a socket to ask the kernel about it */
	uint32_t max_frame;    /* bytes, of the netdev's MTU when it was last asked */
	uint64_t mtu_asked;
	bool link_up;	     /* at both ends */
	bool port_up;	     /* at this end: no fault keeps it down */
	bool gone;	     /* removed: no driver finds it, those who had it get errors */
	uint64_t down_until; /* ns: a fault keeps the link down */
	uint64_t epoch;	     /* ns, when it was first opened */
	/* faults and shaping (impair.c); a stage that is NULL costs a branch */
	struct cx_stage *stage[CX_DIRS];
	struct cx_impair *impair;
	uint64_t rx_faults;	       /* of the queue, for the frame that is being delivered */
	struct mlx5dv_devx_obj *tx_sq; /* whose entry is being carried out */
	uint8_t tx_syndrome;	       /* that a fault gives it */
	struct cx_context *ctxs;       /* that are open */
	struct cx_return *back;	       /* waits until it comes back */
	unsigned int contexts; /* that are open: the device threads turn it while there are any */
	bool opened, broken;   /* wire and netdev: tried; in vain */
	bool halted;	       /* its rings are unmapped: never touch them again */
	struct cx_stats stat;
	struct cx_nic_conf conf;
	struct ibv_device ibdev;
};

extern struct cx_dev *cx_devs[CX_MAX_NICS];
extern unsigned int cx_n_devs;

static inline struct cx_dev *
cx_dev_of(const struct ibv_context *c)
{
	return (struct cx_dev *)((uint8_t *)c->device - offsetof(struct cx_dev, ibdev));
}

/* Locks of NICs that this thread holds, or may hold: a device thread has 1 for good. */
extern __thread unsigned int cx_held;

/* Of a completion that is written now. */
static inline uint64_t
cx_timestamp(const struct cx_dev *d)
{
	return htobe64(cx_stamp(d->now + d->clock_offset));
}

void cx_lock(struct cx_dev *d);
void cx_unlock(struct cx_dev *d);
/* level 0 errors and warnings, 1 a summary, 2 objects and rules, 3 every command */
void cx_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t cx_clock(void);

/* conf.c */
bool cx_conf_wanted(void);
/* Fills nics[0 .. n-1] with 1 to CX_MAX_NICS entries; returns n, or 0 after one log line. */
unsigned int cx_conf_read(struct cx_nic_conf *nics);
void cx_conf_help(FILE *f);

/* core.c: whether this process is a forked child of the one that the NICs belong to. */
extern bool cx_forked;

/* sysfs.c: the PCI and verbs trees. 0 or -1 after one log line. */
int cx_sysfs_make(void);
void cx_sysfs_remove(void);
/* In a forked child: the tree is the parent's. */
void cx_sysfs_forget(void);
const char *cx_sysfs_pci(void);
const char *cx_sysfs_root(void);

/* ctl.c: the control socket in the directory dir */
void cx_ctl_start(const char *dir);
void cx_ctl_stop(void);
void cx_ctl_forget(void);
/* One NIC's part of them. */
int cx_sysfs_add(struct cx_dev *d);
void cx_sysfs_del(const struct cx_dev *d);

/* dev.c: the NICs of the process */
int cx_devs_make(void);
void cx_devs_close(void);
void cx_devs_forget(void);
/* Connects the NIC, once; false when that failed. */
bool cx_dev_open(struct cx_dev *d);

/* port.c: between the NIC and its wire */
enum cx_rx_result cx_port_rx(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags);
/* Whether a send entry's frames can go out now. */
bool cx_port_room(struct cx_dev *d);
/* Where to put the next frame together, for cx_port_commit(); NULL: use cx_port_send(). */
uint8_t *cx_port_reserve(struct cx_dev *d, size_t max);
void cx_port_commit(struct cx_dev *d, size_t len, unsigned int flags);
void cx_port_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags);
/* Once a turn; whether there was work. */
bool cx_port_poll(struct cx_dev *d);
/* Without the stage: to the NIC, to the wire. */
enum cx_rx_result cx_port_deliver(
		struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags);
void cx_port_transmit(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags);
/* A fault: down for so long, 0: for good. */
void cx_port_down(struct cx_dev *d, uint64_t ns);

/* impair.c. Checks print one line, the others give one. */
int cx_impair_check(const struct cx_nic_conf *c);
int cx_impair_init(struct cx_dev *d);
void cx_impair_free(struct cx_dev *d);
/* Adds faults to those that there are, as the variable has them; "+" before N or T counts from now.
 * 0, or -1 and one line in error. Takes the lock. */
int cx_faults_add(struct cx_dev *d, const char *text, char *error, size_t size);
CX_EXPORT int connectx_faults_add(const char *nic, const char *text, char *error, size_t size);
enum cx_rx_result cx_stage_rx(struct cx_stage *s, uint8_t *frame, uint32_t len, unsigned int flags);
void cx_stage_tx(struct cx_stage *s, const uint8_t *frame, uint32_t len, unsigned int flags);
bool cx_stage_shaped(const struct cx_stage *s);
bool cx_impair_poll(struct cx_dev *d);
enum cx_rx_result cx_impair_rxq(struct cx_dev *d, struct mlx5dv_devx_obj *rq);

/* removal.c. The caller holds the lock. */
void cx_removal(struct cx_dev *d, uint64_t back_ns);
/* When nothing turns the NIC any more. */
void cx_removal_end(struct cx_dev *d);

/* async.c: asynchronous events of contexts */
/* A context as libibverbs' callers have it, and its events. */
struct cx_context *cx_context_new(struct cx_dev *d);
void cx_context_free(struct cx_context *c);
struct verbs_context *cx_context_verbs(struct cx_context *c);
struct cx_context *cx_context_of(struct ibv_context *c);
/* Whether the NIC was removed after the context was opened: errno is EIO then. */
bool cx_context_gone(const struct ibv_context *c);
/* The caller holds the lock. */
void cx_async_post(struct cx_dev *d, enum ibv_event_type type, int port);
void cx_async_removed(struct cx_dev *d);

/* stat.c */
void cx_stat_summary(const struct cx_dev *d);
void cx_stat_text(FILE *f, const struct cx_stats *s);
void cx_stat_json(FILE *f, const struct cx_stats *s);

/* thread.c */
int cx_thread_use(struct cx_dev *d);
void cx_thread_unuse(struct cx_dev *d);
/* 0, or -1 when one does not end: what it uses must be left alone then. */
int cx_threads_stop(void);
void cx_threads_forget(void);
void cx_thread_remember_cpus(void);
/* A thread that no signal of the application's is delivered to; cpus NULL: those that the process
 * had at its start. 0, or -1 and errno. */
int cx_thread_start(pthread_t *t, const char *name, const cpu_set_t *set, void *(*run)(void *),
		void *arg);
/* Waits for its end, but not for ever; 0 or -1. */
int cx_thread_join(pthread_t t);

/* netdev.c: the kernel's interface beside the wire */
/* mtu 0: as it is. Returns a descriptor, or -1 after one log line. */
int cx_tap_open(const char *name, const char *mac, unsigned int mtu);
int cx_netdev_open(struct cx_dev *d);
void cx_netdev_close(struct cx_dev *d);
void cx_netdev_carrier(struct cx_dev *d, bool up);
bool cx_netdev_poll(struct cx_dev *d);
void cx_netdev_send(struct cx_dev *d, const uint8_t *frame, size_t len);
int cx_netdev_mac(const struct cx_dev *d, uint8_t mac[6]);
/* Whether the interface's MTU allows a frame of len bytes. */
bool cx_netdev_fits(struct cx_dev *d, uint32_t len);

/* mr.c: memory the device may touch */
/* The caller holds the lock. */
void cx_mr_unmapped(struct cx_dev *d, uintptr_t from, uintptr_t to);
void *cx_mr_check(struct cx_dev *d, uint32_t lkey, uint64_t addr, uint64_t len);
/* A range of a umem at an address that is a multiple of align; the umem cannot go before
 * cx_umem_put(). NULL when there is none. The caller holds the lock. */
void *cx_umem_get(struct cx_dev *d, uint32_t id, uint64_t off, uint64_t len, uint32_t align,
		struct cx_umem **umem);
void cx_umem_put(struct cx_umem **umem);

/* obj.c: the caller holds the lock */
struct mlx5dv_devx_obj *cx_obj_new(struct cx_dev *d, enum cx_type type);
struct mlx5dv_devx_obj *cx_obj_get(const struct cx_dev *d, uint32_t id, enum cx_type type);
/* The same for a user of the object, which gives it back with cx_obj_unuse(); that takes NULL. */
struct mlx5dv_devx_obj *cx_obj_use(const struct cx_dev *d, uint32_t id, enum cx_type type);
void cx_obj_unuse(struct mlx5dv_devx_obj *o);
/* Takes it out of the NIC and frees it; it must not be in use. */
void cx_obj_free(struct mlx5dv_devx_obj *o);
/* Counts and logs the attempt to destroy what is in use; returns EBUSY, in errno too. */
int cx_busy(struct cx_dev *d, const char *what);
/* The queue's new state, CX_QUEUE_ or 0 for reset. */
void cx_queue_state(struct mlx5dv_devx_obj *o, uint32_t state);

/* devx_queue.c, devx_rss.c: from a command of n bytes; 0, or -1 when it is wrong. */
int cx_devx_create_cq(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_create_rq(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_create_rmp(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_create_sq(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_modify_rq(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_modify_sq(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_create_tir(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_modify_tir(struct mlx5dv_devx_obj *o, const void *in);
int cx_devx_create_rqt(struct mlx5dv_devx_obj *o, const void *in, size_t n);
int cx_devx_modify_rqt(struct mlx5dv_devx_obj *o, const void *in, size_t n);
/* Takes over n queues, all of them RQs in use by the table. */
void cx_rqt_set(struct mlx5dv_devx_obj *o, struct mlx5dv_devx_obj **rq, uint32_t n);

/* vobj.c, vflow.c */
void cx_vobj_ops(struct verbs_context *v);
void cx_vflow_ops(struct verbs_context *v);
struct mlx5dv_devx_obj *cx_qp_tir(struct ibv_qp *qp);

/* dr.c */
struct mlx5dv_dr_action *cx_action_to_ft(struct mlx5dv_devx_obj *o);

/* caps.c */
void cx_caps_fill(const struct cx_dev *d, unsigned int type, void *caps);

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
enum { CX_STEER_NEXT, CX_STEER_DROP, CX_STEER_QUEUE, CX_STEER_MISS, CX_STEER_FT };
int cx_steer(struct cx_dev *d, struct cx_pkt *p);
void cx_steer_commit(const struct cx_pkt *p);
uint32_t cx_steer_hash(const uint32_t *key, uint32_t n);

/* rx.c: a frame that the port took */
enum cx_rx_result cx_rx_frame(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags);
/* Whether a frame that the wire would offer again finds a queue with room for it now. */
enum cx_rx_result cx_rx_would_take(
		struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags);
/* rxq.c */
bool cx_rxq_room(struct mlx5dv_devx_obj *rq);
/* An error completion; with a syndrome that is fatal for a queue it is in error then. */
enum cx_rx_result cx_rxq_fail(struct mlx5dv_devx_obj *rq, uint8_t syndrome);
enum cx_rx_result cx_rxq_deliver(
		struct mlx5dv_devx_obj *rq, struct cx_pkt *p, const struct cx_lro_info *lro);
void cx_rxq_no_buf(struct mlx5dv_devx_obj *rq);

/* cq.c */
int cx_cq_init(struct mlx5dv_devx_obj *cq);
void cx_cq_fini(struct cx_cq *q);
bool cx_cq_room(struct cx_cq *q);
void cx_wq_reset(struct cx_wq *w);
void cx_cq_post(struct cx_cq *q, const struct hw_cqe *c, unsigned int opcode);
void cx_cq_flush_all(struct cx_dev *d);
/* What is completed from now on is not seen before the time. */
void cx_cq_stall(struct cx_cq *q, uint64_t until);
/* Shows all at once; the queue is on no list then. */
void cx_cq_release(struct cx_cq *q);

/* event.c */
void cx_events_fire(struct cx_dev *d);
void cx_events_forget(struct cx_cq *q);

/* lro.c */
enum cx_rx_result cx_lro_input(struct cx_dev *d, struct cx_pkt *p);
void cx_lro_poll(struct cx_dev *d);
void cx_lro_forget(const struct mlx5dv_devx_obj *rq);
void cx_lro_free(struct cx_dev *d);

/* txq.c */
int cx_tx_init(struct cx_dev *d);
bool cx_tx_poll(struct cx_dev *d);

#endif
