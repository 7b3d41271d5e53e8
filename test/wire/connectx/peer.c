/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end: frames made and read with raw sockets on the kernel's side of the model's TAPs. */
#include "cxtest.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define TRAFFIC 100 /* datagrams: more than one buffer of 64 strides */

uint16_t peer_vlan;

int
peer_open(const char *ifname)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(ifname),
	};
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	CHECK(sll.sll_ifindex != 0, "no interface %s", ifname);
	CHECK(s >= 0, "packet socket: %m");
	CHECK(setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) == 0, "%m");
	CHECK(setsockopt(s, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) == 0, "%m");
	CHECK(bind(s, (struct sockaddr *)&sll, sizeof(sll)) == 0, "bind: %m");
	return s;
}

static uint32_t
put_ip(uint8_t *l3, const struct segment *s, uint32_t l4_len)
{
	struct rte_ipv4_hdr *ip = (void *)l3;
	struct rte_ipv6_hdr *ip6 = (void *)l3;

	if (s->src6 != NULL) {
		memset(ip6, 0, sizeof(*ip6));
		ip6->vtc_flow = RTE_BE32(6u << 28);
		ip6->payload_len = htons(l4_len);
		ip6->proto = s->proto;
		ip6->hop_limits = 64;
		memcpy(&ip6->src_addr, s->src6, 16);
		memcpy(&ip6->dst_addr, s->dst6, 16);
		return sizeof(*ip6);
	}
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = htons(sizeof(*ip) + l4_len);
	ip->time_to_live = 64;
	ip->next_proto_id = s->proto;
	ip->src_addr = htonl(s->src);
	ip->dst_addr = htonl(s->dst);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return sizeof(*ip);
}

/* Returns the length; room for 54 + 4 + len bytes. */
uint32_t
peer_frame(uint8_t *frame, const struct segment *s)
{
	static const uint8_t macs[12] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x02, 0xaa, 0xbb,
		0xcc, 0xdd, 0xee };
	uint32_t l4_hdr = s->proto == IPPROTO_TCP ? 20 : 8;
	uint8_t *p = frame + 12, *l3, *l4;
	uint16_t csum;

	memcpy(frame, macs, sizeof(macs));
	if (s->vlan) {
		*p++ = 0x81;
		*p++ = 0x00;
		*p++ = s->vlan >> 8;
		*p++ = s->vlan;
	}
	*p++ = s->src6 != NULL ? 0x86 : 0x08;
	*p++ = s->src6 != NULL ? 0xdd : 0x00;
	l3 = p;
	l4 = l3 + put_ip(l3, s, l4_hdr + s->len);
	memset(l4, 0, l4_hdr);
	memset(l4 + l4_hdr, s->fill, s->len);
	((uint16_t *)l4)[0] = htons(s->sport);
	((uint16_t *)l4)[1] = htons(s->dport);
	if (s->proto == IPPROTO_TCP) {
		struct rte_tcp_hdr *tcp = (void *)l4;

		tcp->sent_seq = htonl(s->seq);
		tcp->recv_ack = htonl(s->ack);
		tcp->data_off = 5 << 4;
		tcp->tcp_flags = s->flags;
		tcp->rx_win = htons(s->win);
	} else {
		((struct rte_udp_hdr *)l4)->dgram_len = htons(8 + s->len);
	}
	csum = s->src6 != NULL ? rte_ipv6_udptcp_cksum((void *)l3, l4)
			       : rte_ipv4_udptcp_cksum((void *)l3, l4);
	memcpy(l4 + (s->proto == IPPROTO_TCP ? 16 : 6), &csum, 2);
	return l4 + l4_hdr + s->len - frame;
}

void
peer_send(int s, const void *frame, uint32_t len)
{
	CHECK(send(s, frame, len, 0) == (ssize_t)len, "send: %m");
}

void
peer_segment(int s, const struct segment *seg)
{
	uint8_t frame[2048];

	peer_send(s, frame, peer_frame(frame, seg));
}

static int
receive_one(int s, uint8_t *frame, size_t room)
{
	struct iovec io = { .iov_base = frame, .iov_len = room };
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct msghdr mh = { .msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct tpacket_auxdata aux;
	struct cmsghdr *c;
	ssize_t n = recvmsg(s, &mh, 0);

	peer_vlan = 0;
	for (c = CMSG_FIRSTHDR(&mh); n > 0 && c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			peer_vlan = aux.tp_vlan_tci;
	}
	return n;
}

int
peer_receive(int s, uint8_t *frame, size_t room, int ms)
{
	uint64_t end = rte_get_timer_cycles() + ms * rte_get_timer_hz() / 1000;
	struct pollfd pf = { .fd = s, .events = POLLIN };
	int n;

	while (rte_get_timer_cycles() < end) {
		if (poll(&pf, 1, 10) <= 0)
			continue;
		n = receive_one(s, frame, room);
		if (n > 34 && frame[12] == 0x08 && frame[13] == 0x00 &&
				(frame[23] == IPPROTO_UDP || frame[23] == IPPROTO_TCP))
			return n;
	}
	return 0;
}

void
peer_traffic(int s, const char *when)
{
	struct rte_mbuf *m[TRAFFIC];
	unsigned int i, n;

	for (i = 0; i < TRAFFIC; i++) {
		struct segment seg = { .src = 0x0a630001,
			.dst = 0x0a630002,
			.sport = 1000 + i,
			.dport = 5000,
			.proto = IPPROTO_UDP,
			.fill = i,
			.len = 100 };

		peer_segment(s, &seg);
	}
	n = port_receive(m, NULL, TRAFFIC, 1);
	CHECK(n == TRAFFIC, "%s: %u of %u frames", when, n, TRAFFIC);
	for (i = 0; i < n; i++) {
		CHECK(rte_pktmbuf_mtod(m[i], uint8_t *)[42 + 50] == i, "%s: frame %u", when, i);
		rte_pktmbuf_free(m[i]);
	}
}
