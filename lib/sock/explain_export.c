/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dpvma/explain for rte_telemetry: the descriptors of the process, and all that is told of one.
 * An answer holds 512 numbers and texts of 127 bytes: a list goes on where the last one ended, and
 * longer texts in members that are numbered.
 */
#include <stdlib.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include "facts.h"

#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define dict_add_u64 rte_tel_data_add_dict_uint
#else
#define dict_add_u64 rte_tel_data_add_dict_u64
#endif

#define PIECES 4

static int
list(int first, struct rte_tel_data *d)
{
	int fds[RTE_TEL_MAX_ARRAY_ENTRIES];
	unsigned int n = facts_list(first, fds, RTE_TEL_MAX_ARRAY_ENTRIES), i;

	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (i = 0; i < n; i++)
		rte_tel_data_add_array_int(d, fds[i]);
	return 0;
}

static void
add_text(struct rte_tel_data *d, const char *name, const char *text)
{
	char piece[RTE_TEL_MAX_STRING_LEN], more[32];
	unsigned int i;

	for (i = 1; i <= PIECES && (i == 1 || *text != '\0'); i++) {
		snprintf(more, sizeof(more), "%s_%u", name, i);
		strlcpy(piece, text, sizeof(piece));
		rte_tel_data_add_dict_string(d, i == 1 ? name : more, piece);
		text += strlen(piece);
	}
}

static void
add_rings(struct rte_tel_data *d, const struct facts *x)
{
	struct rte_tel_data *a = rte_tel_data_alloc();
	char text[RTE_TEL_MAX_STRING_LEN];
	unsigned int i;

	if (a == NULL)
		return;
	rte_tel_data_start_array(a, RTE_TEL_STRING_VAL);
	for (i = 0; i < x->rings_n; i++) {
		snprintf(text, sizeof(text), "ring %u on queue %u of %s", x->rings[i].index,
				x->rings[i].queue, x->rings[i].port);
		rte_tel_data_add_array_string(a, text);
	}
	rte_tel_data_add_dict_container(d, "rings", a, 0);
}

static void
add_flows(struct rte_tel_data *d, const struct facts *x)
{
	struct rte_tel_data *a = rte_tel_data_alloc();
	char text[RTE_TEL_MAX_STRING_LEN];
	unsigned int i;

	if (a == NULL)
		return;
	rte_tel_data_start_array(a, RTE_TEL_STRING_VAL);
	for (i = 0; i < RTE_MIN(x->flows_n, (unsigned int)FACTS_FLOWS); i++) {
		strlcpy(text, x->flows[i], sizeof(text));
		rte_tel_data_add_array_string(a, text);
	}
	rte_tel_data_add_dict_container(d, "steering", a, 0);
}

static void
add_counters(struct rte_tel_data *d, const struct facts *x)
{
	struct rte_tel_data *c = rte_tel_data_alloc();
	unsigned int i;

	if (c == NULL)
		return;
	rte_tel_data_start_dict(c);
	for (i = 0; i < stat_sock.n; i++)
		dict_add_u64(c, stat_sock.names[i], x->stats.c[i]);
	rte_tel_data_add_dict_container(d, "counters", c, 0);
}

static int
one(int fd, struct rte_tel_data *d)
{
	/* of telemetry's thread */
	static struct facts x;

	if (!facts_get(fd, &x))
		return -ENOENT;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_int(d, "fd", fd);
	rte_tel_data_add_dict_string(d, "type", x.type);
	rte_tel_data_add_dict_string(d, "carrier", x.carrier);
	rte_tel_data_add_dict_string(d, "decided", x.decided);
	add_text(d, "why", x.why);
	rte_tel_data_add_dict_string(d, "local", x.local);
	rte_tel_data_add_dict_string(d, "remote", x.remote);
	rte_tel_data_add_dict_string(d, "state", x.state);
	add_rings(d, &x);
	add_flows(d, &x);
	if (x.table)
		add_counters(d, &x);
	return 0;
}

/* Nothing, a descriptor, or after,DESCRIPTOR. */
static int
answer(const char *cmd, const char *params, struct rte_tel_data *d)
{
	static const char after[] = "after,";
	bool from = params != NULL && strncmp(params, after, sizeof(after) - 1) == 0;
	unsigned long fd;
	char *end;

	(void)cmd;
	if (params == NULL || params[0] == '\0')
		return list(0, d);
	if (from)
		params += sizeof(after) - 1;
	errno = 0;
	fd = strtoul(params, &end, 10);
	if (errno != 0 || end == params || *end != '\0' || fd >= INT32_MAX)
		return -EINVAL;
	return from ? list((int)fd + 1, d) : one((int)fd, d);
}

void
explain_export(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	rte_telemetry_register_cmd("/dpvma/explain", answer,
			"Who carries a socket and why. Parameter: descriptor; none: list them, up "
			"to 512; after,FD: the next of the list");
}
