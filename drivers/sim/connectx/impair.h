/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port does to frames on their way between NIC and wire, for tests: scripted faults
 * (fault.c) and a link of a given rate, delay and queue (shape.c), put together as a stage in each
 * direction (impair.c).
 */
#ifndef CONNECTX_IMPAIR_H
#define CONNECTX_IMPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cx_dev;
struct mlx5dv_devx_obj;

enum { CX_RX, CX_TX, CX_DIRS };

/* A reproducible number for position n of a sequence. */
static inline uint64_t
cx_mix(uint64_t seed, uint64_t n)
{
	/* the finalizer of SplitMix64 over its own sequence */
	uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Reads "12.5us": 0 and *ns, or -1. *end is what follows. */
int cx_time_parse(const char *text, uint64_t *ns, const char **end);

/* ---- faults (fault.c) ---- */
enum cx_fault_action {
	FAULT_DROP,
	FAULT_DUP,
	FAULT_REORDER,
	FAULT_DELAY,
	FAULT_CORRUPT,
	FAULT_CQE_ERROR,
	FAULT_STALL,
	FAULT_NO_BUF,
	FAULT_LINK,
	FAULT_REMOVE,
};

enum cx_fault_when { WHEN_PACKET, WHEN_TIME, WHEN_WINDOW, WHEN_RATE };

struct cx_fault {
	enum cx_fault_action action;
	enum cx_fault_when when;
	bool dir[CX_DIRS], has_arg, relative, done;
	uint64_t from, to, every; /* frames from 1 on, or ns since the first opening */
	uint64_t threshold;	  /* of 2^64, of a rate */
	uint64_t arg;
};

#define CX_FAULTS_MAX 64 /* per direction: one bit each */

struct cx_faults {
	struct cx_fault at[CX_FAULTS_MAX];
	unsigned int n;
};

struct cx_script {
	struct cx_fault at[CX_DIRS * CX_FAULTS_MAX];
	unsigned int n;
	uint64_t seed;
	bool seeded;
};

/* What is to happen to one frame. */
struct cx_verdict {
	bool drop, dup, corrupt, link, remove;
	bool corrupt_at_random;
	uint32_t reorder, corrupt_at;
	uint64_t random; /* where and which bit */
	uint64_t delay, link_ns, remove_ns;
	uint64_t queue; /* faults of its queue, a bit for each */
};

/* "+TIME" of a script counts from time. 0, or -1 and one line in error. */
int cx_script_parse(const char *text, struct cx_script *s, uint64_t time, char *error, size_t size);
/* Frame n of its direction, time ns after the first opening. */
void cx_faults_judge(struct cx_faults *f, uint64_t seed, unsigned int dir, uint64_t n,
		uint64_t time, struct cx_verdict *v);

/* ---- the link (shape.c) ---- */
struct cx_link {
	bool on;
	/* configuration: bit/s, ns, bytes; 0: without */
	uint64_t rate, delay, jitter, queue, ecn;
	/* when it is free: ns, and a rest in units of 1/rate ns, so that nothing adds up */
	uint64_t free_at, rest;
	uint64_t backlog; /* bytes of frames that wait to be sent */
	uint64_t last_due, n, seed;
};

int cx_shape_parse(const char *text, struct cx_link link[CX_DIRS], char *error, size_t size);
/* A frame of len bytes at now: false when the queue is full, else when its first bit is sent and
 * when its last one arrives, and whether it is to be marked. Those with *start > now count in the
 * backlog until then. */
bool cx_link_admit(struct cx_link *l, uint64_t now, uint32_t len, uint64_t *start, uint64_t *due,
		bool *mark);
/* Congestion experienced; false when the frame is not ECN-capable. */
bool cx_ecn_mark(uint8_t *frame, uint32_t len);

#endif
