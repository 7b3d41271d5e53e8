/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a child of fork() must not have of the devices. A device is given back to the kernel when
 * the last process has let go of its files and of mappings of them: one that the program forked and
 * that lives on would keep it after the program's end, and the traffic with it. So the files that
 * EAL and PMDs open are known here, closed in a child and by exec, and their memory is not
 * inherited, which also makes fork() cheap and keeps copy-on-write away from buffers that devices
 * write.
 *
 * EAL and PMDs do not tell what they open. What is new after a call into them is theirs if it is of
 * the kinds that they open; other threads of the program may open files of their own meanwhile. A
 * file is known by what /proc says of it, too, so that a number which is the program's by now is
 * left alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_memory.h>

#include "port/port_priv.h"

#define FILES (1u << 20) /**< numbers that are watched */
#define LINK_MAX_BYTES 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread unsigned int depth; /**< this thread has the lock so often */

/** By number, what was there: 0 for none of ours. */
static uint32_t *ours, *before;
static unsigned int top; /**< no number from here on was ever seen */
static void (*tell)(int fd, bool own);

/* Also for a signal handler that forks while its thread has it. */
static void
take_lock(void)
{
	if (depth++ == 0)
		pthread_mutex_lock(&lock);
}

static void
give_lock(void)
{
	if (--depth == 0)
		pthread_mutex_unlock(&lock);
}

/** @name What a number is */
/** @{ */
/* FNV-1a of what /proc/self/fd says; never 0. */
static uint32_t
hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	while (*text != '\0')
		hash = (hash ^ (uint8_t)*text++) * 16777619u;
	return hash | 1;
}

/* Calls of the kernel only, as a child may make no others. False: no such file. */
static bool
link_of(int fd, char *target)
{
	char path[32] = "/proc/self/fd/", digits[12];
	size_t at = strlen(path), n = 0;
	ssize_t len;

	do
		digits[n++] = (char)('0' + fd % 10);
	while ((fd /= 10) != 0);
	while (n > 0)
		path[at++] = digits[--n];
	path[at] = '\0';
	len = readlink(path, target, LINK_MAX_BYTES - 1);
	target[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static uint32_t
now_at(int fd)
{
	char target[LINK_MAX_BYTES];

	return link_of(fd, target) ? hash_of(target) : 0;
}

/* Sockets of the internet are made for a question to the kernel. */
static bool
is_device_socket(int fd)
{
	int domain = AF_INET;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_INET &&
			domain != AF_INET6;
}

static bool
is_device_file(int fd, const char *target)
{
	static const char *const kinds[] = { "/dev/net/tun", "/dev/infiniband/", "/dev/vfio/",
		"/dev/uio", "/dev/vhost", "/dev/hugepages", "/sys/", "/memfd:", "anon_inode:[event",
		"anon_inode:[timerfd]", "anon_inode:[infiniband", "anon_inode:[vfio" };
	const char *runtime = rte_eal_get_runtime_dir();
	unsigned int i;

	if (strncmp(target, "socket:", 7) == 0)
		return is_device_socket(fd);
	for (i = 0; i < RTE_DIM(kinds); i++)
		if (strncmp(target, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return (runtime != NULL && runtime[0] == '/' &&
			       strncmp(target, runtime, strlen(runtime)) == 0) ||
			strstr(target, "/rtemap_") != NULL;
}
/** @} */

/** @name Looking */
/** @{ */
static void
each_file(void (*cb)(int fd, const char *target))
{
	DIR *dir = opendir("/proc/self/fd");
	char target[LINK_MAX_BYTES];
	struct dirent *entry;
	int fd;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] == '.' || fd == dirfd(dir) || (unsigned int)fd >= FILES ||
				!link_of(fd, target))
			continue;
		top = RTE_MAX(top, (unsigned int)fd + 1);
		cb(fd, target);
	}
	if (dir != NULL)
		closedir(dir);
}

static void
note(int fd, const char *target)
{
	before[fd] = hash_of(target);
}

static void
disown(int fd)
{
	/* what comes in its place is new */
	__atomic_store_n(&before[fd], 0, __ATOMIC_RELEASE);
	if (__atomic_exchange_n(&ours[fd], 0, __ATOMIC_ACQ_REL) != 0 && tell != NULL)
		tell(fd, false);
}

static void
own(int fd, const char *target)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags >= 0 && !(flags & FD_CLOEXEC))
		fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	__atomic_store_n(&ours[fd], hash_of(target), __ATOMIC_RELEASE);
	if (tell != NULL)
		tell(fd, true);
}

static void
own_if_new(int fd, const char *target)
{
	uint32_t hash = hash_of(target);

	/* one of ours may have been closed, and another opened in its place */
	if (ours[fd] == hash || (before[fd] != hash && is_device_file(fd, target)))
		own(fd, target);
	else
		disown(fd);
}

static bool
is_mapped_from(const char *path)
{
	uint32_t hash = hash_of(path);
	unsigned int fd;

	for (fd = 0; fd < top; fd++)
		if (ours[fd] == hash)
			return true;
	return false;
}

/* A mapping holds a file as a descriptor does. */
static void
keep_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], path[LINK_MAX_BYTES];
	uintptr_t from, to;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %255[^\n]", &from, &to,
				    path) == 3 &&
				is_mapped_from(path) &&
				madvise((void *)from, to - from, MADV_DONTFORK) != 0)
			LOG_DEBUG("a child will inherit the mapping of %s: %s", path,
					strerror(errno));
	}
	if (f != NULL)
		fclose(f);
}

static bool
is_watched(void)
{
	return conf()->fork && ours != NULL;
}

/* Pages of the tables come when they are touched. */
static void
make_tables(void)
{
	void *p;

	if (ours != NULL || !conf()->fork)
		return;
	p = mmap(NULL, 2 * FILES * sizeof(*ours), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		LOG_WARNING("no memory to know the devices' files by: a child of fork() will hold "
			    "them");
		return;
	}
	before = p;
	ours = before + FILES;
}

void
port_fork_watch(void)
{
	int err = errno;

	if (depth++ > 0)
		return;
	pthread_mutex_lock(&lock);
	make_tables();
	if (is_watched()) {
		memset(before, 0, top * sizeof(*before));
		each_file(note);
	}
	errno = err;
}

void
port_fork_keep(void)
{
	int err = errno;
	unsigned int fd;

	if (--depth > 0)
		return;
	if (is_watched()) {
		for (fd = 0; fd < top; fd++)
			if (port_fork_is_gone((int)fd))
				disown((int)fd);
		each_file(own_if_new);
		keep_mappings();
	}
	pthread_mutex_unlock(&lock);
	errno = err;
}

void
port_fork_own(int fd)
{
	char target[LINK_MAX_BYTES];
	int err = errno;

	take_lock();
	if (is_watched() && (unsigned int)fd < FILES && link_of(fd, target)) {
		top = RTE_MAX(top, (unsigned int)fd + 1);
		own(fd, target);
	}
	give_lock();
	errno = err;
}

bool
port_fork_is_gone(int fd)
{
	uint32_t was = 0;

	if (is_watched() && (unsigned int)fd < FILES)
		was = __atomic_load_n(&ours[fd], __ATOMIC_ACQUIRE);
	return was != 0 && was != now_at(fd);
}

void
port_fork_disown(int fd)
{
	if (is_watched() && (unsigned int)fd < FILES)
		disown(fd);
}

void
port_fork_close(int fd)
{
	port_fork_disown(fd);
	close(fd);
}

void
port_fork_tell(void (*told)(int fd, bool own))
{
	tell = told;
}
/** @} */

/** @name memif: files that come while it runs */
/** @{ */
/* Whether a device names this path in its arguments. */
static bool
is_path_of_memif(const char *path)
{
	struct rte_eth_dev_info info;
	const struct rte_devargs *args;
	unsigned int i;

	for (i = 0; i < n_ports; i++) {
		if (strcmp(ports[i]->driver->name, "net_memif") != 0 ||
				rte_eth_dev_info_get(ports[i]->id, &info) != 0)
			continue;
		args = rte_dev_devargs(info.device);
		if (strcmp(path, "/run/memif.sock") == 0 ||
				(args != NULL && args->args != NULL &&
						strstr(args->args, path) != NULL))
			return true;
	}
	return false;
}

/* Its own name or its peer's; one without a place in the file system begins with a zero. */
static bool
is_memif_socket(int fd)
{
	int (*const names[])(int, struct sockaddr *, socklen_t *) = { getsockname, getpeername };
	struct sockaddr_un name;
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++) {
		socklen_t len = sizeof(name) - 1;

		memset(&name, 0, sizeof(name));
		if (names[i](fd, (struct sockaddr *)&name, &len) != 0 || name.sun_family != AF_UNIX)
			continue;
		if (name.sun_path[0] == '\0')
			memmove(name.sun_path, name.sun_path + 1, sizeof(name.sun_path) - 1);
		if (name.sun_path[0] != '\0' && is_path_of_memif(name.sun_path))
			return true;
	}
	return false;
}

static void
own_if_memif(int fd, const char *target)
{
	if (strncmp(target, "/memfd:memif_region", 19) == 0 ||
			(strncmp(target, "socket:", 7) == 0 && is_memif_socket(fd)))
		own(fd, target);
}

void
port_fork_connected(const struct port *port)
{
	if (strcmp(port->driver->name, "net_memif") != 0 && port->driver->parts == NULL)
		return;
	take_lock();
	if (is_watched()) {
		each_file(own_if_memif);
		keep_mappings();
	}
	give_lock();
}
/** @} */

/** @name Memory */
/** @{ */
static int
spare_list(const struct rte_memseg_list *msl, void *arg)
{
	(void)arg;
	if (madvise(msl->base_va, msl->len, MADV_DONTFORK) != 0)
		LOG_DEBUG("a child will inherit %zu MB of EAL's memory: %s", msl->len >> 20,
				strerror(errno));
	return 0;
}

/* Pages that EAL adds are mapped in the place of what was spared. */
static void
spare_new(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	(void)arg;
	if (event == RTE_MEM_EVENT_ALLOC)
		madvise((void *)(uintptr_t)addr, len, MADV_DONTFORK);
}

void
port_fork_spare_memory(void)
{
	if (!conf()->fork)
		return;
	rte_memseg_list_walk(spare_list, NULL);
	/* -ENOTSUP where memory does not grow */
	rte_mem_event_callback_register("dpvma-fork", spare_new, NULL);
}
/** @} */

/** @name fork() */
/** @{ */
void
port_fork_prepare(void)
{
	if (depth == 0)
		pthread_mutex_lock(&lock);
}

void
port_fork_parent(void)
{
	if (depth == 0)
		pthread_mutex_unlock(&lock);
}

void
port_fork_child(void)
{
	unsigned int fd;

	for (fd = 0; fd < top; fd++) {
		/* by the bare call, as the name may be interposed */
		if (ours[fd] != 0 && ours[fd] == now_at((int)fd))
			syscall(SYS_close, fd);
		disown((int)fd);
	}
	top = 0;
	depth = 0;
	pthread_mutex_init(&lock, NULL);
}
/** @} */
