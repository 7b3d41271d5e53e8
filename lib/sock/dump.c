/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters of sockets, rings and cyclic readers as text and as JSON, and those of the sockets by
 * telemetry. Control path: nothing is locked but what the rooms lock themselves.
 *
 * A socket's counters are plain words that its callers and its ring's poller add to: exact with one
 * thread a socket, nearly so with several.
 */
#include <stdio.h>
#include <unistd.h>

#include "cyclic/cyclic.h"
#include "facts.h"
#include "port/port.h"
#include "sock_priv.h"

struct dump {
	FILE *f;
	bool json;
	bool comma;	    /**< JSON: the list has an entry */
	unsigned int index; /**< telemetry: sockets yet to pass */
	int fd;		    /**< telemetry: the one found, -1 none */
};

static void
print_ring(struct dump *d, struct ring *ring)
{
	struct ring_stats sum;

	ring_stats_sum(ring, &sum);
	if (!d->json) {
		fprintf(d->f, "ring %u port %s queue %u%s: ", ring->index, ring->port->name,
				ring->queue, ring->port->caps.lro ? ", LRO" : "");
		stat_print(d->f, &stat_ring, sum.c);
		return;
	}
	/* names of ethdevs and network devices need no escapes */
	fprintf(d->f, "%s{\"index\":%u,\"port\":\"%s\",\"queue\":%u,\"counters\":",
			d->comma ? "," : "", ring->index, ring->port->name, ring->queue);
	stat_json(d->f, &stat_ring, sum.c);
	fputc('}', d->f);
	d->comma = true;
}

static void
print_cyclic(struct dump *d, struct ring *ring)
{
	const struct cyclic *cyclic = cyclic_of(ring);

	if (cyclic == NULL)
		return;
	if (!d->json) {
		fprintf(d->f, "cyclic ring %u, %s: ", ring->index, cyclic_source_name(cyclic));
		stat_print(d->f, &stat_cyclic, cyclic_stats(cyclic)->c);
		return;
	}
	fprintf(d->f, "%s{\"ring\":%u,\"source\":\"%s\",\"counters\":", d->comma ? "," : "",
			ring->index, cyclic_source_name(cyclic));
	stat_json(d->f, &stat_cyclic, cyclic_stats(cyclic)->c);
	fputc('}', d->f);
	d->comma = true;
}

static void
print_sock(struct sock *s, void *ctx)
{
	struct dump *d = ctx;
	char why[SOCK_WHY];

	/* an epoll counts nothing */
	if (s->epoll != NULL)
		return;
	explain_sock(s, why, sizeof(why));
	if (!d->json) {
		fprintf(d->f, "socket %d, %s: ", s->fd, why);
		stat_print(d->f, &stat_sock, s->ops->stats(s)->c);
		return;
	}
	fprintf(d->f, "%s{\"fd\":%d,\"why\":", d->comma ? "," : "", s->fd);
	json_string(d->f, why);
	fputs(",\"counters\":", d->f);
	stat_json(d->f, &stat_sock, s->ops->stats(s)->c);
	fputc('}', d->f);
	d->comma = true;
}

static void
print_tcp(const struct ring *ring, const struct tcp_stats *stats, unsigned int conns, void *ctx)
{
	struct dump *d = ctx;

	if (!d->json) {
		fprintf(d->f, "tcp ring %u, %u connections: ", ring->index, conns);
		stat_print(d->f, &stat_tcp, stats->c);
		return;
	}
	fprintf(d->f, "%s{\"ring\":%u,\"connections\":%u,\"counters\":", d->comma ? "," : "",
			ring->index, conns);
	stat_json(d->f, &stat_tcp, stats->c);
	fputc('}', d->f);
	d->comma = true;
}

static void
each_ring(struct ring *ring, void *ctx)
{
	print_ring(ctx, ring);
}

static void
each_cyclic(struct ring *ring, void *ctx)
{
	print_cyclic(ctx, ring);
}

static void
dump_one(struct dump *d, struct sock *s)
{
	struct ring *rings[PORT_MAX];
	unsigned int n = 0, i;

	print_sock(s, d);
	if (s->offloaded)
		n = RTE_MIN(s->ops->rings(s, rings, PORT_MAX), (unsigned int)PORT_MAX);
	for (i = 0; i < n; i++) {
		print_ring(d, rings[i]);
		print_cyclic(d, rings[i]);
	}
}

int
dpvma_dump(int fd, FILE *f)
{
	struct dump d = { .f = f };
	struct sock *s;
	bool epoll;

	if (fd != 0) {
		s = sock_get(fd);
		if (s == NULL)
			return fail(-EBADF);
		epoll = s->epoll != NULL;
		if (!epoll)
			dump_one(&d, s);
		sock_put(s);
		return epoll ? fail(-EBADF) : 0;
	}
	if (!sock_is_started())
		return 0;
	ring_foreach(each_ring, &d);
	sock_foreach(print_sock, &d);
	ring_foreach(each_cyclic, &d);
	stream_foreach_engine(print_tcp, &d);
	return 0;
}

static struct extra_stats extra;

void
sock_misused(enum extra_stat what)
{
	__atomic_fetch_add(&extra.c[what], 1, __ATOMIC_RELAXED);
}

int
dpvma_dump_json(FILE *f)
{
	struct dump d = { .f = f, .json = true };
	bool started = sock_is_started();

	fputs("{\"rings\":[", f);
	if (started)
		ring_foreach(each_ring, &d);
	fputs("],\"sockets\":[", f);
	d.comma = false;
	if (started)
		sock_foreach(print_sock, &d);
	fputs("],\"cyclic\":[", f);
	d.comma = false;
	if (started)
		ring_foreach(each_cyclic, &d);
	fputs("],\"tcp\":[", f);
	d.comma = false;
	if (started)
		stream_foreach_engine(print_tcp, &d);
	fputs("],\"extra\":", f);
	stat_json(f, &stat_extra, extra.c);
	fputs("}\n", f);
	return ferror(f) ? fail(-EIO) : 0;
}

void
dump_closed(struct sock *s)
{
	struct dump d = { .f = fopen(conf()->stats_file, "a") };

	if (d.f == NULL) {
		LOG_WARNING("VMA_STATS_FILE=%s: %s; counters of fd %d are lost", conf()->stats_file,
				strerror(errno), s->fd);
		return;
	}
	print_sock(s, &d);
	fclose(d.f);
}

/* Telemetry has a thread of its own, the only one that uses these two. */
static struct sock_stats copied;
static char copied_why[SOCK_WHY + 16];

static void
copy_one(struct sock *s, void *ctx)
{
	struct dump *d = ctx;
	char why[SOCK_WHY];

	if (d->fd >= 0 || s->epoll != NULL || d->index-- != 0)
		return;
	d->fd = s->fd;
	copied = *s->ops->stats(s);
	explain_sock(s, why, sizeof(why));
	snprintf(copied_why, sizeof(copied_why), "fd %d, %s", s->fd, why);
}

static const uint64_t *
stats_at(unsigned int index)
{
	struct dump d = { .index = index, .fd = -1 };

	if (sock_is_started())
		sock_foreach(copy_one, &d);
	return d.fd < 0 ? NULL : copied.c;
}

static void
label_at(unsigned int index, char *buf, size_t len)
{
	snprintf(buf, len, "%s", stats_at(index) != NULL ? copied_why : "");
}

/* The same of engines. */
static struct tcp_stats copied_tcp;
static char copied_ring[64];

static void
copy_tcp(const struct ring *ring, const struct tcp_stats *stats, unsigned int conns, void *ctx)
{
	struct dump *d = ctx;

	if (d->fd >= 0 || d->index-- != 0)
		return;
	d->fd = (int)ring->index;
	copied_tcp = *stats;
	snprintf(copied_ring, sizeof(copied_ring), "ring %u, %u connections", ring->index, conns);
}

static const uint64_t *
tcp_at(unsigned int index)
{
	struct dump d = { .index = index, .fd = -1 };

	if (sock_is_started())
		stream_foreach_engine(copy_tcp, &d);
	return d.fd < 0 ? NULL : copied_tcp.c;
}

static void
tcp_label_at(unsigned int index, char *buf, size_t len)
{
	snprintf(buf, len, "%s", tcp_at(index) != NULL ? copied_ring : "");
}

static const uint64_t *
extra_at(unsigned int index)
{
	return index == 0 ? extra.c : NULL;
}

void
dump_export(void)
{
	static bool done;

	explain_export();
	if (!done)
		done = stat_export(&stat_sock, stats_at, label_at) == 0 &&
				stat_export(&stat_tcp, tcp_at, tcp_label_at) == 0 &&
				stat_export(&stat_extra, extra_at, NULL) == 0;
}
