/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpvma-run: starts a program over libdpvma-preload.so. What the command line says, what follows
 * from it for the environment, and, where something is left to do beside the program (a software
 * NIC, a report at its end), a parent that stays.
 */
#ifndef RUN_H
#define RUN_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "conf/conf.h"

#define RUN_OWN_ERROR 125  /**< exit code where dpvma-run itself fails, as env(1) */
#define RUN_CANNOT_RUN 126 /**< the program cannot be run */
#define RUN_NOT_FOUND 127  /**< there is no such program */

#define RUN_PORTS_MAX CONF_PORTS_MAX
#define RUN_SETS_MAX 256

/**
 * Plain buffers: in a striding one, a packet that waits in a socket holds the room of a thousand
 * others.
 */
#define RUN_MLX5_ARGS ",mprq_en=0"

/** A --port, and the --addr after it. */
struct run_port {
	const char *spec, *addr;
	char device[512];		/**< as EAL takes it, behind -a or --vdev= */
	char name[CONF_PORT_NAME_SIZE]; /**< as DPVMA_PORTS takes it */
	char netdev[IFNAMSIZ];		/**< the kernel's device behind it, "" for none */
	bool vdev;
};

/** The command line. */
struct run_args {
	struct run_port ports[RUN_PORTS_MAX];
	unsigned int n_ports;
	const char *sets[RUN_SETS_MAX];
	unsigned int n_sets;
	const char *pmd, *eal, *profile, *rules, *sim_wire, *peer_addr, *peer, *peer_server;
	uint32_t memory_mb, peer_port, pid;
	bool huge, no_huge, sim, stay, explain, json, list, verbose, dry_run;
	char **program;
};

/** args.c: 0; 1 when everything is done (--help); -1 after an error was said. */
int run_args_parse(int argc, char **argv, struct run_args *a);

/** main.c: one line to standard error, with the program's name before it. */
void run_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** @name The environment (env.c) */
/** @{ */
/** Keeps the environment as it is now, for programs at the other end of a wire. */
int run_env_keep(void);
char **run_env_kept(void);
/** Sets a variable for the program and remembers it for run_env_print(). 0, -1 said. */
int run_env_set(const char *name, const char *value);
/** The command with its variables as a line for a shell. */
void run_env_print(FILE *f, char *const program[]);
/** LD_PRELOAD, with the software ConnectX behind the library and what was there behind both. */
int run_env_preload(bool sim);
/** @} */

/** @name Variables (vars.c) */
/** @{ */
/** --profile, --rules and --set. 0, -1 said. */
int run_vars_set(const struct run_args *a);
/** A variable of the library's, checked as the library would. */
int run_var_set(const char *name, const char *value, const char *option);
/** @} */

/** memory.c: sizes for a machine of any size, and EAL's words for them. 0, -1 said. */
int run_memory(const struct run_args *a, const char *eal, char *words, size_t size);

/** @name Ports (ports.c, netdevs.c) */
/** @{ */
#define NETDEVS_MAX 256
struct netdev {
	char name[IFNAMSIZ];
	char driver[32];
	char bus[64];	/**< PCI address, or what ethtool calls the bus */
	char addrs[96]; /**< "10.0.0.1/24 10.0.1.1/24" */
	unsigned int mtu;
	bool up, mlx5;
	bool gro; /**< the kernel puts received segments together */
};
/** Network devices of this namespace, without lo. Their number. */
unsigned int netdevs_read(struct netdev *list, unsigned int max);
bool netdev_has_addr(const struct netdev *d);
/** What could be used and what to type for it. */
void ports_list(FILE *f);
/** From what was said of ports to devices; without a word, the only one that can be meant. */
int ports_choose(struct run_args *a);
/** DPVMA_EAL_ARGS' words for them. */
int ports_eal(const struct run_args *a, char *words, size_t size);
/** DPVMA_PORTS. */
int ports_addrs(const struct run_args *a);
/** @} */

/** @name The software ConnectX (sim.c) */
/** @{ */
#define SIM_NETDEV "nic0"
#define SIM_WIRE "wire0"
#define SIM_ADDR "10.99.0.2/24"
#define SIM_PEER_ADDR "10.99.0.1/24"
/** The port, and variables. The namespaces come with sim_start(). */
int sim_prepare(struct run_args *a);
/**
 * Namespaces: afterwards this process is in the program's, where nic0 is; the peer's is open.
 * @return its descriptor, or -1 said; with a wire of another kind there is none, which is -2
 */
int sim_start(const struct run_args *a);
/** @} */

/** @name --explain (explain.c) */
/** @{ */
/** A place for reports of the program's processes. 0, -1 said. */
int explain_prepare(void);
/** Prints them if that is wanted, and removes them. */
void explain_end(bool print);
/** Asks a process that runs. The exit code. */
int explain_running(const struct run_args *a);
/** @} */

/** elf.c: one line when the program is none that a library can be preloaded to. */
void elf_warn(const char *name);

/** leftovers.c: what a process that has ended may have left in the file system. */
void leftovers_remove(pid_t pid);
/** The file of a wire shm:NAME that nobody is attached to any more. */
void leftovers_remove_cable(const char *wire);

/** supervise.c: runs program and peers to their end. The exit code. */
int supervise(const struct run_args *a, int peer_ns);
/** The exec, with its error. The exit code. */
int run_exec(char **program);

#endif
