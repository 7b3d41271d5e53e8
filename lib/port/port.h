/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: the ethdevs that dpvma works on, what each can do (found by trying, never assumed from the
 * name), the kernel's network device behind one, its addresses, its queues and its events.
 *
 * Control path. A port's queue set is changed under port_lock(); the data path uses only the ids.
 */
#ifndef DPVMA_PORT_H
#define DPVMA_PORT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ethdev.h>
#include <rte_flow.h>

#include "base/base.h"
#include "conf/conf.h"

#define PORT_MAX 32
#define PORT_ADDRS_MAX 32
#define PORT_QUEUES_MAX 1024

/** What the kernel sees of the frames that arrive at a port. */
enum port_kernel {
	KERNEL_NONE, /**< no network device behind it: memif, ring, virtio-user, null, pcap files */
	KERNEL_PEER, /**< the device is the other end of the wire: tap */
	KERNEL_COPIES, /**< it sees a copy of every frame: af_packet, pcap on an interface */
	KERNEL_RESTS,  /**< it gets what no rule takes: mlx5, isolated */
	KERNEL_BLIND,  /**< it has the device, but the port takes every frame: af_xdp */
};

struct port;
struct port_queue_conf;

/** From where a PMD sends, other than from packet buffers and EAL's memory. */
enum port_sends_from {
	PORT_SENDS_OWN,	       /**< nowhere else, or nobody has tried */
	PORT_SENDS_REGISTERED, /**< from what ring_memory_add() has told it of */
	PORT_SENDS_ANY,	       /**< from anywhere: it copies while it sends */
};

/**
 * What is particular to one PMD. A driver file in drivers/net fills one and registers it with
 * PORT_DRIVER_REGISTER(); "generic" serves every PMD that none names. Any member may be NULL.
 */
struct port_driver {
	const char *name; /**< rte_eth_dev_info.driver_name, e.g. "mlx5_pci" */
	enum port_kernel kernel;
	bool trusts_sender;   /**< checksums need no check: the wire is this machine's memory */
	bool handles_scatter; /**< frames longer than a buffer arrive as segments */
	bool stop_is_final;   /**< once stopped it cannot be started again: never restart it */
	bool keeps_queues;    /**< a single receive queue cannot be stopped */
	bool idle_hash;	      /**< what it says of RSS moves no packet */
	bool own_translation; /**< the device takes virtual addresses, with or without an IOMMU */
	enum port_sends_from sends_from;
	/** Buffers after which it asks the device to tell what has been sent, and frees them: fewer
	 * than that at the end of a burst stay where they are until more is sent. 0: it frees at
	 * once. */
	uint16_t tx_tells;
	uint32_t vendor; /**< of devices that programs know by number: IEEE's of the vendor, as
			  *   verbs tell it; 0: such programs know none of them */
	/** Device arguments to add to those given for the device (EAL started by us), "" for none.
	 */
	void (*devargs)(const char *given, char *extra, size_t len);
	/** Whether it drives this PCI device, so that EAL is told of it with these arguments. */
	bool (*pci)(uint16_t vendor, uint16_t device);
	/** Called for each of its ethdevs before any becomes a port: those that it is made of are
	 * made its parts. 0, or a negative errno with one log line.
	 */
	int (*gather)(uint16_t id);
	/** The ethdevs that it is made of, no ports of their own: how many were written to @p ids.
	 */
	uint16_t (*parts)(uint16_t id, uint16_t *ids, uint16_t n);
	/** The kernel's network device, asked when dev_info has none; 0: none. */
	uint32_t (*netdev)(uint16_t id);
	/** Asked by port_poll(), and when a part has an event: whether frames for the port must
	 * take another way from now on, which switches learn from an announcement.
	 */
	bool (*moved)(struct port *port);
	/** Whether frames go through already when the link is up; in port_poll(), too. */
	bool (*carries)(const struct port *port);
	/** Called once, right after the port was found and before it is configured: isolation etc.
	 */
	int (*probe)(struct port *port);
	/** Last word on the configuration before rte_eth_dev_configure(). */
	void (*configure)(struct port *port, struct rte_eth_conf *conf);
	/** Bytes that the PMD writes in front of a received frame, into the buffer's headroom. */
	uint16_t rx_prefix;
	/** Last word on one receive queue before rte_eth_rx_queue_setup(). */
	void (*rx_queue)(struct port *port, const struct port_queue_conf *q,
			struct rte_eth_rxconf *rx, uint16_t *nb_desc);
	/**
	 * The stride of the device's striding queues, and strides in one buffer; false when the
	 * device fills one buffer a packet. Asked when the port has started.
	 */
	bool (*striding)(const struct port *port, uint32_t *stride, uint32_t *strides);
	/**
	 * Descriptors a queue must have at least for the queues to stride, 0 when they will not;
	 * asked before the port is configured.
	 */
	uint32_t (*striding_desc)(const struct port *port);
	/** Bytes that a receive queue of so many descriptors takes besides its mbufs. */
	uint64_t (*queue_bytes)(const struct port *port, uint16_t n_queues, uint16_t rx_desc);
	/**
	 * The longest frame that segments may be put together to, of at most @p max bytes, in
	 * queues of so many descriptors with buffers of @p room bytes behind the headroom; 0: no
	 * LRO.
	 */
	uint32_t (*lro_size)(
			const struct port *port, uint16_t rx_desc, uint32_t room, uint32_t max);
	/** tso_segsz of a frame put together is its length, headers too, by segments. */
	bool lro_whole;
	TAILQ_ENTRY(port_driver) next;
};
void port_driver_register(struct port_driver *driver);
/** For a driver's probe(): leave to the kernel what no rule takes; KERNEL_BLIND where that cannot
 * be. */
void port_isolate(struct port *port);
#define PORT_DRIVER_REGISTER(drv)                                                                  \
	static void __attribute__((constructor, used)) register_##drv(void)                        \
	{                                                                                          \
		port_driver_register(&drv);                                                        \
	}

/** Found at run time. */
struct port_caps {
	uint16_t max_rx_queues, max_tx_queues;
	uint16_t max_mtu;     /**< bytes of IP packet that the device takes and gives */
	uint64_t rx_offloads; /**< RTE_ETH_RX_OFFLOAD_*, those that we enabled */
	uint64_t tx_offloads;
	bool flow;	       /**< a 5-tuple UDP rule could be created */
	bool flow_mark;	       /**< with a MARK action */
	uint32_t flow_queue;   /**< rules that flow queue 0 takes at a time; 0: no such queue, rules
				*   are made one by one */
	bool isolated;	       /**< nothing arrives but what a rule takes */
	bool rss;	       /**< without rules: a hash spreads packets by a table of ours */
	bool rx_interrupt;     /**< an Rx interrupt could be enabled and armed */
	bool runtime_rx_queue; /**< a queue may be set up while the port runs */
	bool striding;	       /**< receive queues stride: one buffer, many packets */
	uint32_t stride, strides; /**< bytes a stride, strides a buffer; 0 without striding */
	bool lro;		  /**< segments of a TCP stream arrive put together */
	bool hw_timestamp;	  /**< Rx timestamps by the device */
	bool tx_scheduled;	  /**< frames may be given a time of CLOCK_REALTIME to leave at */
	bool tx_fast_free;	  /**< offered; never enabled, as packets have several pools */
	bool tx_multi_seg;
	bool tx_tso; /**< TCP segmentation, of chains and with all checksums; VMA_TSO allows it */
};

struct port_addr {
	struct ip_addr addr;
	struct ip_addr broadcast; /**< any: none */
	uint8_t prefix;
	uint16_t vlan_id; /**< 0: untagged */
	uint32_t ifindex; /**< of the kernel's device (a VLAN has its own), 0 without one */
};

/** One receive and transmit queue pair, as a ring asks for it. */
struct port_queue_conf {
	uint16_t rx_desc, tx_desc; /**< 0: the port's default (VMA_RX_WRE, VMA_TX_WRE) */
	struct rte_mempool *pool;  /**< where received packets go */
	bool striding;	      /**< for a cyclic ring: the device's strides, or an ordered pool */
	uint32_t min_strides; /**< strides that must be posted at least */
	bool lro;	      /**< for TCP, which wants its segments put together (DPVMA_LRO) */
	/** The caller has another pool to offer: a refusal is said at level debug, no number of the
	 * port is lowered for it.
	 */
	bool tentative;
};

struct port {
	/* read by the data path */
	uint16_t id;	/**< ethdev port */
	uint16_t index; /**< in dpvma's own table, 0... */
	uint16_t mtu;	/**< IP packet bytes */
	uint16_t n_addrs;
	struct rte_ether_addr mac;
	bool up; /**< started, and the link is up to the PMD and to the kernel's device */
	bool ip_rx_checksum; /**< the device checks IPv4 header checksums */
	bool l4_rx_checksum; /**< the device checks UDP and TCP checksums */
	bool trusts_sender;  /**< unchecked checksums are taken as good */
	bool needs_bursts;   /**< wants both burst functions called every 100 ms, traffic or not */
	enum port_kernel kernel;
	struct port_caps caps;
	struct port_addr addrs[PORT_ADDRS_MAX];

	/* control */
	const struct port_driver *driver;
	enum port_sends_from sends_from;
	char name[RTE_ETH_NAME_MAX_LEN];
	uint32_t ifindex; /**< 0 without a kernel device */
	char netdev[IF_NAMESIZE];
	const struct conf_port *conf; /**< NULL when the configuration does not name it */
	int socket_id;
	bool started;
	uint32_t generation; /**< grows when addresses, link or MTU change */
	void *priv;	     /**< of the driver file */
	struct port_queues *queues;
	uint16_t n_queues; /**< pairs configured now, owned by a ring or spare */
};

/**
 * Take every ethdev there is now (or those that DPVMA_PORTS names) as a port: match the driver,
 * read capabilities, find the network device and addresses. Starts nothing that keeps running: a
 * port with flow rules or striding queues is started and stopped again, to see what is true of it.
 * EAL must be up. Follows the kernel's network devices (kern_start()) when a port has one.
 *
 * @return number of ports, or -ENODEV with one log line that says what to give when there is none;
 *         a port in the configuration that does not exist: -ENODEV, the line names it and what
 * exists
 */
int ports_init(void);
/** Stop and close what we started; kernel keeps its device. */
void ports_fini(void);

/**
 * Do what ethdev events and the passing of time ask for: link changes, removal, reset. Called by
 * one control thread, at least every 100 ms, or when port_event_fd() becomes readable. Runs the
 * change and restart callbacks. Kernel events come by kern_poll().
 */
void port_poll(void);
/** Readable when a device has an event for port_poll(); -1 before ports_init(). */
int port_event_fd(void);

/** Held by port_queue_get() and port_queue_put(), and around a restart; recursive. */
void port_lock(struct port *port);
void port_unlock(struct port *port);

unsigned int port_count(void);
struct port *port_get(unsigned int index);
struct port *port_by_ethdev(uint16_t id);
struct port *port_by_name(const char *name); /**< ethdev name, PCI address or network device */
struct port *port_by_ifindex(uint32_t ifindex);
/** The port that has this local address, NULL for none. */
struct port *port_by_addr(const struct ip_addr *addr);
const struct port_addr *port_addr_find(const struct port *port, const struct ip_addr *addr);
/** The address of the port to use towards @p dst: on the same network first; NULL without any. */
const struct port_addr *port_source(const struct port *port, const struct ip_addr *dst);

/**
 * A queue pair for a ring: starts the port with the first; later takes a spare pair that fits, sets
 * one up where the PMD can while running, else restarts the port with more (@ref port_on_restart
 * subscribers lock their rings and put their rules back). The ids of queues in use never change.
 *
 * How many pairs the port is configured with is DPVMA_QUEUES, which is also the most that it gives;
 * without it, four to start with on a port with flow rules or RSS, and more on demand up to what
 * the device, VMA_RING_LIMIT_PER_INTERFACE and the buffers allow; one on a port without, where a
 * second ring shares the first. All of them but those in use are spare: on a port without flow
 * rules packets may arrive there too, so whoever polls queue 0 polls them (@ref port_spares). With
 * RSS they come to queues in use only, but for queue 0 and for what was on its way.
 *
 * Default descriptor numbers shrink to what the device and the pool allow (said at level debug).
 *
 * @return the queue id (Rx and Tx alike), or -ENOSPC (no queue left: share a ring), -ENOMEM
 *         (memory, one log line names VMA_RX_BUFS / VMA_RX_WRE and what would do), or the PMD's
 * error
 */
int port_queue_get(struct port *port, const struct port_queue_conf *conf);
/**
 * Give it back; the pair is stopped where the PMD can, and kept as a spare. The PMD keeps buffers
 * of its pool: the pool must live on, at best for the next ring that asks with the same pool, until
 * port_pool_used() is false.
 */
void port_queue_put(struct port *port, uint16_t queue);
/** True while any queue is set up with this pool. */
bool port_pool_used(const struct rte_mempool *pool);

/**
 * The running queues without an owner, whose packets somebody must poll: those of a port without
 * flow rules (with rules, nothing arrives there; with RSS, at queue 0 and where a ring was).
 * Changes with port_queue_get() and _put().
 * @return how many were written to @p queues, which has room for @p n
 */
unsigned int port_spares(struct port *port, uint16_t *queues, unsigned int n);

/**
 * Called around a restart, and on a port without flow rules whenever a queue becomes spare or is
 * one no more, port_lock() held: before with @p up false (rules are destroyed and no queue is
 * touched from then on), after with true. When the port could not be started again, the second call
 * comes too, with port->started false: no queue may be used.
 */
typedef void (*port_restart_cb)(struct port *port, bool up, void *ctx);
/** @return 0, -ENOMEM; registering the same pair again changes nothing */
int port_on_restart(port_restart_cb cb, void *ctx);
/** Called when addresses, link, MTU changed or the device went away. */
typedef void (*port_change_cb)(struct port *port, void *ctx);
/** @return 0, -ENOMEM; registering the same pair again changes nothing */
int port_on_change(port_change_cb cb, void *ctx);
/** Take callbacks with this context away. */
void port_off(void *ctx);

/** What programs know a device by, as verbs tell it. */
struct port_ids {
	uint32_t vendor, part;
};
/** @return 0, -EOPNOTSUPP (no device that programs know by numbers), -ENODEV (it is gone) */
int port_ids(const struct port *port, struct port_ids *ids);

/** DPVMA_STEERING leaves it to the port whether it has rules. */
static inline bool
port_may_use_rules(void)
{
	return conf()->steering == CONF_STEERING_AUTO || conf()->steering == CONF_STEERING_RULES;
}

/** @name Ports that spread by RSS (rss.c) */
/** @{ */
/** Of a packet that arrives: IPv4, numbers in network order. */
struct port_tuple {
	struct ip_addr remote, local;
	uint16_t rport, lport;
	uint8_t proto; /**< IPPROTO_UDP, IPPROTO_TCP */
};
/**
 * The queue at which such a packet arrives, whole and in a frame that the device parses. Any thread
 * but one that holds a ring's lock; good until a queue of the port changes hands.
 * @return -ENOTSUP: the port does not spread (caps.rss), or not by such a tuple
 */
int port_rss_queue(struct port *port, const struct port_tuple *tuple);
/**
 * Change the last bits of the local port number so that answers arrive at @p queue. A number that
 * does so stays as it is; others become one of several, by what they were. Who needs another number
 * asks with another. Threads as port_rss_queue().
 * @return false: there is none, or the port does not spread
 */
bool port_rss_fit(struct port *port, struct port_tuple *tuple, uint16_t queue);
/** @} */

/** Rx interrupt of a queue as an fd to poll; -ENOTSUP where there is none. */
int port_rx_fd(struct port *port, uint16_t queue);

/** Let multicast frames of this MAC in: MAC filter, else allmulticast, else promiscuous. Counted.
 */
int port_mc_add(struct port *port, const struct rte_ether_addr *mac);
void port_mc_del(struct port *port, const struct rte_ether_addr *mac);

/**
 * Start EAL from DPVMA_EAL_ARGS, with what drivers and the memory type add, in a thread of its own:
 * the caller's affinity, signal mask and lcore id stay as they are, nothing goes to standard
 * output.
 *
 * @param program argv[0], NULL for "dpvma"
 * @return 0; -EALREADY when the program has started one; else EAL's errno or -EINVAL for arguments
 *         that cannot be read, with one log line
 */
int port_eal_start(const char *program);
/** End the EAL that port_eal_start() started, after ports_fini(); nothing stays behind. */
void port_eal_stop(void);
/** What EAL, huge pages and memory amount to, one info line at start. */
void port_memory_report(void);

/** @name Children of fork(), unless VMA_FORK=0 (fork.c) */
/** @{ */
/** Around calls into EAL and PMDs that may open files or map them; may be nested. */
void port_fork_watch(void);
/** What was opened since is closed by exec and in a child, and no mapping of it is inherited. */
void port_fork_keep(void);
/** The same of one file. */
void port_fork_own(int fd);
/** It is closed elsewhere; in handlers and under locks, too. */
void port_fork_disown(int fd);
/** close() of a file of which port_fork_own() was told. */
void port_fork_close(int fd);
/** Another file has the number of one that is known here. */
bool port_fork_is_gone(int fd);
/** To be told, under a lock, which numbers are known and which are not any more. */
void port_fork_tell(void (*told)(int fd, bool own));
/** EAL's memory is not inherited; of an EAL that is ours. */
void port_fork_spare_memory(void);
/** For pthread_atfork(): nothing is opened between these, and the child closes what is known. */
void port_fork_prepare(void);
void port_fork_parent(void);
/** Makes no call that is not async-signal-safe. */
void port_fork_child(void);
/** @} */

#endif
