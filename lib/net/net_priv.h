/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share and nobody else sees: the state of a port, the lock of the slow
 * paths, and the functions by which the protocols reach each other.
 *
 * net_lock guards routes, neighbours, groups, path MTUs and half-assembled datagrams. It is taken
 * after a ring's rx_lock and before its tx_lock; with it held nothing calls into the rooms kern and
 * port, which have locks of their own.
 */
#ifndef DPVMA_NET_PRIV_H
#define DPVMA_NET_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_prefetch.h>

#include "kern/kern.h"
#include "net/net.h"

#define NET_VLAN_LEN ((uint16_t)sizeof(struct rte_vlan_hdr))
#define NET_IPV4_LEN ((uint16_t)sizeof(struct rte_ipv4_hdr))
#define NET_UDP_LEN ((uint16_t)sizeof(struct rte_udp_hdr))
#define NET_VID_MASK 0xfff
/** Every device and peer takes an IP packet of this length (RFC 791). */
#define NET_MTU_MIN 68

/** @name Ports */
/** @{ */
struct igmp;   /* its groups */
struct joined; /* and the set of their addresses */

/** Answers that may be sent now: a flood gets no flood (RFC 1812 4.3.2.8). */
struct net_limit {
	uint32_t tokens;
	uint64_t ms; /**< when tokens were added; 0: never */
};

/** What this room keeps of a port. */
struct net_port {
	/* read by every burst; renewed from the port when its generation has grown */
	uint32_t seen;	   /**< port->generation + 1 */
	uint64_t mac;	   /**< as the frame's first six bytes lie in a word */
	uint64_t src_bits; /**< of addresses no packet comes from, see net_src_bit() */
	const struct joined *joined;

	/* slow paths, under net_lock */
	struct igmp *igmp;
	bool was_up;	    /**< when the port's last change was told */
	uint32_t announced; /**< port->generation + 1 for which gratuitous ARP was sent */
	uint32_t announce_again;
	uint64_t announce_ms;
	uint64_t alive_ms, alive_polls; /**< of a port that needs bursts */
	uint64_t conflict_ms;		/**< when the last address conflict was logged */
	struct net_limit errors;	/**< ICMP errors that may be sent */
	struct net_limit resets;	/**< RSTs for segments without a flow */
};
extern struct net_port net_ports[PORT_MAX];

void net_port_refresh(struct net_port *np, const struct port *port);

static inline struct net_port *
net_port_of(const struct port *port)
{
	struct net_port *np = &net_ports[port->index];

	if (unlikely(np->seen != port->generation + 1))
		net_port_refresh(np, port);
	return np;
}

/** Which bit of src_bits our or a broadcast address sets: neighbouring addresses differ in their
 * last byte. */
static inline uint64_t
net_src_bit(uint32_t be)
{
	return UINT64_C(1) << (((const uint8_t *)&be)[3] & 63);
}

/** Which port and VLAN a device of the kernel is; false for none of ours. */
bool net_device(uint32_t ifindex, struct port **port, uint16_t *vlan_id);
/** The VLAN's own address of the port that lies on the network of @p dst, else its first; or NULL.
 */
const struct port_addr *net_source(
		const struct port *port, uint16_t vlan_id, const struct ip_addr *dst);
/** The VLAN's address of the port that equals @p addr; NULL for none. */
const struct port_addr *net_own(
		const struct port *port, uint16_t vlan_id, const struct ip_addr *addr);
/** 255.255.255.255, or the broadcast address of a network of the port. */
bool net_is_broadcast(const struct port *port, uint16_t vlan_id, const struct ip_addr *addr);

/** True when nobody else answers ARP, echo and IGMP queries on this port. */
static inline bool
net_answers(const struct port *port)
{
	return port->kernel != KERNEL_RESTS && port->kernel != KERNEL_COPIES;
}
/** @} */

/** @name State of the room */
/** @{ */
extern pthread_mutex_t net_lock;
/** The time of the last net_progress(), in its clock. */
extern _Atomic uint64_t net_now;

/** VMA_RX_PREFETCH_BYTES as it was at the start. */
extern uint32_t net_gro_streams; /**< VMA_GRO_STREAMS_MAX */
extern uint16_t net_prefetch;

static inline void
net_changed(void)
{
	__atomic_fetch_add(&net_generation, 1, __ATOMIC_RELEASE);
}

/** 0 <= result < @p below; for the delays that protocols want random. */
uint32_t net_random(uint32_t below);
void net_random_seed(uint64_t seed);
/** @} */

/** @name Packets */
/** @{ */
/** The first @p len bytes in one piece, moved there if need be; false when they cannot be. */
bool net_pull(struct rte_mbuf *m, uint16_t len);
/** Cut the packet behind @p len bytes. */
void net_trim(struct rte_mbuf *m, uint32_t len);
/** Ones' complement sum of the packet from @p off on, 16 bits; 0xffff when a checksum is right. */
uint16_t net_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len);
/** The unfolded sum of both addresses and the protocol. */
uint32_t net_pseudo_sum(const struct rte_ipv4_hdr *ip);

static inline uint16_t
net_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/** Write Ethernet and, for a VLAN, its tag; returns bytes written. */
uint16_t net_link_header(void *frame, const struct rte_ether_addr *dst, const struct port *port,
		uint16_t vlan_id, uint16_t type_be);
/** An Ethernet multicast address for an IPv4 group (RFC 1112 6.4). */
struct rte_ether_addr net_group_mac(const struct ip_addr *group);
/** A transmit buffer of @p len bytes, their content undefined; NULL: counted. */
struct rte_mbuf *net_reply_buf(struct ring *ring, uint16_t len);
/** Send one packet of our own making, or drop it. */
void net_send(struct ring *ring, struct rte_mbuf *m);
/** Count on the transmit side outside of ring_tx(). */
void net_count_tx(struct ring *ring, enum ring_stat stat, unsigned int n);
/** Next value of the IPv4 identification field, @p n of them. */
uint16_t net_ip_id(uint16_t n);
/** Whether one more answer may be sent; takes net_lock. */
bool net_limit_take(struct net_limit *limit);
/** @} */

/** @name Input (parse.c, input.c) */
/** @{ */
/** A packet that is no plain UDP or TCP: takes it, or gives it back as one (reassembled). */
struct rte_mbuf *net_slow(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt);
/** NET_SLOW packets: what the parser saw. */
enum net_slow_kind { NET_SLOW_ARP = 1, NET_SLOW_FRAGMENT, NET_SLOW_ICMP, NET_SLOW_IGMP };
/** All checks that there are; net_parse() tries the short way first. */
enum net_verdict net_parse_slow(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt);
/**
 * A segment is good, and its packet may be of many (RTE_MBUF_F_RX_LRO), which are counted: its
 * tx_offload tells the lengths of the headers and, as tso_segsz, the data bytes of one of them.
 */
void net_coalesced(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt);
/**
 * Put segments of a run, all of one flow and good, together (gro.c). @return packets left of
 * @p n, the first ones of @p pkts
 */
uint16_t net_gro(struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
/** After reassembly: the transport header and its checksum. */
enum net_verdict net_parse_transport(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt);
/** A good datagram without a flow: counted, answered where that is ours to do, freed. */
void net_no_flow(struct ring *ring, struct rte_mbuf *m, const struct flow_key *key);
/** Whether the port has joined the group on that VLAN; no lock. */
bool net_joined(const struct port *port, uint16_t vlan_id, const struct ip_addr *group);
/** Packets that net_loopback() could not deliver at once. */
extern _Atomic uint32_t net_loop_waiting;
void net_loop_drain(struct ring *ring);
void net_loop_fini(void);
/** @} */

/** @name ARP and neighbours */
/** @{ */
enum neigh_state {
	NEIGH_INCOMPLETE, /**< being asked for */
	NEIGH_REACHABLE,  /**< answered not long ago */
	NEIGH_STALE,	  /**< usable; asked again when it is used */
	NEIGH_PROBE,	  /**< usable; being asked again */
	NEIGH_PERMANENT,  /**< from the configuration */
	NEIGH_FAILED,	  /**< did not answer */
};
#define NEIGH_MAX 4096
#define NEIGH_WAIT_MAX 8 /**< packets that wait with one neighbour */

struct neigh {
	struct ip_addr addr;
	struct port *port;
	uint16_t vlan_id;
	struct rte_ether_addr mac;
	enum neigh_state state;
	bool used;	/**< by a sender since it was last looked at; written without lock */
	bool kernel;	/**< the kernel resolves it */
	bool ask;	/**< the kernel has to be asked, outside of net_lock */
	uint8_t tries;	/**< requests sent in this attempt */
	uint8_t errors; /**< attempts that failed */
	uint64_t at_ms; /**< of the last change or request */
	uint32_t ifindex;
	uint8_t waiting_n;
	struct rte_mbuf *waiting[NEIGH_WAIT_MAX];
	LIST_ENTRY(neigh) hash;
	TAILQ_ENTRY(neigh) age;	   /**< all, the least recently changed first */
	TAILQ_ENTRY(neigh) active; /**< those with something to do soon */
	bool is_active;
};

void neigh_fini(void);
/** Read neighbours of the configuration. */
void neigh_configure(struct port *port);
/** The link has come up: what was asked before went nowhere. */
void neigh_link_up(const struct port *port);
/**
 * The link address of d->next_hop into d->hdr, or start to find it.
 * net_lock held.
 * @param[out] ask_ifindex device that the kernel has to resolve it on, once net_lock is free; or 0
 * @return 0; -EHOSTUNREACH; -ENOBUFS
 */
int neigh_resolve(struct net_dst *d, uint32_t *ask_ifindex);
/**
 * Frames complete but for the link address: sent when it is known, else kept.
 * @return frames sent or kept
 */
uint16_t neigh_hold(struct net_dst *d, struct ring *ring, struct rte_mbuf **frames, uint16_t n);
/** An ARP message named this pair. @p create when it asked for us, @p answer when it answered us.
 */
void neigh_heard(struct ring *ring, uint16_t vlan_id, const struct ip_addr *addr,
		const struct rte_ether_addr *mac, bool create, bool answer);
void neigh_kernel(const struct kern_neigh *kn, bool gone);
/** Retries, probes and what waits, for neighbours on the port of this ring. */
void neigh_timers(struct ring *ring, uint64_t now);
/** Turn reachable ones stale, probe those in use, forget those that are not; once a second. */
void neigh_age(uint64_t now);
void neigh_foreach(void (*cb)(const struct neigh *n, void *ctx), void *ctx);
const char *neigh_state_name(const struct neigh *n);

void arp_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt);
/** @param mac NULL: broadcast */
void arp_request(struct ring *ring, uint16_t vlan_id, const struct ip_addr *target,
		const struct ip_addr *sender, const struct rte_ether_addr *mac);
/** Tell the network our addresses when they are new (RFC 5227 2.3). */
void arp_announce(struct ring *ring, uint64_t now);
/** @} */

/** @name Multicast groups (group.c), IGMP (igmp.c) */
/** @{ */
#define ALL_HOSTS RTE_BE32(UINT32_C(0xe0000001)) /* 224.0.0.1 */
#define SOURCES_MAX 128 /**< of a group; a record of them all fits 576 bytes */

struct source {
	uint32_t addr;
	bool in;     /* in the filter's list now */
	bool asked;  /* by a pending group-and-source query */
	uint8_t rtx; /* reports in which its change has still to appear */
};

struct group {
	TAILQ_ENTRY(group) next;
	uint32_t addr;
	uint16_t vlan_id;
	bool member; /* else only kept until its leaving has been reported */
	bool exclude;
	uint8_t mode_rtx; /* reports of a changed filter mode that are still to be sent */
	unsigned int n;
	struct source src[SOURCES_MAX];
	uint64_t change_ms;  /* next report of changes; 0: none */
	uint64_t answer_ms;  /* answer to a query of this group; 0: none */
	bool answer_sources; /* of the sources marked asked only */
	bool last_reporter;  /* v2: our report was the last, so that we have to leave aloud */
};

struct igmp {
	TAILQ_HEAD(, group) groups;
	unsigned int n;
	uint8_t version; /* of the querier: 3 unless an older one is heard */
	uint64_t v1_until_ms, v2_until_ms;
	uint8_t robustness;
	uint32_t query_interval;
	uint64_t general_ms; /* answer to a general query; 0: none */
	uint64_t due_ms;     /* nothing is due before */
};

/** All net_lock held. */
struct group *group_find(const struct igmp *ig, uint16_t vlan_id, uint32_t addr);
void group_free(struct igmp *ig, struct group *g);
/** False for the one group of which nobody ever reports (RFC 3376 section 5). */
bool group_reported(const struct group *g);
/** Found or added; NULL: no room. */
struct source *group_source(struct group *g, uint32_t addr);
/** Forget sources that are neither in the filter nor to be reported. */
void group_tidy(struct group *g);
/** Nothing that changed will be reported. */
void group_hush(struct group *g);
void groups_fini(void);

void igmp_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt);
void igmp_timers(struct ring *ring, uint64_t now);
/** @} */

/** @name ICMP */
/** @{ */
void icmp_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt);
void icmp_port_unreachable(struct ring *ring, const struct rte_mbuf *m);
void icmp_fini(void);
/** Whoever asked for errors of that protocol hears of this one. */
void icmp_tell(const struct flow_key *key, const struct net_error *e);
/** net_lock held. A whole frame of ours is dropped, as its next hop does not answer. */
void lost_note(const struct rte_mbuf *m, uint16_t vlan_id);
/** Tell the transports of what was noted. No lock held. */
void lost_tell(void);
/** @} */

/** @name TCP without a transport */
/** @{ */
/** RST for a good segment to an address of ours, which nobody takes; @p m stays the caller's. */
void tcp_reset(struct ring *ring, const struct rte_mbuf *m, const struct flow_key *key);
/** @} */

/** @name Fragments */
/** @{ */
int fragment_init(void);
void fragment_fini(void);
/** A fragment in; the whole datagram out when it was the last one missing, else NULL. */
struct rte_mbuf *fragment_input(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt);
/** Drop what waited too long. @p ring counts it. */
void fragment_timers(struct ring *ring, uint64_t now);
/** Send a frame whose IP packet exceeds @p mtu. False when it could not be sent whole. */
bool fragment_send(struct ring *ring, struct rte_mbuf *frame, uint16_t l2_len, uint16_t mtu);
/**
 * Send a frame with TCP data of several segments (l2_len, l3_len, l4_len, tso_segsz and
 * RTE_MBUF_F_TX_TCP_SEG set) as segments.
 * @param offload the device sums them
 * @return 1 when all were accepted, else 0
 */
uint16_t segment_send(
		const struct net_dst *d, struct ring *ring, struct rte_mbuf *frame, bool offload);
/** @} */

/** @name Routes and path MTU */
/** @{ */
struct route {
	uint32_t table;
	struct ip_addr dst;
	uint8_t prefix;
	uint8_t type;	 /**< RTN_* */
	bool configured; /**< not the kernel's */
	uint16_t vlan_id;
	uint32_t metric;
	uint32_t ifindex;
	uint32_t mtu;
	struct port *port; /**< NULL: of no port of ours */
	struct ip_addr gateway, prefsrc;
};

void route_fini(void);
/** Routes that follow from the configuration and addresses of every port without a kernel device.
 */
void route_configure(void);
void route_kernel(const struct kern_route *kr, bool gone);
void route_kernel_rule(const struct kern_rule *kr, bool gone);
/** net_lock held. The best route by rules and tables; NULL for none. */
const struct route *route_lookup(const struct ip_addr *dst, const struct ip_addr *src,
		const struct port *port, uint32_t ifindex, uint8_t tos);
void route_foreach(void (*cb)(const struct route *r, void *ctx), void *ctx);

/** A router said that packets to @p dst may have only so many bytes. */
void pmtu_learn(const struct ip_addr *dst, uint16_t mtu, uint16_t tried);
/** net_lock held. At most @p mtu. */
uint16_t pmtu_get(const struct ip_addr *dst, uint16_t mtu);
void pmtu_timers(uint64_t now);
void pmtu_fini(void);
/** @} */

void telemetry_init(void);

#endif
