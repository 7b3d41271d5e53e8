/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments as scripts see them: writing one down, and comparing what came with what was expected.
 */
#include <stdarg.h>
#include <string.h>

#include "script.h"

bool
segment_has(const struct segment *seg, enum option_kind kind)
{
	return memchr(seg->options, (int)kind, seg->n_options) != NULL;
}

static void __attribute__((format(printf, 3, 4))) add(char *buf, size_t len, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, len - n, fmt, ap);
	va_end(ap);
}

static void
print_option(const struct segment *seg, enum option_kind kind, char *buf, size_t len)
{
	unsigned int i;

	switch (kind) {
	case OPTION_EOL:
		add(buf, len, "eol");
		break;
	case OPTION_NOP:
		add(buf, len, "nop");
		break;
	case OPTION_MSS:
		add(buf, len, "mss %u", seg->mss);
		break;
	case OPTION_WSCALE:
		add(buf, len, "wscale %u", seg->wscale);
		break;
	case OPTION_SACK_OK:
		add(buf, len, "sackOK");
		break;
	case OPTION_SACK:
		add(buf, len, "sack");
		for (i = 0; i < seg->n_sacks; i++)
			add(buf, len, " %u:%u", seg->sacks[i].start, seg->sacks[i].end);
		break;
	case OPTION_TS:
		add(buf, len, "TS val %u ecr %u", seg->ts_val, seg->ts_ecr);
		break;
	case OPTION_RAW:
		add(buf, len, "raw ");
		for (i = 0; i < seg->n_raw; i++)
			add(buf, len, "%02x", seg->raw[i]);
		break;
	}
}

void
segment_print(const struct segment *seg, char *buf, size_t len)
{
	static const char *const ecn[] = { "", "[ect1] ", "[ect0] ", "[ce] " };
	static const char letters[] = "FSRP.UEW";
	unsigned int i;

	buf[0] = '\0';
	add(buf, len, "%s", seg->any & ANY_ECN ? "" : ecn[seg->ecn & 3]);
	for (i = 0; i < 8; i++)
		if (seg->flags & (1u << i))
			add(buf, len, "%c", letters[i]);
	if (seg->flags == 0)
		add(buf, len, "-");
	add(buf, len, " %u:%u(%u)", seg->seq, seg->seq + seg->len, seg->len);
	if (seg->flags & FL_ACK)
		add(buf, len, " ack %u", seg->ack);
	add(buf, len, " win %u", seg->win);
	if (seg->flags & FL_URG)
		add(buf, len, " urg %u", seg->urg);
	for (i = 0; i < seg->n_options; i++) {
		add(buf, len, i == 0 ? " <" : ",");
		print_option(seg, seg->options[i], buf, len);
	}
	if (seg->n_options > 0)
		add(buf, len, ">");
	if (seg->tso > 0)
		add(buf, len, " tso %u", seg->tso);
	if (seg->coalesced)
		add(buf, len, " lro %u", seg->lro);
}

static const char *
sacks_differ(const struct segment *want, const struct segment *got)
{
	unsigned int i;

	if (want->n_sacks != got->n_sacks)
		return "the number of SACK blocks differs";
	for (i = 0; i < want->n_sacks; i++)
		if (want->sacks[i].start != got->sacks[i].start ||
				want->sacks[i].end != got->sacks[i].end)
			return "SACK blocks differ";
	return NULL;
}

/*
 * Their order and their padding say nothing and are not compared. A line without <...> leaves
 * options open, but for SACK blocks, which must not be there.
 */
static const char *
options_differ(const struct segment *want, const struct segment *got)
{
	if (want->any & ANY_OPTS)
		return NULL;
	if (want->any & NO_OPTS)
		return got->n_sacks > 0 ? "SACK blocks where none should be" : NULL;
	if (segment_has(want, OPTION_MSS) != segment_has(got, OPTION_MSS) || want->mss != got->mss)
		return "mss differs";
	if (segment_has(want, OPTION_WSCALE) != segment_has(got, OPTION_WSCALE) ||
			want->wscale != got->wscale)
		return "wscale differs";
	if (segment_has(want, OPTION_SACK_OK) != segment_has(got, OPTION_SACK_OK))
		return "sackOK differs";
	if (segment_has(want, OPTION_TS) != segment_has(got, OPTION_TS))
		return "TS is not in both";
	if (!(want->any & ANY_TS_VAL) && want->ts_val != got->ts_val)
		return "TS val differs";
	if (!(want->any & ANY_TS_ECR) && want->ts_ecr != got->ts_ecr)
		return "TS ecr differs";
	if (got->n_raw > 0)
		return "unknown options";
	return sacks_differ(want, got);
}

const char *
segment_differs(const struct segment *want, const struct segment *got)
{
	if (!(want->any & ANY_FLAGS) && want->flags != got->flags)
		return "flags differ";
	if (!(want->any & ANY_SEQ)) {
		if (want->seq != got->seq)
			return "sequence number differs";
		if (want->len != got->len)
			return "length differs";
	}
	if (!(want->any & ANY_ACK) && want->ack != got->ack)
		return "ack differs";
	if (!(want->any & ANY_WIN) && (got->win < want->win || got->win > want->win_max))
		return "win differs";
	if (!(want->any & ANY_URG) && want->urg != got->urg)
		return "urg differs";
	if (!(want->any & ANY_ECN) && want->ecn != got->ecn)
		return "ECN bits of the IP header differ";
	if (want->tso != got->tso && !(want->any & ANY_SEQ))
		return "tso differs";
	return options_differ(want, got);
}
