/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process that was killed could not remove: its EAL's directory, the tree of a software
 * ConnectX, and a cable between two of them. Ours would remove them at their next start; a parent
 * that stays need not wait for that.
 */
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/types.h>
#include <unistd.h>

#include "run.h"

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	remove(path);
	return 0;
}

/* One that is locked belongs to a process that lives, whatever its number is. */
static void
remove_tree(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	close(fd);
}

static void
remove_trees(const char *pattern)
{
	glob_t found;
	size_t i;

	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (i = 0; i < found.gl_pathc; i++)
		remove_tree(found.gl_pathv[i]);
	globfree(&found);
}

void
leftovers_remove(pid_t pid)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char pattern[PATH_MAX];

	snprintf(pattern, sizeof(pattern), "/tmp/connectx-%d-??????", pid);
	remove_trees(pattern);
	snprintf(pattern, sizeof(pattern), "%s/dpdk/dpvma-%d",
			geteuid() == 0		      ? "/var/run"
					: xdg != NULL ? xdg
						      : "/tmp",
			pid);
	remove_trees(pattern);
}

/* Both ends are locked as long as somebody has them. */
static bool
end_is_taken(int fd, off_t end)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = end, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &l) != 0 || l.l_type != F_UNLCK;
}

void
leftovers_remove_cable(const char *wire)
{
	char path[PATH_MAX];
	int fd;

	if (wire == NULL || strncmp(wire, "shm:", 4) != 0)
		return;
	snprintf(path, sizeof(path), "/dev/shm/connectx-%u-%.*s", (unsigned int)geteuid(),
			(int)strcspn(wire + 4, ",/"), wire + 4);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	/* who attaches holds the lock of the whole file meanwhile */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && !end_is_taken(fd, 0) && !end_is_taken(fd, 1))
		unlink(path);
	close(fd);
}
