/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line before the program: each option declared once, for parsing and for help. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

enum kind { FLAG, NUMBER, TEXT, PORT, ADDR, SET, HELP };

struct option_desc {
	const char *name;
	char letter;
	enum kind kind;
	size_t offset;
	const char *arg, *help;
	uint32_t low, high;
};

#define AT(field) offsetof(struct run_args, field)
/* clang-format off */
static const struct option_desc descs[] = {
	{ "port", 'p', PORT, 0, "PORT",
		"a network device (eth1), a PCI address, memif:server:/SOCKET, memif:client:/SOCKET, tap:NAME "
		"or a virtual device as EAL takes it (net_ring0); more than one may be given. "
		"Without it: the only mlx5 device that has an address", 0, 0 },
	{ "addr", 'a', ADDR, 0, "ADDR/LEN[,gw=ADDR]...",
		"address of the port said before it, for one without a network device of the kernel", 0, 0 },
	{ "pmd", 0, TEXT, AT(pmd), "af_packet|af_xdp",
		"driver for network devices that have none of their own in DPDK (af_packet)", 0, 0 },
	{ "eal", 0, TEXT, AT(eal), "ARGUMENTS", "more arguments for EAL", 0, 0 },
	{ "profile", 0, TEXT, AT(profile), "NAME", "VMA_SPEC: latency, mcd, ...: doc/parameters.md", 0, 0 },
	{ "set", 's', SET, 0, "NAME=VALUE", "a VMA_ or DPVMA_ variable, checked", 0, 0 },
	{ "rules", 0, TEXT, AT(rules), "FILE", "which sockets are offloaded (VMA_CONFIG_FILE)", 0, 0 },
	{ "memory", 'm', NUMBER, AT(memory_mb), "MB", "memory of packets; default: from the buffers", 32, 1u << 24 },
	{ "huge", 0, FLAG, AT(huge), "", "huge pages or nothing; default: when enough are free", 0, 0 },
	{ "no-huge", 0, FLAG, AT(no_huge), "", "ordinary pages", 0, 0 },
	{ "sim", 0, FLAG, AT(sim), "",
		"on a software ConnectX, in a network namespace of its own: " SIM_NETDEV " has --addr ("
		SIM_ADDR "), and a kernel the other end of the wire, in another namespace", 0, 0 },
	{ "peer", 0, TEXT, AT(peer), "COMMAND",
		"with --sim: a shell command at the other end, started when the program has a port open; "
		"when it ends, so does the program", 0, 0 },
	{ "peer-server", 0, TEXT, AT(peer_server), "COMMAND",
		"with --sim: the same the other way: started first; the program starts when it has a port open", 0, 0 },
	{ "peer-port", 0, NUMBER, AT(peer_port), "N",
		"the port that is waited for; default: the first one", 1, 65535 },
	{ "peer-addr", 0, TEXT, AT(peer_addr), "ADDR/LEN", "address of the other end (" SIM_PEER_ADDR ")", 0, 0 },
	{ "stay", 0, FLAG, AT(stay), "", "the program goes on when --peer has ended", 0, 0 },
	{ "sim-wire", 0, TEXT, AT(sim_wire), "WIRE",
		"another wire for --sim: shm:NAME between two of them; all: drivers/sim/connectx", 0, 0 },
	{ "explain", 'e', FLAG, AT(explain), "",
		"when the program has ended, say of each descriptor whether it was offloaded, and why not", 0, 0 },
	{ "pid", 0, NUMBER, AT(pid), "N", "with --explain: of that process, which runs, and now", 1, 1u << 22 },
	{ "json", 0, FLAG, AT(json), "", "with --pid: for programs", 0, 0 },
	{ "list", 'l', FLAG, AT(list), "", "the ports that could be used, and what to type", 0, 0 },
	{ "verbose", 'v', FLAG, AT(verbose), "", "say what was chosen, and the command with its variables", 0, 0 },
	{ "dry-run", 'n', FLAG, AT(dry_run), "", "say it, and run nothing", 0, 0 },
	{ "help", 'h', HELP, 0, "", "this", 0, 0 },
};
/* clang-format on */
#define N_DESCS (sizeof(descs) / sizeof(descs[0]))

#define HELP_LEFT 30
#define HELP_WIDTH 100

/* The text in lines that begin at the column of its first. */
static void
print_wrapped(const char *text, FILE *f)
{
	size_t column = HELP_LEFT;

	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (column + 1 + word > HELP_WIDTH) {
			fprintf(f, "\n%*s", HELP_LEFT, "");
			column = HELP_LEFT;
		}
		fprintf(f, " %.*s", (int)word, text);
		column += 1 + word;
		text += word + strspn(text + word, " ");
	}
	fputc('\n', f);
}

static void
help(FILE *f)
{
	unsigned int i;

	fputs("usage: dpvma-run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	      "runs an unmodified program with its UDP and TCP sockets on DPDK.\n\n",
			f);
	for (i = 0; i < N_DESCS; i++) {
		const struct option_desc *d = &descs[i];
		char left[96], letter[8] = "    ";

		if (d->letter != 0)
			snprintf(letter, sizeof(letter), "-%c, ", d->letter);
		snprintf(left, sizeof(left), "  %s--%s%s%s", letter, d->name, *d->arg ? "=" : "",
				d->arg);
		fprintf(f, "%-*s", HELP_LEFT, left);
		if (strlen(left) >= HELP_LEFT)
			fprintf(f, "\n%*s", HELP_LEFT, "");
		print_wrapped(d->help, f);
	}
	fputs("\nVariables: doc/parameters.md. The exit code is the program's; 125: dpvma-run "
	      "failed, 126: the\nprogram cannot be run, 127: there is none.\n",
			f);
}

static int
take_number(const struct option_desc *d, const char *text, uint32_t *value)
{
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && n >= d->low && n <= d->high) {
		*value = (uint32_t)n;
		return 0;
	}
	run_error("--%s=%s: give a whole number from %u to %u", d->name, text, d->low, d->high);
	return -1;
}

static int
take_addr(const char *text, struct run_args *a)
{
	struct run_port *p;

	if (a->n_ports == 0 && (a->ports[0].addr == NULL)) {
		/* for a port that is chosen later */
		a->ports[0].addr = text;
		return 0;
	}
	p = a->n_ports > 0 ? &a->ports[a->n_ports - 1] : &a->ports[0];
	if (p->addr == NULL) {
		p->addr = text;
		return 0;
	}
	run_error("--addr=%s: a second one for the same port: write them as one, "
		  "--addr=%s,%s",
			text, p->addr, text);
	return -1;
}

static int
take_port(const char *text, struct run_args *a)
{
	if (a->n_ports == 0 && a->ports[0].addr != NULL) {
		run_error("--port=%s: --addr=%s stands before it: write --port first, then its "
			  "--addr",
				text, a->ports[0].addr);
		return -1;
	}
	if (a->n_ports == RUN_PORTS_MAX) {
		run_error("--port=%s: more than %d ports: give fewer", text, RUN_PORTS_MAX);
		return -1;
	}
	a->ports[a->n_ports++].spec = text;
	return 0;
}

static int
take(const struct option_desc *d, const char *text, struct run_args *a)
{
	void *field = (char *)a + d->offset;

	if (text != NULL && *text == '\0') {
		run_error("--%s: it is empty: give %s", d->name, d->arg);
		return -1;
	}
	switch (d->kind) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case TEXT:
		*(const char **)field = text;
		return 0;
	case NUMBER:
		return take_number(d, text, field);
	case PORT:
		return take_port(text, a);
	case ADDR:
		return take_addr(text, a);
	case SET:
		if (a->n_sets == RUN_SETS_MAX) {
			run_error("--set=%s: more than %d of them: use the environment", text,
					RUN_SETS_MAX);
			return -1;
		}
		a->sets[a->n_sets++] = text;
		return 0;
	case HELP:
		help(stdout);
		return 1;
	}
	return -1;
}

static int
refuse(const char *what, const char *with, const char *cure)
{
	run_error("%s%s%s: %s", what, *with != '\0' ? " with " : "", with, cure);
	return -1;
}

/* What does not go together. */
static int
check(const struct run_args *a)
{
	if (a->huge && a->no_huge)
		return refuse("--huge", "--no-huge", "leave one of them out");
	if (a->sim && a->n_ports > 0)
		return refuse("--sim", "--port", "it brings its own port: leave one of them out");
	if (a->sim_wire != NULL && !a->sim)
		return refuse("--sim-wire", "", "say --sim too");
	if ((a->peer != NULL || a->peer_server != NULL || a->peer_addr != NULL) && !a->sim)
		return refuse("--peer, --peer-server or --peer-addr", "",
				"the other end of a wire is there with --sim only: say that too");
	if ((a->peer != NULL || a->peer_server != NULL || a->peer_addr != NULL) &&
			a->sim_wire != NULL)
		return refuse("--peer, --peer-server or --peer-addr", "--sim-wire",
				"there is no kernel at that wire's other end: leave one of them "
				"out");
	if (a->peer_port != 0 && a->peer == NULL && a->peer_server == NULL)
		return refuse("--peer-port", "", "say --peer or --peer-server too");
	if (a->stay && a->peer == NULL)
		return refuse("--stay", "", "it is about --peer: say that too");
	if (a->pmd != NULL && strcmp(a->pmd, "af_packet") != 0 && strcmp(a->pmd, "af_xdp") != 0) {
		run_error("--pmd=%s: give af_packet or af_xdp", a->pmd);
		return -1;
	}
	if (a->pid != 0 && !a->explain)
		return refuse("--pid", "", "it is about --explain: say that too");
	if (a->json && a->pid == 0)
		return refuse("--json", "", "it is about --explain --pid=N: say that too");
	if (a->pid != 0 && a->program[0] != NULL)
		return refuse("--pid", "a program",
				"it is about one that runs: leave one of them out");
	if (a->program[0] == NULL && !a->list && a->pid == 0)
		return refuse("no program", "", "give its name, as in: dpvma-run redis-server");
	return 0;
}

int
run_args_parse(int argc, char **argv, struct run_args *a)
{
	struct option longs[N_DESCS + 1] = { 0 };
	char letters[2 * N_DESCS + 3], *p = letters;
	int c, index = 0, ret;
	unsigned int i;

	/* what stands behind the program's name is the program's */
	*p++ = '+';
	*p++ = ':';
	for (i = 0; i < N_DESCS; i++) {
		bool arg = *descs[i].arg != '\0';

		longs[i] = (struct option){ descs[i].name, arg ? required_argument : no_argument,
			NULL, (int)(256 + i) };
		if (descs[i].letter == 0)
			continue;
		*p++ = descs[i].letter;
		if (arg)
			*p++ = ':';
	}
	*p = '\0';
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, longs, &index)) != -1) {
		if (c == '?' || c == ':') {
			const char *word = argv[optind - 1];

			run_error(c == ':' ? "%s: it needs a value (--help)"
					   : "%s: no such option, or one that takes no value "
					     "(--help)",
					word);
			return -1;
		}
		for (i = 0; i < N_DESCS; i++)
			if (c == (int)(256 + i) || c == descs[i].letter)
				break;
		ret = take(&descs[i], optarg, a);
		if (ret != 0)
			return ret;
	}
	a->program = argv + optind;
	return check(a);
}
