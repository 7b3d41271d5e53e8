/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device and the PMD lay in each other's rings: completions, receive and send entries.
 * Commands are in prm.h. All fields are big-endian.
 */
#ifndef CONNECTX_HW_H
#define CONNECTX_HW_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* ---- completion queue entry ---- */
#define CQE_SIZE 64
#define CQE_LOG_SIZE 6

struct hw_cqe {
	uint8_t pkt_info;
	uint8_t rsvd0;
	uint16_t wqe_id; /* striding: receive WQE the packet lies in */
	uint8_t lro_flags;
	uint8_t lro_min_ttl;
	uint16_t lro_win;
	uint32_t lro_ack;
	uint32_t hash;
	uint8_t hash_type;
	uint8_t rsvd1[3];
	uint16_t csum; /* LRO: folded sum of the payload, native order */
	uint8_t rsvd2[6];
	uint16_t hdr_type;
	uint16_t vlan;
	uint8_t segs; /* packets merged, 1 without LRO */
	uint8_t user_index[3];
	uint32_t metadata;
	uint8_t rsvd3[4];
	uint32_t byte_cnt; /* striding: CQE_FILLER, strides << 16, bytes */
	uint64_t timestamp;
	uint32_t flow_tag; /* send: opcode << 24 | queue number; error: syndrome in byte 55 */
	uint16_t counter;  /* striding: first stride, else WQE */
	uint8_t signature;
	uint8_t op_own; /* opcode << 4 | format << 2 | owner */
} __attribute__((aligned(CQE_SIZE)));

static_assert(sizeof(struct hw_cqe) == CQE_SIZE, "CQE size");
static_assert(offsetof(struct hw_cqe, csum) == 20, "CQE layout");
static_assert(offsetof(struct hw_cqe, hdr_type) == 28, "CQE layout");
static_assert(offsetof(struct hw_cqe, byte_cnt) == 44, "CQE layout");
static_assert(offsetof(struct hw_cqe, timestamp) == 48, "CQE layout");

#define CQE_SYNDROME_AT 55
enum {
	SYNDROME_LOCAL_LENGTH = 0x01,
	SYNDROME_QP_OPERATION = 0x02,
	SYNDROME_LOCAL_PROTECTION = 0x04,
	SYNDROME_FLUSHED = 0x05,
};
#define CQE_FILLER 0x80000000u
#define CQE_STE_REFUSED 0x80000000u /* in byte_cnt, of an entry that writes a rule */
#define CQE_LRO_PSH 0x40
/* Owner bit set and an opcode that means "never written": what a fresh ring holds. */
#define CQE_INVALID 0xf1

enum { CQE_OP_REQ = 0x0, CQE_OP_RESP_SEND = 0x2, CQE_OP_REQ_ERR = 0xd, CQE_OP_RESP_ERR = 0xe };

/* hdr_type: what the device found out about the headers. */
#define HDR_VLAN_STRIPPED 0x0001
#define HDR_L3(type) ((type) << 2)
#define HDR_L4(type) ((type) << 4)
#define HDR_FRAGMENT 0x0080
#define HDR_L2_OK 0x0100
#define HDR_L3_OK 0x0200
#define HDR_L4_OK 0x0400

enum { L3_NONE = 0, L3_IPV6 = 1, L3_IPV4 = 2 };
enum { L4_NONE = 0, L4_TCP = 1, L4_UDP = 2, L4_TCP_EMPTY_ACK = 3, L4_TCP_ACK = 4 };

/* Compressed session: one title entry, then arrays of eight mini entries of eight bytes. */
#define MINI_FORMAT 3 /* in the format bits of the title's op_own */
#define MINI_PER_CQE 8
#define MINI_SIZE 8
enum { MINI_HASH = 0, MINI_CSUM_STRIDE = 3 };

/* ---- receive work queue entry: data segments; a striding one has a 16-byte header first ---- */
#define RX_SEG_SIZE 16
#define RX_STRIDING_HDR 16
struct hw_data_seg {
	uint32_t bytes;
	uint32_t lkey;
	uint64_t addr;
};

/* ---- send work queue entry ---- */
#define WQEBB_SIZE 64 /* a queue is made of these; an entry takes one or more */
#define WQE_SEG_SIZE 16
#define WQE_MAX_SEGS 63
#define WQE_DATA_INLINE 0x80000000u
enum {
	WQE_NOP = 0x00,
	WQE_SEND = 0x0a,
	WQE_TSO = 0x0e,
	WQE_WAIT = 0x0f,
	WQE_EMPW = 0x29,
	WQE_TABLE_ACCESS = 0x2c, /* hws_queue.c */
};

struct hw_wqe_ctrl {
	uint8_t opmod;
	uint16_t index;
	uint8_t opcode;
	uint8_t qpn[3];
	uint8_t segs; /* 16-byte units, this one included */
	uint8_t rsvd[3];
	uint8_t fm_ce_se;
	uint32_t imm;
} __attribute__((packed));

#define WQE_COMPLETION(fm_ce_se) (((fm_ce_se) >> 2) & 3)
#define WQE_COMPLETION_ALWAYS 2

struct hw_wqe_eth {
	uint32_t rsvd0;
	uint8_t csum_flags;
	uint8_t swp_flags;
	uint16_t mss;
	uint32_t metadata;
	uint16_t inline_len; /* or WQE_VLAN_INSERT, and the tag in the next two bytes */
	uint8_t inline_data[2];
} __attribute__((packed));

/* Behind the control segment of a WQE_WAIT whose opmod says that it is for a time. */
struct hw_wqe_wait {
	uint32_t operation;
	uint32_t lkey;
	uint64_t addr;
	uint64_t value, mask; /* seconds in the upper word, as in a completion's time stamp */
} __attribute__((packed));

#define WQE_WAIT_TIME 2		  /* opmod */
#define WQE_WAIT_CYCLIC_SMALLER 5 /* operation: on when the clock is not behind the value */

#define WQE_VLAN_INSERT 0x8000
#define WQE_CSUM_L3 0x40
#define WQE_CSUM_L4 0x80

static_assert(sizeof(struct hw_data_seg) == WQE_SEG_SIZE, "data segment");
static_assert(sizeof(struct hw_wqe_ctrl) == WQE_SEG_SIZE, "control segment");
static_assert(sizeof(struct hw_wqe_wait) == 2 * WQE_SEG_SIZE, "wait segment");
static_assert(sizeof(struct hw_wqe_eth) == WQE_SEG_SIZE, "Ethernet segment");

/* ---- doorbell records: pairs of words ---- */
#define DB_RECV 0
#define DB_SEND 1
#define DB_CQ_CONSUMER 0
#define DB_CQ_ARM 1

#endif
