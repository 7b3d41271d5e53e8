/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: variables of the process, and keys of a NIC. One table gives name, default,
 * kind and help of each; reading, checking and the help text come from it. CONNECTX_WIRE=help
 * prints it.
 *
 * Without CONNECTX_NICS there is one NIC, made of the variables. With it there is one for each
 * entry, and the variables are what an entry does not say.
 */
#include "connectx.h"
#include <ctype.h>
#include <sched.h>
#include <net/if.h>

#define NICS_SIZE 16384 /* bytes of CONNECTX_NICS or its file */
#define SPACE " \t\r"

extern char **environ;

enum kind { KIND_TEXT, KIND_UINT, KIND_INT };

struct var {
	const char *key, *name; /* in an entry of CONNECTX_NICS, and as a variable; or NULL */
	enum kind kind;
	size_t at, size; /* the field; size of a text */
	const char *dflt;
	long min, max;
	const char *help;
};

#define FIELD(type, f) offsetof(struct type, f)
#define NIC_TEXT(f) KIND_TEXT, FIELD(cx_nic_conf, f), sizeof(((struct cx_nic_conf *)0)->f)
#define NIC_UINT(f) KIND_UINT, FIELD(cx_nic_conf, f), 0
#define PROC_UINT(f) KIND_UINT, FIELD(cx_conf, f), 0
#define PROC_INT(f) KIND_INT, FIELD(cx_conf, f), 0

/* A default with a %u is one for each NIC: its number is filled in (MAC and PCI address counted on
 * from there). */
static const struct var nic_vars[] = {
	{ "wire", "CONNECTX_WIRE", NIC_TEXT(wire), "null", 0, 0,
			"what the port is connected to (see the wires); setting it turns the model "
			"on, \"help\" prints this" },
	{ "name", "CONNECTX_NAME", NIC_TEXT(name), "mlx5_%u", 0, 0, "name of the RDMA device" },
	{ "pci", "CONNECTX_PCI", NIC_TEXT(pci), "0000:%02x:00.0", 0, 0,
			"PCI address to show, for EAL's -a (the first: 0000:03:00.0)" },
	{ "devid", "CONNECTX_DEVID", NIC_TEXT(devid), "0x101d", 0, 0,
			"PCI device id to show (ConnectX-6 Dx)" },
	{ "netdev", "CONNECTX_NETDEV", NIC_TEXT(netdev), "cx%u", 0, 0,
			"the kernel's interface of the NIC: a TAP, attached to if it exists, made "
			"if not" },
	{ "mac", "CONNECTX_MAC", NIC_TEXT(mac), "02:11:22:33:44:%02x", 0, 0,
			"address of that interface when the model makes it (the first: "
			"02:11:22:33:44:55)" },
	{ "mtu", "CONNECTX_MTU", NIC_UINT(mtu), "0", 0, 65521,
			"MTU of that interface when the model makes it, and of a TAP that is the "
			"wire; 0: 1500" },
	{ "cqe_comp", "CONNECTX_CQE_COMP", NIC_UINT(cqe_comp), "0", 0, 1,
			"1: compress completions on queues that allow it" },
	{ "wait_on_time", "CONNECTX_WAIT_ON_TIME", NIC_UINT(wait_on_time), "0", 0, 1,
			"1: send queues wait for a time (ConnectX-7), by a clock of real time" },
	{ "rules", "CONNECTX_RULES", NIC_UINT(rules), "0", 0, 1u << 24,
			"most rules with a mark that the NIC takes, without flow queues; 0: no "
			"limit" },
	{ "faults", "CONNECTX_FAULTS", NIC_TEXT(faults), "", 0, 0,
			"script of faults, like rx.drop@packet:100,link=10ms@time:2s" },
	{ "shape", "CONNECTX_SHAPE", NIC_TEXT(shape), "", 0, 0,
			"a link in each direction, like rx.rate=1G,rx.delay=10ms" },
};

static const struct var process_vars[] = {
	{ NULL, "CONNECTX_NICS", KIND_TEXT, 0, 0, "", 0, 0,
			"several NICs: entries of key=value words (the keys stand in brackets), "
			"separated by \";\"; or @FILE with one entry a line, # for comments" },
	{ NULL, "CONNECTX_DEVX", PROC_UINT(devx), "1", 0, 1,
			"0: refuse DevX, so that the PMD takes its verbs path" },
	{ NULL, "CONNECTX_THREADS", PROC_UINT(threads), "1", 1, CX_MAX_NICS,
			"device threads of the process; NICs are spread over them" },
	{ NULL, "CONNECTX_CPU", PROC_INT(cpu), "-1", -1, CPU_SETSIZE - 1 - CX_MAX_NICS,
			"CPU to pin the first device thread to, the others follow; -1: those of "
			"the process that no lcore has, if any" },
	{ NULL, "CONNECTX_SLEEP_US", PROC_UINT(sleep_us), "20", 0, 100000,
			"how long a device thread sleeps when there is nothing to do; 0: never" },
	{ NULL, "CONNECTX_VERBOSE", PROC_INT(verbose), "0", 0, 3,
			"0 errors, 1 a summary at the end, 2 objects and rules, 3 every command" },
	{ NULL, "CONNECTX", KIND_TEXT, 0, 0, "", 0, 0,
			"1: turn the model on without a wire; 0: keep it off whatever else is "
			"set" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FIRST_BUS 3
#define FIRST_MAC 0x55

struct cx_conf cx_conf;

/* getenv() is replaced in this library (core.c): look directly. */
static const char *
env(const char *name)
{
	size_t n = strlen(name);
	char **e;

	for (e = environ; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return (*e)[n + 1] != '\0' ? *e + n + 1 : NULL;
	return NULL;
}

bool
cx_conf_wanted(void)
{
	const char *on = env("CONNECTX");

	if (on != NULL)
		return strcmp(on, "0") != 0;
	return env("CONNECTX_WIRE") != NULL || env("CONNECTX_NICS") != NULL;
}

/* 0, or -1 after one log line. what: the variable, or the key and its entry. */
static int
set(void *conf, const struct var *v, const char *what, const char *text)
{
	char *end, *field = (char *)conf + v->at;
	long n;

	if (v->kind == KIND_TEXT) {
		if (strlen(text) < v->size) {
			memcpy(field, text, strlen(text) + 1);
			return 0;
		}
		cx_log(0, "%s: longer than %zu characters", what, v->size - 1);
		return -1;
	}
	errno = 0;
	n = strtol(text, &end, 0);
	if (errno != 0 || *end != '\0' || end == text || n < v->min || n > v->max) {
		cx_log(0, "%s=%s: not a number from %ld to %ld", what, text, v->min, v->max);
		return -1;
	}
	*(int *)field = (int)n;
	return 0;
}

static const struct var *
by_variable(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < COUNT(nic_vars) + COUNT(process_vars); i++) {
		const struct var *v = i < COUNT(nic_vars) ? &nic_vars[i]
							  : &process_vars[i - COUNT(nic_vars)];

		if (strlen(v->name) == n && strncmp(v->name, name, n) == 0)
			return v;
	}
	return NULL;
}

/* A misspelt variable would else do nothing in silence. */
static void
warn_unknown(void)
{
	char **e;
	size_t n;

	for (e = environ; e != NULL && *e != NULL; e++) {
		n = strcspn(*e, "=");
		if (strncmp(*e, "CONNECTX_", 9) == 0 && by_variable(*e, n) == NULL)
			cx_log(0, "%.*s: no such variable (CONNECTX_WIRE=help lists them)", (int)n,
					*e);
	}
}

/* What distinguishes NICs must not come from one variable for all of them. */
static bool
per_nic(const struct var *v)
{
	return strchr(v->dflt, '%') != NULL;
}

static int
set_defaults(struct cx_nic_conf *c, unsigned int index, bool alone)
{
	char text[64];
	size_t i;

	for (i = 0; i < COUNT(nic_vars); i++) {
		const struct var *v = &nic_vars[i];
		const char *value = alone || !per_nic(v) ? env(v->name) : NULL;
		unsigned int number = index;

		if (value == NULL && per_nic(v)) {
			if (v->at == FIELD(cx_nic_conf, pci))
				number += FIRST_BUS;
			else if (v->at == FIELD(cx_nic_conf, mac))
				number += FIRST_MAC;
			snprintf(text, sizeof(text), v->dflt, number);
			value = text;
		}
		if (set(c, v, v->name, value != NULL ? value : v->dflt) != 0)
			return -1;
	}
	return 0;
}

static int
set_word(struct cx_nic_conf *c, char *word)
{
	char *value = strchr(word, '=');
	size_t i;

	if (value == NULL) {
		cx_log(0, "CONNECTX_NICS: \"%s\" is no key=value", word);
		return -1;
	}
	*value++ = '\0';
	for (i = 0; i < COUNT(nic_vars); i++)
		if (strcmp(nic_vars[i].key, word) == 0)
			return set(c, &nic_vars[i], word, value);
	cx_log(0, "CONNECTX_NICS: no key \"%s\" (CONNECTX_WIRE=help lists them)", word);
	return -1;
}

/* The text of CONNECTX_NICS, or of the file it names, in buf. */
static int
nics_text(char *buf)
{
	const char *text = env("CONNECTX_NICS");
	bool bad;
	size_t n;
	FILE *f;

	if (text[0] != '@') {
		if (strlen(text) >= NICS_SIZE) {
			cx_log(0, "CONNECTX_NICS: longer than %u characters", NICS_SIZE - 1);
			return -1;
		}
		memcpy(buf, text, strlen(text) + 1);
		return 0;
	}
	f = fopen(text + 1, "re");
	if (f == NULL) {
		cx_log(0, "CONNECTX_NICS: %s: %m", text + 1);
		return -1;
	}
	n = fread(buf, 1, NICS_SIZE, f);
	bad = ferror(f);
	if (bad)
		cx_log(0, "CONNECTX_NICS: %s: %m", text + 1);
	fclose(f);
	if (bad)
		return -1;
	if (n == NICS_SIZE) {
		cx_log(0, "CONNECTX_NICS: %s: longer than %u characters", text + 1, NICS_SIZE - 1);
		return -1;
	}
	buf[n] = '\0';
	return 0;
}

/* From a # at the start of a word to the end of the line, whatever separators are in it. */
static void
blank_comments(char *text)
{
	bool comment = false, word = false;

	for (; *text != '\0'; text++) {
		comment = *text != '\n' && (comment || (*text == '#' && !word));
		word = strchr(SPACE ";\n", *text) == NULL;
		if (comment)
			*text = ' ';
	}
}

static int
read_entries(struct cx_nic_conf *nics)
{
	static char buf[NICS_SIZE];
	char *entry, *word, *p, *q;
	unsigned int n = 0;

	if (nics_text(buf) != 0)
		return -1;
	blank_comments(buf);
	for (entry = strtok_r(buf, ";\n", &p); entry != NULL; entry = strtok_r(NULL, ";\n", &p)) {
		entry += strspn(entry, SPACE);
		if (*entry == '\0')
			continue;
		if (n == CX_MAX_NICS) {
			cx_log(0, "CONNECTX_NICS: more than %u NICs", CX_MAX_NICS);
			return -1;
		}
		if (set_defaults(&nics[n], n, false) != 0)
			return -1;
		for (word = strtok_r(entry, SPACE, &q); word != NULL;
				word = strtok_r(NULL, SPACE, &q))
			if (set_word(&nics[n], word) != 0)
				return -1;
		n++;
	}
	if (n == 0)
		cx_log(0, "CONNECTX_NICS: no NIC in it");
	return n > 0 ? (int)n : -1;
}

/* What the kernel takes for a name; and no %, which it would put a number in place of. */
static bool
is_netdev(const char *name)
{
	return name[0] != '\0' && strlen(name) < IFNAMSIZ && strcmp(name, ".") != 0 &&
			strcmp(name, "..") != 0 && strpbrk(name, "/:% \t\n\v\f\r") == NULL;
}

static bool
is_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
			name[strspn(name,
					"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_-.")] == '\0';
}

/* Whether text is like the pattern, in which an x stands for a hexadecimal digit. */
static bool
is_like(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; text++, pattern++)
		if (*pattern == 'x' ? !isxdigit((unsigned char)*text) : *text != *pattern)
			return false;
	return *text == '\0';
}

static bool
is_pci(const char *text)
{
	const char *slot = text + strlen("xxxx:xx:");

	return is_like(text, "xxxx:xx:xx.x") && strtoul(slot, NULL, 16) <= 0x1f &&
			strtoul(slot + strlen("xx."), NULL, 16) <= 7;
}

/* Of one interface: no group, and not zero. */
static bool
is_mac(const char *text)
{
	return is_like(text, "xx:xx:xx:xx:xx:xx") && !(strtoul(text, NULL, 16) & 1) &&
			strcmp(text, "00:00:00:00:00:00") != 0;
}

static bool
is_devid(const char *text)
{
	char *end;
	unsigned long id = strtoul(text, &end, 0);

	return isdigit((unsigned char)text[0]) && *end == '\0' && id > 0 && id <= 0xffff;
}

/* What would fail later with a line that does not name the cause. */
static int
check(const struct cx_nic_conf *c)
{
	if (!is_name(c->name)) {
		cx_log(0, "name=%s: not a name of letters, digits, _, - and .", c->name);
		return -1;
	}
	if (!is_pci(c->pci)) {
		cx_log(0, "%s: pci=%s: not a PCI address: like 0000:03:00.0", c->name, c->pci);
		return -1;
	}
	if (!is_devid(c->devid)) {
		cx_log(0, "%s: devid=%s: not a PCI device id: like 0x101d", c->name, c->devid);
		return -1;
	}
	if (!is_mac(c->mac)) {
		cx_log(0, "%s: mac=%s: not an address of one interface: like 02:11:22:33:44:55",
				c->name, c->mac);
		return -1;
	}
	if (c->mtu != 0 && c->mtu < 68) {
		cx_log(0, "%s: mtu=%u: not from 68 to 65521", c->name, c->mtu);
		return -1;
	}
	if (!is_netdev(c->netdev)) {
		cx_log(0, "%s: netdev=%s: not an interface name of 1 to %d characters", c->name,
				c->netdev, IFNAMSIZ - 1);
		return -1;
	}
	return cx_impair_check(c);
}

static int
check_pair(const struct cx_nic_conf *a, const struct cx_nic_conf *b)
{
	const char *what = strcmp(a->name, b->name) == 0    ? "name"
			: strcasecmp(a->pci, b->pci) == 0   ? "pci"
			: strcasecmp(a->mac, b->mac) == 0   ? "mac"
			: strcmp(a->netdev, b->netdev) == 0 ? "netdev"
							    : NULL;

	if (what == NULL)
		return 0;
	cx_log(0, "CONNECTX_NICS: %s and %s have the same %s", a->name, b->name, what);
	return -1;
}

unsigned int
cx_conf_read(struct cx_nic_conf *nics)
{
	const char *text;
	int i, j, n = 1;
	size_t k;

	for (k = 0; k < COUNT(process_vars); k++) {
		const struct var *v = &process_vars[k];

		text = env(v->name);
		if (v->kind != KIND_TEXT &&
				set(&cx_conf, v, v->name, text != NULL ? text : v->dflt))
			return 0;
	}
	warn_unknown();
	if (env("CONNECTX_NICS") != NULL)
		n = read_entries(nics);
	else if (set_defaults(&nics[0], 0, true) != 0)
		return 0;
	for (i = 0; i < n; i++) {
		if (check(&nics[i]) != 0)
			return 0;
		for (j = 0; j < i; j++)
			if (check_pair(&nics[j], &nics[i]) != 0)
				return 0;
	}
	return n > 0 ? n : 0;
}

static void
help_of(FILE *f, const struct var *v)
{
	char key[32] = "";

	if (v->key != NULL)
		snprintf(key, sizeof(key), " [%s]", v->key);
	fprintf(f, "  %-18s%s %s", v->name, key, v->help);
	if (!per_nic(v))
		fprintf(f, " (default: %s)", v->dflt[0] != '\0' ? v->dflt : "not set");
	else if (strchr(v->help, '(') == NULL)
		fprintf(f, " (default: %.*s0)", (int)strcspn(v->dflt, "%"), v->dflt);
	fputc('\n', f);
}

void
cx_conf_help(FILE *f)
{
	size_t i;

	fputs("Variables:\n", f);
	for (i = 0; i < COUNT(nic_vars); i++)
		help_of(f, &nic_vars[i]);
	for (i = 0; i < COUNT(process_vars); i++)
		help_of(f, &process_vars[i]);
	fputs("Wires:\n", f);
	for (i = 0; cx_wires[i] != NULL; i++)
		fprintf(f, "  %-5s %s\n", cx_wires[i]->name, cx_wires[i]->help);
}
