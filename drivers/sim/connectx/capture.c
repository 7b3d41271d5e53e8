/* SPDX-License-Identifier: BSD-3-Clause */
/* See capture.h. */
#include "connectx.h"
#include "capture.h"
#include <fcntl.h>
#include <unistd.h>
#include <dlfcn.h>
#include <net/ethernet.h>
#include <pcap/pcap.h>

#define LIBPCAP "libpcap.so.0.8"
#define NS 1000000000ull
#define FIRST_ROOM 65536       /* bytes, and what grows is doubled */
#define FRAME_ALIGN 16	       /* of the bytes of a frame */
#define FRAME_PAD 2	       /* Ethernet's header has 14 bytes: this aligns the others */
#define SNAPLEN 262144	       /* bytes: no frame is longer */
#define DUMP_BUFFER (1u << 20) /* bytes that one system call writes */

static struct {
	__typeof__(pcap_fopen_offline_with_tstamp_precision) *open_file;
	__typeof__(pcap_open_dead_with_tstamp_precision) *open_dead;
	__typeof__(pcap_datalink) *datalink;
	__typeof__(pcap_datalink_val_to_name) *datalink_name;
	__typeof__(pcap_next_ex) *next;
	__typeof__(pcap_geterr) *error;
	__typeof__(pcap_close) *close;
	__typeof__(pcap_dump_fopen) *dump_open;
	__typeof__(pcap_dump) *dump;
	__typeof__(pcap_dump_flush) *dump_flush;
	__typeof__(pcap_dump_close) *dump_close;
} lib;

static const struct {
	const char *name;
	void *at;
} symbols[] = {
	{ "pcap_fopen_offline_with_tstamp_precision", &lib.open_file },
	{ "pcap_open_dead_with_tstamp_precision", &lib.open_dead },
	{ "pcap_datalink", &lib.datalink },
	{ "pcap_datalink_val_to_name", &lib.datalink_name },
	{ "pcap_next_ex", &lib.next },
	{ "pcap_geterr", &lib.error },
	{ "pcap_close", &lib.close },
	{ "pcap_dump_fopen", &lib.dump_open },
	{ "pcap_dump", &lib.dump },
	{ "pcap_dump_flush", &lib.dump_flush },
	{ "pcap_dump_close", &lib.dump_close },
};

/* Wires are opened one at a time (dev.c). */
static int
load_library(const char *who)
{
	void *handle, *symbol;
	size_t i;

	if (lib.dump_close != NULL)
		return 0;
	handle = dlopen(LIBPCAP, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		cx_log(0, "%s: pcap wire: %s: install the package libpcap0.8", who, dlerror());
		return -1;
	}
	for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		symbol = dlsym(handle, symbols[i].name);
		if (symbol == NULL) {
			cx_log(0, "%s: pcap wire: " LIBPCAP " has no %s: 1.5 or later is needed",
					who, symbols[i].name);
			dlclose(handle);
			return -1;
		}
		memcpy(symbols[i].at, &symbol, sizeof(symbol));
	}
	return 0;
}

/* ---- reading ---- */
static int
grow(void *array, size_t *room, size_t need, size_t size)
{
	size_t n = *room != 0 ? *room : FIRST_ROOM / size;
	void *p, **old = array;

	if (need <= *room)
		return 0;
	while (n < need)
		n *= 2;
	p = realloc(*old, n * size);
	if (p == NULL)
		return -1;
	*old = p;
	*room = n;
	return 0;
}

/* ns: of the clock of the capture, after that of the first frame; it may have been set back. */
static int
add(struct cx_capture *c, int64_t ns, const uint8_t *frame, uint32_t len)
{
	size_t off = (c->used + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN + FRAME_PAD;
	int64_t last = c->n > 0 ? (int64_t)c->frames[c->n - 1].at : 0;

	if (grow(&c->bytes, &c->bytes_room, off + len, 1) != 0 ||
			grow(&c->frames, &c->frames_room, c->n + 1, sizeof(*c->frames)) != 0)
		return -1;
	memcpy(c->bytes + off, frame, len);
	c->used = off + len;
	c->frames[c->n++] = (struct cx_capture_frame){
		.at = ns > last ? ns : last,
		.off = off,
		.len = len,
	};
	return 0;
}

/* The frames up to the end, or what is wrong with the file. *cut: frames that are not whole. */
static int
read_frames(struct cx_capture *c, pcap_t *p, const char *who, const char *file, size_t *cut)
{
	struct pcap_pkthdr *h;
	const uint8_t *frame;
	int64_t ns, first = 0;
	int ret;

	while ((ret = lib.next(p, &h, &frame)) == 1) {
		/* tv_usec holds nanoseconds, as asked for */
		ns = h->ts.tv_sec * (int64_t)NS + h->ts.tv_usec;
		if (c->n == 0)
			first = ns;
		if (h->caplen > CX_MAX_FRAME || h->caplen < ETHER_HDR_LEN) {
			cx_log(0, "%s: pcap wire: %s: frame %zu has %u bytes, not %d to %d", who,
					file, c->n + 1, h->caplen, ETHER_HDR_LEN, CX_MAX_FRAME);
			return -1;
		}
		*cut += h->caplen < h->len;
		if (add(c, ns - first, frame, h->caplen) != 0) {
			cx_log(0, "%s: pcap wire: %s: no memory after %zu frames", who, file, c->n);
			return -1;
		}
	}
	if (ret == PCAP_ERROR_BREAK)
		return 0;
	/* what a full disk or a killed writer leaves is good up to there */
	if (c->n > 0 && strstr(lib.error(p), "truncated") != NULL) {
		cx_log(0,
				"%s: pcap wire: %s ends in the middle of a record: the %zu frames "
				"before "
				"it are used",
				who, file, c->n);
		return 0;
	}
	cx_log(0, "%s: pcap wire: %s: after frame %zu: %s", who, file, c->n, lib.error(p));
	return -1;
}

static int
load(struct cx_capture *c, pcap_t *p, const char *who, const char *file)
{
	int type = lib.datalink(p);
	size_t cut = 0;

	if (type != DLT_EN10MB) {
		const char *name = lib.datalink_name(type);

		cx_log(0, "%s: pcap wire: %s: link type %d (%s): only Ethernet (EN10MB) can arrive",
				who, file, type, name != NULL ? name : "unknown");
		return -1;
	}
	if (read_frames(c, p, who, file, &cut) != 0)
		return -1;
	if (c->n == 0) {
		cx_log(0, "%s: pcap wire: %s: no frame in it", who, file);
		return -1;
	}
	if (cut > 0)
		cx_log(0,
				"%s: pcap wire: %s: %zu of %zu frames were captured in part (snap "
				"length): they arrive as short as they are",
				who, file, cut, c->n);
	return 0;
}

int
cx_capture_load(struct cx_capture *c, const char *who, const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p;
	FILE *f;
	int ret;

	if (load_library(who) != 0)
		return -1;
	f = fopen(file, "rbe");
	if (f == NULL) {
		cx_log(0, "%s: pcap wire: in=%s: %m", who, file);
		return -1;
	}
	p = lib.open_file(f, PCAP_TSTAMP_PRECISION_NANO, error);
	if (p == NULL) {
		cx_log(0, "%s: pcap wire: %s is no capture: %s", who, file, error);
		fclose(f);
		return -1;
	}
	ret = load(c, p, who, file);
	lib.close(p);
	if (ret != 0)
		cx_capture_free(c);
	return ret;
}

void
cx_capture_free(struct cx_capture *c)
{
	free(c->frames);
	free(c->bytes);
	*c = (struct cx_capture){ 0 };
}

/* ---- writing ---- */
struct cx_dump {
	pcap_dumper_t *dumper;
	int fd;
	char buffer[DUMP_BUFFER];
};

struct cx_dump *
cx_dump_open(const char *who, const char *file)
{
	struct cx_dump *o;
	pcap_t *p;
	FILE *f;

	if (load_library(who) != 0)
		return NULL;
	f = fopen(file, "wbe");
	if (f == NULL) {
		cx_log(0, "%s: pcap wire: out=%s: %m", who, file);
		return NULL;
	}
	o = malloc(sizeof(*o));
	p = lib.open_dead(DLT_EN10MB, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
	if (o != NULL && p != NULL) {
		o->fd = fileno(f);
		setvbuf(f, o->buffer, _IOFBF, sizeof(o->buffer));
		o->dumper = lib.dump_open(p, f);
	}
	if (p != NULL)
		lib.close(p);
	if (o != NULL && p != NULL && o->dumper != NULL && cx_dump_flush(o) == 0)
		return o;
	cx_log(0, "%s: pcap wire: out=%s: cannot write to it: %m", who, file);
	fclose(f);
	free(o);
	return NULL;
}

void
cx_dump_frame(struct cx_dump *o, uint64_t ns, const uint8_t *frame, uint32_t len)
{
	struct pcap_pkthdr h = {
		.ts = { .tv_sec = ns / NS, .tv_usec = ns % NS },
		.caplen = len,
		.len = len,
	};

	lib.dump((u_char *)o->dumper, &h, frame);
}

int
cx_dump_flush(struct cx_dump *o)
{
	return lib.dump_flush(o->dumper);
}

/* The child has a copy of the buffer, which stdio writes when the child ends: nowhere. */
void
cx_dump_forget(struct cx_dump *o)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || dup3(null, o->fd, O_CLOEXEC) < 0)
		close(o->fd);
	if (null >= 0)
		close(null);
}

void
cx_dump_close(struct cx_dump *o)
{
	lib.dump_close(o->dumper);
	free(o);
}
