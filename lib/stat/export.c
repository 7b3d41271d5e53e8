/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counter blocks as rte_telemetry commands: /dpvma/KIND lists the blocks there are,
 * /dpvma/KIND,INDEX gives the counters of one. Runs in the telemetry thread and reads counters
 * without a lock: each is one word, and a reader that comes between two of them sees a moment that
 * never was, no more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include "stat/stat.h"

#define KINDS_MAX 8
#define LABEL_SIZE 128
#define PREFIX "/dpvma/"

#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define dict_add_u64 rte_tel_data_add_dict_uint
#else
#define dict_add_u64 rte_tel_data_add_dict_u64
#endif

struct export
{
	const struct stat_desc *desc;
	const uint64_t *(*get)(unsigned int index);
	void (*label)(unsigned int index, char *buf, size_t len);
	char command[64];
	char help[128];
};

static struct export exports[KINDS_MAX];
static unsigned int n_exports;
static pthread_mutex_t exports_lock = PTHREAD_MUTEX_INITIALIZER;

/* The text of a block, "" when nobody has one for it. */
static void
label_of(const struct export *e, unsigned int index, char *buf)
{
	buf[0] = '\0';
	if (e->label != NULL)
		e->label(index, buf, LABEL_SIZE);
}

static int
list_blocks(const struct export *e, struct rte_tel_data *d)
{
	char label[LABEL_SIZE], name[16];
	unsigned int i;

	rte_tel_data_start_dict(d);
	/* a dictionary holds so many; the rest can still be asked for by index */
	for (i = 0; i < RTE_TEL_MAX_DICT_ENTRIES && e->get(i) != NULL; i++) {
		label_of(e, i, label);
		snprintf(name, sizeof(name), "%u", i);
		rte_tel_data_add_dict_string(d, name, label);
	}
	return 0;
}

static int
one_block(const struct export *e, const char *params, struct rte_tel_data *d)
{
	char label[LABEL_SIZE];
	unsigned long index;
	const uint64_t *c;
	unsigned int i;
	char *end;

	errno = 0;
	index = strtoul(params, &end, 10);
	if (errno != 0 || end == params || *end != '\0' || index > UINT32_MAX)
		return -EINVAL;
	c = e->get((unsigned int)index);
	if (c == NULL)
		return -ENOENT;
	rte_tel_data_start_dict(d);
	label_of(e, (unsigned int)index, label);
	if (label[0] != '\0')
		rte_tel_data_add_dict_string(d, "label", label);
	for (i = 0; i < e->desc->n; i++)
		dict_add_u64(d, e->desc->names[i], c[i]);
	return 0;
}

static int
answer(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct export e = { 0 };
	unsigned int i;

	pthread_mutex_lock(&exports_lock);
	for (i = 0; i < n_exports; i++)
		if (strcmp(exports[i].command, cmd) == 0)
			e = exports[i];
	pthread_mutex_unlock(&exports_lock);
	if (e.get == NULL)
		return -ENOENT;
	if (params == NULL || params[0] == '\0')
		return list_blocks(&e, d);
	return one_block(&e, params, d);
}

int
stat_export(const struct stat_desc *desc, const uint64_t *(*get)(unsigned int index),
		void (*label)(unsigned int index, char *buf, size_t len))
{
	struct export *e = NULL;
	unsigned int i;
	int ret = 0;

	pthread_mutex_lock(&exports_lock);
	for (i = 0; i < n_exports; i++)
		if (strcmp(exports[i].desc->kind, desc->kind) == 0)
			e = &exports[i];
	if (e == NULL && n_exports == KINDS_MAX) {
		ret = -ENOSPC;
	} else if (e == NULL) {
		e = &exports[n_exports];
		snprintf(e->command, sizeof(e->command), PREFIX "%s", desc->kind);
		snprintf(e->help, sizeof(e->help),
				"%s counters of dpvma. Parameter: index; none: list what there is",
				desc->kind);
		ret = rte_telemetry_register_cmd(e->command, answer, e->help);
		if (ret == 0)
			n_exports++;
	}
	if (ret == 0) {
		e->desc = desc;
		e->get = get;
		e->label = label;
	}
	pthread_mutex_unlock(&exports_lock);
	return ret;
}
