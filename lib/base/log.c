/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines: to standard error or a file, never to standard output, or to a function of the
 * program. Needs no EAL. One write() a line, so that lines of threads and processes do not mix.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"

#define LINE_MAX_BYTES 2048

int log_level_now = LOG_LEVEL_INFO;

static pthread_mutex_t setup_lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static char log_path[1024]; /* what log_fd was opened from; empty: standard error */
static int log_details;
static bool log_colored;
static uint64_t log_start_ms;
static void (*log_cb)(int level, const char *line);

static const struct {
	const char *name;
	const char *color;
} levels[] = {
	[LOG_LEVEL_PANIC] = { "panic", "\033[1;31m" },
	[LOG_LEVEL_ERROR] = { "error", "\033[31m" },
	[LOG_LEVEL_WARNING] = { "warning", "\033[33m" },
	[LOG_LEVEL_INFO] = { "info", "" },
	[LOG_LEVEL_DETAILS] = { "details", "" },
	[LOG_LEVEL_DEBUG] = { "debug", "\033[36m" },
	[LOG_LEVEL_FINE] = { "fine", "\033[35m" },
	[LOG_LEVEL_FINER] = { "finer", "\033[35m" },
	[LOG_LEVEL_ALL] = { "all", "\033[35m" },
};

__attribute__((constructor)) static void
start_clock(void)
{
	log_start_ms = clock_ms();
}

int
log_file(void)
{
	int fd = __atomic_load_n(&log_fd, __ATOMIC_ACQUIRE);

	return fd != STDERR_FILENO ? fd : -1;
}

/* Lines go where @p path says; 0 or a negative errno, which leaves standard error. */
static int
stream_set(const char *path)
{
	int old = log_fd, fd = STDERR_FILENO, ret = 0;

	if (strcmp(path, log_path) == 0)
		return 0;
	if (path[0] != '\0') {
		/* children of the program inherit the path: what is there must survive them */
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0) {
			ret = -errno;
			fd = STDERR_FILENO;
			path = "";
		}
	}
	snprintf(log_path, sizeof(log_path), "%s", path);
	__atomic_store_n(&log_fd, fd, __ATOMIC_RELEASE);
	if (old != STDERR_FILENO)
		close(old);
	return ret;
}

void
log_setup(int level, int details, bool colors, const char *file)
{
	int ret;

	if (file == NULL)
		file = "";
	pthread_mutex_lock(&setup_lock);
	ret = strlen(file) < sizeof(log_path) ? stream_set(file) : -ENAMETOOLONG;
	log_details = details;
	log_colored = colors && isatty(log_fd) == 1;
	log_level_now = level;
	pthread_mutex_unlock(&setup_lock);
	if (ret != 0)
		LOG_ERROR("log file %s cannot be opened: %s: lines go to standard error", file,
				strerror(-ret));
}

void
log_set_callback(void (*cb)(int level, const char *line))
{
	__atomic_store_n(&log_cb, cb, __ATOMIC_RELEASE);
}

static size_t
head(int level, char *line, size_t size)
{
	const char *name = levels[level].name;
	unsigned long long ms = clock_ms() - log_start_ms;
	int n;

	switch (log_details) {
	case 0:
		n = snprintf(line, size, "dpvma %s: ", name);
		break;
	case 1:
		n = snprintf(line, size, "dpvma [%d] %s: ", (int)gettid(), name);
		break;
	case 2:
		n = snprintf(line, size, "dpvma [%d/%d] %s: ", (int)getpid(), (int)gettid(), name);
		break;
	default:
		n = snprintf(line, size, "dpvma %llu.%03llu [%d/%d] %s: ", ms / 1000, ms % 1000,
				(int)getpid(), (int)gettid(), name);
	}
	return (size_t)n;
}

static void
put(const char *line, size_t len)
{
	int fd = __atomic_load_n(&log_fd, __ATOMIC_ACQUIRE);

	while (len > 0) {
		ssize_t n = write(fd, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* a full disk or a closed stream is not the program's trouble */
		line += n;
		len -= (size_t)n;
	}
}

void
log_write(int level, const char *fmt, ...)
{
	static const char reset[] = "\033[0m";
	void (*cb)(int, const char *) = __atomic_load_n(&log_cb, __ATOMIC_ACQUIRE);
	char line[LINE_MAX_BYTES + sizeof(reset) + 2];
	const char *color = "";
	int saved = errno, n;
	size_t len = 0;
	va_list ap;

	if (level < LOG_LEVEL_PANIC)
		return;
	if (level > LOG_LEVEL_ALL)
		level = LOG_LEVEL_ALL;
	if (log_colored && cb == NULL)
		color = levels[level].color;
	len = (size_t)snprintf(line, LINE_MAX_BYTES, "%s", color);
	len += head(level, line + len, LINE_MAX_BYTES - len);
	va_start(ap, fmt);
	errno = saved; /* for %m */
	n = vsnprintf(line + len, LINE_MAX_BYTES - len, fmt, ap);
	va_end(ap);
	if (n > 0)
		len = RTE_MIN(len + (size_t)n, (size_t)LINE_MAX_BYTES - 1);
	while (len > 0 && line[len - 1] == '\n')
		len--;
	if (*color != '\0') {
		memcpy(line + len, reset, sizeof(reset) - 1);
		len += sizeof(reset) - 1;
	}
	line[len++] = '\n';
	line[len] = '\0';
	if (cb != NULL)
		cb(level, line);
	else
		put(line, len);
	errno = saved;
}
