/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share: the option table as rows, the place values are built in, and
 * the lines that wait until the log is set up.
 */
#ifndef CONF_PRIV_H
#define CONF_PRIV_H

#include "conf/conf.h"

#define CONF_F_NOP 0x01u
#define CONF_F_CLAMP 0x02u
#define CONF_F_ZERO 0x04u
#define CONF_F_POW2 0x08u
#define CONF_F_PID 0x10u
#define CONF_F_TAKE 0x20u

enum conf_type {
	CONF_T_GROUP,
	CONF_T_BOOL,
	CONF_T_INT,
	CONF_T_ENUM,
	CONF_T_STR,
	CONF_T_CPUS,
	CONF_T_PTR,
	CONF_T_DERIVED,
	CONF_T_RETIRED,
};

/** A value of an enumerated option; a table of them ends with words NULL. */
struct conf_word {
	int value;
	const char *words; /**< what means it, separated by spaces; the first is printed */
	const char *help;
};

/** A row of the option table. */
struct conf_option {
	const char *name; /**< the variable; of a group its title */
	enum conf_type type;
	unsigned int flags;
	size_t offset, size; /**< of the field in struct conf */
	int def, min, max;
	const char *text; /**< default of a string; replacement of a retired variable */
	const char *unit;
	const char *help;
	const struct conf_word *words;
};

#define CONF_PASTE_(a, b) a##b
#define CONF_PASTE(a, b) CONF_PASTE_(a, b)

/** Index of a row: CONF_O_field, for retired ones CONF_O_NAME. */
enum {
#define CONF_GROUP(title) CONF_PASTE(CONF_O_GROUP_, __LINE__),
#define CONF_BOOL(field, ...) CONF_O_##field,
#define CONF_INT(field, ...) CONF_O_##field,
#define CONF_ENUM(field, ...) CONF_O_##field,
#define CONF_STR(field, ...) CONF_O_##field,
#define CONF_CPUS(field, ...) CONF_O_##field,
#define CONF_PTR(field, ...) CONF_O_##field,
#define CONF_DERIVED(field, ...) CONF_O_##field,
#define CONF_RETIRED(name, ...) CONF_O_##name,
#include "conf/options.h"
	CONF_OPTIONS_N
};

extern const struct conf_option conf_options[CONF_OPTIONS_N];

/** Where a value comes from; the greater wins. */
enum conf_source {
	CONF_FROM_DEFAULT,
	CONF_FROM_MODE, /**< a side effect of VMA_SOCKETXTREME */
	CONF_FROM_SPEC,
	CONF_FROM_FILE,
	CONF_FROM_ENV,
	CONF_FROM_PROGRAM,
	CONF_SOURCES_N
};

/** Values being made. */
struct conf_build {
	struct conf *c;
	enum conf_source source[CONF_OPTIONS_N];
};

static inline bool
conf_build_is_set(const struct conf_build *b, unsigned int o)
{
	return b->source[o] >= CONF_FROM_FILE;
}

/** Row of that name, or CONF_OPTIONS_N. */
unsigned int conf_option_find(const char *name);

/**
 * Store @p text as the value of @p o.
 *
 * @param why gets what is wrong, as the end of a sentence that begins with the variable
 * @return 0; 1 when the end of the range was stored instead; -EINVAL when nothing was stored
 */
int conf_value_parse(const struct conf_option *o, const char *text, struct conf *c, char *why,
		size_t why_size);

/** The value as text that conf_value_parse() takes back. @p buf is returned. */
char *conf_value_format(const struct conf_option *o, const struct conf *c, char *buf, size_t size);
#define CONF_VALUE_SIZE CONF_ARGS_SIZE

bool conf_value_equal(const struct conf_option *o, const struct conf *a, const struct conf *b);

/** Whole decimal number, blanks around it allowed. 0, -EINVAL, or -ERANGE beyond int. */
int conf_number_parse(const char *text, int *value);

/** Values that options force on each other, after all of them were read. */
void conf_rules(struct conf_build *b);

/** A value that a profile sets; the table ends with name NULL. */
struct conf_profile {
	enum conf_spec spec;
	const char *name;
	const char *value;
};

extern const struct conf_profile conf_profiles[];
void conf_profile_apply(struct conf_build *b);

/**
 * Read a configuration file: @p take gets every line of [options], ports go to conf_ports.
 *
 * @return 0 or a negative errno, which was said
 */
int conf_file_read(const char *path,
		void (*take)(const char *path, const char *name, const char *value));

void conf_ports_reset(void);

/** Parse DPVMA_PORTS. 0 or -EINVAL; ports that are right are taken even then. */
int conf_ports_parse(const char *text);

/** What a key of a port's description is called, in DPVMA_PORTS and in the file. */
enum conf_port_key {
	CONF_PORT_ADDR,
	CONF_PORT_GATEWAY,
	CONF_PORT_MTU,
	CONF_PORT_NEIGH,
	CONF_PORT_ROUTE,
	CONF_PORT_UNKNOWN,
};

#define CONF_WHY_SIZE 256

/** One value of one key; 0 or -EINVAL with @p why. */
int conf_port_set(struct conf_port *p, enum conf_port_key key, char *value, char *why);

/** Check a whole description and add it; @p replace: it may take the place of one of that name. */
int conf_port_add(const struct conf_port *p, bool replace, char *why);

/** @name Rules of VMA_CONFIG_FILE */
/** @{ */
#define CONF_GLOB_SIZE 256 /**< bytes of a program's pattern or a user id */

/** Addresses and ports of a rule. */
struct conf_pair {
	uint32_t net_be, mask_be; /**< a mask of 0: any address */
	uint16_t first, last;
};

struct conf_rule {
	enum conf_role role;
	bool offload;
	unsigned int pairs_n;
	struct conf_pair pairs[2];
};

enum conf_line_kind { CONF_LINE_EMPTY, CONF_LINE_BLOCK, CONF_LINE_RULE, CONF_LINE_LOG };

/** A line, read. */
struct conf_line {
	enum conf_line_kind kind;
	struct conf_rule rule;
	char program[CONF_GLOB_SIZE], id[CONF_GLOB_SIZE];
};

/** 0, or -EINVAL with @p why: what was expected, and what stands there. (offload_line.c) */
int conf_line_parse(const char *text, struct conf_line *line, char *why, size_t size);

/** Read the file unless it was read already, and choose the block by @p id. (offload.c) */
void conf_offload_load(const char *path, bool named, const char *id);
void conf_offload_forget(void);
/** @} */

/** Cut blanks off both ends of @p text, in place. */
char *conf_trim(char *text);

/** Queue a line for the log until conf_said(); a line said before is not said again. */
void conf_say(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void conf_said(void);
void conf_say_forget(void);

/** The values without any variable set. */
const struct conf *conf_defaults(void);

#endif
