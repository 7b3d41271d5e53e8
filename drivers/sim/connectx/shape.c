/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A link: so many bits a second, a propagation delay, a queue in front of it that drops what does
 * not fit (drop tail) and marks what has waited behind too much (ECN, RFC 3168). When a frame
 * leaves is computed when it comes, from when the one before left, so the rate is exact however
 * late the thread runs.
 */
#include "connectx.h"
#include "hw.h"
#include "impair.h"
#include <net/ethernet.h>

#define OVERHEAD 24	 /* bytes on the wire: preamble 8, FCS 4, gap 12 */
#define FRAME_MIN 60	 /* what is shorter is padded */
#define QUEUE_MIN 256000 /* bytes, unless the bandwidth-delay product is more */
#define NS 1000000000ull
#define RATE_LIMIT 1e12
#define TEXT_MAX 1024

static const struct {
	const char *name, *form;
	size_t at;
	bool time;
} keys[] = {
	{ "rate", "bit/s up to 1000G, like 2.5G", offsetof(struct cx_link, rate), false },
	{ "delay", "a time, like 10ms", offsetof(struct cx_link, delay), true },
	{ "jitter", "a time, like 1ms", offsetof(struct cx_link, jitter), true },
	{ "queue", "bytes, like 256k", offsetof(struct cx_link, queue), false },
	{ "ecn", "bytes, like 64k", offsetof(struct cx_link, ecn), false },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* k, M, G are powers of 1000. */
static bool
amount(const char *text, uint64_t *v)
{
	size_t n = strspn(text, "0123456789.");
	double d;
	char *e;

	if (n == 0)
		return false;
	d = strtod(text, &e);
	if (e != text + n)
		return false;
	switch (*e) {
	case 'k':
		d *= 1e3;
		e++;
		break;
	case 'M':
		d *= 1e6;
		e++;
		break;
	case 'G':
		d *= 1e9;
		e++;
		break;
	default:
		break;
	}
	if (*e != '\0' || d < 1 || d > RATE_LIMIT)
		return false;
	*v = d + 0.5;
	return true;
}

static bool
set_word(struct cx_link link[CX_DIRS], char *word, char *error, size_t size)
{
	char *value = strchr(word, '='), *name = word;
	unsigned int dir, first = CX_RX, last = CX_TX;
	const char *end;
	uint64_t v;
	size_t i;
	bool ok;

	if (strncmp(word, "rx.", 3) == 0)
		last = CX_RX;
	else if (strncmp(word, "tx.", 3) == 0)
		first = CX_TX;
	if (first == last)
		name += 3;
	if (value != NULL)
		*value++ = '\0';
	for (i = 0; i < N_KEYS && strcmp(keys[i].name, name) != 0; i++)
		;
	if (i == N_KEYS || value == NULL) {
		snprintf(error, size,
				"\"%s\": [rx.|tx.] and rate= delay= jitter= queue= or ecn=", word);
		return false;
	}
	if (keys[i].time)
		ok = cx_time_parse(value, &v, &end) == 0 && *end == '\0';
	else
		ok = amount(value, &v);
	if (!ok) {
		snprintf(error, size, "\"%s=%s\": %s is %s", word, value, name, keys[i].form);
		return false;
	}
	for (dir = first; dir <= last; dir++) {
		*(uint64_t *)((uint8_t *)&link[dir] + keys[i].at) = v;
		link[dir].on = true;
	}
	return true;
}

int
cx_shape_parse(const char *text, struct cx_link link[CX_DIRS], char *error, size_t size)
{
	char buf[TEXT_MAX], *word, *p;
	unsigned int dir;

	memset(link, 0, CX_DIRS * sizeof(link[0]));
	snprintf(buf, sizeof(buf), "%s", text);
	for (word = strtok_r(buf, ",", &p); word != NULL; word = strtok_r(NULL, ",", &p))
		if (!set_word(link, word, error, size))
			return -1;
	for (dir = 0; dir < CX_DIRS; dir++) {
		struct cx_link *l = &link[dir];
		unsigned __int128 bdp = (unsigned __int128)l->rate * l->delay / (8 * NS);

		if (l->rate == 0 && (l->queue != 0 || l->ecn != 0)) {
			snprintf(error, size, "%s.queue and ecn need a rate: else nothing queues",
					dir == CX_RX ? "rx" : "tx");
			return -1;
		}
		if (l->queue == 0)
			l->queue = bdp > QUEUE_MIN ? (uint64_t)bdp : QUEUE_MIN;
	}
	return 0;
}

bool
cx_link_admit(struct cx_link *l, uint64_t now, uint32_t len, uint64_t *start, uint64_t *due,
		bool *mark)
{
	uint64_t x, arrives, bytes = (len > FRAME_MIN ? len : FRAME_MIN) + OVERHEAD;

	*mark = false;
	*start = now;
	arrives = now;
	if (l->rate != 0) {
		if (l->free_at <= now) {
			l->free_at = now;
			l->rest = 0;
		} else {
			if (l->backlog + len > l->queue)
				return false;
			*start = l->free_at;
			l->backlog += len;
			*mark = l->ecn != 0 && l->backlog > l->ecn;
		}
		x = bytes * 8 * NS + l->rest;
		l->free_at += x / l->rate;
		l->rest = x % l->rate;
		arrives = l->free_at;
	}
	arrives += l->delay;
	if (l->jitter != 0)
		arrives += cx_mix(l->seed, l->n++) % (l->jitter + 1);
	/* nothing overtakes */
	if (arrives < l->last_due)
		arrives = l->last_due;
	l->last_due = arrives;
	*due = arrives;
	return true;
}

/* RFC 1624, equation 3, for the word that holds the type of service. */
static void
mark_ipv4(uint8_t *ip)
{
	uint16_t old, new, sum;
	uint32_t s;

	memcpy(&old, ip, 2);
	ip[1] |= 3;
	memcpy(&new, ip, 2);
	memcpy(&sum, ip + 10, 2);
	s = (uint16_t)~sum + (uint32_t)(uint16_t)~old + new;
	sum = ~cx_fold(s);
	memcpy(ip + 10, &sum, 2);
}

bool
cx_ecn_mark(uint8_t *frame, uint32_t len)
{
	uint32_t l3 = 14;
	uint16_t type;
	uint8_t ecn;

	if (len < l3 + 20)
		return false;
	type = be16(frame + 12);
	if (type == ETHERTYPE_VLAN) {
		type = be16(frame + 16);
		l3 += 4;
		if (len < l3 + 20)
			return false;
	}
	if (type == ETHERTYPE_IP) {
		ecn = frame[l3 + 1] & 3;
		if (ecn == 0)
			return false;
		if (ecn != 3)
			mark_ipv4(frame + l3);
		return true;
	}
	if (type != ETHERTYPE_IPV6)
		return false;
	/* the traffic class lies across the first two bytes */
	if ((frame[l3 + 1] & 0x30) == 0)
		return false;
	frame[l3 + 1] |= 0x30;
	return true;
}
