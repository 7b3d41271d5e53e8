/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large receive offload: segments of one TCP connection, in order, with ACK and perhaps PSH and no
 * options but time stamps, become one frame. A session ends with PSH, with a segment that does not
 * continue it, at the size limit, or when its time is over. The driver rebuilds the headers of the
 * merged frame from the completion.
 */
#include "connectx.h"
#include "hw.h"

#define SESSIONS 256
#define MAX_SEGS 255
#define TCP_FLAGS 13
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define DATA_OFF_PLAIN 5
#define DATA_OFF_TIMESTAMPS 8 /* twelve bytes of options */
#define FRAME_MAX (CX_MAX_FRAME + 256)

struct session {
	const struct mlx5dv_devx_obj *tir;
	struct mlx5dv_devx_obj *rq; /* NULL: free */
	uint32_t len, hdr, next_seq, segs, max;
	uint64_t deadline;
	struct cx_lro_info info;
	struct cx_pkt first; /* metadata of the first segment */
	uint8_t buf[FRAME_MAX];
};

struct cx_lro {
	struct session *at[SESSIONS];
	unsigned int n_active;
};

static enum cx_rx_result
deliver(struct mlx5dv_devx_obj *rq, struct cx_pkt *p, const struct cx_lro_info *l)
{
	enum cx_rx_result ret = cx_rxq_deliver(rq, p, l);

	if (ret == CX_RX_NO_BUF)
		cx_rxq_no_buf(rq);
	return ret;
}

static void
end(struct cx_lro *l, struct session *s)
{
	/* The driver takes the TCP checksum of the merged frame from the sum of its payload. */
	s->info.csum = cx_fold(cx_sum(s->buf + s->hdr, s->len - s->hdr));
	s->info.segs = s->segs;
	s->first.data = s->buf;
	s->first.len = s->len;
	s->rq->dev->stat.lro_out++;
	deliver(s->rq, &s->first, s->segs > 1 ? &s->info : NULL);
	s->rq = NULL;
	l->n_active--;
}

/* The queue is gone or reset: what was merged for it is lost, as in the device. */
void
cx_lro_forget(const struct mlx5dv_devx_obj *rq)
{
	struct cx_lro *l = rq->dev->lro;
	unsigned int i;

	if (l == NULL)
		return;
	for (i = 0; i < SESSIONS; i++) {
		if (l->at[i] != NULL && l->at[i]->rq == rq) {
			l->at[i]->rq = NULL;
			l->n_active--;
		}
	}
}

void
cx_lro_poll(struct cx_dev *d)
{
	struct cx_lro *l = d->lro;
	unsigned int i;

	if (l == NULL || l->n_active == 0)
		return;
	for (i = 0; i < SESSIONS; i++)
		if (l->at[i] != NULL && l->at[i]->rq != NULL && d->now >= l->at[i]->deadline)
			end(l, l->at[i]);
}

/* Ports and addresses in the match layout: words 5 and 8 to 15. */
static bool
same_flow(const struct cx_pkt *a, const struct cx_pkt *b)
{
	return a->l3 == b->l3 && a->match[5] == b->match[5] &&
			memcmp(&a->match[8], &b->match[8], 32) == 0;
}

static struct session **
place(struct cx_lro *l, const struct cx_pkt *p)
{
	uint32_t key[9];

	key[0] = p->match[5];
	memcpy(key + 1, &p->match[8], 32);
	return &l->at[cx_steer_hash(key, 9) % SESSIONS];
}

static bool
mergeable(const struct cx_pkt *p)
{
	const uint8_t *tcp = p->data + p->l4_off;
	uint8_t data_off = tcp[12] >> 4;

	return (tcp[TCP_FLAGS] & ~FLAG_PSH) == FLAG_ACK && p->pay_len > 0 && p->l4_ok && p->l3_ok &&
			(p->l3 == L3_IPV6 || (p->data[p->l3_off] & 15) == 5) &&
			(data_off == DATA_OFF_PLAIN || data_off == DATA_OFF_TIMESTAMPS);
}

static uint8_t
ttl(const struct cx_pkt *p)
{
	return p->data[p->l3_off + (p->l3 == L3_IPV4 ? 8 : 7)];
}

static bool
continues(const struct session *s, const struct cx_pkt *p, uint32_t seq)
{
	return same_flow(&s->first, p) && s->rq == p->rq && s->tir == p->tir &&
			seq == s->next_seq && s->len + p->pay_len <= s->max && s->segs < MAX_SEGS &&
			p->pay_off == s->hdr && p->tag == s->first.tag;
}

static void
start(struct cx_lro *l, struct session *s, const struct cx_pkt *p)
{
	s->tir = p->tir;
	s->rq = p->rq;
	s->first = *p;
	s->hdr = p->pay_off;
	s->len = p->pay_off + p->pay_len;
	s->segs = 1;
	/* the limit counts from the TCP header on */
	s->max = p->tir->tir.lro_max + p->l4_off;
	if (s->max > FRAME_MAX)
		s->max = FRAME_MAX;
	s->deadline = p->rq->dev->now + p->tir->tir.lro_usec * 1000ull;
	memset(&s->info, 0, sizeof(s->info));
	s->info.min_ttl = ttl(p);
	memcpy(s->buf, p->data, s->len);
	l->n_active++;
}

static void
append(struct session *s, const struct cx_pkt *p)
{
	memcpy(s->buf + s->len, p->data + p->pay_off, p->pay_len);
	s->len += p->pay_len;
	s->segs++;
	if (ttl(p) < s->info.min_ttl)
		s->info.min_ttl = ttl(p);
}

/* A TCP segment for a TIR that merges. */
enum cx_rx_result
cx_lro_input(struct cx_dev *d, struct cx_pkt *p)
{
	const uint8_t *tcp = p->data + p->l4_off;
	struct session **at, *s;
	struct cx_lro *l;
	uint32_t seq = be32(tcp + 4);
	bool ok = mergeable(p);

	d->stat.lro_in++;
	if (d->lro == NULL && (d->lro = calloc(1, sizeof(*d->lro))) == NULL)
		return deliver(p->rq, p, NULL);
	l = d->lro;
	at = place(l, p);
	s = *at;
	if (s != NULL && s->rq != NULL && !(ok && continues(s, p, seq)))
		/* another flow at this place ends the session too, a segment not in it does not */
		if (ok || same_flow(&s->first, p))
			end(l, s);
	if (!ok)
		return deliver(p->rq, p, NULL);
	if (s == NULL)
		s = *at = calloc(1, sizeof(*s));
	if (s == NULL)
		return deliver(p->rq, p, NULL);
	if (s->rq == NULL)
		start(l, s, p);
	else
		append(s, p);
	memcpy(&s->info.win, tcp + 14, 2);
	memcpy(&s->info.ack, tcp + 8, 4);
	s->info.psh |= (tcp[TCP_FLAGS] & FLAG_PSH) != 0;
	s->next_seq = seq + p->pay_len;
	if (tcp[TCP_FLAGS] & FLAG_PSH)
		end(l, s);
	return CX_RX_TAKEN;
}

void
cx_lro_free(struct cx_dev *d)
{
	unsigned int i;

	for (i = 0; d->lro != NULL && i < SESSIONS; i++)
		free(d->lro->at[i]);
	free(d->lro);
	d->lro = NULL;
}
