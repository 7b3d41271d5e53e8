/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line for each packet as it comes to the link, in the manner of tcpdump: time since the start,
 * direction, flags, numbers relative to the first of each side, options, and its fate.
 */
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "sim.h"

static const char *
flags_text(uint8_t flags, char buf[12])
{
	static const char letters[] = "FSRP.UEW";
	char *p = buf;

	for (unsigned int i = 0; i < 8; i++) {
		if ((flags & (1u << i)) != 0)
			*p++ = letters[i];
	}
	*p = '\0';
	return buf;
}

static uint32_t
u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return rte_be_to_cpu_32(v);
}

static void
options_text(FILE *f, const uint8_t *p, unsigned int len, uint32_t ack_base)
{
	unsigned int i = 0;

	while (i < len && p[i] != 0) {
		unsigned int n = p[i] == 1 ? 1 : i + 1 < len ? p[i + 1] : 0;

		if (n == 0 || i + n > len) {
			fputs(" bad-option", f);
			return;
		}
		if (p[i] == 2)
			fprintf(f, " mss %u", (unsigned int)p[i + 2] << 8 | p[i + 3]);
		else if (p[i] == 3)
			fprintf(f, " wscale %u", p[i + 2]);
		else if (p[i] == 4)
			fputs(" sackOK", f);
		else if (p[i] == 8)
			fprintf(f, " TS %u %u", u32_at(p + i + 2), u32_at(p + i + 6));
		for (unsigned int j = 2; p[i] == 5 && j + 8 <= n; j += 8)
			fprintf(f, " sack %d:%d", (int)(u32_at(p + i + j) - ack_base),
					(int)(u32_at(p + i + j + 4) - ack_base));
		i += n;
	}
}

static struct sim_flow *
flow_of(struct sim *sim, unsigned int from, const struct rte_tcp_hdr *th)
{
	for (unsigned int i = 0; i < sim->n_flows; i++) {
		if (sim->flow[i].ports[from] == rte_be_to_cpu_16(th->src_port) &&
				sim->flow[i].ports[!from] == rte_be_to_cpu_16(th->dst_port))
			return &sim->flow[i];
	}
	return NULL;
}

void
sim_trace(struct sim *sim, const struct rte_mbuf *m, const char *what)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	const struct rte_tcp_hdr *th = (const struct rte_tcp_hdr *)(ip + 1);
	unsigned int from = ip->src_addr == ip_v4(&sim->host[1].addr);
	unsigned int hdr_len = (th->data_off >> 4) * 4u;
	uint32_t len = m->pkt_len - (uint32_t)sizeof(*ip) - hdr_len;
	uint32_t seq = rte_be_to_cpu_32(th->sent_seq), ack = rte_be_to_cpu_32(th->recv_ack);
	struct sim_flow *flow = flow_of(sim, from, th);
	char flags[12];

	if (flow != NULL && (th->tcp_flags & RTE_TCP_SYN_FLAG) != 0)
		flow->isn[from] = seq;
	if (flow != NULL) {
		seq -= flow->isn[from];
		ack -= flow->isn[!from];
	}
	fprintf(sim->params.trace, "%14.6f %s %u [%s] seq %u", (double)sim->now / 1e9,
			from == 0 ? ">>" : "  <<",
			rte_be_to_cpu_16(from == 0 ? th->src_port : th->dst_port),
			flags_text(th->tcp_flags, flags), seq);
	if (len > 0)
		fprintf(sim->params.trace, ":%u", seq + len);
	if ((th->tcp_flags & RTE_TCP_ACK_FLAG) != 0)
		fprintf(sim->params.trace, " ack %u", ack);
	fprintf(sim->params.trace, " win %u", rte_be_to_cpu_16(th->rx_win));
	options_text(sim->params.trace, (const uint8_t *)(th + 1),
			hdr_len - (unsigned int)sizeof(*th), flow != NULL ? flow->isn[!from] : 0);
	fprintf(sim->params.trace, " len %u%s%s%s\n", len,
			(ip->type_of_service & 3) == 3			 ? " CE"
					: (ip->type_of_service & 3) != 0 ? " ECT"
									 : "",
			what[0] != '\0' ? " *" : "", what);
}
