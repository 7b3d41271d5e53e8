/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line after "--": each option declared once, for parsing and for help. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "testpmd.h"

enum kind { FLAG, NUMBER, NUMBER64, REAL, TEXT };

/* clang-format off */
/* X(field, kind, default, lowest, highest, argument, help) */
#define OPTIONS(X) \
	X(modes, TEXT, "recv", 0, 0, "NAME[,NAME...]", \
		"modes to run; several take turns of --window ms on the same queue") \
	X(like, TEXT, "", 0, 0, "cyclic|recv", \
		"which sockets to open when --modes alone does not say (rxonly)") \
	X(address, TEXT, "", 0, 0, "ADDR", \
		"local address or multicast group; default: the first port's; of the TCP modes also a list") \
	X(peer, TEXT, "", 0, 0, "ADDR", \
		"where send sends to; the TCP modes connect, to each of a list in turn") \
	X(udp_port, NUMBER, 5000, 1, 65535, "N", "UDP port of the first socket, first TCP port") \
	X(sockets, NUMBER, 1, 1, TP_SOCKETS_MAX - 1, "N", \
		"sockets, on ports from --udp-port up; TCP connections, of connect: at a time") \
	X(ports, NUMBER, 1, 1, 1024, "N", \
		"TCP ports to listen on or connect to: each has all numbers of the other end") \
	X(idle_connections, NUMBER, 0, 0, TP_CONNS_MAX / 2, "N", \
		"stream and rr: further connections that nothing is done on") \
	X(threads, NUMBER, 1, 1, TP_THREADS_MAX, "N", \
		"TCP: threads, each with its listeners (SO_REUSEPORT) or its share of the connections, " \
		"on the processors of EAL in turn") \
	X(wait, TEXT, "", 0, 0, "poll|epoll", \
		"TCP: ask connections in turn, or epoll which have something; default: epoll beyond 8") \
	X(close, TEXT, "server", 0, 0, "server|client|reset", \
		"connect: who closes first, reset: the client does, without TIME-WAIT; at both ends") \
	X(no_request, FLAG, 0, 0, 0, "", "connect: no question, open and close alone; at both ends") \
	X(kernel, FLAG, 0, 0, 0, "", \
		"TCP: the same loops on the kernel's sockets, without EAL, whose arguments are left out") \
	X(size, NUMBER, 64, 0, 1 << 20, "BYTES", \
		"UDP payload: sent, and expected by a cyclic profile; of a write, read or question") \
	X(reverse, FLAG, 0, 0, 0, "", "stream: who connects receives; to be said at both ends") \
	X(zerocopy, FLAG, 0, 0, 0, "", "stream, rr: MSG_ZEROCOPY, from EAL's memory; --size=10240 and more") \
	X(batch, NUMBER, 64, 1, TP_BATCH_MAX, "N", "packets a call may bring or take") \
	X(stride_bytes, NUMBER, 0, 0, 65535, "BYTES", \
		"payload of the cyclic profile; 0: --size")                                           \
	X(num, NUMBER, 16384, 64, 1 << 24, "N", "strides of a cyclic profile") \
	X(ring_mode, TEXT, "padded", 0, 0, "padded|raw|strip|separate", "receive mode of the profile") \
	X(duration, REAL, 10, 0, 1000000, "SECONDS", "how long; 0: until interrupted") \
	X(packets, NUMBER64, 0, 0, 0, "N", "stop after so many; 0: no limit") \
	X(idle, REAL, 0, 0, 100000, "SECONDS", "stop when nothing came for so long after something had") \
	X(linger, REAL, 0, 0, 100000, "SECONDS", \
		"stay for so long at the end, unless a link goes down: the peer may leave first") \
	X(window_ms, NUMBER, 200, 1, 60000, "MS", "length of one mode's turn") \
	X(gather_us, NUMBER, 0, 0, 100000, "US", \
		"let packets gather between calls; the wait is not counted as work") \
	X(rate, NUMBER, 0, 0, 1000000000, "PPS", "packets a second to send; 0: as fast as it goes") \
	X(check, FLAG, 0, 0, 0, "", "check sequence numbers and payload of every packet") \
	X(max_ratio, REAL, 0, 0, 1000, "R", \
		"fail when a mode costs more than R times the cycles of rxonly, or, without " \
		"rxonly, the first more than R times those of the second") \
	X(min_packets, NUMBER64, 0, 0, 0, "N", "fail when a mode got fewer") \
	X(json, TEXT, "", 0, 0, "FILE", "write the summary there too") \
	X(quiet, FLAG, 0, 0, 0, "", "no line every second") \
	X(interactive, FLAG, 0, 0, 0, "", "a prompt; also -i")
/* clang-format on */

struct option_desc {
	const char *name, *arg, *help;
	enum kind kind;
	size_t offset, size;
	double lowest, highest;
	const char *def;
};

#define DESC(field, kind, def, low, high, arg, help)                                               \
	{ #field, arg, help, kind, offsetof(struct tp_args, field),                                \
		sizeof(((struct tp_args *)0)->field), low, high, #def },
static const struct option_desc descs[] = { OPTIONS(DESC) };

/* An option is spelled with dashes, its field with underscores. */
static void
spell(const char *field, char *out, size_t size)
{
	size_t i;

	for (i = 0; field[i] != '\0' && i + 1 < size; i++)
		out[i] = field[i] == '_' ? '-' : field[i];
	out[i] = '\0';
}

void
tp_help(const char *program, FILE *f)
{
	unsigned int i;

	fprintf(f, "usage: %s <EAL arguments> -- [options]\n\nmodes:\n", program);
	tp_modes_help(f);
	fprintf(f, "\noptions:\n");
	for (i = 0; i < RTE_DIM(descs); i++) {
		char left[64], name[32];

		spell(descs[i].name, name, sizeof(name));
		snprintf(left, sizeof(left), "--%s%s%s", name, descs[i].arg[0] ? "=" : "",
				descs[i].arg);
		fprintf(f, "  %-36s %s", left, descs[i].help);
		if (descs[i].kind != FLAG && strcmp(descs[i].def, "\"\"") != 0)
			fprintf(f, " (%s)", descs[i].def);
		fputc('\n', f);
	}
	fprintf(f, "\nVMA_* and DPVMA_* variables: doc/parameters.md\n");
}

static int
take_number(const struct option_desc *d, const char *text, double *value)
{
	char *end, name[32];

	errno = 0;
	*value = strtod(text, &end);
	if (*text != '\0' && *end == '\0' && errno == 0 && *value >= d->lowest &&
			(d->highest == 0 || *value <= d->highest))
		return 0;
	spell(d->name, name, sizeof(name));
	if (d->highest != 0)
		fprintf(stderr, "dpvma-testpmd: --%s=%s: give a number from %g to %g\n", name, text,
				d->lowest, d->highest);
	else
		fprintf(stderr, "dpvma-testpmd: --%s=%s: give a number not below %g\n", name, text,
				d->lowest);
	return -EINVAL;
}

static int
set(const struct option_desc *d, const char *text, struct tp_args *args)
{
	void *field = (char *)args + d->offset;
	double value = 0;

	if (d->kind == FLAG) {
		*(bool *)field = text == NULL || strcmp(text, "0") != 0;
		return 0;
	}
	if (d->kind == TEXT) {
		if ((size_t)snprintf(field, d->size, "%s", text) >= d->size) {
			fprintf(stderr, "dpvma-testpmd: --%s: longer than %zu characters\n",
					d->name, d->size - 1);
			return -EINVAL;
		}
		return 0;
	}
	if (take_number(d, text, &value) != 0)
		return -EINVAL;
	if (d->kind == NUMBER)
		*(uint32_t *)field = (uint32_t)value;
	else if (d->kind == NUMBER64)
		*(uint64_t *)field = (uint64_t)value;
	else
		*(double *)field = value;
	return 0;
}

static void
set_defaults(struct tp_args *args)
{
#define SET_FLAG(field, def) args->field = def;
#define SET_NUMBER(field, def) args->field = def;
#define SET_NUMBER64(field, def) args->field = def;
#define SET_REAL(field, def) args->field = def;
#define SET_TEXT(field, def) snprintf(args->field, sizeof(args->field), "%s", def);
#define DEFAULT(field, kind, def, low, high, arg, help) SET_##kind(field, def)
	OPTIONS(DEFAULT)
}

int
tp_args_parse(int argc, char **argv, struct tp_args *args)
{
	struct option longs[RTE_DIM(descs) + 3] = { 0 };
	char names[RTE_DIM(descs)][32];
	unsigned int i;
	int c, index;

	for (i = 0; i < RTE_DIM(descs); i++) {
		spell(descs[i].name, names[i], sizeof(names[i]));
		longs[i].name = names[i];
		longs[i].has_arg = descs[i].kind == FLAG ? no_argument : required_argument;
	}
	longs[i++] = (struct option){ "mode", required_argument, NULL, 0 };
	longs[i] = (struct option){ "help", no_argument, NULL, 'h' };
	set_defaults(args);
	optind = 1;
	while ((c = getopt_long(argc, argv, "ih", longs, &index)) != -1) {
		if (c == 'h') {
			tp_help("dpvma-testpmd", stdout);
			return 1;
		}
		if (c == 'i') {
			args->interactive = true;
			continue;
		}
		if (c != 0)
			return -EINVAL;
		if ((unsigned int)index == RTE_DIM(descs))
			index = 0; /* --mode is --modes */
		if (set(&descs[index], optarg, args) != 0)
			return -EINVAL;
	}
	if (optind < argc) {
		fprintf(stderr, "dpvma-testpmd: %s: not an option; see --help\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}
