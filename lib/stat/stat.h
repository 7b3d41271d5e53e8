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
	X(lro_packets, "packets that the device had put together of several TCP segments")         \
	X(lro_segs, "TCP segments in them")                                                        \
	X(gro_packets, "packets put together here of several TCP segments of one burst")           \
	X(gro_segs, "TCP segments in them")                                                        \
	X(tx_packets, "packets given to the transmit queue")                                       \
	X(tx_bytes, "bytes of those packets, from the Ethernet header")                            \
	X(tx_tso, "of those packets, TCP packets that the device cuts into segments (VMA_TSO)")    \
	X(tx_tso_segs, "segments that the device makes of them")                                   \
	X(tx_gso, "TCP packets that librte_gso cut into segments, as the device cuts none")        \
	X(tx_gso_segs, "segments made of them")                                                    \
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
	X(rules_extra, "steering rules made for accepted connections that stay")                   \
	X(rules_shared, "connections begun by a wider rule, as the device refused one of theirs")  \
	X(sleeps, "times a thread slept for this ring")                                            \
	X(migrations, "sockets that moved to this ring from another")                              \
	X(tx_too_big, "packets dropped because they exceed the MTU and may not be fragmented")     \
	X(drop_tcp, "TCP segments with a wrong length or checksum")                                \
	X(drop_icmp, "ICMP and IGMP messages that are malformed or have a wrong checksum")         \
	X(drop_arp, "ARP messages that are malformed or claim an address of ours")                 \
	X(drop_no_listener, "TCP segments for a port on which nobody listens")                     \
	X(resets_out, "RSTs sent for such segments where no kernel answers for the port")          \
	X(spread_refused, "RSS rules the device refused, so that software spreads")                \
	X(spread_soft, "packets led to another ring of several for their key (DPVMA_SPREAD)")      \
	X(source_port_misses, "connections whose answers the port's hash brings to another ring")  \
	X(rx_lock_waits, "times somebody had to wait for the receive queue")                       \
	X(rx_lock_busy, "times a poller went on because another thread had the receive queue")     \
	X(tx_lock_waits, "times a sender had to wait for the transmit queue")                      \
	X(strays_handed, "TCP segments that came here for a connection of another ring")

/** What a socket counts. */
#define SOCK_COUNTERS(X)                                                                           \
	X(rx_packets, "datagrams delivered to the socket's queue, or segments received")          \
	X(rx_bytes, "payload bytes delivered to the socket's queue")                               \
	X(rx_read, "datagrams the application has read")                                           \
	X(rx_truncated, "datagrams cut because the application's buffer was too small")            \
	X(rx_drop_full, "datagrams dropped because the queue was full (SO_RCVBUF)")                \
	X(rx_os, "datagrams or connections that came through the kernel's socket")                \
	X(rx_poll_hit, "blocking calls that found what they waited for while polling")            \
	X(rx_poll_miss, "blocking calls that had to sleep")                                       \
	X(rx_eagain, "non-blocking receives that found nothing")                                   \
	X(tx_packets, "datagrams or segments sent")                                               \
	X(tx_bytes, "payload bytes sent, or taken to be sent")                                    \
	X(tx_drop, "datagrams dropped on sending: queue full, no buffer, no neighbour")            \
	X(tx_eagain, "non-blocking sends that were refused")                                       \
	X(tx_paced, "sends that had to wait for their time (SO_MAX_PACING_RATE)")                  \
	X(tx_scheduled, "datagrams that the device was given ahead of their time")                 \
	X(tx_os, "datagrams sent through the kernel's socket")                                     \
	X(errors, "asynchronous errors (ICMP) recorded on the socket")                             \
	X(err_drop, "entries of the error queue dropped because it was full")                      \
	X(tx_zerocopy, "sends with MSG_ZEROCOPY from the application's memory, without a copy")    \
	X(tx_zerocopy_copied, "sends with MSG_ZEROCOPY that were copied, in whole or in part")     \
	X(rx_callback_drop, "packets that the receive callback dropped")                           \
	X(rx_callback_hold, "packets that the receive callback kept")                              \
	X(rx_lent, "packets handed out without a copy: recvfrom_zcopy, socketxtreme, HOLD")        \
	X(rx_lent_back, "of these, packets given back")                                            \
	X(rx_queue_waits, "times delivery and a reader of datagrams met at the socket's queue")

/** What the extra API counts of calls that it refuses: each is a mistake of the program. */
#define EXTRA_COUNTERS(X)                                                                          \
	X(unknown_buffer, "buffers given back that are none of ours")                              \
	X(given_back_twice, "buffers given back that the application did not have")                \
	X(foreign_buffer, "buffers given back by another socket or call than lent them")           \
	X(free_in_callback, "packets given back from within a receive callback")                   \
	X(stale_ring, "calls with a descriptor that is no ring, or none any more")

/** What a TCP engine counts. */
#define TCP_COUNTERS(X)										   \
	X(segs_in, "segments received, those put together by LRO or GRO counted one by one")	   \
	X(bytes_in, "payload bytes received in order")						   \
	X(segs_out, "segments sent, those that the device splits counted one by one")		   \
	X(bytes_out, "payload bytes sent, those sent again included")				   \
	X(acks_out, "segments sent without data")						   \
	X(retransmits, "segments sent again")							   \
	X(retransmit_copies, "segments copied to be sent again, as the device still held the first") \
	X(opens_active, "connections begun by connect")						   \
	X(opens_passive, "connections begun by a peer")						   \
	X(established, "handshakes completed")							   \
	X(accepted, "connections taken by accept")						   \
	X(resets_in, "connections ended by a good RST")						   \
	X(resets_out, "RST segments sent")							   \
	X(timeouts, "connections ended because the peer did not answer")			   \
	X(rtos, "retransmission timeouts")							   \
	X(tlp_probes, "tail loss probes sent")							   \
	X(tlp_recoveries, "losses that a tail loss probe repaired")				   \
	X(rack_timeouts, "times the reordering window ran out")					   \
	X(recoveries, "fast recoveries begun")							   \
	X(undos, "recoveries and timeouts that proved spurious and were undone")		   \
	X(frto_spurious, "timeouts found spurious by F-RTO")					   \
	X(limited_transmit, "new segments sent on early duplicate acknowledgements")		   \
	X(dsacks_in, "duplicate SACK blocks received")						   \
	X(dsacks_out, "duplicate SACK blocks sent")						   \
	X(sacks_in, "acknowledgements with SACK blocks")					   \
	X(dup_acks_in, "duplicate acknowledgements received")					   \
	X(delayed_acks, "acknowledgements that the timer sent")					   \
	X(window_updates, "acknowledgements sent because the application had read")		   \
	X(zero_windows_in, "times the peer closed its window")					   \
	X(zero_window_probes, "probes of a closed window sent")					   \
	X(zero_windows_out, "times our window closed")						   \
	X(keepalives_out, "keepalive probes sent")						   \
	X(time_wait_reused, "connections in TIME-WAIT that a new SYN replaced")			   \
	X(syn_cookies_out, "SYN cookies sent because the listener's queue was full")		   \
	X(syn_cookies_in, "connections made from a good SYN cookie")				   \
	X(ecn_ce_in, "segments that arrived marked Congestion Experienced")			   \
	X(ecn_reduced, "times the window was reduced for ECN-Echo")				   \
	X(pmtu_reduced, "segment sizes reduced by ICMP")					   \
	X(black_holes, "segment sizes reduced because large segments vanished")			   \
	X(urgent_in, "urgent pointers that announced new urgent data")				   \
	X(ooo_in, "segments received out of order and kept")					   \
	X(ooo_pruned, "out-of-order segments dropped for want of room")				   \
	X(challenge_acks, "challenge acknowledgements sent")					   \
	X(paced, "times pacing held segments back")						   \
	X(cwnd_limited, "times the congestion window held segments back")			   \
	X(rwnd_limited, "times the peer's window held segments back")				   \
	X(drop_short, "segments shorter than the headers they announce")			   \
	X(drop_options, "segments whose options are malformed")					   \
	X(drop_no_listener, "segments for which there is no connection and no listener")	   \
	X(drop_not_syn, "segments for a listener that carry neither SYN nor a good cookie")	   \
	X(drop_bad_cookie, "acknowledgements for a listener that are no cookie of ours")	   \
	X(drop_syn_rate, "SYNs beyond VMA_TCP_MAX_SYN_RATE")					   \
	X(drop_backlog, "handshakes that ended while the accept queue was full")		   \
	X(drop_broadcast, "segments from or to an address that is no single host's")		   \
	X(drop_seq, "segments outside of the window")						   \
	X(drop_old, "segments that bring nothing new")						   \
	X(drop_paws, "segments with an old timestamp")						   \
	X(drop_no_timestamp, "segments without the timestamp that was agreed on")		   \
	X(drop_ack_future, "segments that acknowledge what was never sent")			   \
	X(drop_ack_old, "segments that acknowledge what is too old")				   \
	X(drop_no_ack, "segments without ACK where one must be")				   \
	X(drop_syn_in_window, "SYNs on a connection, answered by a challenge")			   \
	X(drop_rst_in_window, "RSTs not exactly at the next sequence number, answered by a challenge") \
	X(drop_rst_seq, "RSTs outside of the window")						   \
	X(drop_state, "segments that the connection's state does not allow")			   \
	X(drop_after_close, "data that arrived after the application had gone")			   \
	X(drop_window, "segments with payload beyond the window offered, or without room for it")  \
	X(drop_no_memory, "segments dropped for want of memory")				   \
	X(challenge_limited, "challenge acknowledgements not sent because of their rate limit")	   \
	X(tx_no_mbuf, "segments not sent for want of a transmit buffer")			   \
	X(icmp_in, "ICMP errors for a connection")						   \
	X(icmp_ignored, "ICMP errors whose sequence number was not on the way")			   \
	X(engine_waits, "times a thread had to wait for another one at the engine")

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
#define STAT_ENUM_TCP(name, help) TCP_STAT_##name,
#define STAT_ENUM_CYCLIC(name, help) CYCLIC_STAT_##name,
#define STAT_ENUM_EXTRA(name, help) EXTRA_STAT_##name,
enum ring_stat { RING_COUNTERS(STAT_ENUM_RING) RING_STAT_MAX };
enum sock_stat { SOCK_COUNTERS(STAT_ENUM_SOCK) SOCK_STAT_MAX };
enum tcp_stat { TCP_COUNTERS(STAT_ENUM_TCP) TCP_STAT_MAX };
enum cyclic_stat { CYCLIC_COUNTERS(STAT_ENUM_CYCLIC) CYCLIC_STAT_MAX };
enum extra_stat { EXTRA_COUNTERS(STAT_ENUM_EXTRA) EXTRA_STAT_MAX };
#undef STAT_ENUM_RING
#undef STAT_ENUM_SOCK
#undef STAT_ENUM_TCP
#undef STAT_ENUM_CYCLIC
#undef STAT_ENUM_EXTRA

struct ring_stats {
	uint64_t c[RING_STAT_MAX];
};
struct sock_stats {
	uint64_t c[SOCK_STAT_MAX];
};
struct tcp_stats {
	uint64_t c[TCP_STAT_MAX];
};
struct cyclic_stats {
	uint64_t c[CYCLIC_STAT_MAX];
};
struct extra_stats {
	uint64_t c[EXTRA_STAT_MAX];
};

/** STAT_ADD(&ring->stats, RING, rx_packets, n) */
#define STAT_ADD(block, kind, name, n) ((block)->c[kind##_STAT_##name] += (n))
#define STAT_INC(block, kind, name) STAT_ADD(block, kind, name, 1)
#define STAT_GET(block, kind, name) ((block)->c[kind##_STAT_##name])

/** One kind of counter block, for everything that prints or exports one. */
struct stat_desc {
	const char *kind; /**< "ring", "socket", "tcp", "cyclic", "extra" */
	unsigned int n;
	const char *const *names;
	const char *const *helps;
};
extern const struct stat_desc stat_ring, stat_sock, stat_tcp, stat_cyclic, stat_extra;

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
