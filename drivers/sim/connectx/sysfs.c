/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of sysfs that EAL's PCI bus and the PMD read, as a directory of files under /tmp:
 *   pci/<address>/  vendor, device, ..., net/<netdev>, driver -> mlx5_core
 *   ib/mlx5_0/      device -> the PCI directory
 * and the control socket (ctl.c).
 *
 * The directory is locked while its process lives; a start removes those that nobody holds, which
 * killed processes left. A pid would not tell: /tmp may be shared with another pid namespace, and
 * exec() keeps it.
 */
#include "connectx.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREES "/tmp"
#define PREFIX "connectx-"
#define RANDOM 6 /* letters that mkdtemp() fills in */
#define TRIES 20

static char root[64], pci[80];
static int lock_fd = -1;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
remove_tree(const char *path)
{
	return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* connectx-PID-XXXXXX and nothing else: somebody may have a directory connectx-build. */
static bool
is_tree(const char *name)
{
	size_t digits;

	if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
		return false;
	name += sizeof(PREFIX) - 1;
	digits = strspn(name, "0123456789");
	return digits > 0 && name[digits] == '-' && strlen(name + digits + 1) == RANDOM;
}

/* Opens and locks it; -1 when another process has it, or it is not there any more. */
static int
take(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat held, there;

	if (fd < 0)
		return -1;
	/* it may have been removed between opening and locking */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
			lstat(path, &there) == 0 && held.st_ino == there.st_ino &&
			held.st_dev == there.st_dev && held.st_uid == geteuid())
		return fd;
	close(fd);
	return -1;
}

static void
remove_if_dead(const char *name)
{
	char path[sizeof(TREES) + NAME_MAX + 1];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", TREES, name);
	fd = take(path);
	if (fd < 0)
		return;
	if (remove_tree(path) == 0)
		cx_log(1, "removed %s of a process that is gone", path);
	close(fd);
}

static void
sweep(void)
{
	struct dirent *e;
	DIR *d;

	d = opendir(TREES);
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (is_tree(e->d_name))
			remove_if_dead(e->d_name);
	closedir(d);
}

/* All below return 0 or -1 with errno and take a path relative to root, made as printf does. */
static int
make_dir(const char *fmt, ...)
{
	char rel[PATH_MAX - 128], path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rel, sizeof(rel), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", root, rel);
	return mkdir(path, 0755);
}

static int
make_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;
	int ret;

	snprintf(path, sizeof(path), "%s/%s/%s", root, dir, name);
	f = fopen(path, "we");
	if (f == NULL)
		return -1;
	ret = fputs(text, f) < 0 ? -1 : 0;
	return fclose(f) != 0 ? -1 : ret;
}

static int
make_link(const char *target, const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s", root, dir, name);
	return symlink(target, path);
}

static int
make_pci(const struct cx_nic_conf *c)
{
	char dir[128], text[512], *p = text;
	int i, bad;

	snprintf(dir, sizeof(dir), "pci/%s", c->pci);
	bad = make_dir("%s", dir);
	bad |= make_file(dir, "vendor", "0x15b3\n");
	snprintf(text, sizeof(text), "%s\n", c->devid);
	bad |= make_file(dir, "device", text);
	bad |= make_file(dir, "subsystem_vendor", "0x15b3\n");
	bad |= make_file(dir, "subsystem_device", "0x0001\n");
	bad |= make_file(dir, "class", "0x020000\n");
	bad |= make_file(dir, "numa_node", "0\n");
	snprintf(text, sizeof(text), "DRIVER=mlx5_core\nPCI_SLOT_NAME=%s\n", c->pci);
	bad |= make_file(dir, "uevent", text);
	/* six BARs and the ROM, none of them mapped */
	for (i = 0; i < 7; i++)
		p += sprintf(p, "0x%016x 0x%016x 0x%016x\n", 0, 0, 0);
	bad |= make_file(dir, "resource", text);
	bad |= make_link("/sys/bus/pci/drivers/mlx5_core", dir, "driver");
	bad |= make_dir("%s/net", dir) | make_dir("%s/net/%s", dir, c->netdev);
	snprintf(dir, sizeof(dir), "pci/%s/net/%s", c->pci, c->netdev);
	bad |= make_file(dir, "dev_port", "0\n");
	return bad;
}

static int
make_ib(struct ibv_device *ib, const struct cx_nic_conf *c, unsigned int index)
{
	char target[192], dir[128];
	int bad;

	snprintf(dir, sizeof(dir), "ib/%s", c->name);
	bad = make_dir("%s", dir);
	snprintf(target, sizeof(target), "%s/pci/%s", root, c->pci);
	bad |= make_link(target, dir, "device");
	snprintf(ib->ibdev_path, sizeof(ib->ibdev_path), "%s/%s", root, dir);
	memcpy(ib->dev_path, ib->ibdev_path, sizeof(ib->dev_path));
	snprintf(ib->name, sizeof(ib->name), "%s", c->name);
	snprintf(ib->dev_name, sizeof(ib->dev_name), "uverbs%u", index);
	ib->node_type = IBV_NODE_CA;
	ib->transport_type = IBV_TRANSPORT_IB;
	return bad;
}

int
cx_sysfs_add(struct cx_dev *d)
{
	/* at the end of the process there is no tree any more */
	if (root[0] == '\0')
		return -1;
	return make_pci(&d->conf) | make_ib(&d->ibdev, &d->conf, d->index);
}

void
cx_sysfs_del(const struct cx_dev *d)
{
	char path[256];

	if (root[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/pci/%s", root, d->conf.pci);
	remove_tree(path);
	snprintf(path, sizeof(path), "%s/ib/%s", root, d->conf.name);
	remove_tree(path);
}

static int
make_all(void)
{
	int bad = make_dir("pci") | make_dir("ib");
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++)
		bad |= cx_sysfs_add(cx_devs[i]);
	return bad;
}

/*
 * A new directory, locked. Until it is, another process that starts may take it for a dead one and
 * remove it, empty as it is: the next one then.
 */
static int
make_root(void)
{
	int i;

	for (i = 0; i < TRIES; i++) {
		snprintf(root, sizeof(root), "%s/%s%d-XXXXXX", TREES, PREFIX, (int)getpid());
		if (mkdtemp(root) == NULL) {
			cx_log(0,
					"%s: %m: the model keeps its device tree there, so it must "
					"be "
					"writable",
					TREES);
			root[0] = '\0';
			return -1;
		}
		lock_fd = take(root);
		if (lock_fd >= 0)
			return 0;
	}
	cx_log(0, "%s: cannot open and lock the device tree: %m", root);
	rmdir(root);
	root[0] = '\0';
	return -1;
}

int
cx_sysfs_make(void)
{
	sweep();
	if (make_root() != 0)
		return -1;
	if (make_all() != 0) {
		cx_log(0, "%s: cannot write the device tree: %m", root);
		cx_sysfs_remove();
		return -1;
	}
	snprintf(pci, sizeof(pci), "%s/pci", root);
	return 0;
}

void
cx_sysfs_remove(void)
{
	if (root[0] != '\0')
		remove_tree(root);
	cx_sysfs_forget();
}

void
cx_sysfs_forget(void)
{
	root[0] = pci[0] = '\0';
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
}

const char *
cx_sysfs_root(void)
{
	return root;
}

const char *
cx_sysfs_pci(void)
{
	return pci[0] != '\0' ? pci : NULL;
}
