/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpvma-testpmd: one receiving (or sending) thread that works through the public API, next to the
 * bare PMD on the same queue, and says what each costs.
 */
#ifndef TESTPMD_H
#define TESTPMD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ring/ring.h"

#define TP_SOCKETS_MAX 65536
#define TP_CONNS_MAX (1u << 18) /**< of a thread */
#define TP_THREADS_MAX 64
#define TP_ADDRS_MAX 16 /**< in a list */
#define TP_CONNECT_IDLE                                                                            \
	2 /**< seconds without connections in which a server knows that they ended */
#define TP_BATCH_MAX 256
#define TP_MODES_MAX 8
#define TP_WINDOWS_MAX 4096  /**< of a mode, whose cost is kept */
#define TP_FRAME_HEADERS 42  /**< Ethernet, IPv4 and UDP */
#define TP_MISSES_MAX 100000 /**< empty calls before the next socket has its turn */
#define TP_DATAGRAM_MAX 2048 /**< payload bytes of the modes on datagrams */
#define TP_SEQ_BYTES 16	     /**< sequence number and timestamp at the start of a checked payload */

/** The command line after the EAL's. */
struct tp_args {
	char modes[64];
	char like[16];
	char address[512];
	char peer[512];
	char wait[8];
	char close[8];
	char json[256];
	char ring_mode[16];
	uint32_t udp_port;
	uint32_t sockets;
	uint32_t ports;
	uint32_t threads;
	uint32_t idle_connections;
	uint32_t size;
	uint32_t batch;
	uint32_t num;
	uint32_t stride_bytes;
	uint32_t window_ms;
	uint32_t gather_us;
	uint32_t rate;
	uint64_t packets;
	double duration;
	double idle;
	double linger;
	double max_ratio;
	uint64_t min_packets;
	bool interactive;
	bool check;
	bool quiet;
	bool reverse;
	bool zerocopy;
	bool no_request;
	bool kernel;
};

/** What one mode has done. */
struct tp_count {
	uint64_t packets;
	uint64_t bytes;	    /**< of frames without CRC */
	uint64_t turns;	    /**< calls that brought packets */
	uint64_t cycles;    /**< spent in those calls */
	uint64_t empty;	    /**< calls that brought none */
	uint64_t runs;	    /**< cyclic: reads that returned packets */
	uint64_t seq_lost;  /**< numbers skipped, in runs of windows of one mode */
	uint64_t seq_wrong; /**< numbers that went backwards */
	uint64_t bad_payload;
	uint64_t copied; /**< packets that came by a copy though the mode is one without */
	uint64_t failed; /**< connections that ended with an error; calls that must not fail */
	uint64_t missed; /**< by the device, while this mode ran */
	double seconds;
};

/** Bytes. */
struct tp_memory {
	uint64_t resident; /**< of the process */
	uint64_t heap;	   /**< in use, of EAL */
};

struct tp;
struct tp_conn;
struct tp_worker;

/** Of answers, in TSC cycles. */
#define TP_LATENCY_SLOTS 3776
struct tp_latency {
	uint64_t n, sum, min, max;
	uint64_t slot[TP_LATENCY_SLOTS];
};

/** A way to receive or send. */
struct tp_mode {
	const char *name;
	const char *help;
	bool wants_cyclic; /**< the socket's ring has a cyclic profile */
	bool wants_queue;  /**< packets come to the sockets, which they do not with that profile */
	bool bare;	   /**< the PMD alone: what others are held against */
	bool sends;
	bool frames;	/**< makes Ethernet frames itself */
	bool trips;	/**< sends with --peer, else gives back */
	bool connects;	/**< TCP connections come and go */
	uint64_t needs; /**< vma_extra_api_mask of the functions it calls */
	/** Around a window; may be NULL. */
	void (*begin)(struct tp *tp, struct tp_count *count);
	void (*end)(struct tp *tp, struct tp_count *count);
	/** One call; packets got or sent. */
	unsigned int (*turn)(struct tp *tp, struct tp_count *count);
	/** On TCP connections: what one does that may have something; whole answers, or calls. */
	unsigned int (*step)(struct tp_worker *w, struct tp_conn *c, uint32_t events);
	void (*begin_tcp)(struct tp_worker *w);
	void (*end_tcp)(struct tp_worker *w);
};

struct tp {
	struct tp_args args;
	const struct tp_mode *mode[TP_MODES_MAX];
	struct tp_count count[TP_MODES_MAX];
	float window[TP_MODES_MAX][TP_WINDOWS_MAX]; /**< cycles/packet; 0: none came */
	uint32_t windows[TP_MODES_MAX];		    /**< that there were; the first ones are kept */
	unsigned int modes;
	bool sends;  /**< towards --peer */
	bool cyclic; /**< sockets are on a ring with a cyclic profile */
	int *fds;
	uint32_t *socket_of; /**< by descriptor, UINT32_MAX: none of fds */
	uint32_t n_socket_of;
	struct tp_count *called; /**< whose window it is, for the receive callback */
	uint32_t calls;		 /**< of it, in this turn */
	uint32_t next_fd;	 /**< whose turn it is */
	uint32_t misses;	 /**< empty calls of that one, in a row */
	int ring_fd;
	struct ring *ring;
	uint64_t *next_seq; /**< by destination port, ~0: not known yet */
	uint64_t send_seq;
	uint64_t send_due; /**< TSC when the next batch may go, with --rate */
	double tsc_hz;

	/* TCP */
	struct tp_worker *workers; /**< --threads of them */
	struct ip_addr locals[TP_ADDRS_MAX], peers[TP_ADDRS_MAX];
	uint32_t n_locals, n_peers;
	uint32_t n_conns; /**< that there were */
	struct tp_memory memory_before, memory_after;
	char *counters[2]; /**< JSON before and after the run itself; NULL: nobody asked */
	struct tp_latency latency;
};

extern volatile bool tp_stop;

/* args.c */
int tp_args_parse(int argc, char **argv, struct tp_args *args);
void tp_help(const char *program, FILE *f);

/* sockets.c */
int tp_sockets_open(struct tp *tp);
void tp_sockets_close(struct tp *tp);

/* tcp_run.c */
int tp_tcp_open(struct tp *tp);
void tp_tcp_run(struct tp *tp);
/** Our half of every connection ends; connections whose other half did not follow in time. */
unsigned int tp_tcp_end(struct tp *tp);
void tp_tcp_clear(struct tp *tp);
void tp_tcp_close(struct tp *tp);

/* memory.c */
void tp_memory_note(const struct tp *tp, struct tp_memory *m);

/* extra.c */
/** With the sockets open: the library offers what the mode calls; else -1 with a line of why not.
 */
int tp_mode_works(struct tp *tp, const struct tp_mode *mode);
/** Throw away what waits on the sockets, so that a mode's window begins with none. */
void tp_drain(struct tp *tp);
unsigned int tp_zcopy_turn(struct tp *tp, struct tp_count *count);
void tp_callback_begin(struct tp *tp, struct tp_count *count);
void tp_callback_end(struct tp *tp, struct tp_count *count);
unsigned int tp_callback_turn(struct tp *tp, struct tp_count *count);
unsigned int tp_xtreme_turn(struct tp *tp, struct tp_count *count);

/* bare.c */
void tp_txonly_begin(struct tp *tp, struct tp_count *count);
void tp_txonly_end(struct tp *tp, struct tp_count *count);
unsigned int tp_txonly_turn(struct tp *tp, struct tp_count *count);
void tp_trip_begin(struct tp *tp, struct tp_count *count);
void tp_trip_end(struct tp *tp, struct tp_count *count);
unsigned int tp_trip_turn(struct tp *tp, struct tp_count *count);

/* latency.c */
void tp_latency_add(struct tp_latency *l, uint64_t cycles);
void tp_latency_sum(struct tp_latency *l, const struct tp_latency *more);
double tp_latency_percentile(const struct tp_latency *l, double percent);

/* modes.c */
const struct tp_mode *tp_mode_find(const char *name);
void tp_modes_help(FILE *f);

/* check.c */
void tp_check_payload(struct tp *tp, struct tp_count *count, uint32_t socket,
		const uint8_t *payload, uint32_t len);
void tp_check_frame(struct tp *tp, struct tp_count *count, const uint8_t *frame, uint32_t len);
void tp_check_forget(struct tp *tp);
void tp_fill_payload(uint8_t *payload, uint32_t len, uint64_t seq);

/* run.c */
void tp_run(struct tp *tp);
/** Forget what was counted. */
void tp_clear(struct tp *tp);

/* ratio.c */
/** Of the windows of a mode that brought packets, cycles/packet; 0 without one. */
double tp_median(const struct tp *tp, unsigned int mode);
/** The mode that the others are held against: rxonly, else the second. */
unsigned int tp_base(const struct tp *tp);
/** Median over rounds: a mode's cycles/packet by the base's in the same round; 0 without a round.
 */
double tp_ratio(const struct tp *tp, unsigned int mode);

/* report.c */
void tp_report_second(const struct tp *tp, unsigned int mode, const struct tp_count *since,
		double seconds);
void tp_report(const struct tp *tp, FILE *f);
int tp_report_json(const struct tp *tp, const char *path);
/** 0, or the number of checks that failed, each named in a line. */
int tp_verdict(const struct tp *tp);

/* tcp_report.c */
/** What the table has no place for: threads, memory. */
void tp_tcp_report(const struct tp *tp, FILE *f);
void tp_tcp_json(const struct tp *tp, FILE *f);
/** Whose counters a report shows. */
int tp_first_fd(const struct tp *tp);

/* interactive.c */
int tp_interactive(struct tp *tp);

#endif
