/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that are packed by one copy into a buffer of the reader's own: in the modes that want
 * less than the frame, where neither device nor pool puts packets at the profile's stride, and what
 * a driver copied out of its strides.
 *
 * The buffer is a ring of slots. A run lies in consecutive slots, so it ends where the buffer does.
 * Bytes of a slot that its packet does not fill keep what was there before.
 */
#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cpuflags.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#include "cyclic/cyclic_priv.h"

/** Packets ahead whose data is fetched. */
#define AHEAD 4

typedef uint8_t v16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t v32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint8_t v64 __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));

/* The widest moves the caller's instruction set has; the last one overlaps instead of a tail. */
#define MOVE(type, at) (*(type *)(dst + (at)) = *(const type *)(src + (at)))
static __rte_always_inline void
copy_wide(uint8_t *dst, const uint8_t *src, size_t n)
{
	size_t i;

	if (n >= 64) {
		for (i = 0; i + 64 <= n; i += 64)
			MOVE(v64, i);
		MOVE(v64, n - 64);
	} else if (n >= 32) {
		MOVE(v32, 0);
		MOVE(v32, n - 32);
	} else if (n >= 16) {
		MOVE(v16, 0);
		MOVE(v16, n - 16);
	} else if (n >= 8) {
		MOVE(u64, 0);
		MOVE(u64, n - 8);
	} else if (n >= 4) {
		MOVE(u32, 0);
		MOVE(u32, n - 4);
	} else {
		for (i = 0; i < n; i++)
			dst[i] = src[i];
	}
}

/** Which bytes of a frame go where. */
struct layout {
	uint32_t slot, hdr_slot;    /**< bytes a packet */
	uint32_t strides;	    /**< slots that it takes */
	uint32_t from, len;	    /**< payload area */
	uint32_t hdr_from, hdr_len; /**< user header area; network header first in front of it */
	uint32_t net_len;	    /**< 0, or network header bytes to put before the user's */
};

/** The header bytes that are looked at: Ethernet, VLAN, IPv4 with options, UDP. */
#define HEADERS_MAX (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + 60 + 8)

/**
 * Where a datagram's parts lie; @p p has at least NET_LEN_VLAN bytes.
 * @return 0, or -EBADMSG for what is no UDP over IPv4 of @p frame_len bytes
 */
static __rte_always_inline int
parse(const uint8_t *p, uint32_t frame_len, uint32_t *net_std, uint32_t *payload, uint32_t *len)
{
	uint32_t l2 = RTE_ETHER_HDR_LEN, l3;
	uint16_t type = *(const uint16_t *)(p + 12), udp_len;

	*net_std = NET_LEN;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		type = *(const uint16_t *)(p + 16);
		l2 += RTE_VLAN_HLEN;
		*net_std = NET_LEN_VLAN;
	}
	l3 = (uint32_t)(p[l2] & 0xf) * 4;
	if (unlikely(type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || l3 < sizeof(struct rte_ipv4_hdr) ||
			    p[l2 + 9] != IPPROTO_UDP || frame_len < l2 + l3 + 8))
		return -EBADMSG;
	udp_len = rte_be_to_cpu_16(*(const uint16_t *)(p + l2 + l3 + 4));
	if (unlikely(udp_len < 8 || frame_len < l2 + l3 + udp_len))
		return -EBADMSG;
	*payload = l2 + l3 + 8;
	*len = udp_len - 8u;
	return 0;
}

/** @return 0, -EBADMSG, -EMSGSIZE (does not fit the profile) */
static __rte_always_inline int
lay_out(const struct copy_area *a, uint32_t stride, const uint8_t *p, uint32_t frame_len,
		struct layout *l)
{
	uint32_t net_std, payload, len;

	l->strides = 1;
	l->hdr_slot = 0;
	l->hdr_len = 0;
	l->net_len = 0;
	if (a->mode == CYCLIC_PADDED) {
		l->slot = stride;
		l->from = 0;
		l->len = frame_len;
		if (unlikely(frame_len > stride))
			l->strides = (frame_len + stride - 1) / stride;
		return 0;
	}
	if (unlikely(parse(p, frame_len, &net_std, &payload, &len) != 0))
		return -EBADMSG;
	if (a->mode == CYCLIC_RAW) {
		l->slot = net_std + a->stride_bytes;
		l->from = 0;
		l->len = payload + len;
		return unlikely(l->len > l->slot) ? -EMSGSIZE : 0;
	}
	if (unlikely(len > (uint32_t)a->stride_bytes + a->hdr_bytes))
		return -EMSGSIZE;
	l->slot = a->stride_bytes;
	l->hdr_from = payload;
	l->hdr_len = RTE_MIN(len, a->hdr_bytes);
	l->from = payload + l->hdr_len;
	l->len = len - l->hdr_len;
	l->hdr_slot = a->hdr_bytes;
	if (a->mode == CYCLIC_SEPARATE) {
		l->net_len = net_std;
		l->hdr_slot += net_std;
	}
	return 0;
}

/** The network headers, always of the same length: what IP options there are is left out. */
static __rte_always_inline void
copy_net(uint8_t *dst, const uint8_t *frame, const struct layout *l)
{
	copy_wide(dst, frame, l->net_len - 8);
	memcpy(dst + l->net_len - 8, frame + l->hdr_from - 8, 8);
}

static inline void
run_open(struct cyclic *c, const struct rte_mbuf *m, const struct layout *l)
{
	struct run *r = &c->run;

	cyclic_run_open(c, m, PLACE_COPY);
	r->slot = l->slot;
	r->hdr_slot = l->hdr_slot;
	r->start = c->copy.payload + (size_t)c->copy.at * l->slot;
	r->hdr_start = c->copy.hdr + (size_t)c->copy.at * l->hdr_slot;
}

/**
 * Pack single-segment packets into the open run, which is a copied one. Takes them. Stops at a
 * packet that needs a second look or does not continue the run; number packed.
 */
static __rte_always_inline unsigned int
pack(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n)
{
	/* On a striding ring: what the driver copied, and nothing that lies in its stride. */
	const uint64_t mask = c->flags_mask, want = c->flags_want & ~RTE_MBUF_F_EXTERNAL;
	const struct copy_area *a = &c->copy;
	struct run *r = &c->run;
	uint32_t slot = r->slot, at = a->at;
	uint8_t *dst = a->payload + (size_t)at * slot;
	uint8_t *hdr = a->hdr + (size_t)at * r->hdr_slot;
	uint64_t bytes = 0;
	unsigned int i;

	n = RTE_MIN(n, a->n - at);
	for (i = 0; i < RTE_MIN(n, (unsigned int)AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		struct layout l;

		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + AHEAD], void *));
		if (unlikely(((m->ol_flags ^ want) & mask) != 0 || m->nb_segs != 1 ||
				    m->data_len < NET_LEN_VLAN))
			break;
		if (unlikely(lay_out(a, c->stride, p, m->data_len, &l) != 0 || l.slot != slot ||
				    l.strides != 1))
			break;
		copy_wide(dst, p + l.from, l.len);
		if (l.hdr_slot != 0) {
			if (l.net_len != 0)
				copy_net(hdr, p, &l);
			copy_wide(hdr + l.net_len, p + l.hdr_from, l.hdr_len);
			hdr += l.hdr_slot;
		}
		dst += slot;
		bytes += m->data_len;
	}
	if (likely(i > 0)) {
		rte_pktmbuf_free_bulk(pkts, i);
		c->copy.at += i;
		r->packets += i;
		r->strides += i;
		r->bytes += bytes;
		STAT_ADD(&c->stats, CYCLIC, copies, i);
	}
	return i;
}

static unsigned int
pack_base(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n)
{
	return pack(c, pkts, n);
}

#ifdef RTE_ARCH_X86_64
__attribute__((target("avx2"))) static unsigned int
pack_avx2(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n)
{
	return pack(c, pkts, n);
}

__attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512"))) static unsigned int
pack_avx512(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n)
{
	return pack(c, pkts, n);
}
#endif

/** As wide as the processor has. */
static void
choose_pack(struct copy_area *a)
{
	a->pack = pack_base;
#ifdef RTE_ARCH_X86_64
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512VL) > 0 &&
			rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512BW) > 0)
		a->pack = pack_avx512;
	else if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		a->pack = pack_avx2;
#endif
}

/** Bytes @p from ... of a packet of several segments. */
static void
gather(uint8_t *dst, const struct rte_mbuf *m, uint32_t from, uint32_t len)
{
	for (; m != NULL && len > 0; m = m->next) {
		uint32_t n;

		if (from >= m->data_len) {
			from -= m->data_len;
			continue;
		}
		n = RTE_MIN(len, m->data_len - from);
		memcpy(dst, rte_pktmbuf_mtod_offset(m, const uint8_t *, from), n);
		dst += n;
		len -= n;
		from = 0;
	}
}

int
cyclic_copy_one(struct cyclic *c, struct rte_mbuf *m)
{
	uint8_t headers[HEADERS_MAX] = { 0 };
	struct copy_area *a = &c->copy;
	struct run *r = &c->run;
	struct layout l;
	int ret;

	gather(headers, m, 0, RTE_MIN(m->pkt_len, (uint32_t)sizeof(headers)));
	ret = lay_out(a, c->stride, headers, m->pkt_len, &l);
	if (ret == 0 && l.strides > a->n)
		ret = -EMSGSIZE;
	if (ret != 0)
		return ret;
	if (a->at + l.strides > a->n) {
		a->at = 0;
		if (r->packets > 0)
			return CYCLIC_STAT_break_wrap;
	}
	if (r->packets == 0)
		run_open(c, m, &l);
	else if (l.strides > 1)
		return CYCLIC_STAT_break_size;
	else if (l.slot != r->slot)
		return CYCLIC_STAT_break_gap;
	gather(a->payload + (size_t)a->at * l.slot, m, l.from, l.len);
	if (l.hdr_slot != 0) {
		uint8_t *hdr = a->hdr + (size_t)a->at * l.hdr_slot;

		if (l.net_len != 0)
			copy_net(hdr, headers, &l);
		gather(hdr + l.net_len, m, l.hdr_from, l.hdr_len);
	}
	a->at += l.strides;
	r->packets++;
	r->strides += l.strides;
	r->bytes += m->pkt_len;
	STAT_INC(&c->stats, CYCLIC, copies);
	return RUN_GOES_ON;
}

int
cyclic_copy_init(struct cyclic *c, const struct ring_profile *profile)
{
	const struct ring_copy_layout l = ring_profile_copy_layout(
			profile, c->place == PLACE_COPY ? profile->num : 0);
	struct copy_area *a = &c->copy;

	a->mode = profile->mode;
	a->stride_bytes = profile->stride_bytes;
	a->hdr_bytes = profile->hdr_bytes;
	a->n = l.n;
	choose_pack(a);
	a->payload_len = l.payload_len;
	/* room in the application's was made sure of when the ring was made */
	a->external = profile->external;
	a->payload = a->external ? c->ring->memory.iov_base
				 : rte_zmalloc_socket("cyclic", l.bytes, RTE_CACHE_LINE_SIZE,
						   c->ring->port->socket_id);
	if (a->payload == NULL) {
		LOG_ERROR("cyclic ring: no %zu bytes for %u strides of %u bytes: give EAL more "
			  "memory "
			  "(-m, huge pages) or the profile a smaller num",
				l.bytes, l.n, l.slot + l.hdr_slot);
		return -ENOMEM;
	}
	a->hdr = a->payload + RTE_CACHE_LINE_ROUNDUP(a->payload_len);
	return 0;
}

void
cyclic_copy_fini(struct cyclic *c)
{
	if (!c->copy.external)
		rte_free(c->copy.payload);
}
