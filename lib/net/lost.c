/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets whose next hop did not answer: their transports are told as a router would tell them, by
 * host unreachable (RFC 792, RFC 1122 3.2.2.1). Noted where they are dropped, under net_lock, and
 * told where no lock is held, as transports have locks that come before it.
 */
#include "net/net_priv.h"

#include <errno.h>
#include <linux/icmp.h>

#define LOST_MAX 256 /* what is more is not told */

static struct lost {
	struct flow_key key;
	uint32_t seq;
} lost[LOST_MAX];
static unsigned int lost_n;

void
lost_note(const struct rte_mbuf *m, uint16_t vlan_id)
{
	const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
	uint32_t words[2]; /* ports, and what follows them */

	if (lost_n == LOST_MAX || m->data_len < m->l2_len + NET_IPV4_LEN + sizeof(words))
		return;
	memcpy(words, ip + 1, sizeof(words));
	lost[lost_n] = (struct lost){ .seq = rte_be_to_cpu_32(words[1]) };
	lost[lost_n].key = (struct flow_key){ .local = ip_from_v4(ip->src_addr),
		.remote = ip_from_v4(ip->dst_addr),
		.vlan_id = vlan_id,
		.proto = ip->next_proto_id };
	memcpy(&lost[lost_n].key.lport, words, sizeof(uint16_t));
	memcpy(&lost[lost_n].key.rport, (const uint8_t *)words + 2, sizeof(uint16_t));
	lost_n++;
}

void
lost_tell(void)
{
	struct lost told[LOST_MAX];
	unsigned int i, n;

	pthread_mutex_lock(&net_lock);
	n = lost_n;
	memcpy(told, lost, n * sizeof(told[0]));
	lost_n = 0;
	pthread_mutex_unlock(&net_lock);
	for (i = 0; i < n; i++) {
		struct net_error e = {
			.err = EHOSTUNREACH,
			.type = ICMP_DEST_UNREACH,
			.code = ICMP_HOST_UNREACH,
			.seq = told[i].seq,
			.offender = told[i].key.local,
		};

		icmp_tell(&told[i].key, &e);
	}
}
