/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts that tell one side of a TCP connection and check the other, in virtual time. What the
 * language has is in README.md.
 *
 * A script's way: source.c makes one list of lines from the file and what it includes, parse.c and
 * parse_segment.c make steps from them, run.c runs these against an engine with the help of
 * call.c (the application), look.c (assertions), packet.c and segment.c (what is on the wire).
 */
#ifndef TEST_SCRIPT_H
#define TEST_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tcp/tcp.h"

/** @name Lines (source.c) */
/** @{ */
struct line {
	const char *file; /**< lives as long as the source */
	unsigned int number;
	char *text; /**< without comment and surrounding space, never empty */
};
struct source {
	struct line *lines;
	unsigned int n, cap;
	char **files;
	unsigned int n_files;
	char error[256];
};
/** Expand includes, loops and $(...). @return 0, -1 with src->error */
int source_file(struct source *src, const char *path);
int source_text(struct source *src, const char *name, const char *text);
void source_free(struct source *src);
/** @} */

/** @name Segments, with numbers as a script has them: relative (segment.c) */
/** @{ */
enum { /* bits of the header, as on the wire */
	FL_FIN = 0x01,
	FL_SYN = 0x02,
	FL_RST = 0x04,
	FL_PSH = 0x08,
	FL_ACK = 0x10,
	FL_URG = 0x20,
	FL_ECE = 0x40,
	FL_CWR = 0x80,
};
enum { /* what a line leaves open, or does not say */
	ANY_FLAGS = 0x01,
	ANY_SEQ = 0x02,
	ANY_ACK = 0x04,
	ANY_WIN = 0x08,
	ANY_URG = 0x10,
	ANY_ECN = 0x20,
	ANY_OPTS = 0x40, /**< <*> */
	ANY_TS_VAL = 0x80,
	ANY_TS_ECR = 0x100,
	NO_OPTS = 0x200, /**< no <...> at all */
};
enum option_kind {
	OPTION_EOL = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WSCALE = 3,
	OPTION_SACK_OK = 4,
	OPTION_SACK = 5,
	OPTION_TS = 8,
	OPTION_RAW = 255, /**< bytes in hexadecimal */
};
#define SEG_OPTIONS 24
#define SEG_SACKS 4
struct segment {
	uint32_t any; /**< ANY_* */
	uint8_t flags;
	uint8_t ecn; /**< of the IP header */
	uint32_t seq, len, ack;
	uint32_t win, win_max, urg;
	bool coalesced; /**< injected as of many segments */
	uint16_t lro;	/**< of that size; 0: which the device does not tell */
	uint16_t tso;	/**< expected to be split in segments of that size by the device */
	uint32_t each;	/**< expected as many segments of that size; 0: one */
	uint16_t chain; /**< injected in buffers of that size */
	int hdr_len;	/**< injected data offset in bytes, -1: the right one */
	uint8_t n_options, n_sacks, n_raw;
	uint8_t options[SEG_OPTIONS]; /**< enum option_kind, in their order */
	uint32_t mss, wscale, ts_val, ts_ecr;
	struct {
		uint32_t start, end;
	} sacks[SEG_SACKS];
	uint8_t raw[40];
};
bool segment_has(const struct segment *seg, enum option_kind kind);
/** As a script would write it, without direction and time. */
void segment_print(const struct segment *seg, char *buf, size_t len);
/** @return NULL when @p got is what @p want says, or what differs */
const char *segment_differs(const struct segment *want, const struct segment *got);
/** @} */

/** @name Steps (parse.c, parse_segment.c) */
/** @{ */
enum when { WHEN_NOW, WHEN_ABSOLUTE, WHEN_RELATIVE, WHEN_ANY };
enum op {
	OP_IN,	    /**< < segment, or <+ segment: in one burst with the next */
	OP_OUT,	    /**< > segment */
	OP_NOTHING, /**< time passes */
	OP_DRAIN,   /**< what was sent till now is of no interest */
	OP_FLOW,    /**< name [lport N] [to ADDR] [from ADDR] */
	OP_AGAIN,   /**< the flow's next incarnation */
	OP_ISN,	    /**< of the peer */
	OP_PEER_TS, /**< auto or off */
	OP_ENGINE,  /**< a field of tcp_config, before all others */
	OP_FAMILY,  /**< 4 or 6 */
	OP_LINK,    /**< bytes of link header before injected packets */
	OP_MTU,	    /**< what the way takes from here on; 0: no way */
	OP_OPTION,  /**< for listen and connect from here on */
	OP_SET,	    /**< of a connection */
	OP_LISTEN,
	OP_LISTENER, /**< set an option of the listener */
	OP_UNLISTEN,
	OP_CONNECT,
	OP_ACCEPT,
	OP_SEND,
	OP_DUMMY,
	OP_RECV,
	OP_MBUFS,
	OP_DONE,
	OP_SHUTDOWN,
	OP_CLOSE,
	OP_ABORT,
	OP_ERROR, /**< take the pending error */
	OP_ICMP,
	OP_EVENT,
	OP_HOLD,    /**< the device keeps what it was given; value: lazily */
	OP_RELEASE, /**< it lets go */
	OP_ASSERT,
};
enum compare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };
struct assertion {
	const struct field *field;
	int counter; /**< TCP_STAT_*, when field is NULL */
	enum compare cmp;
	int64_t value;
};
#define STEP_ASSERTIONS 12
#define EVENT_ONLY 0x10000u /**< and no others */
struct step {
	const struct line *line;
	const char *text; /**< the statement without its time */
	enum when when;
	bool ranged;
	int64_t at, until; /**< ns; until: end of a range */
	int64_t tolerance;
	enum op op;
	struct segment seg;
	const struct field *field; /**< option or engine */
	int64_t value;		   /**< of it, bytes, backlog, ... */
	int64_t expect;		   /**< result */
	bool expects;
	unsigned int flags; /**< of the call; events; of OP_IN: the next comes with it */
	int64_t number;	    /**< sequence number of an ICMP; lport of a flow */
	char name[32];
	struct ip_addr local, remote; /**< of a flow */
	bool has_local, has_remote;
	struct assertion asserts[STEP_ASSERTIONS];
	unsigned int n_asserts;
};
struct script {
	struct source source;
	struct step *steps;
	unsigned int n;
	char error[384]; /**< file:line: what is wrong */
};
/** @return 0, -1 with script->error */
int script_load(struct script *script, const char *path);
int script_load_text(struct script *script, const char *name, const char *text);
void script_free(struct script *script);

/** A place in a line that is being parsed. */
struct cursor {
	const char *p;
	const char *error; /**< the first thing that was wrong, in buf */
	char buf[160];
};
void parse_error(struct cursor *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void parse_space(struct cursor *c);
/** The next word, letters digits and _ . - : it is taken only if it is @p word. */
bool parse_word(struct cursor *c, const char *word);
/** Any next word into @p buf. @return its length */
size_t parse_any_word(struct cursor *c, char *buf, size_t len);
bool parse_char(struct cursor *c, char ch);
int64_t parse_number(struct cursor *c);
/** Everything of a segment after its direction. */
void parse_segment(struct cursor *c, struct segment *seg, bool in);
/** EAGAIN and so on; -1 for none. */
int errno_by_name(const char *name);
const char *errno_name(int err);
/** @} */

/** @name Fields of options, configuration and snapshot by name (look.c) */
/** @{ */
enum field_type { FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_BOOL, FIELD_INT, FIELD_FN };
struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};
const struct field *field_option(const char *name);
const struct field *field_engine(const char *name);
const struct field *field_look(const char *name);
int counter_by_name(const char *name);
void field_set(const struct field *f, void *base, int64_t value);
/** A number with a unit, a state, an errno, events joined by |, true or false. */
int64_t parse_value(struct cursor *c);
/** "connected" and so on joined by space. @return bits */
unsigned int parse_events(struct cursor *c);
void events_print(unsigned int events, char *buf, size_t len);
/** @} */

/** @name Running (run.c) */
/** @{ */
/** EAL and pools; once in a process. */
int script_world_up(const char *name);
void script_world_down(void);
/** @return 0; -1: it failed, and @p log has why */
int script_run(const struct script *script, FILE *log);
/** @} */

#endif
