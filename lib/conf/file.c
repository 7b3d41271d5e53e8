/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration file: [options] with variables, [port NAME] with addresses. rte_cfgfile reads
 * it; because that passes over lines it does not understand and cuts long values, the lines are
 * looked at first.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <rte_cfgfile.h>

#include "conf/conf_priv.h"

/* Not rte_cfgfile's own ';', which DPVMA_PORTS needs. */
#define COMMENT '#'

static int
line_check(const char *path, unsigned int number, char *line)
{
	char *end = strchr(line, COMMENT), *value;
	const char *what;

	if (end != NULL)
		*end = '\0';
	line = conf_trim(line);
	value = strchr(line, '=');
	if (*line == '\0')
		return 0;
	if (*line == '[' && strchr(line, ']') == NULL)
		what = "a section without ]";
	else if (*line == '[' && strcspn(line, "]") > CFG_NAME_LEN)
		what = "a section's name longer than 63 characters";
	else if (*line == '[')
		return 0;
	else if (value == NULL)
		what = "neither [SECTION] nor KEY=VALUE nor # COMMENT";
	else if (value == line)
		what = "no key before the =";
	else if (value - line >= CFG_NAME_LEN)
		what = "a key longer than 63 characters";
	else if (strlen(value + 1) >= CFG_VALUE_LEN)
		what = "a value longer than 255 characters: use the environment";
	else
		return 0;
	conf_say(LOG_LEVEL_ERROR, "%s line %u: %s: nothing of the file is used", path, number,
			what);
	return -EINVAL;
}

static int
lines_check(const char *path)
{
	char *line = NULL;
	unsigned int number = 0;
	size_t size = 0;
	struct stat st;
	FILE *f = fopen(path, "re");
	int ret = 0;

	if (f == NULL) {
		ret = -errno;
		conf_say(LOG_LEVEL_ERROR, "DPVMA_CONFIG=%s cannot be opened: %s", path,
				strerror(-ret));
		return ret;
	}
	/* it is read twice, which a pipe does not allow */
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		conf_say(LOG_LEVEL_ERROR, "DPVMA_CONFIG=%s is not a regular file", path);
		ret = -EINVAL;
	}
	while (ret == 0 && getline(&line, &size, f) >= 0)
		ret = line_check(path, ++number, line);
	free(line);
	fclose(f);
	return ret;
}

/* The key's name without the number that tells route1 from route2. */
static enum conf_port_key
key_of(const char *name)
{
	static const struct {
		const char *name;
		enum conf_port_key key;
	} keys[] = {
		{ "address", CONF_PORT_ADDR },
		{ "gateway", CONF_PORT_GATEWAY },
		{ "mtu", CONF_PORT_MTU },
		{ "neighbour", CONF_PORT_NEIGH },
		{ "route", CONF_PORT_ROUTE },
	};
	size_t len = strlen(name);
	unsigned int i;

	for (i = 0; i < RTE_DIM(keys); i++) {
		size_t n = strlen(keys[i].name);
		bool many = keys[i].key == CONF_PORT_ADDR || keys[i].key == CONF_PORT_NEIGH ||
				keys[i].key == CONF_PORT_ROUTE;

		if (strncmp(name, keys[i].name, n) == 0 &&
				(len == n || (many && strspn(name + n, "0123456789") == len - n)))
			return keys[i].key;
	}
	return CONF_PORT_UNKNOWN;
}

static int
port_entry(struct conf_port *p, struct rte_cfgfile_entry *e, enum conf_port_key key, char *why)
{
	char *rest = e->value, *item;

	while ((item = strsep(&rest, ",")) != NULL)
		if (conf_port_set(p, key, conf_trim(item), why) != 0)
			return -EINVAL;
	return 0;
}

static int
port_section(const char *path, const char *name, struct rte_cfgfile_entry *e, int n)
{
	struct conf_port *p = calloc(1, sizeof(*p));
	char why[CONF_WHY_SIZE];
	const char *at = "";
	int i, ret = 0;

	if (p == NULL)
		return -ENOMEM;
	snprintf(p->name, sizeof(p->name), "%s", name);
	for (i = 0; i < n && ret == 0; i++) {
		enum conf_port_key key = key_of(e[i].name);

		if (key == CONF_PORT_UNKNOWN) {
			conf_say(LOG_LEVEL_WARNING,
					"%s: [port %s] %s is not one of address, gateway, mtu, "
					"neighbour, route: ignored",
					path, name, e[i].name);
			continue;
		}
		ret = port_entry(p, &e[i], key, why);
		at = e[i].name;
	}
	if (ret == 0) {
		at = "";
		ret = conf_port_add(p, false, why);
	}
	if (ret != 0)
		conf_say(LOG_LEVEL_ERROR, "%s: [port %s] %s%s%s: this port's section is left out",
				path, name, at, *at != '\0' ? ": " : "", why);
	free(p);
	return ret;
}

static int
section(const char *path, struct rte_cfgfile *cfg, int index,
		void (*take)(const char *path, const char *name, const char *value))
{
	char name[CFG_NAME_LEN];
	struct rte_cfgfile_entry *e;
	int n, i, ret = 0;

	n = rte_cfgfile_section_num_entries_by_index(cfg, name, index);
	if (n < 0)
		return -EINVAL;
	e = calloc((size_t)n + 1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	rte_cfgfile_section_entries_by_index(cfg, index, name, e, n);
	if (strcmp(name, "options") == 0)
		for (i = 0; i < n; i++)
			take(path, e[i].name, e[i].value);
	else if (strncmp(name, "port ", 5) == 0 && *conf_trim(name + 5) != '\0')
		ret = port_section(path, conf_trim(name + 5), e, n);
	else if (index == 0)
		/* the library's own place for lines before any section; empty in a right file */
		for (i = 0; i < n; i++)
			conf_say(LOG_LEVEL_WARNING, "%s: %s stands before any section: ignored",
					path, e[i].name);
	else
		conf_say(LOG_LEVEL_WARNING,
				"%s: [%s] is neither [options] nor [port NAME]: ignored", path,
				name);
	free(e);
	return ret;
}

int
conf_file_read(const char *path,
		void (*take)(const char *path, const char *name, const char *value))
{
	struct rte_cfgfile_parameters params = { .comment_character = COMMENT };
	struct rte_cfgfile *cfg;
	int i, n, ret, bad;

	ret = lines_check(path);
	if (ret != 0)
		return ret;
	cfg = rte_cfgfile_load_with_params(
			path, CFG_FLAG_GLOBAL_SECTION | CFG_FLAG_EMPTY_VALUES, &params);
	if (cfg == NULL) {
		conf_say(LOG_LEVEL_ERROR, "DPVMA_CONFIG=%s cannot be read", path);
		return -EINVAL;
	}
	n = rte_cfgfile_num_sections(cfg, NULL, 0);
	for (i = 0; i < n; i++) {
		bad = section(path, cfg, i, take);
		ret = ret != 0 ? ret : bad;
	}
	rte_cfgfile_close(cfg);
	return ret;
}
