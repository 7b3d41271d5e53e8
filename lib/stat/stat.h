/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters: each declared once here, with the text that help, documentation and telemetry print.
 * A block of counters belongs to one owner (a ring, a socket, a cyclic reader) and is written under
 * the owner's lock, so counting is a plain add.
 */
#ifndef DPVMA_STAT_H
#define DPVMA_STAT_H

#include <stdint.h>
#include <stdio.h>

/* clang-format off */
/** What a ring counts. X(name, help) */
#define RING_COUNTERS(X)                                                                           \
	X(rx_packets, "packets taken from the receive queue")                                      \
	X(rx_bytes, "bytes of those packets, from the Ethernet header")                            \
	X(rx_bursts, "receive bursts that brought at least one packet")                            \
	X(rx_empty, "receive bursts that brought none")                                            \
	X(tx_packets, "packets given to the transmit queue")                                       \
	X(tx_bytes, "bytes of those packets, from the Ethernet header")                            \
	X(tx_full, "packets dropped because the transmit queue was full")                          \
	X(tx_no_mbuf, "packets not sent for want of a transmit buffer (VMA_TX_BUFS)")              \
	X(tx_no_neighbour, "packets dropped because their next hop did not answer")                \
	X(handover_in, "packets that another ring received for a flow of this one")                \
	X(handover_out, "packets handed to the ring that owns their flow")                         \
	X(handover_full, "packets dropped because that ring did not take them (DPVMA_HANDOVER)")   \
	X(drop_short, "frames too short for the headers they announce")                            \
	X(drop_ethertype, "frames of an Ethernet type or VLAN that nobody here uses")              \
	X(drop_not_ours, "packets for a MAC or IP address that is not this port's")                \
	X(drop_ip_header, "IPv4 headers with a wrong version, length or option")                   \
	X(drop_ip_checksum, "IPv4 headers with a wrong checksum")                                  \
	X(drop_protocol, "IP packets of a protocol that nobody here uses")                         \
	X(drop_udp_length, "UDP datagrams whose length does not fit the packet")                   \
	X(drop_udp_checksum, "UDP datagrams with a wrong checksum")                                \
	X(drop_no_socket, "datagrams for a port that no socket is bound to")                       \
	X(drop_source_filter, "multicast datagrams whose source no socket of the group accepts")   \
	X(drop_fragment, "fragments dropped: malformed, timed out, or no room to wait")            \
	X(fragments_in, "fragments received")                                                      \
	X(reassembled, "datagrams put together from fragments")                                    \
	X(icmp_in, "ICMP messages received")                                                       \
	X(icmp_unreachable_out, "ICMP port unreachable messages sent")                             \
	X(arp_in, "ARP messages received")                                                         \
	X(igmp_in, "IGMP messages received")                                                       \
	X(rules, "steering rules in the device")                                                   \
	X(rules_refused, "steering rules the device refused, so that software steers")             \
	X(sleeps, "times a thread slept for this ring")                                            \
	X(migrations, "sockets that moved to this ring from another")                              \
	X(tx_too_big, "packets dropped because they exceed the MTU and may not be fragmented")     \
	X(drop_tcp, "TCP segments with a wrong length or checksum")                                \
	X(drop_icmp, "ICMP and IGMP messages that are malformed or have a wrong checksum")         \
	X(drop_arp, "ARP messages that are malformed or claim an address of ours")

/** What a socket counts. */
#define SOCK_COUNTERS(X)                                                                           \
	X(rx_packets, "datagrams delivered to the socket's queue")                                 \
	X(rx_bytes, "payload bytes delivered to the socket's queue")                               \
	X(rx_read, "datagrams the application has read")                                           \
	X(rx_truncated, "datagrams cut because the application's buffer was too small")            \
	X(rx_drop_full, "datagrams dropped because the queue was full (SO_RCVBUF)")                \
	X(rx_os, "datagrams that came through the kernel's socket")                                \
	X(rx_poll_hit, "blocking receives that found data while polling")                          \
	X(rx_poll_miss, "blocking receives that had to sleep")                                     \
	X(rx_eagain, "non-blocking receives that found nothing")                                   \
	X(tx_packets, "datagrams sent")                                                            \
	X(tx_bytes, "payload bytes sent")                                                          \
	X(tx_drop, "datagrams dropped on sending: queue full, no buffer, no neighbour")            \
	X(tx_eagain, "non-blocking sends that were refused")                                       \
	X(tx_os, "datagrams sent through the kernel's socket")                                     \
	X(errors, "asynchronous errors (ICMP) recorded on the socket")

/** What a cyclic reader counts. */
#define CYCLIC_COUNTERS(X)                                                                         \
	X(packets, "packets returned by reads")                                                    \
	X(bytes, "bytes returned by reads")                                                        \
	X(reads, "reads that returned packets")                                                    \
	X(reads_empty, "reads that returned none")                                                 \
	X(runs, "runs of packets at consecutive strides")                                          \
	X(copies, "packets that were copied")                                                      \
	X(break_buffer_end, "runs ended by the end of a striding buffer")                          \
	X(break_wrap, "runs ended by the wrap of the copy buffer or the stride pool")              \
	X(break_gap, "runs ended by an address that is not the next stride")                       \
	X(break_copied, "runs ended by a packet the driver copied out of its stride")              \
	X(break_segments, "runs ended by a packet of several segments")                            \
	X(break_foreign, "runs ended by a packet for somebody else")                               \
	X(break_bad, "runs ended by a packet with a bad checksum or length")                       \
	X(break_size, "runs ended by a packet of more than one stride")                            \
	X(break_max, "runs ended by the reader's maximum")                                         \
	X(break_idle, "runs ended because no packet was waiting")                                  \
	X(drop_oversize, "packets larger than the profile allows")                                 \
	X(drop_bad, "packets with a bad checksum, consumed")                                       \
	X(drop_unread, "packets nobody read, dropped as ordinary sockets share their ring")        \
	X(pool_low, "reads during which the pool of striding buffers ran low")
/* clang-format on */

#define STAT_ENUM_RING(name, help) RING_STAT_##name,
#define STAT_ENUM_SOCK(name, help) SOCK_STAT_##name,
#define STAT_ENUM_CYCLIC(name, help) CYCLIC_STAT_##name,
enum ring_stat { RING_COUNTERS(STAT_ENUM_RING) RING_STAT_MAX };
enum sock_stat { SOCK_COUNTERS(STAT_ENUM_SOCK) SOCK_STAT_MAX };
enum cyclic_stat { CYCLIC_COUNTERS(STAT_ENUM_CYCLIC) CYCLIC_STAT_MAX };
#undef STAT_ENUM_RING
#undef STAT_ENUM_SOCK
#undef STAT_ENUM_CYCLIC

struct ring_stats {
	uint64_t c[RING_STAT_MAX];
};
struct sock_stats {
	uint64_t c[SOCK_STAT_MAX];
};
struct cyclic_stats {
	uint64_t c[CYCLIC_STAT_MAX];
};

/** STAT_ADD(&ring->stats, RING, rx_packets, n) */
#define STAT_ADD(block, kind, name, n) ((block)->c[kind##_STAT_##name] += (n))
#define STAT_INC(block, kind, name) STAT_ADD(block, kind, name, 1)
#define STAT_GET(block, kind, name) ((block)->c[kind##_STAT_##name])

/** One kind of counter block, for everything that prints or exports one. */
struct stat_desc {
	const char *kind; /**< "ring", "socket", "cyclic" */
	unsigned int n;
	const char *const *names;
	const char *const *helps;
};
extern const struct stat_desc stat_ring, stat_sock, stat_cyclic;

/** "name value" pairs of the counters that are not zero, as one line with its end. */
void stat_print(FILE *f, const struct stat_desc *desc, const uint64_t *c);

/** A JSON object of all of them, without a newline. */
void stat_json(FILE *f, const struct stat_desc *desc, const uint64_t *c);

/** Markdown tables of every kind, for doc/counters.md. */
void stat_doc(FILE *f);

/**
 * Make counter blocks visible to rte_telemetry as /dpvma/KIND[,INDEX]. Called by the owner's room,
 * before or after EAL starts; again for a kind puts the new functions in place.
 *
 * @param get the block with that index, or NULL past the end; called from the telemetry thread
 * @param label a short text for the block with that index (may be NULL)
 * @return 0, -ENOSPC for too many kinds, or what telemetry says
 */
int stat_export(const struct stat_desc *desc, const uint64_t *(*get)(unsigned int index),
		void (*label)(unsigned int index, char *buf, size_t len));

#endif
