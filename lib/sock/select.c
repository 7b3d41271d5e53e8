/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select and pselect, as Linux makes them: of what poll tells, each set takes its own events, and
 * the result counts bits. The sets may be larger than an fd_set, as programs with many descriptors
 * make them. Without a descriptor of ours in them the call is the kernel's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

#include "sock_priv.h"
#include "user.h"

#define WORD ((int)(8 * sizeof(fd_mask)))
#define ON_STACK 64 /**< descriptors of a call that needs no allocation */

/** Events that make a descriptor readable, writable, exceptional. */
static const short events_of[] = {
	POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	POLLPRI,
};
#define SETS 3

struct sets {
	fd_mask *words[SETS]; /**< NULL: nothing is asked */
	int n;		      /**< bits */
};

static fd_mask
word_of(const struct sets *sets, unsigned int set, int word)
{
	fd_mask mask = sets->words[set] != NULL ? sets->words[set][word] : 0;
	int left = sets->n - word * WORD;

	return left >= WORD ? mask : mask & (fd_mask)((UINT64_C(1) << left) - 1);
}

/** Whether a descriptor is in a set. */
static bool
has(const struct sets *sets, unsigned int set, int fd)
{
	return ((uint64_t)word_of(sets, set, fd / WORD) >> fd % WORD & 1) != 0;
}

static uint64_t
asked(const struct sets *sets, int word)
{
	return (uint64_t)(word_of(sets, 0, word) | word_of(sets, 1, word) | word_of(sets, 2, word));
}

static bool
any_ours(const struct sets *sets)
{
	int top = (int)sock_table_top(), word;
	uint64_t bits;

	for (word = 0; word * WORD < RTE_MIN(sets->n, top); word++)
		for (bits = asked(sets, word); bits != 0; bits &= bits - 1)
			if (sock_is_ours(word * WORD + __builtin_ctzll(bits)))
				return true;
	return false;
}

/* What cannot be sets is the kernel's to complain of. */
static bool
user_sets(const struct sets *sets)
{
	size_t bytes = sets->n <= 0 ? 0 : ((size_t)sets->n + WORD - 1) / WORD * sizeof(fd_mask);
	unsigned int i;

	for (i = 0; i < SETS; i++)
		if (sets->words[i] != NULL && !user_out(sets->words[i], bytes))
			return false;
	return true;
}

/* How many descriptors the kernel's table has room for now: 64, 256, 512 and so on. */
static int
table_size(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	int size = FD_SETSIZE;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "FDSize: %d", &size) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return size;
}

/*
 * The kernel looks at no bit beyond its table, and programs rely on that: they give
 * getdtablesize() with an fd_set. The table never shrinks.
 */
static int
clip(int n)
{
	static int known;
	int err = errno, size;

	if (n <= FD_SETSIZE || n <= __atomic_load_n(&known, __ATOMIC_RELAXED))
		return n;
	size = table_size();
	__atomic_store_n(&known, size, __ATOMIC_RELAXED);
	errno = err;
	if (n <= size)
		return n;
	return size < FD_SETSIZE ? FD_SETSIZE : size;
}

static unsigned int
count(const struct sets *sets)
{
	unsigned int n = 0;
	int word;

	for (word = 0; word * WORD < sets->n; word++)
		n += (unsigned int)__builtin_popcountll(asked(sets, word));
	return n;
}

static void
to_pollfds(const struct sets *sets, struct pollfd *fds)
{
	unsigned int i;
	uint64_t bits;
	int word, fd;

	for (word = 0; word * WORD < sets->n; word++)
		for (bits = asked(sets, word); bits != 0; bits &= bits - 1) {
			fd = word * WORD + __builtin_ctzll(bits);
			*fds = (struct pollfd){ .fd = fd };
			for (i = 0; i < SETS; i++)
				if (has(sets, i, fd))
					fds->events |= events_of[i];
			fds++;
		}
}

/* @return bits that are set now, or -EBADF: the sets stay as they were */
static int
to_sets(struct sets *sets, const struct pollfd *fds, unsigned int n)
{
	size_t bytes = (size_t)((sets->n + WORD - 1) / WORD) * sizeof(fd_mask);
	struct sets before = *sets;
	unsigned int i, k;
	int ready = 0;

	for (k = 0; k < n; k++)
		if (fds[k].revents & POLLNVAL)
			return -EBADF;
	for (i = 0; i < SETS; i++) {
		if (sets->words[i] == NULL)
			continue;
		for (k = 0; k < n; k++) {
			int fd = fds[k].fd;
			uint64_t bit = UINT64_C(1) << fd % WORD;

			if (!has(&before, i, fd))
				continue;
			if (fds[k].revents & events_of[i])
				ready++;
			else
				sets->words[i][fd / WORD] &= (fd_mask)~bit;
		}
		/* what lies in the last word beyond n */
		if (sets->n % WORD != 0)
			sets->words[i][bytes / sizeof(fd_mask) - 1] &=
					(fd_mask)((UINT64_C(1) << sets->n % WORD) - 1);
	}
	return ready;
}

static int
select_until(struct sets *sets, uint64_t deadline, const sigset_t *sigmask)
{
	struct pollfd small[ON_STACK], *fds = small;
	unsigned int n = count(sets);
	int ret;

	if (n > ON_STACK) {
		fds = malloc(n * sizeof(*fds));
		if (fds == NULL)
			return -ENOMEM;
	}
	to_pollfds(sets, fds);
	ret = poll_wait(fds, n, deadline, sigmask, true);
	if (ret >= 0)
		ret = to_sets(sets, fds, n);
	if (fds != small)
		free(fds);
	return ret;
}

static struct sets
sets_of(int n, fd_set *r, fd_set *w, fd_set *e)
{
	return (struct sets){
		.words = { (fd_mask *)r, (fd_mask *)w, (fd_mask *)e },
		.n = clip(n),
	};
}

/* As libc and the kernel: microseconds may be many, and what is left is stored. */
static int
time_of(const struct timeval *timeout, struct timespec *ts)
{
	if (!user_out((void *)(uintptr_t)timeout, sizeof(*timeout)))
		return -EFAULT;
	if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
		return -EINVAL;
	ts->tv_sec = timeout->tv_sec;
	if (__builtin_add_overflow(ts->tv_sec, timeout->tv_usec / 1000000, &ts->tv_sec))
		ts->tv_sec = INT64_MAX;
	ts->tv_nsec = timeout->tv_usec % 1000000 * 1000;
	return 0;
}

int
dpvma_select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	struct sets sets = sets_of(n, r, w, e);
	uint64_t deadline = UINT64_MAX;
	struct timespec ts;
	int ret = 0;

	if (!user_sets(&sets) || !any_ours(&sets))
		return os.select(n, r, w, e, timeout);
	if (timeout != NULL) {
		ret = time_of(timeout, &ts);
		if (ret != 0)
			return fail(ret);
		poll_deadline(&ts, &deadline);
	}
	ret = select_until(&sets, deadline, NULL);
	if (ret == -EREMOTE)
		return os.select(n, r, w, e, timeout);
	if (timeout != NULL && deadline != UINT64_MAX) {
		ts = timespec_until(deadline, false);
		timeout->tv_sec = ts.tv_sec;
		timeout->tv_usec = ts.tv_nsec / 1000;
	}
	return ret < 0 ? fail(ret) : ret;
}

int
dpvma_pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		const sigset_t *sigmask)
{
	struct sets sets = sets_of(n, r, w, e);
	uint64_t deadline;
	int ret;

	if (!user_sets(&sets) || !any_ours(&sets))
		return os.pselect(n, r, w, e, timeout, sigmask);
	ret = poll_deadline(timeout, &deadline);
	if (ret == 0 && sigmask != NULL && !user_in(sigmask, sizeof(*sigmask)))
		ret = -EFAULT;
	if (ret == 0)
		ret = select_until(&sets, deadline, sigmask);
	if (ret == -EREMOTE)
		return os.pselect(n, r, w, e, timeout, sigmask);
	return ret < 0 ? fail(ret) : ret;
}
