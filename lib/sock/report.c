/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who carries each descriptor of the process and why, as a report: on demand, and into
 * DPVMA_EXPLAIN when the process ends, with a line for each socket that was closed before.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "facts.h"

#define CLOSED_MAX 4096 /**< lines that are kept */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char **closed;
static unsigned int closed_n, closed_dropped;
static bool told; /**< a report was written, so that another one goes after it */
static bool due;  /**< there was a socket since */

/** @name Text */
/** @{ */
static void
head_text(FILE *f, const struct facts *x)
{
	fprintf(f, "fd %d %s %s", x->fd, x->type, x->carrier);
	if (x->local[0] != '\0')
		fprintf(f, ", %s", x->local);
	if (x->remote[0] != '\0')
		fprintf(f, " to %s", x->remote);
	fprintf(f, ", %s: by %s: %s", x->state, x->decided, x->why);
}

static void
print_text(FILE *f, const struct facts *x)
{
	unsigned int i;

	head_text(f, x);
	fputc('\n', f);
	for (i = 0; i < x->rings_n; i++)
		fprintf(f, "\tring %u on queue %u of %s%s%s\n", x->rings[i].index,
				x->rings[i].queue, x->rings[i].port,
				x->rings[i].netdev[0] != '\0' ? ", " : "", x->rings[i].netdev);
	for (i = 0; i < RTE_MIN(x->flows_n, (unsigned int)FACTS_FLOWS); i++)
		fprintf(f, "\tsteering: %s\n", x->flows[i]);
	if (x->flows_n > FACTS_FLOWS)
		fprintf(f, "\tsteering: %u more\n", x->flows_n - FACTS_FLOWS);
	if (x->table) {
		fputs("\tcounters: ", f);
		stat_print(f, &stat_sock, x->stats.c);
	}
}

static void
print_closed(FILE *f)
{
	unsigned int i;

	for (i = 0; i < closed_n; i++)
		fprintf(f, "closed: %s\n", closed[i]);
	if (closed_dropped != 0)
		fprintf(f, "closed: %u more\n", closed_dropped);
}
/** @} */

/** @name JSON */
/** @{ */
void
json_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
	}
	fputc('"', f);
}

static void
json_member(FILE *f, const char *name, const char *text)
{
	fprintf(f, ",\"%s\":", name);
	json_string(f, text);
}

static void
print_json(FILE *f, const struct facts *x)
{
	unsigned int i;

	fprintf(f, "{\"fd\":%d", x->fd);
	json_member(f, "type", x->type);
	json_member(f, "carrier", x->carrier);
	json_member(f, "decided", x->decided);
	json_member(f, "why", x->why);
	json_member(f, "local", x->local);
	json_member(f, "remote", x->remote);
	json_member(f, "state", x->state);
	fputs(",\"rings\":[", f);
	for (i = 0; i < x->rings_n; i++) {
		fprintf(f, "%s{\"index\":%u,\"queue\":%u", i != 0 ? "," : "", x->rings[i].index,
				x->rings[i].queue);
		json_member(f, "port", x->rings[i].port);
		json_member(f, "netdev", x->rings[i].netdev);
		fputc('}', f);
	}
	fputs("],\"steering\":[", f);
	for (i = 0; i < RTE_MIN(x->flows_n, (unsigned int)FACTS_FLOWS); i++) {
		fputs(i != 0 ? "," : "", f);
		json_string(f, x->flows[i]);
	}
	fputc(']', f);
	if (x->table) {
		fputs(",\"counters\":", f);
		stat_json(f, &stat_sock, x->stats.c);
	}
	fputc('}', f);
}
/** @} */

/** @name All */
/** @{ */
static void
print_all(FILE *f, bool json)
{
	int *fds = malloc(FACTS_FDS * sizeof(*fds));
	struct facts *x = malloc(sizeof(*x));
	unsigned int n, i;
	bool comma = false;

	n = fds != NULL && x != NULL ? facts_list(0, fds, FACTS_FDS) : 0;
	for (i = 0; i < n; i++) {
		if (!facts_get(fds[i], x))
			continue;
		if (!json) {
			print_text(f, x);
			continue;
		}
		fputs(comma ? "," : "", f);
		print_json(f, x);
		comma = true;
	}
	free(fds);
	free(x);
}

int
dpvma_explain_all(FILE *f)
{
	pthread_mutex_lock(&lock);
	print_all(f, false);
	print_closed(f);
	pthread_mutex_unlock(&lock);
	return ferror(f) ? fail(-EIO) : 0;
}

int
dpvma_explain_json(FILE *f)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	fputs("{\"sockets\":[", f);
	print_all(f, true);
	fputs("],\"closed\":[", f);
	for (i = 0; i < closed_n; i++) {
		fputs(i != 0 ? "," : "", f);
		json_string(f, closed[i]);
	}
	fprintf(f, "],\"closed_dropped\":%u}\n", closed_dropped);
	pthread_mutex_unlock(&lock);
	return ferror(f) ? fail(-EIO) : 0;
}
/** @} */

/** @name At the end of the process */
/** @{ */
void
report_opened(void)
{
	if (unlikely(!due))
		__atomic_store_n(&due, true, __ATOMIC_RELAXED);
}

static char *
closed_line(const struct facts *x)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	head_text(f, x);
	if (x->table) {
		fputs("; ", f);
		stat_print(f, &stat_sock, x->stats.c);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	/* the line feed of the counters; nothing was counted */
	text[strcspn(text, "\n")] = '\0';
	len = strlen(text);
	if (len >= 2 && strcmp(text + len - 2, "; ") == 0)
		text[len - 2] = '\0';
	return text;
}

static void
keep(char *line)
{
	pthread_mutex_lock(&lock);
	if (closed == NULL)
		closed = calloc(CLOSED_MAX, sizeof(*closed));
	if (line != NULL && closed != NULL && closed_n < CLOSED_MAX) {
		closed[closed_n++] = line;
	} else {
		closed_dropped++;
		free(line);
	}
	pthread_mutex_unlock(&lock);
}

void
report_closing(int fd)
{
	enum sock_reason reason = explain_reason(fd);
	struct facts *x;
	int err = errno;

	/* the report is written: what dpvma_exit() closes is in it */
	if (!due)
		return;
	if (closed_n == CLOSED_MAX) {
		if (sock_is_ours(fd))
			keep(NULL);
		return;
	}
	x = malloc(sizeof(*x));
	/* of one that was never used there is nothing to tell */
	if (x != NULL && facts_get(fd, x) &&
			(x->table || (reason != REASON_NONE && reason != REASON_IDLE)))
		keep(closed_line(x));
	free(x);
	errno = err;
}

void
report_forget(void)
{
	closed = NULL;
	closed_n = closed_dropped = 0;
	due = false;
	pthread_mutex_init(&lock, NULL);
}

static void
forget_closed(void)
{
	while (closed_n > 0)
		free(closed[--closed_n]);
	closed_dropped = 0;
}

void
report_write(void)
{
	const char *path;
	FILE *f;

	if (!due)
		return;
	path = conf()->explain;
	if (path[0] == '\0')
		return;
	f = strcmp(path, "-") == 0 ? stderr : fopen(path, told ? "ae" : "we");
	if (f == NULL) {
		LOG_WARNING("DPVMA_EXPLAIN=%s cannot be written: %s", path, strerror(errno));
		return;
	}
	if (dpvma_explain_all(f) != 0)
		LOG_WARNING("DPVMA_EXPLAIN=%s cannot be written to its end", path);
	if (f != stderr)
		fclose(f);
	forget_closed();
	told = true;
	due = false;
}
/** @} */
