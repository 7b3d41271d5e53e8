/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of the process: every VMA_* and DPVMA_* variable as a typed field, and what a
 * configuration says about ports. The fields are those of conf/options.h, named as the variable in
 * lower case without VMA_ or DPVMA_. This room reads text; what the values do is for those who use
 * them.
 */
#ifndef DPVMA_CONF_H
#define DPVMA_CONF_H

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_ether.h>

#include "base/base.h"

#define CONF_PATH_MAX 1024  /**< bytes of a path with its end */
#define CONF_ARGS_SIZE 4096 /**< bytes of DPVMA_EAL_ARGS and DPVMA_PORTS */
#define CONF_ID_SIZE 64	    /**< bytes of VMA_APPLICATION_ID */

/** VMA_TRACELEVEL; the levels of base/base.h. */
enum conf_tracelevel {
	CONF_TRACE_NONE = LOG_LEVEL_NONE,
	CONF_TRACE_PANIC = LOG_LEVEL_PANIC,
	CONF_TRACE_ERROR = LOG_LEVEL_ERROR,
	CONF_TRACE_WARNING = LOG_LEVEL_WARNING,
	CONF_TRACE_INFO = LOG_LEVEL_INFO,
	CONF_TRACE_DETAILS = LOG_LEVEL_DETAILS,
	CONF_TRACE_DEBUG = LOG_LEVEL_DEBUG,
	CONF_TRACE_FINE = LOG_LEVEL_FINE,
	CONF_TRACE_FINER = LOG_LEVEL_FINER,
	CONF_TRACE_ALL = LOG_LEVEL_ALL,
};

/** VMA_SPEC; the numbers are those it takes, where it takes one. */
enum conf_spec {
	CONF_SPEC_NONE = 0,
	CONF_SPEC_ULTRA_LATENCY = 10,
	CONF_SPEC_LATENCY = 15,
	CONF_SPEC_29WEST = 29,
	CONF_SPEC_WOMBAT_FH = 554,
	CONF_SPEC_MCD = 623,
	CONF_SPEC_MCD_IRQ = 624,
	CONF_SPEC_RTI = 784,
	CONF_SPEC_7750 = 7750,
	CONF_SPEC_MULTI_RING_LATENCY = 10000, /**< taken by name only */
};

/** VMA_RING_ALLOCATION_LOGIC_TX and _RX. */
enum conf_ring_logic {
	CONF_RING_PER_INTERFACE = 0,
	CONF_RING_PER_IP = 1,
	CONF_RING_PER_SOCKET = 10,
	CONF_RING_PER_USER_ID = 11, /**< by socket option only, never by a variable */
	CONF_RING_PER_THREAD = 20,
	CONF_RING_PER_CORE = 30,
	CONF_RING_PER_CORE_ATTACH = 31, /**< and threads are pinned to their core */
};

/** VMA_HW_TS_CONVERSION. */
enum conf_hw_ts {
	CONF_HW_TS_OFF = 0,
	CONF_HW_TS_RAW = 1,
	CONF_HW_TS_BEST = 2,
	CONF_HW_TS_SYNC = 3,
	CONF_HW_TS_PTP = 4,
};

/** VMA_TCP_CC_ALGO. */
enum conf_tcp_cc {
	CONF_TCP_CC_RENO = 0,
	CONF_TCP_CC_CUBIC = 1,
	CONF_TCP_CC_NONE = 2,
};

/** VMA_TCP_CTL_THREAD. */
enum conf_tcp_ctl {
	CONF_TCP_CTL_OFF = 0,
	CONF_TCP_CTL_WAKE = 1,
	CONF_TCP_CTL_NO_WAKE = 2,
};

/** DPVMA_SPREAD. */
enum conf_spread {
	CONF_SPREAD_HASH = 0,
	CONF_SPREAD_ARRIVAL = 1,
};

/** VMA_TCP_TIMESTAMP_OPTION. */
enum conf_tcp_ts {
	CONF_TCP_TS_OFF = 0,
	CONF_TCP_TS_ON = 1,
	CONF_TCP_TS_OS = 2,
};

/** VMA_EXCEPTION_HANDLING. */
enum conf_exception {
	CONF_EXCEPTION_EXIT = -2,
	CONF_EXCEPTION_DEBUG = -1,
	CONF_EXCEPTION_DEBUG_UNOFFLOAD = 0,
	CONF_EXCEPTION_ERROR_UNOFFLOAD = 1,
	CONF_EXCEPTION_RETURN = 2,
	CONF_EXCEPTION_ABORT = 3,
};

/** VMA_THREAD_MODE. */
enum conf_thread_mode {
	CONF_THREAD_SINGLE = 0,
	CONF_THREAD_SPIN = 1,
	CONF_THREAD_MUTEX = 2,
	CONF_THREAD_PLENTY = 3, /**< spin, with more threads than cores */
};

/** DPVMA_STEERING. */
enum conf_steering {
	CONF_STEERING_AUTO = 0,
	CONF_STEERING_RULES = 1,
	CONF_STEERING_RSS = 2,
	CONF_STEERING_SOFTWARE = 3,
};

/** VMA_BUFFER_BATCHING_MODE. */
enum conf_batching {
	CONF_BATCHING_NONE = 0,
	CONF_BATCHING_RECLAIM = 1,
	CONF_BATCHING_KEEP = 2,
};

/** VMA_MEM_ALLOC_TYPE. */
enum conf_mem {
	CONF_MEM_ANON = 0,
	CONF_MEM_CONTIG = 1,
	CONF_MEM_HUGE = 2,
};

/** DPVMA_LRO. */
enum conf_lro {
	CONF_LRO_AUTO,
	CONF_LRO_OFF,
	CONF_LRO_ON,
};

/** DPVMA_VMA_ABI. */
enum conf_vma_abi {
	CONF_VMA_ABI_A,
	CONF_VMA_ABI_B,
	CONF_VMA_ABI_C,
	CONF_VMA_ABI_D,
	CONF_VMA_ABI_E,
};

/** The options. Units, ranges and meaning: conf/options.h or doc/parameters.md. */
struct conf {
#define CONF_BOOL(field, ...) bool field;
#define CONF_INT(field, ...) int field;
#define CONF_ENUM(field, name, tag, ...) enum tag field;
#define CONF_STR(field, name, size, ...) char field[size];
#define CONF_CPUS(field, ...) cpu_set_t field; /**< empty: none */
#define CONF_PTR(field, ...) void *field;
#define CONF_DERIVED(field, ...) int field;
#include "conf/options.h"
};

#define CONF_PORTS_MAX 32
#define CONF_PORT_NAME_SIZE 64
#define CONF_ADDRS_MAX 16
#define CONF_ROUTES_MAX 16
#define CONF_NEIGHS_MAX 64

/** An address of a port and the length of its network's prefix (IPv4: 0..32, IPv6: 0..128). */
struct conf_addr {
	struct ip_addr addr;
	uint8_t prefix;
	uint16_t vlan_id; /**< 0: untagged */
};

/** A route of a port; the bits of net beyond the prefix are 0. */
struct conf_route {
	struct ip_addr net;
	uint8_t prefix;
	struct ip_addr via;
};

/** A neighbour that need not be asked for. */
struct conf_neigh {
	struct ip_addr addr;
	struct rte_ether_addr mac;
};

/** What DPVMA_PORTS or a [port NAME] section says about a port. */
struct conf_port {
	char name[CONF_PORT_NAME_SIZE]; /**< ethdev name or PCI address, as written */
	uint16_t mtu;			/**< bytes of IP packet; 0: not given */
	unsigned int addrs_n;
	struct conf_addr addrs[CONF_ADDRS_MAX];
	struct ip_addr gateway;
	bool has_gateway;
	unsigned int routes_n;
	struct conf_route routes[CONF_ROUTES_MAX];
	unsigned int neighs_n;
	struct conf_neigh neighs[CONF_NEIGHS_MAX];
};

/** Private to this room; use conf(). */
extern struct conf conf_values;
extern int conf_loaded;

/**
 * Read environment and configuration file into the process-wide options and set up the log by
 * them. Does nothing more when it was done before, so that every entry may call it; a child of
 * fork() that wants to read anew calls conf_reload().
 *
 * A value that cannot be taken is reported in one line and replaced, which is no error here.
 *
 * @return 0; -ENOENT, -EACCES, ... when DPVMA_CONFIG cannot be read, -EINVAL when it, or the
 *         description of a port, is malformed. The cause was logged; the options are usable,
 * without the file or that port. Later calls return the same again.
 */
int conf_load(void);

/**
 * Forget everything, conf_set() included, and load again.
 *
 * Only while no other thread uses the options.
 *
 * @param env "NAME=VALUE" strings, ended by NULL, to read instead of the environment; NULL for the
 *        environment
 * @return as conf_load()
 */
int conf_reload(char *const env[]);

/** The options, loaded on first use; any thread, at any time. Valid for the process's life. */
static inline const struct conf *
conf(void)
{
	if (unlikely(__atomic_load_n(&conf_loaded, __ATOMIC_ACQUIRE) == 0))
		conf_load();
	return &conf_values;
}

/**
 * Set an option from the program. It wins over environment and file. For the time before the
 * library is initialised, when nobody holds values yet; only while no other thread uses the
 * options.
 *
 * @param name variable, as VMA_RX_WRE
 * @param value as it would stand in the environment
 * @return 0; -ENOENT for an unknown name; -EINVAL for a value out of range or malformed, which is
 *         reported in one line and leaves everything as it was; -ENOMEM
 */
int conf_set(const char *name, const char *value);

/**
 * Whether environment, file or program set this variable to something usable. False for unknown
 * names, and for what a default or a profile chose.
 */
bool conf_is_set(const char *name);

/**
 * What the configuration says about a port.
 *
 * @param name ethdev name or PCI address, with or without its domain 0000
 * @return NULL when it says nothing
 */
const struct conf_port *conf_port_find(const char *name);

/** All configured ports: conf_port_at(0) .. conf_port_at(conf_ports_n() - 1). */
unsigned int conf_ports_n(void);
const struct conf_port *conf_port_at(unsigned int i);

/**
 * @name Rules of VMA_CONFIG_FILE (libvma.conf)
 * Which sockets are offloaded. The first application-id block that fits the program's name and
 * VMA_APPLICATION_ID decides, and in it the first rule that fits.
 */
/** @{ */
/** What a socket is about to be. */
enum conf_role {
	CONF_TCP_SERVER,   /**< listens: local */
	CONF_TCP_CLIENT,   /**< connects: remote, then local */
	CONF_UDP_RECEIVER, /**< is bound, or joins a group: local, or the group */
	CONF_UDP_SENDER,   /**< sends: remote */
	CONF_UDP_CONNECT,  /**< connects: remote, then local */
	CONF_ROLES_N
};

struct conf_offload {
	bool offload;
	uint32_t rule;	  /**< its number, 0: none applies, and that means offload */
	const char *text; /**< "FILE:LINE: use os tcp_client *:80"; NULL without a rule */
};

/**
 * What the rules say. Takes no lock. Addresses that the role does not look at may be NULL; a socket
 * that is not bound has address any and port 0.
 */
struct conf_offload conf_offload(enum conf_role role, const struct ip_addr *local,
		uint16_t lport_be, const struct ip_addr *remote, uint16_t rport_be);

/** Private to this room; bit 1 << role: a rule of this program says "os" there. */
extern uint32_t conf_offload_roles;

/** False: conf_offload() of that role can only say "offload". For the data path. */
static inline bool
conf_offload_asked(enum conf_role role)
{
	return (__atomic_load_n(&conf_offload_roles, __ATOMIC_RELAXED) & (1u << role)) != 0;
}

/**
 * A line as the file has them, from the program: a rule goes to the head of the block that was
 * parsed last. Any thread.
 * @return 0, -EINVAL (said in one line), -ENOMEM
 */
int conf_offload_add(const char *line);

/** The text of a rule by its number, or NULL. Valid until conf_reload(). */
const char *conf_offload_text(uint32_t rule);
/** @} */

/** The options that differ from their default, one a line; from log level details on, all. */
void conf_print(FILE *f);

/** The same, to the log at level info. */
void conf_log(void);

/** Text for --help. */
void conf_help(FILE *f);

/** doc/parameters.md. */
void conf_doc(FILE *f);

#endif
