/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share: a port's queue set and the steps from one file to the next.
 *
 *   table.c  ports_init: finds the ports, and finds them again by name, id, address
 *   driver.c the table of drivers
 *   probe.c  what a port can do, by trying
 *   start.c  configure, set up, start, stop
 *   queue.c  who has which queue; restarts
 *   rss.c    the hash and the table by which a port without rules spreads
 *   addr.c   addresses from the configuration or from the kernel
 *   event.c  ethdev events, and the callbacks of other rooms
 *   mcast.c  multicast MACs
 *   eal.c    EAL's start and end
 *   args.c   words of a command line
 *   eal_args.c  what is added to the program's arguments of EAL
 *   memory.c huge pages, what is wanted, what is used
 */
#ifndef PORT_PRIV_H
#define PORT_PRIV_H

#include <pthread.h>

#include "port/port.h"

/** Multicast MACs that a port keeps at one time. */
#define PORT_MC_MAX 256

/** One queue pair: what it was set up with. */
struct port_queue {
	bool owned;
	bool used;    /**< had an owner before: may hold packets for it */
	bool stopped; /**< spare, and the PMD could stop it */
	bool striding;
	uint16_t rx_desc, tx_desc;
	struct rte_mempool *pool;
};

/** Guarded by lock, but for the event flags. */
struct port_queues {
	pthread_mutex_t lock;
	struct rte_eth_dev_info info;
	struct rte_eth_conf eth_conf;
	struct port_rss *rss;		/**< NULL: never asked for */
	struct rte_mempool *trial_pool; /**< of the trial, until every queue has another */
	bool probed;			/**< rules and interrupts were tried */
	bool broken;			/**< a restart failed: nothing more until the next init */
	uint16_t behind; /**< receive queues of parts behind each, with buffers for all of them */
	uint16_t n;	 /**< pairs configured */
	uint16_t n_owned;
	uint16_t default_rx_desc, default_tx_desc; /**< 0 until the first start */
	struct rte_mempool *default_pool;	   /**< of ordinary rings: spares get it */
	bool lro;				   /**< to be asked for with the next start */
	bool lro_said;				   /**< that the port has none */
	struct port_queue *q;			   /**< PORT_QUEUES_MAX */

	/* multicast */
	uint16_t n_mc;
	struct {
		struct rte_ether_addr mac;
		uint32_t refs;
	} mc[PORT_MC_MAX];
	bool mc_all, mc_promiscuous; /**< we turned it on */

	/* set on the interrupt thread, taken by port_poll() */
	uint32_t events;  /**< bits of 1 << enum rte_eth_event_type */
	bool netdev_down; /**< the kernel's device is */
	bool removed;
};

extern struct port *ports[PORT_MAX];
extern unsigned int n_ports;
extern uint64_t ports_owner; /**< of ethdevs */

const struct port_driver *port_driver_find(const char *name);
/** The driver of a PCI device, NULL when none of ours claims it. */
const struct port_driver *port_driver_of_pci(uint16_t vendor, uint16_t device);

/** Read dev_info into the port; queues exist. 0 or a negative errno, said. */
int port_probe_info(struct port *port);
/** The port has LRO and the options allow it. */
bool port_may_lro(const struct port *port);
/** Start the port for a moment where it may have more than dev_info tells. */
void port_probe_trial(struct port *port);
/** What only a running port tells: flow rules, interrupts, striding. */
void port_probe_running(struct port *port);

/** Configure with queues->n pairs, set each up as queues->q says, start. 0 or a negative errno. */
int port_start(struct port *port);
void port_stop(struct port *port);
/** Round to what the device and the driver take; 0 means VMA_RX_WRE or VMA_TX_WRE. */
void port_desc(struct port *port, const struct port_queue_conf *conf, uint16_t *rx, uint16_t *tx);
/** Set up one receive queue. */
int port_setup_rx(struct port *port, uint16_t queue);

/** Whether the port is to spread by RSS, before it is configured: sets caps.rss. */
void port_rss_decide(struct port *port);
void port_rss_free(struct port *port);
/** A queue for rules where the PMD has such (rules.c); between configuration and start. */
void port_flow_queue(struct port *port);
/** The steps of a start, without effect where caps.rss is not set: before the configuration, before
 * the start, and after it, when what the device has not kept is done without (said once).
 */
void port_rss_configure(struct port *port, struct rte_eth_conf *conf);
void port_rss_prepare(struct port *port);
void port_rss_verify(struct port *port);
/** A queue of the running port got an owner, or has none any more. Rings are aside. */
void port_rss_rewrite(struct port *port);
/**
 * Share out the entries of a table evenly among these queues, with as few changes as possible; an
 * entry that is nobody's yet is UINT16_MAX.
 * @return entries that changed
 */
unsigned int port_rss_fill(
		uint16_t *table, unsigned int n, const uint16_t *queues, unsigned int n_queues);

/** Find address, MTU and network device; later the kernel's changes come by themselves. */
int port_addrs_init(struct port *port);
/** Open netlink, before the ports are found; follow it, and say who has no address, after. */
int port_kern_start(void);
int port_kern_follow(void);
void port_kern_stop(void);

int port_events_init(void);
void port_events_fini(void);
int port_events_add(struct port *port);
void port_events_del(struct port *port);
bool port_link_is_up(const struct port *port);
void port_changed(struct port *port);
void port_restarting(struct port *port, bool up);
/** Stop, and start again; callbacks before and after. Lock held. */
int port_restart(struct port *port, bool reset);

/** A PMD that opens files when its peer comes: look for them. */
void port_fork_connected(const struct port *port);

/** Put the multicast state back after a start. */
void port_mc_restore(struct port *port);

/** True when this EAL is ours. */
bool port_eal_is_ours(void);

/** Megabytes that EAL needs for the options' buffers where it cannot grow. */
unsigned int port_memory_wanted_mb(void);
/** Bytes in free huge pages of any size. */
uint64_t port_memory_huge_free(void);

/** Bytes that EAL can still give on this node, huge pages it has not taken yet included. */
uint64_t port_memory_free(int socket_id);

/** Words of a command line. */
struct port_args {
	int argc;
	char **argv; /**< ends with NULL */
};
/** Split as a shell does: blanks, single and double quotes, backslash. -EINVAL for an open quote.
 */
int port_args_split(const char *text, struct port_args *args);
int port_args_addf(struct port_args *args, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/** True when one of these options is there, up to NULL: "--name" (also "--name=...") or "-n...". */
bool port_args_has(const struct port_args *args, ...) __attribute__((sentinel));
/** The words with blanks between, in a buffer that is returned. */
char *port_args_text(const struct port_args *args, char *buf, size_t size);
void port_args_free(struct port_args *args);
/** Add drivers' device arguments, and what an EAL inside a library needs, unless it is there. */
int port_args_complete(struct port_args *args);
/** EAL passes over devices that do not start: 0 when all that are named did, else one log line. */
int port_args_check_devices(const struct port_args *args);

#endif
