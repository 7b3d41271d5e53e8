/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every room needs and none owns: the log, an address wide enough for IPv6, the clock.
 * Nothing here knows a port, a packet or an option.
 */
#ifndef DPVMA_BASE_H
#define DPVMA_BASE_H

#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>

/** Levels as VMA_TRACELEVEL numbers them. */
enum log_level {
	LOG_LEVEL_NONE = -1,
	LOG_LEVEL_PANIC = 0,
	LOG_LEVEL_ERROR = 1,
	LOG_LEVEL_WARNING = 2,
	LOG_LEVEL_INFO = 3,
	LOG_LEVEL_DETAILS = 4,
	LOG_LEVEL_DEBUG = 5,
	LOG_LEVEL_FINE = 6,
	LOG_LEVEL_FINER = 7,
	LOG_LEVEL_ALL = 8,
};

/** What is printed now; read by the macros so that a silent line costs one compare. */
extern int log_level_now;

/**
 * Where and how lines go. Safe to call before EAL, and again.
 *
 * @param level lines above it are dropped
 * @param details 0 plain, 1 + thread id, 2 + process and thread id, 3 + milliseconds since start
 * @param colors colour when the stream is a terminal
 * @param file path, or NULL for standard error; one that cannot be opened is reported on standard
 *        error, where lines then go
 */
void log_setup(int level, int details, bool colors, const char *file);

/** Hand lines to @p cb instead (VMA_LOG_CB_FUNC_PTR); NULL gives them back to the stream. */
/** The descriptor of the file that lines go to, -1: standard error. */
int log_file(void);
void log_set_callback(void (*cb)(int level, const char *line));

void log_write(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

#define LOG_AT(level, ...)                                                                         \
	do {                                                                                       \
		if (unlikely((level) <= log_level_now))                                            \
			log_write((level), __VA_ARGS__);                                           \
	} while (0)
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_WARNING(...) LOG_AT(LOG_LEVEL_WARNING, __VA_ARGS__)
#define LOG_INFO(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_DETAILS(...) LOG_AT(LOG_LEVEL_DETAILS, __VA_ARGS__)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

/**
 * An IP address, 16 bytes in network order. IPv4 is the mapped form ::ffff:a.b.c.d, so that one
 * key, one table and one compare serve both families.
 */
struct ip_addr {
	union {
		uint8_t b[16];
		uint32_t w[4]; /**< network order */
		uint64_t d[2];
	};
};

#define IP_ADDR_STRLEN INET6_ADDRSTRLEN

static inline struct ip_addr
ip_from_v4(uint32_t be)
{
	return (struct ip_addr){ .w = { 0, 0, RTE_BE32(0xffff), be } };
}

/** The IPv4 address in network order; meaningless unless ip_is_v4(). */
static inline uint32_t
ip_v4(const struct ip_addr *a)
{
	return a->w[3];
}

static inline bool
ip_is_v4(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[2] == RTE_BE32(0xffff);
}

static inline bool
ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ((a->d[0] ^ b->d[0]) | (a->d[1] ^ b->d[1])) == 0;
}

/** True for :: and for 0.0.0.0. */
static inline bool
ip_is_any(const struct ip_addr *a)
{
	return a->d[0] == 0 && (a->d[1] == 0 || (a->w[2] == RTE_BE32(0xffff) && a->w[3] == 0));
}

static inline bool
ip_is_multicast(const struct ip_addr *a)
{
	return ip_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

/** True when the first @p prefix bits are the same; for IPv4 the prefix counts from its own 32. */
bool ip_in_prefix(const struct ip_addr *a, const struct ip_addr *net, unsigned int prefix);

/** Text form, IPv4 as dotted quad. @p buf has IP_ADDR_STRLEN bytes and is returned. */
char *ip_format(const struct ip_addr *a, char *buf);

/** 0, or -EINVAL when @p text is neither an IPv4 nor an IPv6 address. */
int ip_parse(const char *text, struct ip_addr *a);

/** From and to sockaddr_in / sockaddr_in6; 0 or -EAFNOSUPPORT, -EINVAL for a short @p len. */
int ip_from_sockaddr(
		const struct sockaddr *sa, socklen_t len, struct ip_addr *a, uint16_t *port_be);
void ip_to_sockaddr(const struct ip_addr *a, uint16_t port_be, struct sockaddr_in *sin);

/** @name The clock (clock.c) */
/** @{ */
/** A thread's last look at the clock. */
struct clock_last {
	uint64_t tsc, ns;
};
/** As measured; ticks in which the TSC stands for the clock, 0 as long as it does not. */
struct clock_speed {
	uint64_t span;
	uint64_t mult; /**< nanoseconds a tick, times 2^32 */
};
extern __thread struct clock_last clock_last __attribute__((tls_model("initial-exec")));
extern struct clock_speed clock_speed;
uint64_t clock_look(void) __attribute__((cold));

/** Nanoseconds from the last look to @p tsc, which is less than a few spans later. */
static inline uint64_t
clock_since(uint64_t tsc)
{
	return ((tsc - clock_last.tsc) * clock_speed.mult) >> 32;
}

/** Wall-free nanoseconds for timers: CLOCK_MONOTONIC, within a microsecond; never back. */
static inline uint64_t
clock_ns(void)
{
	uint64_t tsc = rte_rdtsc();

	/* a TSC behind the last look, of another processor, is an enormous distance */
	if (likely(tsc - clock_last.tsc < clock_speed.span))
		return clock_last.ns + clock_since(tsc);
	return clock_look();
}

static inline uint64_t
clock_ms(void)
{
	return clock_ns() / 1000000u;
}
/** @} */

#endif
