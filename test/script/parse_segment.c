/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of a line that describes a segment:
 *
 *   [ce] SPE. 1:1461(1460) ack 1 win 1000 urg 5 <mss 1460,nop,wscale 7> lro 1460
 *
 * IP's ECN bits, flags, sequence numbers, fields, options, how it is coalesced or split.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static void
parse_ecn(struct cursor *c, struct segment *seg)
{
	static const char *const names[] = { "noecn", "ect1", "ect0", "ce" };
	char word[16];
	unsigned int i;

	seg->any |= ANY_ECN;
	if (!parse_char(c, '['))
		return;
	parse_any_word(c, word, sizeof(word));
	for (i = 0; i < 4 && strcmp(word, names[i]) != 0; i++)
		;
	if (i == 4 || !parse_char(c, ']')) {
		parse_error(c, "[noecn], [ect0], [ect1] or [ce]");
		return;
	}
	seg->ecn = (uint8_t)i;
	seg->any &= ~(uint32_t)ANY_ECN;
}

static void
parse_flags(struct cursor *c, struct segment *seg)
{
	static const char letters[] = "FSRP.UEW";
	const char *at;

	if (parse_char(c, '*')) {
		seg->any |= ANY_FLAGS;
		return;
	}
	if (parse_char(c, '-')) /* no flag at all */
		return;
	while (*c->p != '\0' && (at = strchr(letters, *c->p)) != NULL) {
		seg->flags |= (uint8_t)(1u << (at - letters));
		c->p++;
	}
	if (seg->flags == 0)
		parse_error(c, "flags (F S R P . U E W, - for none) should be at '%s'", c->p);
	else if (*c->p != ' ' && *c->p != '\t')
		parse_error(c, "'%c' is no flag", *c->p);
}

static void
parse_seq(struct cursor *c, struct segment *seg)
{
	int64_t start, end, len;

	if (parse_char(c, '*')) {
		seg->any |= ANY_SEQ;
		return;
	}
	start = parse_number(c);
	if (!parse_char(c, ':')) {
		parse_error(c, "sequence numbers are START:END(LENGTH)");
		return;
	}
	end = parse_number(c);
	if (!parse_char(c, '(')) {
		parse_error(c, "sequence numbers are START:END(LENGTH)");
		return;
	}
	len = parse_number(c);
	if (!parse_char(c, ')')) {
		parse_error(c, "sequence numbers are START:END(LENGTH)");
		return;
	}
	if (end - start != len || len < 0)
		parse_error(c, "%ld:%ld(%ld): the end is not the start plus the length",
				(long)start, (long)end, (long)len);
	seg->seq = (uint32_t)start;
	seg->len = (uint32_t)len;
}

static void
parse_ts(struct cursor *c, struct segment *seg)
{
	if (!parse_word(c, "val")) {
		parse_error(c, "TS val N ecr N");
		return;
	}
	if (parse_char(c, '*'))
		seg->any |= ANY_TS_VAL;
	else
		seg->ts_val = (uint32_t)parse_number(c);
	if (!parse_word(c, "ecr")) {
		parse_error(c, "TS val N ecr N");
		return;
	}
	if (parse_char(c, '*'))
		seg->any |= ANY_TS_ECR;
	else
		seg->ts_ecr = (uint32_t)parse_number(c);
}

static void
parse_sack(struct cursor *c, struct segment *seg)
{
	do {
		if (seg->n_sacks == SEG_SACKS) {
			parse_error(c, "more than %d SACK blocks", SEG_SACKS);
			return;
		}
		seg->sacks[seg->n_sacks].start = (uint32_t)parse_number(c);
		if (!parse_char(c, ':')) {
			parse_error(c, "SACK blocks are START:END");
			return;
		}
		seg->sacks[seg->n_sacks++].end = (uint32_t)parse_number(c);
	} while (c->error == NULL && (*c->p == ' ' && isdigit((unsigned char)c->p[1])));
}

static void
parse_raw(struct cursor *c, struct segment *seg)
{
	while (*c->p == ' ')
		c->p++;
	while (isxdigit((unsigned char)c->p[0]) && isxdigit((unsigned char)c->p[1])) {
		char two[3] = { c->p[0], c->p[1], '\0' };

		if (seg->n_raw == sizeof(seg->raw)) {
			parse_error(c, "more than 40 bytes of options");
			return;
		}
		seg->raw[seg->n_raw++] = (uint8_t)strtoul(two, NULL, 16);
		c->p += 2;
	}
	if (seg->n_raw == 0)
		parse_error(c, "raw HEXDIGITS");
}

static void
parse_option(struct cursor *c, struct segment *seg)
{
	enum option_kind kind;
	char word[24];

	if (parse_any_word(c, word, sizeof(word)) == 0) {
		parse_error(c, "an option should be at '%s'", c->p);
		return;
	}
	if (strcmp(word, "mss") == 0) {
		kind = OPTION_MSS;
		seg->mss = (uint32_t)parse_number(c);
	} else if (strcmp(word, "wscale") == 0) {
		kind = OPTION_WSCALE;
		seg->wscale = (uint32_t)parse_number(c);
	} else if (strcmp(word, "sackOK") == 0) {
		kind = OPTION_SACK_OK;
	} else if (strcmp(word, "sack") == 0) {
		kind = OPTION_SACK;
		parse_sack(c, seg);
	} else if (strcmp(word, "TS") == 0) {
		kind = OPTION_TS;
		parse_ts(c, seg);
	} else if (strcmp(word, "nop") == 0) {
		kind = OPTION_NOP;
	} else if (strcmp(word, "eol") == 0) {
		kind = OPTION_EOL;
	} else if (strcmp(word, "raw") == 0) {
		kind = OPTION_RAW;
		parse_raw(c, seg);
	} else {
		parse_error(c, "no such option: %s", word);
		return;
	}
	if (seg->n_options == SEG_OPTIONS) {
		parse_error(c, "too many options");
		return;
	}
	seg->options[seg->n_options++] = (uint8_t)kind;
}

static void
parse_options(struct cursor *c, struct segment *seg)
{
	if (!parse_char(c, '<')) {
		seg->any |= NO_OPTS;
		return;
	}
	if (parse_char(c, '>'))
		return;
	if (parse_char(c, '*')) {
		seg->any |= ANY_OPTS;
	} else {
		do
			parse_option(c, seg);
		while (c->error == NULL && parse_char(c, ','));
	}
	if (c->error == NULL && !parse_char(c, '>'))
		parse_error(c, "options should end with > at '%s'", c->p);
}

static void
parse_fields(struct cursor *c, struct segment *seg)
{
	seg->any |= ANY_ACK | ANY_WIN | ANY_URG;
	for (;;) {
		if (parse_word(c, "ack")) {
			if (parse_char(c, '*'))
				continue;
			seg->ack = (uint32_t)parse_number(c);
			seg->any &= ~(uint32_t)ANY_ACK;
		} else if (parse_word(c, "win")) {
			if (parse_char(c, '*'))
				continue;
			seg->win = seg->win_max = (uint32_t)parse_number(c);
			if (parse_char(c, '~'))
				seg->win_max = (uint32_t)parse_number(c);
			seg->any &= ~(uint32_t)ANY_WIN;
		} else if (parse_word(c, "urg")) {
			seg->urg = (uint32_t)parse_number(c);
			seg->any &= ~(uint32_t)ANY_URG;
		} else {
			return;
		}
	}
}

static void
parse_shape(struct cursor *c, struct segment *seg, bool in)
{
	while (c->error == NULL) {
		if (in && parse_word(c, "lro")) {
			seg->coalesced = true;
			seg->lro = (uint16_t)parse_number(c);
		} else if (in && parse_word(c, "chain")) {
			seg->chain = (uint16_t)parse_number(c);
		} else if (in && parse_word(c, "hdrlen")) {
			seg->hdr_len = (int)parse_number(c);
		} else if (!in && parse_word(c, "tso")) {
			seg->tso = (uint16_t)parse_number(c);
		} else if (!in && parse_word(c, "each")) {
			seg->each = (uint32_t)parse_number(c);
		} else {
			return;
		}
	}
}

/* What leaves nothing open for a segment that is to be made. */
static void
check_in(struct cursor *c, const struct segment *seg)
{
	if (seg->any & (ANY_FLAGS | ANY_SEQ | ANY_OPTS | ANY_TS_VAL | ANY_TS_ECR))
		parse_error(c, "an injected segment leaves nothing open");
	else if ((seg->flags & FL_ACK) && (seg->any & ANY_ACK))
		parse_error(c, "the segment has the flag . but no ack");
	else if (!(seg->flags & FL_ACK) && !(seg->any & ANY_ACK))
		parse_error(c, "the segment has an ack but not the flag .");
	else if (seg->any & ANY_WIN && !(seg->flags & FL_RST))
		parse_error(c, "an injected segment has a win");
	else if (seg->win > UINT16_MAX || seg->win != seg->win_max)
		parse_error(c, "win is one number of 16 bits");
}

void
parse_segment(struct cursor *c, struct segment *seg, bool in)
{
	memset(seg, 0, sizeof(*seg));
	seg->hdr_len = -1;
	parse_ecn(c, seg);
	if (c->error == NULL)
		parse_flags(c, seg);
	if (c->error == NULL)
		parse_seq(c, seg);
	if (c->error == NULL)
		parse_fields(c, seg);
	if (c->error == NULL)
		parse_options(c, seg);
	if (c->error == NULL)
		parse_shape(c, seg, in);
	if (c->error == NULL && in)
		check_in(c, seg);
}
