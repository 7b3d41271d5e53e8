/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is added to the program's arguments of EAL: drivers' device arguments, one floating lcore,
 * memory without files, a prefix of its own, quiet. Nothing that the program said is changed but
 * for device arguments, which are appended to.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "port/port_priv.h"

#define SYSFS_PCI "/sys/bus/pci/devices"

/* As EAL's PCI bus finds it. */
static const char *
sysfs_pci(void)
{
	const char *path = getenv("SYSFS_PCI_DEVICES");

	return path != NULL ? path : SYSFS_PCI;
}

static uint32_t
pci_id(const char *address, const char *file)
{
	char path[PATH_MAX];
	unsigned int id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", sysfs_pci(), address, file);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%x", &id) != 1)
		id = 0;
	fclose(f);
	return id;
}

static const struct port_driver *
driver_of_pci(const char *address)
{
	return port_driver_of_pci(
			(uint16_t)pci_id(address, "vendor"), (uint16_t)pci_id(address, "device"));
}

/* A device without its arguments; a PCI address without its bus and with its domain. */
static void
plain_name(const char *device, char *name, size_t size)
{
	size_t len = strcspn(device, ",");
	unsigned int domain, bus, dev, fn;

	if (strncmp(device, "pci:", 4) == 0) {
		device += 4;
		len -= 4;
	}
	snprintf(name, size, "%.*s", (int)len, device);
	if (sscanf(name, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4 &&
			sscanf(name, "%x:%x.%x", &bus, &dev, &fn) == 3)
		snprintf(name, size, "0000:%.*s", (int)len, device);
}

/* The driver of a device as "-a" names it: "[pci:]ADDRESS" or "auxiliary:mlx5_core.sf.1". */
static const struct port_driver *
driver_of_allowed(const char *device)
{
	char name[64];

	plain_name(device, name, sizeof(name));
	if (strncmp(name, "auxiliary:mlx5_core.", 20) == 0)
		return port_driver_find("mlx5_pci");
	return driver_of_pci(name);
}
/* The driver of a virtual device: "net_memif0" is net_memif's. */
static const struct port_driver *
driver_of_vdev(const char *device)
{
	char name[64];
	size_t len;

	plain_name(device, name, sizeof(name));
	len = strlen(name);
	while (len > 0 && name[len - 1] >= '0' && name[len - 1] <= '9')
		name[--len] = '\0';
	return port_driver_find(name);
}

/* The device part of argument i, when it names one: "-a X", "-aX", "--allow X", "--allow=X", ... */
static char **
device_of(const struct port_args *args, int i, bool *vdev, size_t *offset)
{
	static const struct {
		const char *name;
		bool vdev;
	} options[] = { { "--allow", false }, { "--vdev", true }, { "-a", false } };
	unsigned int o;

	for (o = 0; o < RTE_DIM(options); o++) {
		size_t len = strlen(options[o].name);
		char *arg = args->argv[i];

		if (strncmp(arg, options[o].name, len) != 0)
			continue;
		*vdev = options[o].vdev;
		*offset = 0;
		if (arg[len] == '\0')
			return i + 1 < args->argc ? &args->argv[i + 1] : NULL;
		*offset = arg[len] == '=' ? len + 1 : len;
		if (arg[1] == '-' && arg[len] != '=')
			continue;
		return &args->argv[i];
	}
	return NULL;
}

static int
add_devargs(struct port_args *args)
{
	const struct port_driver *driver;
	char extra[512], *longer;
	size_t offset;
	char **word;
	bool vdev;
	int i;

	for (i = 0; i < args->argc; i++) {
		word = device_of(args, i, &vdev, &offset);
		if (word == NULL)
			continue;
		driver = vdev ? driver_of_vdev(*word + offset) : driver_of_allowed(*word + offset);
		if (driver == NULL || driver->devargs == NULL)
			continue;
		extra[0] = '\0';
		driver->devargs(*word + offset, extra, sizeof(extra));
		if (extra[0] == '\0')
			continue;
		if (asprintf(&longer, "%s,%s", *word, extra) < 0)
			return -ENOMEM;
		free(*word);
		*word = longer;
	}
	return 0;
}

/*
 * Without a word about devices, all those that a driver of ours claims are used, as the kernel's
 * driver keeps them; others would be taken from the kernel.
 */
static int
add_pci(struct port_args *args)
{
	struct dirent *entry;
	bool any = false;
	int ret = 0;
	DIR *dir;

	if (port_args_has(args, "-a", "--allow", "-b", "--block", "--no-pci", NULL))
		return 0;
	dir = port_args_has(args, "--vdev", NULL) ? NULL : opendir(sysfs_pci());
	while (dir != NULL && ret == 0 && (entry = readdir(dir)) != NULL) {
		const char *address = entry->d_name;

		if (driver_of_pci(address) == NULL)
			continue;
		ret = port_args_addf(args, "--allow=%s", address);
		any = true;
	}
	if (dir != NULL)
		closedir(dir);
	return ret != 0 || any ? ret : port_args_addf(args, "--no-pci");
}

/*
 * Virtual addresses when that is what all PCI devices take: without an IOMMU, EAL would choose
 * physical ones, and with those no buffer may be longer than its memory is in one piece.
 */
static int
add_iova(struct port_args *args)
{
	const struct port_driver *driver;
	bool any = false, vdev;
	size_t offset;
	char **word;
	int i;

	if (port_args_has(args, "--iova-mode", "--proc-type", NULL))
		return 0;
	for (i = 0; i < args->argc; i++) {
		word = device_of(args, i, &vdev, &offset);
		if (word == NULL || vdev)
			continue;
		driver = driver_of_allowed(*word + offset);
		if (driver == NULL || !driver->own_translation)
			return 0;
		any = true;
	}
	return any ? port_args_addf(args, "--iova-mode=va") : 0;
}

/* One lcore that floats over the CPUs the program may use, and no worker threads. */
static int
add_lcores(struct port_args *args)
{
	char list[4096];
	size_t len = 0;
	cpu_set_t cpus;
	int first, last;

	if (port_args_has(args, "-c", "-l", "--lcores", "-s", NULL))
		return 0;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return -errno;
	list[0] = '\0';
	for (first = 0; first < CPU_SETSIZE && len < sizeof(list) - 32; first = last + 1) {
		last = first;
		if (!CPU_ISSET(first, &cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &cpus))
			last++;
		len += (size_t)snprintf(
				list + len, sizeof(list) - len, "%s%d", len == 0 ? "" : ",", first);
		if (last > first)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "-%d", last);
	}
	return port_args_addf(args, "--lcores=0@(%s)", list);
}

static int
add_memory(struct port_args *args)
{
	bool no_huge = port_args_has(args, "--no-huge", NULL);
	int ret = 0;

	if (!no_huge && !port_args_has(args, "--huge-dir", "--socket-mem", NULL)) {
		if (conf()->mem_alloc_type == CONF_MEM_ANON) {
			no_huge = true;
		} else if (port_memory_huge_free() == 0) {
			no_huge = true;
			if (conf()->mem_alloc_type == CONF_MEM_HUGE)
				LOG_WARNING("there are no free huge pages: ordinary ones are used. "
					    "For "
					    "huge pages: echo 1024 > /proc/sys/vm/nr_hugepages");
			else
				LOG_DEBUG("no free huge pages: ordinary ones are used");
		}
		if (no_huge)
			ret = port_args_addf(args, "--no-huge");
	}
	if (ret != 0)
		return ret;
	if (no_huge) {
		/* EAL cannot grow then; what is not used is not touched */
		if (!port_args_has(args, "-m", NULL))
			ret = port_args_addf(args, "-m%u", port_memory_wanted_mb());
		if (ret == 0 && !port_args_has(args, "--no-shconf", "--proc-type", NULL))
			ret = port_args_addf(args, "--no-shconf");
		return ret;
	}
	if (!port_args_has(args, "--in-memory", "--no-shconf", "--proc-type", "--huge-dir",
			    "--huge-unlink", "--legacy-mem", NULL))
		ret = port_args_addf(args, "--in-memory");
	/* else each huge page takes a descriptor, and a program's own have numbers that it, or
	 * select(), does not reckon with */
	if (ret == 0 &&
			!port_args_has(args, "--single-file-segments", "--proc-type",
					"--legacy-mem", NULL))
		ret = port_args_addf(args, "--single-file-segments");
	return ret;
}

static int
add_quiet(struct port_args *args)
{
	const char *level = "debug";
	int ret;

	if (port_args_has(args, "--log-level", NULL))
		return 0;
	if (log_level_now <= LOG_LEVEL_ERROR)
		level = "error";
	else if (log_level_now <= LOG_LEVEL_DETAILS)
		level = "warning";
	else if (log_level_now <= LOG_LEVEL_DEBUG)
		level = "info";
	ret = port_args_addf(args, "--log-level=%s", level);
	/* they warn of a socket and of page sizes that nobody misses */
	if (ret == 0 && log_level_now <= LOG_LEVEL_DETAILS)
		ret = port_args_addf(args, "--log-level=lib.eal:error");
	if (ret == 0 && log_level_now <= LOG_LEVEL_DETAILS)
		ret = port_args_addf(args, "--log-level=lib.telemetry:error");
	return ret;
}

int
port_args_complete(struct port_args *args)
{
	int ret;

	ret = add_pci(args);
	if (ret == 0)
		ret = add_devargs(args);
	if (ret == 0)
		ret = add_iova(args);
	if (ret == 0)
		ret = add_lcores(args);
	if (ret == 0)
		ret = add_memory(args);
	if (ret == 0 && !port_args_has(args, "--file-prefix", "--proc-type", NULL))
		ret = port_args_addf(args, "--file-prefix=dpvma-%d", getpid());
	if (ret == 0)
		ret = add_quiet(args);
	return ret;
}

static bool
has_ethdev(const char *name)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, &id) == 0)
		return true;
	/* ports of one device may have names of their own */
	RTE_ETH_FOREACH_DEV (id) {
		if (rte_eth_dev_info_get(id, &info) == 0 && info.device != NULL &&
				strcmp(rte_dev_name(info.device), name) == 0)
			return true;
	}
	return false;
}

/* Out of several, the first that is not there is said. 0 or a negative errno. */
static int
check_device(const char *device, bool vdev)
{
	char name[64], path[PATH_MAX];

	plain_name(device, name, sizeof(name));
	/* devices of other classes are not for us to judge */
	if (vdev && strncmp(name, "net_", 4) != 0 && strncmp(name, "eth_", 4) != 0)
		return 0;
	if (has_ethdev(name))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", sysfs_pci(), name);
	if (!vdev && strchr(name, '.') != NULL && access(path, F_OK) != 0) {
		LOG_ERROR("there is no PCI device %s: correct the address in DPVMA_EAL_ARGS", name);
		return -ENODEV;
	}
	if (!vdev && pci_id(name, "class") >> 16 != 0x02)
		return 0;
	if (geteuid() != 0) {
		LOG_ERROR("%s could not be started: run as root, or with CAP_NET_RAW and "
			  "CAP_NET_ADMIN, or correct it in DPVMA_EAL_ARGS",
				name);
		return -EPERM;
	}
	if (vdev)
		LOG_ERROR("%s could not be started: correct what its PMD says above in "
			  "DPVMA_EAL_ARGS ('%s')",
				name, device);
	else
		LOG_ERROR("no PMD took the PCI device %s: bind it to vfio-pci (dpdk-devbind.py), "
			  "or "
			  "see what its PMD says above",
				name);
	return -ENODEV;
}

int
port_args_check_devices(const struct port_args *args)
{
	size_t offset;
	char **word;
	bool vdev;
	int i, ret = 0;

	for (i = 0; i < args->argc && ret == 0; i++) {
		word = device_of(args, i, &vdev, &offset);
		if (word != NULL)
			ret = check_device(*word + offset, vdev);
	}
	return ret;
}
