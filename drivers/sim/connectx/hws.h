/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware steering: rules that the driver writes into the device's memory through send queues. A
 * flow table points to an RTC, which is a hash table of steering entries (STE). Which bytes of a
 * frame make the tag that is looked up is the RTC's definer; what happens to a frame is in the
 * entry as numbers of action contexts (STC) and data for them.
 */
#ifndef CONNECTX_HWS_H
#define CONNECTX_HWS_H

#include "connectx.h"

/* What QUERY_HCA_CAP says. */
#define CX_LOG_MAX_STC 15
#define CX_LOG_MAX_STE 24
#define CX_RTC_LOG_MAX_DEPTH 6
#define CX_RTC_REPARSE_ALWAYS 1
#define CX_DEFINER_SELECT 61   /* the format in which the driver picks words and bytes */
#define CX_TRIVIAL_DEFINER 255 /* number of the one that all frames match */

enum { CX_RTC_BY_HASH = 0, CX_RTC_BY_OFFSET = 1 };
enum { CX_STE_8DW = 4, CX_STE_11DW = 5 };

/* Kinds of STC, as commands name them. */
enum {
	CX_STC_NOP = 0x00,
	CX_STC_REMOVE_WORDS = 0x08,
	CX_STC_HEADER_REMOVE = 0x09,
	CX_STC_HEADER_INSERT = 0x0b,
	CX_STC_TAG = 0x0c,
	CX_STC_TO_STE = 0x80,
	CX_STC_TO_TIR = 0x81,
	CX_STC_TO_FT = 0x82,
	CX_STC_DROP = 0x83,
	CX_STC_ALLOW = 0x84,
};

#define CX_TAG_WORDS 11
#define CX_TAG_BYTES (4 * CX_TAG_WORDS)
#define CX_STE_ACTIONS 5 /* STCs of an entry, and words of data for them */
#define CX_STE_WORDS 8

struct cx_stc {
	bool set;
	uint8_t type, at;	     /* at: word of an entry that has its data */
	struct mlx5dv_devx_obj *obj; /* TIR, flow table or STEs, in use */
};

struct cx_stc_range {
	uint32_t n;
	struct cx_stc stc[];
};

struct cx_ste {
	struct cx_ste *next; /* of the row */
	uint32_t hash, n_stcs;
	uint32_t tag[CX_TAG_WORDS]; /* masked */
	uint32_t stc[CX_STE_ACTIONS];
	uint32_t data[CX_STE_WORDS];
	struct cx_rtc *rtc;
	uint64_t hits;
};

/* Room for entries in the device's memory; those of an RTC by offset have places. */
struct cx_ste_range {
	uint32_t n;
	struct cx_ste **place;
};

struct cx_definer {
	uint32_t id; /* 8 bits, apart from the object's: the driver keeps no more of it */
	uint32_t n;  /* bytes of a tag that are compared */
	struct {
		uint16_t from; /* in the header layout */
		uint8_t to, mask;
	} pick[CX_TAG_BYTES];
};

struct cx_rtc {
	bool by_offset;
	uint32_t log_rows, log_depth;
	uint32_t base; /* by offset: of the first entry among the STEs */
	uint32_t n_stes;
	uint64_t hits;
	struct cx_ste **row;
	struct mlx5dv_devx_obj *definer, *stcs, *stes, *miss; /* in use, or NULL */
};

struct cx_ft {
	struct mlx5dv_devx_obj *rtc, *miss; /* in use, or NULL */
	uint32_t type;
};

/* hws.c: from a command, 0 or -1 when it is wrong. The caller holds the lock. */
int cx_hws_create_ft(struct mlx5dv_devx_obj *o, const void *in);
int cx_hws_create_rtc(struct mlx5dv_devx_obj *o, const void *in);
int cx_hws_create_stc(struct mlx5dv_devx_obj *o, const void *in);
int cx_hws_create_ste(struct mlx5dv_devx_obj *o, const void *in);
int cx_hws_create_definer(struct mlx5dv_devx_obj *o, const void *in);
int cx_hws_modify_ft(struct mlx5dv_devx_obj *o, const void *in);
int cx_hws_modify_stc(struct mlx5dv_devx_obj *o, const void *in);
void cx_hws_free(struct mlx5dv_devx_obj *o);

/* hws_queue.c: carries out an entry of a send queue. Returns 0 or a syndrome; *refused when there
 * is no room for what it adds, or nothing to remove. */
uint8_t cx_hws_write(struct cx_dev *d, const uint8_t *entry, uint32_t len, bool *refused);

/* hws_match.c */
/* Whether the driver may compare bits of a byte of the header layout. */
bool cx_hws_modelled(uint32_t at, uint8_t mask);
/* What becomes of a frame that came to the flow table: CX_STEER_. */
int cx_hws_steer(struct cx_dev *d, struct cx_pkt *p, const struct mlx5dv_devx_obj *ft);
/* What an entry makes of a frame: CX_STEER_, with tag and TIR in p, or the next flow table. */
int cx_hws_outcome(struct cx_ste *s, struct cx_pkt *p, const struct mlx5dv_devx_obj **ft);
/* What an RTC's frames are compared under, or with (s), in the match layout of prm.h. */
void cx_hws_mask(const struct cx_rtc *r, uint32_t match[CX_MATCH_WORDS]);
void cx_hws_value(const struct cx_ste *s, uint32_t match[CX_MATCH_WORDS]);

#endif
