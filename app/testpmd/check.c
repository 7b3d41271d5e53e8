/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checked payloads: a 64-bit sequence number per destination port and a timestamp, both big endian,
 * then bytes that all are the number's low byte. dpvma-testpmd sends such, dpvma-blast does, and so
 * does the generator of the software ConnectX.
 */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "testpmd.h"

void
tp_fill_payload(uint8_t *payload, uint32_t len, uint64_t seq)
{
	uint64_t head[2] = { rte_cpu_to_be_64(seq), rte_cpu_to_be_64(clock_ns()) };

	memcpy(payload, head, RTE_MIN(len, (uint32_t)sizeof(head)));
	if (len > TP_SEQ_BYTES)
		memset(payload + TP_SEQ_BYTES, (int)(seq & 0xff), len - TP_SEQ_BYTES);
}

/* After a window of another mode, which took packets we did not see. */
void
tp_check_forget(struct tp *tp)
{
	uint32_t i;

	for (i = 0; tp->next_seq != NULL && i < tp->args.sockets; i++)
		tp->next_seq[i] = UINT64_MAX;
}

static bool
pattern_is_good(const uint8_t *p, uint32_t len, uint8_t byte)
{
	uint64_t want = 0x0101010101010101u * byte, got;
	uint32_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&got, p + i, 8);
		if (got != want)
			return false;
	}
	for (; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

void
tp_check_payload(struct tp *tp, struct tp_count *count, uint32_t socket, const uint8_t *payload,
		uint32_t len)
{
	uint64_t seq, *next;

	if (socket >= tp->args.sockets || len < TP_SEQ_BYTES) {
		count->bad_payload++;
		return;
	}
	memcpy(&seq, payload, sizeof(seq));
	seq = rte_be_to_cpu_64(seq);
	next = &tp->next_seq[socket];
	if (*next != UINT64_MAX && seq != *next) {
		if (seq > *next)
			count->seq_lost += seq - *next;
		else
			count->seq_wrong++;
	}
	*next = seq + 1;
	if (!pattern_is_good(payload + TP_SEQ_BYTES, len - TP_SEQ_BYTES, (uint8_t)seq))
		count->bad_payload++;
}

void
tp_check_frame(struct tp *tp, struct tp_count *count, const uint8_t *frame, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const void *)frame;
	uint32_t l2 = eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ? 18 : 14;
	const struct rte_ipv4_hdr *ip = (const void *)(frame + l2);
	const struct rte_udp_hdr *udp;
	uint32_t l3;

	/* whoever sends asks for our address first */
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return;
	if (len < l2 + sizeof(*ip) + sizeof(*udp)) {
		count->bad_payload++;
		return;
	}
	l3 = (ip->version_ihl & 15) * 4u;
	udp = (const void *)(frame + l2 + l3);
	if (ip->next_proto_id != IPPROTO_UDP || rte_be_to_cpu_16(udp->dgram_len) < sizeof(*udp) ||
			l2 + l3 + rte_be_to_cpu_16(udp->dgram_len) > len) {
		count->bad_payload++;
		return;
	}
	tp_check_payload(tp, count, rte_be_to_cpu_16(udp->dst_port) - tp->args.udp_port,
			(const uint8_t *)(udp + 1),
			rte_be_to_cpu_16(udp->dgram_len) - sizeof(*udp));
}
