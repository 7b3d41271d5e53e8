/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792, 1122, 1191): echo replies and port unreachable where no kernel answers for the
 * port, and what others tell about packets of ours, for whoever sent them.
 */
#include "net/net_priv.h"

#include <errno.h>
#include <linux/icmp.h>

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)

#define ICMP_LEN 8
#define QUOTE_MAX (576 - NET_IPV4_LEN - ICMP_LEN) /* RFC 1812 4.3.2.3 */
#define TTL 64

static net_error_cb error_cb[256];

void
net_on_icmp_error(uint8_t proto, net_error_cb cb)
{
	__atomic_store_n(&error_cb[proto], cb, __ATOMIC_RELEASE);
}

void
icmp_tell(const struct flow_key *key, const struct net_error *e)
{
	net_error_cb cb = __atomic_load_n(&error_cb[key->proto], __ATOMIC_ACQUIRE);

	if (cb != NULL)
		cb(key, e);
}

void
icmp_fini(void)
{
	memset(error_cb, 0, sizeof(error_cb));
}

static void
write_ip(struct rte_ipv4_hdr *ip, uint16_t total, uint32_t src, uint32_t dst, uint8_t tos)
{
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = tos,
		.total_length = rte_cpu_to_be_16(total),
		.packet_id = rte_cpu_to_be_16(net_ip_id(1)),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = src,
		.dst_addr = dst };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* The request becomes its own reply: headers anew, type changed, data untouched. Takes m. */
static void
echo_reply(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt)
{
	const struct port *port = ring->port;
	uint16_t vlan_id = pkt->key.vlan_id;
	uint16_t l2 = RTE_ETHER_HDR_LEN + (vlan_id != 0 ? NET_VLAN_LEN : 0);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct rte_ether_addr to = eth->src_addr;
	struct rte_icmp_hdr *icmp;
	uint8_t tos = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len)
				      ->type_of_service;
	char *head;

	rte_pktmbuf_adj(m, pkt->l2_len + pkt->l3_len);
	icmp = rte_pktmbuf_mtod(m, struct rte_icmp_hdr *);
	icmp->icmp_type = ICMP_ECHOREPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~net_sum(m, 0, pkt->l4_len);
	head = rte_pktmbuf_prepend(m, l2 + NET_IPV4_LEN);
	if (head == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	net_link_header(head, &to, port, vlan_id, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	write_ip((struct rte_ipv4_hdr *)(head + l2), NET_IPV4_LEN + pkt->l4_len,
			ip_v4(&pkt->key.local), ip_v4(&pkt->key.remote), tos);
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	m->tx_offload = 0;
	if (NET_IPV4_LEN + pkt->l4_len > port->mtu)
		fragment_send(ring, m, l2, port->mtu);
	else if (m->nb_segs > 1 && !port->caps.tx_multi_seg && rte_pktmbuf_linearize(m) != 0)
		rte_pktmbuf_free(m);
	else
		net_send(ring, m);
}

static int
errno_of(uint8_t type, uint8_t code)
{
	static const int unreachable[] = {
		[ICMP_NET_UNREACH] = ENETUNREACH,
		[ICMP_HOST_UNREACH] = EHOSTUNREACH,
		[ICMP_PROT_UNREACH] = ENOPROTOOPT,
		[ICMP_PORT_UNREACH] = ECONNREFUSED,
		[ICMP_FRAG_NEEDED] = EMSGSIZE,
		[ICMP_SR_FAILED] = EOPNOTSUPP,
		[ICMP_NET_UNKNOWN] = ENETUNREACH,
		[ICMP_HOST_UNKNOWN] = EHOSTDOWN,
		[ICMP_HOST_ISOLATED] = ENONET,
		[ICMP_NET_ANO] = ENETUNREACH,
		[ICMP_HOST_ANO] = EHOSTUNREACH,
		[ICMP_NET_UNR_TOS] = ENETUNREACH,
		[ICMP_HOST_UNR_TOS] = EHOSTUNREACH,
		[ICMP_PKT_FILTERED] = EHOSTUNREACH,
		[ICMP_PREC_VIOLATION] = EHOSTUNREACH,
		[ICMP_PREC_CUTOFF] = EHOSTUNREACH,
	};

	switch (type) {
	case ICMP_DEST_UNREACH:
		return code < RTE_DIM(unreachable) ? unreachable[code] : 0;
	case ICMP_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP_PARAMETERPROB:
		return EPROTO;
	default:
		return 0;
	}
}

/*
 * What lies in the first buffer, which is all of it but in odd cases; RFC 4884 extensions and
 * padding are not the packet's.
 */
static void
quote(const struct rte_mbuf *m, const struct net_packet *pkt, const struct rte_ipv4_hdr *ip,
		struct net_error *e)
{
	uint16_t hl = (uint16_t)(ip->version_ihl & 0xf) * 4;
	uint32_t total = rte_be_to_cpu_16(ip->total_length);
	uint32_t from = (uint32_t)((const uint8_t *)ip - rte_pktmbuf_mtod(m, const uint8_t *)) + hl;
	uint32_t end = RTE_MIN(
			(uint32_t)m->data_len, (uint32_t)pkt->l2_len + pkt->l3_len + pkt->l4_len);

	e->quote = (const uint8_t *)ip + hl;
	e->quote_len = end - from;
	if (total > hl + 8u)
		e->quote_len = RTE_MIN(e->quote_len, total - hl);
	else
		e->quote_len = RTE_MIN(e->quote_len, 8u);
}

/* An error about a packet of ours: who sent it is told. */
static void
error_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt)
{
	uint16_t at = pkt->l2_len + pkt->l3_len, hl;
	const struct rte_icmp_hdr *icmp;
	const struct rte_ipv4_hdr *ip, *outer;
	const uint16_t *ports;
	struct flow_key key;
	struct net_error e = { 0 };

	if (pkt->l4_len < ICMP_LEN + NET_IPV4_LEN || !net_pull(m, at + ICMP_LEN + NET_IPV4_LEN))
		goto malformed;
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, at + ICMP_LEN);
	hl = (uint16_t)(ip->version_ihl & 0xf) * 4;
	/* eight bytes of the transport's header are always there (RFC 792) */
	if (ip->version_ihl >> 4 != 4 || hl < NET_IPV4_LEN || pkt->l4_len < ICMP_LEN + hl + 8 ||
			!net_pull(m, at + ICMP_LEN + hl + 8))
		goto malformed;
	icmp = rte_pktmbuf_mtod_offset(m, const struct rte_icmp_hdr *, at);
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, at + ICMP_LEN);
	ports = (const uint16_t *)((const uint8_t *)ip + hl);
	/* of a fragment only the first has ports */
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return;
	key = (struct flow_key){ .local = ip_from_v4(ip->src_addr),
		.remote = ip_from_v4(ip->dst_addr),
		.lport = ports[0],
		.rport = ports[1],
		.vlan_id = pkt->key.vlan_id,
		.proto = ip->next_proto_id };
	e.err = errno_of(icmp->icmp_type, icmp->icmp_code);
	if (e.err == 0 || net_own(ring->port, key.vlan_id, &key.local) == NULL ||
			net_own(ring->port, key.vlan_id, &pkt->key.local) == NULL)
		return;
	e.type = icmp->icmp_type;
	e.code = icmp->icmp_code;
	e.offender = pkt->key.remote;
	e.port = ring->port;
	outer = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
	e.ttl = outer->time_to_live;
	e.tos = outer->type_of_service;
	if (e.err == EMSGSIZE) {
		e.info = rte_be_to_cpu_16(icmp->icmp_seq_nb); /* RFC 1191: next-hop MTU */
		pmtu_learn(&key.remote, (uint16_t)e.info, rte_be_to_cpu_16(ip->total_length));
	} else if (e.err == EPROTO) {
		e.info = *(const uint8_t *)&icmp->icmp_ident; /* RFC 792: a pointer */
	}
	memcpy(&e.seq, &ports[2], sizeof(e.seq));
	e.seq = rte_be_to_cpu_32(e.seq);
	quote(m, pkt, ip, &e);
	icmp_tell(&key, &e);
	return;

malformed:
	COUNT(ring, drop_icmp);
}

void
icmp_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt)
{
	uint16_t at = pkt->l2_len + pkt->l3_len;
	const struct rte_icmp_hdr *icmp;

	if (pkt->l4_len < ICMP_LEN || !net_pull(m, at + ICMP_LEN) ||
			net_sum(m, at, pkt->l4_len) != 0xffff) {
		COUNT(ring, drop_icmp);
		goto done;
	}
	icmp = rte_pktmbuf_mtod_offset(m, const struct rte_icmp_hdr *, at);
	switch (icmp->icmp_type) {
	case ICMP_ECHO:
		/* not what was sent to everybody, RFC 1122 3.2.2.6 */
		if (net_answers(ring->port) && icmp->icmp_code == 0 &&
				ip_v4(&pkt->key.remote) != 0 &&
				net_own(ring->port, pkt->key.vlan_id, &pkt->key.local) != NULL &&
				!rte_is_multicast_ether_addr(rte_pktmbuf_mtod(
						m, const struct rte_ether_addr *))) {
			echo_reply(ring, m, pkt);
			return;
		}
		break;
	case ICMP_DEST_UNREACH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		error_input(ring, m, pkt);
		break;
	default:
		break;
	}
done:
	rte_pktmbuf_free(m);
}

void
icmp_port_unreachable(struct ring *ring, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
	uint16_t quote = (uint16_t)RTE_MIN(m->pkt_len - m->l2_len, (uint32_t)QUOTE_MAX);
	struct rte_mbuf *e;
	struct flow_key key;
	struct rte_icmp_hdr *icmp;
	const void *quoted;
	uint16_t l2;
	char *p;

	net_key(m, &key);
	/* nobody to answer to: RFC 1122 3.2.2 */
	if (ip->src_addr == 0 || !net_limit_take(&net_port_of(ring->port)->errors))
		return;
	l2 = RTE_ETHER_HDR_LEN + (key.vlan_id != 0 ? NET_VLAN_LEN : 0);
	e = net_reply_buf(ring, l2 + NET_IPV4_LEN + ICMP_LEN + quote);
	if (e == NULL)
		return;
	p = rte_pktmbuf_mtod(e, char *);
	net_link_header(p, &eth->src_addr, ring->port, key.vlan_id, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	/* precedence 6 as RFC 1812 4.3.2.5 has it */
	write_ip((struct rte_ipv4_hdr *)(p + l2), NET_IPV4_LEN + ICMP_LEN + quote, ip->dst_addr,
			ip->src_addr, 0xc0);
	icmp = (struct rte_icmp_hdr *)(p + l2 + NET_IPV4_LEN);
	*icmp = (struct rte_icmp_hdr){ .icmp_type = ICMP_DEST_UNREACH,
		.icmp_code = ICMP_PORT_UNREACH };
	quoted = rte_pktmbuf_read(m, m->l2_len, quote, icmp + 1);
	if (quoted != icmp + 1)
		memcpy(icmp + 1, quoted, quote);
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, ICMP_LEN + quote);
	net_send(ring, e);
	COUNT(ring, icmp_unreachable_out);
}
