/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cable of shared memory between two NICs, in two processes or in one: a ring of frames for each
 * direction, without a system call for a frame.
 *
 *   file   /dev/shm/connectx-UID-NAME: a page of header, ring of end 0, ring of end 1
 *   ring   records at multiples of 16: length, flags, frame; the producer writes head, the
 *          consumer tail, both as positions that only grow. A record does not cross the end:
 *          WRAP sends the consumer to the start.
 *
 * An end is taken by a lock on a byte of the file (an open file description lock), which ends with
 * the process however that ends; so a dead end is found out, and taken over by the next one.
 * Attaching and leaving are serialized by a flock(). The last one to leave removes the file, and
 * every start removes files whose ends are both dead.
 *
 * A NIC puts its frames together in the ring, and the receiving NIC reads them there: one copy
 * out of the sender's memory, one into the receiver's. A full ring makes the send queue wait, as
 * flow control does: a device thread that has no processor is nothing that a wire should lose
 * frames for. A receive queue without buffers loses them, unless lossless=1.
 */
#include "connectx.h"
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES "/dev/shm"
#define PREFIX "connectx-"
#define MAGIC 0x3143584d48535843ull /* with the version of the layout */
#define HEADER 4096
#define RING_BYTES (4u << 20)
#define RECORD_ALIGN 16
#define WRAP UINT32_MAX
#define PUBLISH_BYTES 8192 /* at most, that the consumer does not see yet */
/* A ring whose consumer keeps up starts over here, so that it stays in the nearest caches. */
#define EARLY_WRAP (256u << 10)
#define PROBE_NS 50000000 /* between looks whether the other end lives */
#define PREFETCH_BYTES 128

struct end {
	uint64_t head __attribute__((aligned(128))); /* of the ring that this end fills */
	uint64_t tail __attribute__((aligned(128))); /* of the ring that this end empties */
	/* 1: attached, its rings are in order. Tells of a clean leave at once; a crash is found by
	 * the lock. */
	uint32_t attached __attribute__((aligned(128)));
	uint32_t link; /* 1: the NIC has not turned its link off */
};

struct header {
	uint64_t magic;
	uint64_t ring_bytes;
	struct end end[2];
};

static_assert(sizeof(struct header) <= HEADER, "header");

struct record {
	uint32_t len;
	uint32_t flags;
	uint8_t frame[];
};

struct shm {
	/* producer */
	uint8_t *tx_ring;
	uint64_t head, published, seen_tail;
	uint64_t *tx_head, *tx_tail;
	/* consumer */
	uint8_t *rx_ring;
	uint64_t tail, seen_head;
	uint64_t *rx_head, *rx_tail;
	uint64_t size; /* of a ring */
	unsigned int rx_flags;
	/* control */
	struct header *h;
	size_t map_len;
	int fd;
	unsigned int side;
	uint64_t probed;
	bool peer;
	char path[sizeof(FILES) + NAME_MAX + 1];
};

/* ---- ends and their locks ---- */
static bool
lock_end(int fd, unsigned int side)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = side, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

static bool
end_is_taken(int fd, unsigned int side)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = side, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* The file, locked against others that attach or leave; -1 and errno. */
static int
open_locked(const char *path, int flags)
{
	struct stat st;
	int fd;

	for (;;) {
		fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX) != 0 || fstat(fd, &st) != 0) {
			close(fd);
			return -1;
		}
		/* who held the lock before may have removed the file */
		if (st.st_nlink > 0)
			return fd;
		close(fd);
	}
}

static void
sweep_one(const char *name)
{
	char path[sizeof(FILES) + NAME_MAX + 1];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", FILES, name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 &&
			st.st_uid == geteuid() && !end_is_taken(fd, 0) && !end_is_taken(fd, 1) &&
			unlink(path) == 0)
		cx_log(1, "removed %s of processes that are gone", path);
	close(fd);
}

/* Cables whose ends are both dead. */
void
cx_shm_sweep(void)
{
	char prefix[32];
	struct dirent *e;
	DIR *d = opendir(FILES);

	if (d == NULL)
		return;
	snprintf(prefix, sizeof(prefix), "%s%u-", PREFIX, (unsigned int)geteuid());
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			sweep_one(e->d_name);
	closedir(d);
}

/* ---- attaching ---- */
static int
read_options(struct cx_dev *d, struct shm *s, const char *arg)
{
	char text[512], *p, *word;

	snprintf(text, sizeof(text), "%s", arg);
	word = strtok_r(text, ",", &p);
	if (word == NULL ||
			word[strspn(word,
					"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_.-")] != '\0' ||
			strlen(word) > 100) {
		cx_log(0,
				"%s: wire shm:%s: a name of letters, digits, \"_\", \".\" and "
				"\"-\" is needed",
				d->conf.name, arg);
		return -1;
	}
	snprintf(s->path, sizeof(s->path), "%s/%s%u-%s", FILES, PREFIX, (unsigned int)geteuid(),
			word);
	while ((word = strtok_r(NULL, ",", &p)) != NULL) {
		if (strcmp(word, "lossless=1") == 0) {
			s->rx_flags |= CX_RX_PAUSE;
		} else if (strcmp(word, "lossless=0") != 0) {
			cx_log(0, "%s: wire shm: no option \"%s\": lossless=0 or lossless=1",
					d->conf.name, word);
			return -1;
		}
	}
	return 0;
}

/* A new file, or one whose other end is dead too, is laid out. */
static int
lay_out(struct shm *s)
{
	struct header h = { .magic = MAGIC, .ring_bytes = RING_BYTES };

	if (ftruncate(s->fd, 0) != 0)
		return -1;
	/* all of it now: memory that is missing later is a SIGBUS */
	errno = posix_fallocate(s->fd, 0, HEADER + 2 * (off_t)RING_BYTES);
	if (errno != 0)
		return -1;
	return pwrite(s->fd, &h, sizeof(h), 0) == sizeof(h) ? 0 : -1;
}

static int
map(struct shm *s)
{
	struct header h;

	if (pread(s->fd, &h, sizeof(h), 0) != sizeof(h) || h.magic != MAGIC ||
			h.ring_bytes != RING_BYTES) {
		errno = EINVAL;
		return -1;
	}
	s->size = h.ring_bytes;
	s->map_len = HEADER + 2 * s->size;
	s->h = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (s->h == MAP_FAILED) {
		s->h = NULL;
		return -1;
	}
	/* a child's copy would keep our end taken: the lock ends with the last reference to the
	 * file */
	if (madvise(s->h, s->map_len, MADV_DONTFORK) != 0) {
		munmap(s->h, s->map_len);
		s->h = NULL;
		return -1;
	}
	/* where the kernel has them for shared memory */
	madvise(s->h, s->map_len, MADV_HUGEPAGE);
	return 0;
}

/* The rings go on where they are: what an end that died left unread is gone. */
static void
take_over(struct shm *s)
{
	struct end *mine = &s->h->end[s->side], *other = &s->h->end[!s->side];
	uint8_t *rings = (uint8_t *)s->h + HEADER;

	s->tx_ring = rings + s->side * s->size;
	s->rx_ring = rings + !s->side * s->size;
	s->tx_head = &mine->head;
	s->tx_tail = &other->tail;
	s->rx_head = &other->head;
	s->rx_tail = &mine->tail;
	s->head = s->published = __atomic_load_n(s->tx_head, __ATOMIC_ACQUIRE);
	s->seen_tail = __atomic_load_n(s->tx_tail, __ATOMIC_ACQUIRE);
	s->tail = s->seen_head = __atomic_load_n(s->rx_head, __ATOMIC_ACQUIRE);
	__atomic_store_n(s->rx_tail, s->tail, __ATOMIC_RELEASE);
	__atomic_store_n(&mine->link, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&mine->attached, 1, __ATOMIC_RELEASE);
}

static int
attach(struct cx_dev *d, struct shm *s)
{
	s->fd = open_locked(s->path, O_CREAT);
	if (s->fd < 0) {
		cx_log(0, "%s: wire shm: %s: %m", d->conf.name, s->path);
		return -1;
	}
	for (s->side = 0; s->side < 2 && !lock_end(s->fd, s->side); s->side++)
		;
	if (s->side == 2) {
		cx_log(0, "%s: wire shm: %s has two ends already: take another name", d->conf.name,
				s->path);
		goto fail;
	}
	if (!end_is_taken(s->fd, !s->side) && lay_out(s) != 0) {
		cx_log(0, "%s: wire shm: %s: %m (%u MB of shared memory are needed)", d->conf.name,
				s->path, (HEADER + 2 * RING_BYTES) >> 20);
		goto fail;
	}
	if (map(s) != 0) {
		cx_log(0, "%s: wire shm: %s: %m", d->conf.name, s->path);
		goto fail;
	}
	take_over(s);
	flock(s->fd, LOCK_UN);
	return 0;
fail:
	if (s->side < 2 && !end_is_taken(s->fd, !s->side))
		unlink(s->path);
	close(s->fd);
	return -1;
}

static int
shm_open_wire(struct cx_dev *d, const char *arg)
{
	struct shm *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);

	if (s == NULL) {
		cx_log(0, "%s: wire shm: no memory", d->conf.name);
		return -1;
	}
	memset(s, 0, sizeof(*s));
	if (read_options(d, s, arg) != 0 || attach(d, s) != 0) {
		free(s);
		return -1;
	}
	d->wire.priv = s;
	d->wire.carrier = false;
	return 0;
}

static void
shm_close(struct cx_dev *d)
{
	struct shm *s = d->wire.priv;

	flock(s->fd, LOCK_EX);
	__atomic_store_n(&s->h->end[s->side].attached, 0, __ATOMIC_RELEASE);
	if (!end_is_taken(s->fd, !s->side))
		unlink(s->path);
	munmap(s->h, s->map_len);
	close(s->fd);
	free(s);
}

/* The lock of the end lasts as long as any descriptor of it. */
static void
shm_forget(struct cx_dev *d)
{
	close(((struct shm *)d->wire.priv)->fd);
}

/* ---- the other end ---- */
static void
look_at_peer(struct cx_dev *d, struct shm *s)
{
	const struct end *other = &s->h->end[!s->side];
	bool there = __atomic_load_n(&other->attached, __ATOMIC_ACQUIRE) != 0 &&
			__atomic_load_n(&other->link, __ATOMIC_ACQUIRE) != 0;

	if (there && d->now - s->probed > PROBE_NS) {
		s->probed = d->now;
		s->peer = end_is_taken(s->fd, !s->side);
	}
	if (!there)
		s->probed = 0;
	/* what is on the wire when the other end goes still arrives */
	d->wire.carrier = (there && s->peer) ||
			(d->wire.carrier &&
					s->tail != __atomic_load_n(s->rx_head, __ATOMIC_ACQUIRE));
}

/* Our link went up or down: the other end sees a wire without us. */
static void
shm_link(struct cx_dev *d, bool up)
{
	struct shm *s = d->wire.priv;

	__atomic_store_n(&s->h->end[s->side].link, up, __ATOMIC_RELEASE);
}

/* ---- out ---- */
static uint32_t
record_size(uint32_t len)
{
	return (sizeof(struct record) + len + RECORD_ALIGN - 1) & ~(RECORD_ALIGN - 1u);
}

static uint64_t
room(struct shm *s)
{
	return s->size - (s->head - s->seen_tail);
}

static bool
shm_room(struct cx_dev *d)
{
	struct shm *s = d->wire.priv;

	if (cx_likely(room(s) >= CX_WIRE_ROOM))
		return true;
	s->seen_tail = __atomic_load_n(s->tx_tail, __ATOMIC_ACQUIRE);
	return room(s) >= CX_WIRE_ROOM;
}

static void
publish(struct shm *s)
{
	__atomic_store_n(s->tx_head, s->head, __ATOMIC_RELEASE);
	s->published = s->head;
}

static void
wrap(struct shm *s)
{
	uint64_t mask = s->size - 1;
	struct record *r = (struct record *)(s->tx_ring + (s->head & mask));

	r->len = WRAP;
	s->head = (s->head | mask) + 1;
}

/* NULL: full, which shm_room() keeps from happening within an entry of ordinary size. */
static uint8_t *
shm_reserve(struct cx_dev *d, size_t max)
{
	struct shm *s = d->wire.priv;
	uint64_t mask = s->size - 1, at = s->head & mask, need = record_size(max) + RECORD_ALIGN;

	if (cx_unlikely(at + need > s->size || (at >= EARLY_WRAP && s->head == s->published))) {
		s->seen_tail = __atomic_load_n(s->tx_tail, __ATOMIC_ACQUIRE);
		/* what is skipped must be free too: positions only grow */
		if (s->size - at + need <= room(s) &&
				(at + need > s->size || s->head - s->seen_tail < at / 2)) {
			wrap(s);
			at = 0;
		}
	}
	if (cx_unlikely(at + need > s->size || need > room(s)))
		return NULL;
	return ((struct record *)(s->tx_ring + at))->frame;
}

static void
shm_commit(struct cx_dev *d, size_t len, unsigned int flags)
{
	struct shm *s = d->wire.priv;
	struct record *r = (struct record *)(s->tx_ring + (s->head & (s->size - 1)));

	r->len = len;
	r->flags = flags;
	s->head += record_size(len);
	if (s->head - s->published >= PUBLISH_BYTES)
		publish(s);
}

static void
shm_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	uint8_t *to = shm_reserve(d, len);

	if (to == NULL) {
		d->stat.tx_lost++;
		return;
	}
	memcpy(to, frame, len);
	shm_commit(d, len, flags);
}

static void
shm_flush(struct cx_dev *d)
{
	struct shm *s = d->wire.priv;

	if (s->head != s->published)
		publish(s);
}

/* ---- in ---- */
/* The length of the record at tail, or WRAP: none. What the other process wrote is not believed. */
static uint32_t
next_record(struct cx_dev *d, struct shm *s, struct record **record)
{
	uint64_t mask = s->size - 1, at;
	uint32_t len;

	for (;;) {
		if (s->tail == s->seen_head)
			return WRAP;
		at = s->tail & mask;
		*record = (struct record *)(s->rx_ring + at);
		len = __atomic_load_n(&(*record)->len, __ATOMIC_RELAXED);
		if (len != WRAP)
			break;
		s->tail = (s->tail | mask) + 1;
	}
	if (cx_likely(len <= CX_MAX_FRAME && at + record_size(len) <= s->size &&
			    s->seen_head - s->tail <= s->size &&
			    record_size(len) <= s->seen_head - s->tail))
		return len;
	if (d->stat.rx_bad_wire++ == 0)
		cx_log(0, "%s: wire shm: %s: the other end wrote nonsense: skipped", d->conf.name,
				s->path);
	s->tail = s->seen_head;
	return WRAP;
}

static bool
shm_poll(struct cx_dev *d)
{
	struct shm *s = d->wire.priv;
	uint64_t from = s->tail;
	struct record *r;
	unsigned int i;
	uint32_t len;

	look_at_peer(d, s);
	s->seen_head = __atomic_load_n(s->rx_head, __ATOMIC_ACQUIRE);
	for (i = 0; i < CX_RX_BATCH && (len = next_record(d, s, &r)) != WRAP; i++) {
		unsigned int flags = s->rx_flags;

		__builtin_prefetch((uint8_t *)r + record_size(len) + PREFETCH_BYTES);
		if (r->flags & CX_WIRE_CSUM_OK)
			flags |= CX_RX_CSUM_OK;
		if (cx_port_rx(d, r->frame, len, flags) == CX_RX_NO_BUF && flags & CX_RX_PAUSE)
			break;
		s->tail += record_size(len);
	}
	if (s->tail != from)
		__atomic_store_n(s->rx_tail, s->tail, __ATOMIC_RELEASE);
	return i > 0;
}

const struct cx_wire_ops cx_wire_shm = {
	.name = "shm",
	.help = "shm:NAME[,lossless=0|1]: a cable of shared memory to the NIC, of this process or "
		"another, whose wire has the same name",
	.open = shm_open_wire,
	.close = shm_close,
	.poll = shm_poll,
	.send = shm_send,
	.link = shm_link,
	.room = shm_room,
	.reserve = shm_reserve,
	.commit = shm_commit,
	.flush = shm_flush,
	.forget = shm_forget,
};
