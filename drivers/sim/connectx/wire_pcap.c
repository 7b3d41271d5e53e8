/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire between files: the frames of one capture arrive, what is sent goes into another. Frames
 * are in memory before the first one arrives, and what is sent is written in large pieces.
 *
 * Traffic starts when a queue would get one of the frames. Where every frame has a time, as
 * captured or by a rate, the times count from that start: a frame that was late is not a reason for
 * the next one to be late, too.
 */
#include "connectx.h"
#include "capture.h"
#include <sys/stat.h>
#include <time.h>

#define NS 1000000000ull
#define FLUSH_PERIOD_NS (NS / 10) /* how late a reader of the written file may be */
#define PAUSE_TURNS 1000	  /* that a frame has waited before the thread may sleep */
#define WAKE_NS 100000		  /* a thread that sleeps longer than asked for must be on time */

enum { LOSSLESS_NOT, LOSSLESS_QUEUE, LOSSLESS_RULE };

struct options {
	const char *in, *out;
	uint64_t pace, rate, loop, lossless;
};

struct pcap_wire {
	struct cx_capture in;
	size_t next;	    /* frame to arrive */
	size_t scout;	    /* one that reached a queue when it was last asked */
	uint64_t round;	    /* of the capture */
	uint64_t sent;	    /* in all rounds */
	uint64_t period;    /* ns of a round */
	uint64_t start;	    /* as d->now */
	unsigned int waits; /* turns */
	bool started, ended, dirty, broken;
	struct cx_dump *out;
	uint64_t epoch; /* what makes d->now the time of day */
	uint64_t flushed;
	struct options opt;
	char text[sizeof(((struct cx_nic_conf *)0)->wire)]; /* the options point into it */
};

/* ---- options ---- */
static const struct {
	const char *name;
	size_t at; /* in struct options */
	uint64_t max;
	bool text;
} options[] = {
	{ "in", offsetof(struct options, in), 0, true },
	{ "out", offsetof(struct options, out), 0, true },
	{ "pace", offsetof(struct options, pace), 1, false },
	{ "rate", offsetof(struct options, rate), NS, false },
	{ "loop", offsetof(struct options, loop), UINT64_MAX, false },
	{ "lossless", offsetof(struct options, lossless), LOSSLESS_RULE, false },
};

static int
set_option(const char *who, struct options *opt, const char *name, const char *value)
{
	size_t i, n = sizeof(options) / sizeof(options[0]);
	uint8_t *field;
	char *end;

	for (i = 0; i < n && strcmp(options[i].name, name) != 0; i++)
		;
	if (i == n) {
		cx_log(0, "%s: pcap wire: no option \"%s\": in out pace rate loop lossless", who,
				name);
		return -1;
	}
	field = (uint8_t *)opt + options[i].at;
	if (options[i].text) {
		*(const char **)field = value;
		if (value[0] != '\0')
			return 0;
		cx_log(0, "%s: pcap wire: %s= needs the name of a file", who, name);
		return -1;
	}
	errno = 0;
	*(uint64_t *)field = strtoull(value, &end, 10);
	if (errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0' &&
			*(uint64_t *)field <= options[i].max)
		return 0;
	cx_log(0, "%s: pcap wire: %s=%s: not a number from 0 to %lu", who, name, value,
			options[i].max);
	return -1;
}

static int
read_options(const char *who, struct pcap_wire *w, const char *arg)
{
	struct options *opt = &w->opt;
	char *p, *word, *value;

	*opt = (struct options){ .pace = UINT64_MAX, .loop = 1, .lossless = LOSSLESS_QUEUE };
	snprintf(w->text, sizeof(w->text), "%s", arg);
	for (word = strtok_r(w->text, ",", &p); word != NULL; word = strtok_r(NULL, ",", &p)) {
		value = strchr(word, '=');
		if (value != NULL)
			*value++ = '\0';
		if (set_option(who, opt, word, value != NULL ? value : "") != 0)
			return -1;
	}
	if (opt->in == NULL && opt->out == NULL) {
		cx_log(0, "%s: pcap wire: in=FILE or out=FILE is needed", who);
		return -1;
	}
	if (opt->pace == 1 && opt->rate != 0) {
		cx_log(0, "%s: pcap wire: pace=1 (as captured) and rate=%lu: one of them", who,
				opt->rate);
		return -1;
	}
	if (opt->pace == UINT64_MAX)
		opt->pace = opt->rate == 0;
	return 0;
}

/* ---- opening ---- */
static bool
same_file(const char *a, const char *b)
{
	struct stat s, t;

	return stat(a, &s) == 0 && stat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

static int
open_files(const char *who, struct pcap_wire *w)
{
	const struct options *opt = &w->opt;
	struct timespec ts;
	size_t n;

	if (opt->in != NULL && opt->out != NULL && same_file(opt->in, opt->out)) {
		cx_log(0, "%s: pcap wire: in and out are the same file, %s", who, opt->in);
		return -1;
	}
	if (opt->in != NULL) {
		if (cx_capture_load(&w->in, who, opt->in) != 0)
			return -1;
		/* the last frame is followed by the mean gap */
		n = w->in.n;
		w->period = w->in.frames[n - 1].at;
		w->period += n > 1 ? w->period / (n - 1) : 0;
		cx_log(1, "%s: pcap: %zu frames in %s", who, n, opt->in);
	}
	if (opt->out != NULL) {
		w->out = cx_dump_open(who, opt->out);
		if (w->out == NULL) {
			cx_capture_free(&w->in);
			return -1;
		}
		clock_gettime(CLOCK_REALTIME, &ts);
		w->epoch = ts.tv_sec * NS + ts.tv_nsec - cx_clock();
	}
	return 0;
}

static int
wire_open(struct cx_dev *d, const char *arg)
{
	struct pcap_wire *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		cx_log(0, "%s: pcap wire: no memory", d->conf.name);
		return -1;
	}
	if (read_options(d->conf.name, w, arg) != 0 || open_files(d->conf.name, w) != 0) {
		free(w);
		return -1;
	}
	w->ended = w->in.n == 0;
	d->wire.priv = w;
	return 0;
}

/* ---- in ---- */
/* When the next frame is to arrive, ns after the start. */
static uint64_t
due(const struct pcap_wire *w)
{
	if (w->opt.pace)
		return w->round * w->period + w->in.frames[w->next].at;
	return w->opt.rate != 0 ? (unsigned __int128)w->sent * NS / w->opt.rate : 0;
}

static bool
reaches(struct cx_dev *d, const struct pcap_wire *w, size_t i)
{
	const struct cx_capture_frame *f = &w->in.frames[i];
	enum cx_rx_result ret;

	if (!d->link_up)
		return false;
	ret = cx_rx_would_take(d, w->in.bytes + f->off, f->len, CX_RX_FIRST);
	return ret == CX_RX_TAKEN || ret == CX_RX_NO_BUF;
}

/* Whether there is anybody to play to. */
static bool
wanted(struct cx_dev *d, struct pcap_wire *w)
{
	unsigned int i;

	if (w->opt.lossless == LOSSLESS_RULE)
		return reaches(d, w, w->next);
	/* one look where nothing has changed; a search goes on in the next turn */
	for (i = 0; i < CX_RX_BATCH; i++) {
		if (reaches(d, w, w->scout))
			return true;
		w->scout = (w->scout + 1) % w->in.n;
	}
	return false;
}

/* Whether the next frame is gone. */
static bool
offer(struct cx_dev *d, struct pcap_wire *w)
{
	const struct cx_capture_frame *f = &w->in.frames[w->next];
	uint8_t *frame = w->in.bytes + f->off;

	if (w->opt.lossless == LOSSLESS_NOT) {
		cx_port_rx(d, frame, f->len, 0);
		return true;
	}
	switch (cx_port_rx(d, frame, f->len, CX_RX_HOLD)) {
	case CX_RX_TAKEN:
	case CX_RX_ERROR:
		return true;
	case CX_RX_MISS:
		/* the kernel's, but not while a driver has no rules as it is restarted */
		if (!wanted(d, w))
			return false;
		cx_port_rx(d, frame, f->len, 0);
		return true;
	default:
		return false;
	}
}

static void
advance(struct pcap_wire *w)
{
	w->sent++;
	if (++w->next < w->in.n)
		return;
	w->next = 0;
	w->round++;
	w->ended = w->opt.loop != 0 && w->round == w->opt.loop;
}

/* Whether the device thread must not sleep: a frame is due soon, or waits for a short time yet. */
static bool
hurry(const struct cx_dev *d, const struct pcap_wire *w)
{
	uint64_t passed = d->now - w->start;

	if (w->ended)
		return false;
	if (!w->started || due(w) <= passed)
		return w->waits < PAUSE_TURNS;
	return due(w) - passed < cx_conf.sleep_us * 1000ull + WAKE_NS;
}

static bool
wire_poll(struct cx_dev *d)
{
	struct pcap_wire *w = d->wire.priv;
	unsigned int n = 0;

	if (w->ended)
		return false;
	if (!w->started && wanted(d, w)) {
		w->started = true;
		w->start = d->now;
	}
	while (w->started && n < CX_RX_BATCH && !w->ended && due(w) <= d->now - w->start &&
			offer(d, w)) {
		advance(w);
		n++;
	}
	w->waits = n > 0 ? 0 : w->waits + 1;
	d->wire.busy = hurry(d, w);
	return n > 0;
}

/* ---- out ---- */
static void
flush(struct cx_dev *d, struct pcap_wire *w)
{
	w->flushed = d->now;
	w->dirty = false;
	if (cx_dump_flush(w->out) == 0)
		return;
	cx_log(0, "%s: pcap wire: %s: %m: what is sent from now on is lost", d->conf.name,
			w->opt.out);
	w->broken = true;
}

static void
wire_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	struct pcap_wire *w = d->wire.priv;

	(void)flags;
	if (w->out == NULL)
		return;
	if (w->broken) {
		d->stat.tx_lost++;
		return;
	}
	cx_dump_frame(w->out, w->epoch + d->now, frame, len);
	w->dirty = true;
}

static void
wire_flush(struct cx_dev *d)
{
	struct pcap_wire *w = d->wire.priv;

	if (w->dirty && d->now - w->flushed > FLUSH_PERIOD_NS)
		flush(d, w);
}

static void
wire_close(struct cx_dev *d)
{
	struct pcap_wire *w = d->wire.priv;

	if (w->in.n > 0)
		cx_log(1, "%s: pcap: %lu frames of %s", d->conf.name, w->sent, w->opt.in);
	if (w->out != NULL) {
		if (w->dirty)
			flush(d, w);
		cx_dump_close(w->out);
	}
	cx_capture_free(&w->in);
	free(w);
}

static void
wire_forget(struct cx_dev *d)
{
	struct pcap_wire *w = d->wire.priv;

	if (w->out != NULL)
		cx_dump_forget(w->out);
}

const struct cx_wire_ops cx_wire_pcap = {
	.name = "pcap",
	.help = "pcap:[in=FILE][,out=FILE][,pace=0|1][,rate=PPS][,loop=N][,lossless=0|1|2]: the "
		"frames of one capture arrive, what is sent goes into the other",
	.open = wire_open,
	.close = wire_close,
	.poll = wire_poll,
	.send = wire_send,
	.flush = wire_flush,
	.forget = wire_forget,
};
