/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries of send queues that write rules: "activate" puts a steering entry into an RTC, or changes
 * the actions of one that has the same tag, "deactivate" takes one out. What does not work ends in
 * a completion that says so; the queue goes on, and the driver tries its second RTC or gives up.
 */
#include "hw.h"
#include "hws.h"

#define OPMOD_STE 0
#define AT_RTC 12	/* in the control segment */
#define AT_OPERATION 16 /* and the place of an entry, for an RTC by offset */
#define AT_STCS 20
#define AT_DATA 64 /* eight words, of which the last three are the start of a long tag */
#define AT_TAG 84
#define ENTRY_BYTES 128
#define STCS_SHIFT 29 /* upper bits of the first: index of the last one that counts */
#define STC_MASK 0x1fffffff
enum { ACTIVATE = 0, DEACTIVATE = 1 };

static void
read_tag(const struct cx_definer *f, const uint8_t *entry, uint32_t *tag)
{
	uint8_t *to = (uint8_t *)tag;
	uint32_t i;

	memset(tag, 0, CX_TAG_BYTES);
	for (i = 0; f != NULL && i < f->n; i++)
		to[f->pick[i].to] = entry[AT_TAG + f->pick[i].to] & f->pick[i].mask;
}

static bool
modelled(const struct cx_dev *d, const struct cx_stc *c)
{
	if (c->type != CX_STC_REMOVE_WORDS && c->type != CX_STC_HEADER_REMOVE &&
			c->type != CX_STC_HEADER_INSERT)
		return true;
	cx_log(1, "%s: steering action %#x is not modelled", d->conf.name, c->type);
	return false;
}

/* 0 or a syndrome: an action that was never set up is the driver's mistake. */
static uint8_t
read_actions(const struct cx_dev *d, const struct cx_rtc *r, const uint8_t *entry, struct cx_ste *s,
		bool *refused)
{
	const struct cx_stc_range *stcs = r->stcs->stc;
	uint32_t i;

	s->n_stcs = 1 + (be32(entry + AT_STCS) >> STCS_SHIFT);
	if (s->n_stcs > CX_STE_ACTIONS)
		return SYNDROME_QP_OPERATION;
	for (i = 0; i < s->n_stcs; i++) {
		s->stc[i] = be32(entry + AT_STCS + 4 * i) & STC_MASK;
		if (s->stc[i] >= stcs->n || !stcs->stc[s->stc[i]].set)
			return SYNDROME_QP_OPERATION;
		if (!modelled(d, &stcs->stc[s->stc[i]]))
			*refused = true;
	}
	for (i = 0; i < CX_STE_WORDS; i++)
		s->data[i] = be32(entry + AT_DATA + 4 * i);
	return 0;
}

/* Where the pointer to an entry is: NULL when its row has no room for a new one. */
static struct cx_ste **
find_in_row(struct cx_rtc *r, const struct cx_ste *like)
{
	struct cx_ste **p = &r->row[like->hash & ((1u << r->log_rows) - 1)];
	uint32_t n = 0;

	for (; *p != NULL; p = &(*p)->next, n++)
		if ((*p)->hash == like->hash && memcmp((*p)->tag, like->tag, CX_TAG_BYTES) == 0)
			return p;
	return n < 1u << r->log_depth ? p : NULL;
}

static struct cx_ste **
find(struct cx_rtc *r, const struct cx_ste *like, uint32_t place)
{
	struct cx_ste **p;

	if (!r->by_offset)
		return find_in_row(r, like);
	if (place >= 1u << (r->log_rows + r->log_depth))
		return NULL;
	p = &r->stes->ste->place[r->base + place];
	/* another RTC may have a part of these places */
	return *p == NULL || (*p)->rtc == r ? p : NULL;
}

static bool
activate(struct cx_rtc *r, struct cx_ste **at, const struct cx_ste *what)
{
	struct cx_ste *s;

	if (at == NULL)
		return false;
	s = *at;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return false;
		r->n_stes++;
		*s = *what;
		*at = s;
		return true;
	}
	memcpy(s->stc, what->stc, sizeof(s->stc));
	memcpy(s->data, what->data, sizeof(s->data));
	s->n_stcs = what->n_stcs;
	return true;
}

static bool
deactivate(struct cx_rtc *r, struct cx_ste **at)
{
	struct cx_ste *s;

	if (at == NULL || *at == NULL)
		return false;
	s = *at;
	*at = s->next;
	r->n_stes--;
	free(s);
	return true;
}

uint8_t
cx_hws_write(struct cx_dev *d, const uint8_t *entry, uint32_t len, bool *refused)
{
	struct mlx5dv_devx_obj *o = cx_obj_get(d, be32(entry + AT_RTC), CX_RTC);
	uint32_t op = be32(entry + AT_OPERATION) >> 28;
	uint32_t place = be32(entry + AT_OPERATION) & 0xfffffff;
	struct cx_ste ste = { 0 };
	struct cx_rtc *r;
	uint8_t bad;

	if (len != ENTRY_BYTES || entry[0] != OPMOD_STE || o == NULL || op > DEACTIVATE) {
		cx_log(1, "%s: steering entry of kind %u, operation %u: not modelled", d->conf.name,
				entry[0], op);
		return SYNDROME_QP_OPERATION;
	}
	r = o->rtc;
	ste.rtc = r;
	read_tag(r->definer != NULL ? r->definer->definer : NULL, entry, ste.tag);
	ste.hash = cx_steer_hash(ste.tag, CX_TAG_WORDS);
	if (op == DEACTIVATE) {
		*refused = !deactivate(r, find(r, &ste, place));
	} else {
		bad = read_actions(d, r, entry, &ste, refused);
		if (bad != 0)
			return bad;
		*refused = *refused || !activate(r, find(r, &ste, place), &ste);
	}
	if (*refused)
		d->stat.hws_refused++;
	else if (op == DEACTIVATE)
		d->stat.hws_removed++;
	else
		d->stat.hws_written++;
	return 0;
}
