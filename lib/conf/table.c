/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The option table as an array, the words of its enumerated options, and the search by name.
 */
#include <assert.h>

#include "conf/conf_priv.h"

static const struct conf_word conf_words_tracelevel[] = {
	{ CONF_TRACE_NONE, "none", "nothing" },
	{ CONF_TRACE_PANIC, "panic 0", "what ends the program" },
	{ CONF_TRACE_ERROR, "error 1", "what failed" },
	{ CONF_TRACE_WARNING, "warning warn 2", "what was replaced" },
	{ CONF_TRACE_INFO, "info information 3", "what was started with" },
	{ CONF_TRACE_DETAILS, "details", "and every option" },
	{ CONF_TRACE_DEBUG, "debug 4", "control path" },
	{ CONF_TRACE_FINE, "fine func 5", "calls" },
	{ CONF_TRACE_FINER, "finer func+ funcall func_all func-all 6", "calls that poll" },
	{ CONF_TRACE_ALL, "all", "everything" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_spec[] = {
	{ CONF_SPEC_NONE, "none 0", "no profile" },
	{ CONF_SPEC_LATENCY, "latency 15", "shortest round trip" },
	{ CONF_SPEC_ULTRA_LATENCY, "ultra-latency 10",
			"the same, the kernel's sockets unattended" },
	{ CONF_SPEC_MULTI_RING_LATENCY, "multi_ring_latency", "a ring per thread, always polling" },
	{ CONF_SPEC_29WEST, "29west 29", "messaging" },
	{ CONF_SPEC_WOMBAT_FH, "wombat_fh 554", "feed handlers" },
	{ CONF_SPEC_MCD, "mcd 623", "memcached, a ring per core" },
	{ CONF_SPEC_MCD_IRQ, "mcd-irq 624", "the same, sleeping" },
	{ CONF_SPEC_RTI, "rti 784", "always polling in receive" },
	{ CONF_SPEC_7750, "7750", "many TCP connections" },
	{ 0, NULL, NULL },
};

/* CONF_RING_PER_USER_ID needs an id, which a variable cannot give. */
static const struct conf_word conf_words_ring_logic[] = {
	{ CONF_RING_PER_INTERFACE, "0", "the interface" },
	{ CONF_RING_PER_IP, "1", "the local IP address" },
	{ CONF_RING_PER_SOCKET, "10", "the socket" },
	{ CONF_RING_PER_THREAD, "20", "the thread that made the socket" },
	{ CONF_RING_PER_CORE, "30", "the core" },
	{ CONF_RING_PER_CORE_ATTACH, "31", "the core, threads pinned to theirs" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_hw_ts[] = {
	{ CONF_HW_TS_OFF, "0", "no timestamps" },
	{ CONF_HW_TS_RAW, "1", "the port's counter as it is" },
	{ CONF_HW_TS_BEST, "2", "time when the port tells its frequency, else its counter" },
	{ CONF_HW_TS_SYNC, "3", "time that follows the system's clock" },
	{ CONF_HW_TS_PTP, "4", "the port's counter is time already, set by PTP" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_spread[] = {
	{ CONF_SPREAD_HASH, "hash", "one by a hash of addresses and ports" },
	{ CONF_SPREAD_ARRIVAL, "arrival", "the ring that receives it" },
	{ 0, NULL, NULL },
};
static const struct conf_word conf_words_tcp_cc[] = {
	{ CONF_TCP_CC_RENO, "0", "Reno" },
	{ CONF_TCP_CC_CUBIC, "1", "CUBIC" },
	{ CONF_TCP_CC_NONE, "2", "none" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_tcp_ctl[] = {
	{ CONF_TCP_CTL_OFF, "0", "no" },
	{ CONF_TCP_CTL_WAKE, "1", "yes, woken for it" },
	{ CONF_TCP_CTL_NO_WAKE, "2", "yes, at its next turn" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_tcp_ts[] = {
	{ CONF_TCP_TS_OFF, "0", "off" },
	{ CONF_TCP_TS_ON, "1", "on" },
	{ CONF_TCP_TS_OS, "2", "as net.ipv4.tcp_timestamps says" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_exception[] = {
	{ CONF_EXCEPTION_EXIT, "-2", "exit when the library cannot start" },
	{ CONF_EXCEPTION_DEBUG, "-1", "a line at level debug" },
	{ CONF_EXCEPTION_DEBUG_UNOFFLOAD, "0",
			"a line at level debug, the socket goes to the kernel" },
	{ CONF_EXCEPTION_ERROR_UNOFFLOAD, "1", "an error line, the socket goes to the kernel" },
	{ CONF_EXCEPTION_RETURN, "2", "an error line, the call fails" },
	{ CONF_EXCEPTION_ABORT, "3", "an error line and abort" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_thread_mode[] = {
	{ CONF_THREAD_SINGLE, "0", "one thread, no locks" },
	{ CONF_THREAD_SPIN, "1", "many threads, spinlocks" },
	{ CONF_THREAD_MUTEX, "2", "many threads, mutexes" },
	{ CONF_THREAD_PLENTY, "3", "more threads than cores, spinlocks that yield" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_steering[] = {
	{ CONF_STEERING_AUTO, "auto", "rules where the port takes them, else rss, else software" },
	{ CONF_STEERING_RULES, "rules",
			"a flow rule for each socket and connection, else software" },
	{ CONF_STEERING_RSS, "rss", "the port's hash of addresses and ports, else software" },
	{ CONF_STEERING_SOFTWARE, "software", "whoever receives a packet hands it over" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_batching[] = {
	{ CONF_BATCHING_NONE, "0", "no" },
	{ CONF_BATCHING_RECLAIM, "1", "yes, given back in time" },
	{ CONF_BATCHING_KEEP, "2", "yes, for good" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_mem[] = {
	{ CONF_MEM_ANON, "0", "ordinary pages" },
	{ CONF_MEM_CONTIG, "1", "contiguous" },
	{ CONF_MEM_HUGE, "2", "huge pages" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_lro[] = {
	{ CONF_LRO_AUTO, "auto",
			"where the ring that starts the port is of TCP and none is cyclic" },
	{ CONF_LRO_OFF, "off", "never" },
	{ CONF_LRO_ON, "on", "wherever the port can" },
	{ 0, NULL, NULL },
};

static const struct conf_word conf_words_vma_abi[] = {
	{ CONF_VMA_ABI_A, "A", "releases 8.8.2 to 8.9.5, 176 bytes" },
	{ CONF_VMA_ABI_B, "B", "9.0.1 to 9.2.2, 184 bytes, and the header that comes with dpvma" },
	{ CONF_VMA_ABI_C, "C", "9.3.0 to 9.8.31, 168 bytes, nothing cyclic" },
	{ CONF_VMA_ABI_D, "D", "9.8.40 to 9.8.60, 160 bytes" },
	{ CONF_VMA_ABI_E, "E", "9.8.70 to 9.8.84, 168 bytes with ioctl" },
	{ 0, NULL, NULL },
};

/* Values of enumerated options are read and written as int. */
static_assert(sizeof(enum conf_tracelevel) == sizeof(int), "enum and int differ");
static_assert(sizeof(enum conf_vma_abi) == sizeof(int), "enum and int differ");

#define FIELD(f) .offset = offsetof(struct conf, f), .size = sizeof(((struct conf *)NULL)->f)

const struct conf_option conf_options[CONF_OPTIONS_N] = {
#define CONF_GROUP(title) { .type = CONF_T_GROUP, .name = (title) },
#define CONF_BOOL(f, n, d, fl, h)                                                                  \
	{ .type = CONF_T_BOOL,                                                                     \
		.name = #n,                                                                        \
		FIELD(f),                                                                          \
		.def = (d),                                                                        \
		.min = 0,                                                                          \
		.max = 1,                                                                          \
		.flags = (fl),                                                                     \
		.help = (h) },
#define CONF_INT(f, n, d, lo, hi, u, fl, h)                                                        \
	{ .type = CONF_T_INT,                                                                      \
		.name = #n,                                                                        \
		FIELD(f),                                                                          \
		.def = (d),                                                                        \
		.min = (lo),                                                                       \
		.max = (hi),                                                                       \
		.unit = (u),                                                                       \
		.flags = (fl),                                                                     \
		.help = (h) },
#define CONF_ENUM(f, n, tag, d, w, fl, h)                                                          \
	{ .type = CONF_T_ENUM,                                                                     \
		.name = #n,                                                                        \
		FIELD(f),                                                                          \
		.def = (d),                                                                        \
		.words = (w),                                                                      \
		.flags = (fl),                                                                     \
		.help = (h) },
#define CONF_STR(f, n, s, d, fl, h)                                                                \
	{ .type = CONF_T_STR, .name = #n, FIELD(f), .text = (d), .flags = (fl), .help = (h) },
#define CONF_CPUS(f, n, fl, h)                                                                     \
	{ .type = CONF_T_CPUS, .name = #n, FIELD(f), .flags = (fl), .help = (h) },
#define CONF_PTR(f, n, fl, h)                                                                      \
	{ .type = CONF_T_PTR, .name = #n, FIELD(f), .flags = (fl), .help = (h) },
#define CONF_DERIVED(f, d, h)                                                                      \
	{ .type = CONF_T_DERIVED,                                                                  \
		.name = #f,                                                                        \
		FIELD(f),                                                                          \
		.def = (d),                                                                        \
		.min = 1,                                                                          \
		.max = INT_MAX,                                                                    \
		.help = (h) },
#define CONF_RETIRED(n, r, fl, h)                                                                  \
	{ .type = CONF_T_RETIRED, .name = #n, .text = (r), .flags = (fl), .help = (h) },
#include "conf/options.h"
};

unsigned int
conf_option_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < CONF_OPTIONS_N; i++)
		if (conf_options[i].type != CONF_T_GROUP && strcmp(conf_options[i].name, name) == 0)
			break;
	return i;
}
