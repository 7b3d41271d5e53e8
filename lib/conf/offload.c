/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of VMA_CONFIG_FILE as they are kept and asked: blocks of rules by program and user id,
 * of which the first that fits this process decides. Reading a line is offload_line.c's.
 *
 * Readers take no lock: a rule is whole before it is linked, and stays until the options are
 * loaded anew, which is for a time when nobody else uses them.
 */
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "conf/conf_priv.h"

/* The default of VMA_APPLICATION_ID fits blocks of any id only. */
#define NO_ID "VMA_DEFAULT_APPLICATION_ID"

struct rule {
	struct rule *next; /**< of the block, in the order of asking */
	struct conf_rule what;
	uint32_t number;
	char text[];
};

struct block {
	struct block *next;
	struct rule *rules;
	char program[CONF_GLOB_SIZE], id[CONF_GLOB_SIZE];
};

uint32_t conf_offload_roles;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks;
static struct block *last;   /**< that was parsed last: rules are added there */
static struct block *chosen; /**< of this process, NULL: none fits */
static uint32_t numbers;
static char app_id[CONF_ID_SIZE];
static char loaded[CONF_PATH_MAX];
static bool is_loaded;

static bool
fits(const struct block *b)
{
	if (fnmatch(b->program, program_invocation_short_name, 0) != 0)
		return false;
	if (strcmp(b->id, "*") == 0)
		return true;
	if (strcmp(app_id, NO_ID) == 0)
		return false;
	return strcmp(app_id, "*") == 0 || strcmp(app_id, b->id) == 0;
}

/* After every change. */
static void
choose(void)
{
	struct block *b = blocks;
	const struct rule *r;
	uint32_t roles = 0;

	while (b != NULL && !fits(b))
		b = b->next;
	for (r = b != NULL ? b->rules : NULL; r != NULL; r = r->next)
		if (!r->what.offload)
			roles |= 1u << r->what.role;
	__atomic_store_n(&chosen, b, __ATOMIC_RELEASE);
	__atomic_store_n(&conf_offload_roles, roles, __ATOMIC_RELEASE);
}

/* The block of that pair, again or anew, is where rules go from now on. */
static int
open_block(const char *program, const char *id)
{
	struct block **at, *b;

	for (at = &blocks; (b = *at) != NULL; at = &b->next)
		if (strcmp(b->program, program) == 0 && strcmp(b->id, id) == 0)
			break;
	if (b == NULL) {
		b = calloc(1, sizeof(*b));
		if (b == NULL)
			return -ENOMEM;
		snprintf(b->program, sizeof(b->program), "%s", program);
		snprintf(b->id, sizeof(b->id), "%s", id);
		__atomic_store_n(at, b, __ATOMIC_RELEASE);
	}
	last = b;
	return 0;
}

static struct rule *
make_rule(const struct conf_rule *what, const char *origin, const char *text)
{
	size_t size = strlen(origin) + strlen(text) + 3;
	struct rule *r = malloc(sizeof(*r) + size);
	char *p;

	if (r == NULL)
		return NULL;
	r->what = *what;
	r->number = ++numbers;
	snprintf(r->text, size, "%s: %s", origin, text);
	for (p = r->text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return r;
}

/* At the end of its block as the file has it, or at the head as the program adds it. */
static int
take_rule(const struct conf_rule *what, const char *origin, const char *text, bool head)
{
	struct rule *r, **at;

	if (last == NULL && open_block("*", "*") != 0)
		return -ENOMEM;
	r = make_rule(what, origin, text);
	if (r == NULL)
		return -ENOMEM;
	for (at = &last->rules; !head && *at != NULL;)
		at = &(*at)->next;
	r->next = *at;
	__atomic_store_n(at, r, __ATOMIC_RELEASE);
	return 0;
}

static int
take_line(const struct conf_line *line, const char *origin, const char *text, bool head)
{
	switch (line->kind) {
	case CONF_LINE_BLOCK:
		return open_block(line->program, line->id);
	case CONF_LINE_RULE:
		return take_rule(&line->rule, origin, text, head);
	default:
		return 0;
	}
}

static void
forget(void)
{
	struct block *b;
	struct rule *r;

	while ((b = blocks) != NULL) {
		blocks = b->next;
		while ((r = b->rules) != NULL) {
			b->rules = r->next;
			free(r);
		}
		free(b);
	}
	last = chosen = NULL;
	numbers = 0;
	conf_offload_roles = 0;
	is_loaded = false;
}

void
conf_offload_forget(void)
{
	pthread_mutex_lock(&lock);
	forget();
	pthread_mutex_unlock(&lock);
}

/* 0, or -EINVAL: said, and the rest of the file is not read */
static int
read_line(const char *path, unsigned int number, char *text, size_t len)
{
	char origin[CONF_PATH_MAX + 16], why[CONF_WHY_SIZE];
	struct conf_line line;
	int ret;

	snprintf(origin, sizeof(origin), "%s:%u", path, number);
	if (strlen(text) != len) {
		snprintf(why, sizeof(why), "expected text, found a zero byte");
		ret = -EINVAL;
	} else {
		ret = conf_line_parse(text, &line, why, sizeof(why));
	}
	if (ret == 0)
		ret = take_line(&line, origin, conf_trim(text), false);
	else
		conf_say(LOG_LEVEL_ERROR,
				"%s line %u: %s: no rule is taken from this line or those after it",
				path, number, why);
	return ret;
}

static void
read_lines(const char *path, FILE *f)
{
	char *text = NULL;
	unsigned int number = 0;
	size_t size = 0;
	ssize_t len;
	int ret = 0;

	while (ret == 0 && (len = getline(&text, &size, f)) >= 0)
		ret = read_line(path, ++number, text, (size_t)len);
	if (ret == 0 && ferror(f))
		conf_say(LOG_LEVEL_WARNING, "VMA_CONFIG_FILE=%s cannot be read to its end: %s",
				path, strerror(errno));
	free(text);
}

/* Nobody needs such a file, so that only one that was asked for is missed. */
static void
read_file(const char *path, bool named)
{
	struct stat st;
	FILE *f = NULL;
	int err = 0;

	if (stat(path, &st) != 0)
		err = errno;
	else if (S_ISCHR(st.st_mode))
		return; /* /dev/null: no rules */
	else if (!S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else if ((f = fopen(path, "re")) == NULL)
		err = errno;
	if (f != NULL) {
		read_lines(path, f);
		fclose(f);
	} else if (named || (err != ENOENT && err != ENOTDIR)) {
		conf_say(LOG_LEVEL_WARNING,
				"VMA_CONFIG_FILE=%s cannot be opened (%s): there are no rules, "
				"every socket is offloaded",
				path, strerror(err));
	}
}

void
conf_offload_load(const char *path, bool named, const char *id)
{
	pthread_mutex_lock(&lock);
	/* what the program has added stays when it sets another option */
	if (!is_loaded || strcmp(path, loaded) != 0) {
		forget();
		if (path[0] != '\0')
			read_file(path, named);
		snprintf(loaded, sizeof(loaded), "%s", path);
		is_loaded = true;
	}
	snprintf(app_id, sizeof(app_id), "%s", id);
	choose();
	pthread_mutex_unlock(&lock);
}

int
conf_offload_add(const char *text)
{
	char why[CONF_WHY_SIZE], *copy;
	struct conf_line line;
	int ret;

	conf_load();
	if (text == NULL)
		return -EINVAL;
	copy = strdup(text);
	if (copy == NULL)
		return -ENOMEM;
	ret = conf_line_parse(copy, &line, why, sizeof(why));
	if (ret != 0) {
		LOG_WARNING("the rule \"%.100s\" is not added: %s", conf_trim(copy), why);
	} else {
		pthread_mutex_lock(&lock);
		ret = take_line(&line, "add_conf_rule", conf_trim(copy), true);
		choose();
		pthread_mutex_unlock(&lock);
	}
	free(copy);
	return ret;
}

static bool
within(const struct conf_pair *p, const struct ip_addr *addr, uint16_t port_be)
{
	uint16_t port = rte_be_to_cpu_16(port_be);

	if (port < p->first || port > p->last)
		return false;
	return p->mask_be == 0 || (ip_is_v4(addr) && (ip_v4(addr) & p->mask_be) == p->net_be);
}

static bool
applies(const struct rule *r, enum conf_role role, const struct ip_addr *local, uint16_t lport_be,
		const struct ip_addr *remote, uint16_t rport_be)
{
	const struct conf_rule *l = &r->what;

	if (l->role != role)
		return false;
	if (role == CONF_TCP_SERVER || role == CONF_UDP_RECEIVER)
		return within(&l->pairs[0], local, lport_be);
	if (!within(&l->pairs[0], remote, rport_be))
		return false;
	return role == CONF_UDP_SENDER || l->pairs_n < 2 || within(&l->pairs[1], local, lport_be);
}

struct conf_offload
conf_offload(enum conf_role role, const struct ip_addr *local, uint16_t lport_be,
		const struct ip_addr *remote, uint16_t rport_be)
{
	const struct block *b;
	const struct rule *r;

	conf();
	b = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
	r = b != NULL ? __atomic_load_n(&b->rules, __ATOMIC_ACQUIRE) : NULL;
	for (; r != NULL; r = __atomic_load_n(&r->next, __ATOMIC_ACQUIRE))
		if (applies(r, role, local, lport_be, remote, rport_be))
			return (struct conf_offload){
				.offload = r->what.offload, .rule = r->number, .text = r->text
			};
	return (struct conf_offload){ .offload = true };
}

const char *
conf_offload_text(uint32_t number)
{
	const char *text = NULL;
	const struct block *b;
	const struct rule *r;

	pthread_mutex_lock(&lock);
	for (b = blocks; b != NULL && text == NULL; b = b->next)
		for (r = b->rules; r != NULL && text == NULL; r = r->next)
			if (r->number == number)
				text = r->text;
	pthread_mutex_unlock(&lock);
	return text;
}
