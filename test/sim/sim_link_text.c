/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A link's parameters as text: one table for both directions, so that what a failed scenario prints
 * can be given to any tool.
 */
#include "sim_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

enum kind { K_U64, K_U32, K_RATE, K_TIME, K_SIZE, K_PART };
static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
} keys[] = {
#define KEY(name, kind)                                                                            \
	{                                                                                          \
#name, kind, offsetof(struct sim_link_params, name)                                \
	}
	KEY(rate, K_RATE),
	KEY(delay, K_TIME),
	KEY(jitter, K_TIME),
	KEY(queue, K_SIZE),
	KEY(overhead, K_U32),
	KEY(ecn_mark, K_SIZE),
	KEY(codel, K_TIME),
	KEY(codel_interval, K_TIME),
	KEY(loss, K_PART),
	KEY(burst_enter, K_PART),
	KEY(burst_leave, K_PART),
	KEY(burst_loss, K_PART),
	KEY(reorder, K_PART),
	KEY(reorder_for, K_TIME),
	KEY(duplicate, K_PART),
	KEY(corrupt, K_PART),
	KEY(drop_every, K_U32),
	KEY(mtu, K_U32),
	KEY(mtu_then, K_U32),
	KEY(mtu_at, K_TIME),
	KEY(down_at, K_TIME),
	KEY(down_for, K_TIME),
	KEY(down_every, K_TIME),
#undef KEY
};

static const struct unit {
	const char *name;
	double factor;
} decimal[] = { { "", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 } },
  binary[] = { { "", 1 }, { "k", 1024 }, { "M", 1048576 }, { "G", 1073741824 } },
  times[] = { { "", 1 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };

static int
scaled(const char *text, const struct unit *units, unsigned int n, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end == text || *value < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(end, units[i].name) == 0) {
			*value *= units[i].factor;
			return 0;
		}
	}
	return -EINVAL;
}

static int
set(struct sim_link_params *params, const struct key *key, const char *text)
{
	void *field = (char *)params + key->offset;
	double value;
	int ret;

	if (key->kind == K_RATE)
		ret = scaled(text, decimal, RTE_DIM(decimal), &value);
	else if (key->kind == K_TIME)
		ret = scaled(text, times, RTE_DIM(times), &value);
	else
		ret = scaled(text, binary, key->kind == K_PART ? 1 : RTE_DIM(binary), &value);
	if (ret != 0)
		return ret;
	if (key->kind == K_PART && value > 1)
		return -EINVAL;
	if (key->kind == K_PART)
		*(double *)field = value;
	else if (key->kind == K_U32)
		*(uint32_t *)field = (uint32_t)value;
	else
		*(uint64_t *)field = (uint64_t)(value + 0.5);
	return 0;
}

/** "3:5:9" */
static int
set_drops(struct sim_link_params *params, const char *text)
{
	char *end;

	for (params->n_drops = 0; *text != '\0'; text = end) {
		if (params->n_drops == SIM_DROPS_MAX)
			return -EINVAL;
		params->drops[params->n_drops++] = (uint32_t)strtoul(text, &end, 10);
		if (end == text || (*end != ':' && *end != '\0'))
			return -EINVAL;
		end += *end == ':';
	}
	return 0;
}

static int
set_word(struct sim_link_params *params, char *word)
{
	char *value = strchr(word, '=');

	if (value == NULL)
		return -EINVAL;
	*value++ = '\0';
	if (strcmp(word, "drops") == 0)
		return set_drops(params, value);
	for (unsigned int i = 0; i < RTE_DIM(keys); i++) {
		if (strcmp(word, keys[i].name) == 0)
			return set(params, &keys[i], value);
	}
	return -EINVAL;
}

int
sim_link_parse(struct sim_link_params *params, const char *text, char *bad, size_t bad_len)
{
	char word[512];

	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		snprintf(bad, bad_len, "%.*s", (int)len, text);
		if (len >= sizeof(word))
			return -EINVAL;
		memcpy(word, text, len);
		word[len] = '\0';
		if (set_word(params, word) != 0)
			return -EINVAL;
		text += len + (text[len] == ',');
	}
	return 0;
}

/** Exact: plain numbers of the smallest unit, so that a line given back makes the same run. */
char *
sim_link_format(const struct sim_link_params *params, char *buf, size_t len)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < RTE_DIM(keys) && n < len; i++) {
		const void *field = (const char *)params + keys[i].offset;
		const char *comma = n > 0 ? "," : "";

		if (keys[i].kind == K_PART && *(const double *)field != 0)
			n += (size_t)snprintf(buf + n, len - n, "%s%s=%.17g", comma, keys[i].name,
					*(const double *)field);
		else if (keys[i].kind == K_U32 && *(const uint32_t *)field != 0)
			n += (size_t)snprintf(buf + n, len - n, "%s%s=%u", comma, keys[i].name,
					*(const uint32_t *)field);
		else if (keys[i].kind != K_PART && keys[i].kind != K_U32 &&
				*(const uint64_t *)field != 0)
			n += (size_t)snprintf(buf + n, len - n, "%s%s=%llu", comma, keys[i].name,
					(unsigned long long)*(const uint64_t *)field);
	}
	for (uint32_t i = 0; i < params->n_drops && n < len; i++)
		n += (size_t)snprintf(buf + n, len - n,
				i > 0			? ":%u"
						: n > 0 ? ",drops=%u"
							: "drops=%u",
				params->drops[i]);
	return buf;
}
