/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From what a user calls a port to what EAL calls it. A network device of mlx5 is used by its PCI
 * address and stays the kernel's too; any other one through a socket of the kernel's.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define SYSFS_PCI "/sys/bus/pci/devices"
/* Plain buffers: in a striding one, a packet that waits in a socket holds a thousand others' room.
 */
#define RUN_MLX5_ARGS ",mprq_en=0"

static struct netdev netdevs[NETDEVS_MAX];
static unsigned int n_netdevs;

/* ---- devices without a network device: what is bound to vfio or uio ---- */

static bool
driver_of(const char *pci, char *driver, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/driver", pci);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	snprintf(driver, size, "%s", strrchr(target, '/') + 1);
	return true;
}

static bool
is_network(const char *pci)
{
	char path[PATH_MAX];
	unsigned int class = 0;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/class", pci);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fscanf(f, "%x", &class) != 1)
		class = 0;
	fclose(f);
	return class >> 16 == 0x02;
}

static unsigned int
list_unbound(FILE *f)
{
	DIR *dir = opendir(SYSFS_PCI);
	struct dirent *e;
	unsigned int n = 0;
	char driver[64];

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (!is_network(e->d_name) || !driver_of(e->d_name, driver, sizeof(driver)) ||
				(strcmp(driver, "vfio-pci") != 0 &&
						strcmp(driver, "uio_pci_generic") != 0 &&
						strcmp(driver, "igb_uio") != 0))
			continue;
		fprintf(f, "%-16s %-12s %-14s %-20s --port=%s --addr=ADDR/LEN\n", e->d_name, driver,
				e->d_name, "-", e->d_name);
		n++;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

void
ports_list(FILE *f)
{
	unsigned int i, n;

	n = netdevs_read(netdevs, NETDEVS_MAX);
	fprintf(f, "%-16s %-12s %-14s %-20s %s\n", "DEVICE", "DRIVER", "BUS", "ADDRESSES", "SAY");
	for (i = 0; i < n; i++) {
		const struct netdev *d = &netdevs[i];

		fprintf(f, "%-16s %-12s %-14s %-20s --port=%s%s%s\n", d->name,
				*d->driver ? d->driver : "-", *d->bus ? d->bus : "-",
				netdev_has_addr(d) ? d->addrs : "-", d->name,
				netdev_has_addr(d) ? "" : " --addr=ADDR/LEN",
				d->mlx5 ? "" : "  (by af_packet)");
	}
	if (n + list_unbound(f) == 0)
		fputs("(no network device here)\n", f);
	fputs("Without one of these: --sim, a software NIC; --port=memif:server:/SOCKET "
	      "--addr=ADDR/LEN, to another process.\n",
			f);
}

/* ---- one port ---- */

/* [DDDD:]BB:DD.F at the start of the text: its length, 0 for none. */
static size_t
pci_length(const char *text)
{
	static const char *const forms[] = { "xxxx:xx:xx.x", "xx:xx.x" };
	unsigned int i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *t = text, *f = forms[i];

		while (*f != '\0' && (*f == 'x' ? isxdigit((unsigned char)*t) : *t == *f))
			t++, f++;
		if (*f == '\0' && (*t == '\0' || *t == ','))
			return (size_t)(t - text);
	}
	return 0;
}

static int
too_long(const struct run_port *p)
{
	run_error("--port=%s: longer than %zu characters", p->spec, sizeof(p->device) - 1);
	return -1;
}

static int
take_pci(struct run_port *p, size_t len)
{
	unsigned int i;

	snprintf(p->name, sizeof(p->name), "%s%.*s", len == 7 ? "0000:" : "", (int)len, p->spec);
	if ((size_t)snprintf(p->device, sizeof(p->device), "%s%s", p->name, p->spec + len) >=
			sizeof(p->device))
		return too_long(p);
	for (i = 0; i < n_netdevs; i++)
		if (netdevs[i].mlx5 && strcmp(netdevs[i].bus, p->name) == 0) {
			strlcpy(p->netdev, netdevs[i].name, sizeof(p->netdev));
			if (p->spec[len] == '\0')
				strncat(p->device, RUN_MLX5_ARGS,
						sizeof(p->device) - strlen(p->device) - 1);
		}
	return 0;
}

static int
take_netdev(struct run_port *p, const struct netdev *d, unsigned int index, const char *pmd)
{
	strlcpy(p->netdev, d->name, sizeof(p->netdev));
	if (d->mlx5 && pmd == NULL) {
		snprintf(p->device, sizeof(p->device), "%s%s%s",
				strncmp(d->bus, "mlx5_core.", 10) == 0 ? "auxiliary:" : "", d->bus,
				RUN_MLX5_ARGS);
		snprintf(p->name, sizeof(p->name), "%s", d->bus);
		return 0;
	}
	p->vdev = true;
	if (d->gro)
		run_error("--port=%s: received segments are put together there before the port "
			  "sees them, and then are too long for it, so that TCP crawls: ethtool -K "
			  "%s gro off",
				p->spec, d->name);
	snprintf(p->name, sizeof(p->name), "net_%s%u", pmd != NULL ? pmd : "af_packet", index);
	snprintf(p->device, sizeof(p->device), "%s,iface=%s", p->name, d->name);
	return 0;
}

static int
take_memif(struct run_port *p, unsigned int index)
{
	const char *role = p->spec + strlen("memif:"), *path = strchr(role, ':');
	size_t len = path != NULL ? (size_t)(path - role) : 0;

	if (len != 6 || (strncmp(role, "server", 6) != 0 && strncmp(role, "client", 6) != 0) ||
			path[1] != '/' || strchr(path, ',') != NULL) {
		run_error("--port=%s: give memif:server:/SOCKET or memif:client:/SOCKET, with the "
			  "path of a socket",
				p->spec);
		return -1;
	}
	p->vdev = true;
	snprintf(p->name, sizeof(p->name), "net_memif%u", index);
	if ((size_t)snprintf(p->device, sizeof(p->device),
			    "%s,role=%.6s,id=0,socket=%s,socket-abstract=no", p->name, role,
			    path + 1) >= sizeof(p->device))
		return too_long(p);
	return 0;
}

static int
take_tap(struct run_port *p, unsigned int index)
{
	const char *name = p->spec + strlen("tap:");

	if (*name == '\0' || strlen(name) >= IFNAMSIZ || name[strcspn(name, ",/ ")] != '\0') {
		run_error("--port=%s: give tap:NAME, a name of 1 to %d characters for the device",
				p->spec, IFNAMSIZ - 1);
		return -1;
	}
	p->vdev = true;
	snprintf(p->name, sizeof(p->name), "net_tap%u", index);
	snprintf(p->device, sizeof(p->device), "%s,iface=%s", p->name, name);
	return 0;
}

static int
take_vdev(struct run_port *p)
{
	size_t len = strcspn(p->spec, ",");

	p->vdev = true;
	if (len >= sizeof(p->name) || strlen(p->spec) >= sizeof(p->device))
		return too_long(p);
	snprintf(p->name, sizeof(p->name), "%.*s", (int)len, p->spec);
	snprintf(p->device, sizeof(p->device), "%s", p->spec);
	return 0;
}

static int
take(struct run_port *p, unsigned int index, const char *pmd)
{
	size_t len = pci_length(p->spec);
	unsigned int i;

	for (i = 0; i < n_netdevs; i++)
		if (strcmp(netdevs[i].name, p->spec) == 0)
			return take_netdev(p, &netdevs[i], index, pmd);
	if (len != 0)
		return take_pci(p, len);
	if (strncmp(p->spec, "memif:", 6) == 0)
		return take_memif(p, index);
	if (strncmp(p->spec, "tap:", 4) == 0)
		return take_tap(p, index);
	if (strncmp(p->spec, "net_", 4) == 0 || strncmp(p->spec, "eth_", 4) == 0)
		return take_vdev(p);
	run_error("--port=%s: there is no such network device, and it is none of a PCI address, "
		  "memif:server:/SOCKET, memif:client:/SOCKET, tap:NAME and net_...: see dpvma-run "
		  "--list",
			p->spec);
	return -1;
}

/* ---- all of them ---- */

static const struct netdev *
netdev_of(const struct run_port *p)
{
	unsigned int i;

	for (i = 0; i < n_netdevs; i++)
		if (p->netdev[0] != '\0' && strcmp(netdevs[i].name, p->netdev) == 0)
			return &netdevs[i];
	return NULL;
}

/* Packets cannot be sent from no address. */
static int
check_addr(const struct run_port *p)
{
	const struct netdev *d = netdev_of(p);

	if (p->addr != NULL || conf_port_find(p->name) != NULL || (d != NULL && netdev_has_addr(d)))
		return 0;
	if (d != NULL)
		run_error("--port=%s: %s has no IPv4 address: ip addr add 192.0.2.1/24 dev %s, or "
			  "say --addr=192.0.2.1/24",
				p->spec, d->name, d->name);
	else
		run_error("--port=%s: the kernel has no address for it: say "
			  "--addr=192.0.2.1/24[,gw=192.0.2.254] behind it",
				p->spec);
	return -1;
}

static int
choose_alone(struct run_args *a)
{
	const struct netdev *found = NULL;
	unsigned int i, n = 0;

	for (i = 0; i < n_netdevs; i++)
		if (netdevs[i].mlx5 && netdevs[i].up && netdev_has_addr(&netdevs[i])) {
			found = &netdevs[i];
			n++;
		}
	if (n == 1) {
		a->ports[0].spec = found->name;
		a->n_ports = 1;
		return 0;
	}
	run_error("%s: say which port to use. There is:",
			n == 0 ? "there is no mlx5 device that is up and has an address"
			       : "there are several mlx5 devices with an address");
	ports_list(stderr);
	return -1;
}

int
ports_choose(struct run_args *a)
{
	const char *eal = getenv("DPVMA_EAL_ARGS");
	unsigned int i;

	n_netdevs = netdevs_read(netdevs, NETDEVS_MAX);
	/* the environment may have named ports */
	if (a->n_ports == 0 && ((eal != NULL && *eal != '\0') || a->eal != NULL)) {
		if (a->ports[0].addr == NULL)
			return 0;
		run_error("--addr=%s: it belongs to a --port: say that, or set DPVMA_PORTS",
				a->ports[0].addr);
		return -1;
	}
	if (a->n_ports == 0 && choose_alone(a) != 0)
		return -1;
	for (i = 0; i < a->n_ports; i++)
		if (take(&a->ports[i], i, a->pmd) != 0 || check_addr(&a->ports[i]) != 0)
			return -1;
	return 0;
}

/* As a word for the library, which splits DPVMA_EAL_ARGS as a shell would. */
static bool
needs_quotes(const char *word)
{
	return word[strcspn(word, " \t\n'\"\\")] != '\0';
}

int
ports_eal(const struct run_args *a, char *words, size_t size)
{
	size_t len = 0;
	unsigned int i;

	words[0] = '\0';
	for (i = 0; i < a->n_ports; i++) {
		const struct run_port *p = &a->ports[i];
		const char *quote = needs_quotes(p->device) ? "'" : "";

		if (strchr(p->device, '\'') != NULL) {
			run_error("--port=%s: a quote cannot be in it: take another name", p->spec);
			return -1;
		}
		len += (size_t)snprintf(words + len, len < size ? size - len : 0, "%s%s%s%s%s",
				i > 0 ? " " : "", p->vdev ? "--vdev=" : "-a ", quote, p->device,
				quote);
		if (len >= size) {
			run_error("the ports take more than %zu characters: give fewer", size - 1);
			return -1;
		}
	}
	return 0;
}

int
ports_addrs(const struct run_args *a)
{
	char text[CONF_ARGS_SIZE] = "";
	bool any = false;
	unsigned int i;
	size_t len = 0;

	for (i = 0; i < a->n_ports; i++)
		any |= a->ports[i].addr != NULL;
	if (!any)
		return 0;
	/* ports that it does not name would be left alone */
	for (i = 0; i < a->n_ports && len < sizeof(text); i++) {
		const struct run_port *p = &a->ports[i];
		const struct netdev *d = netdev_of(p);

		len += (size_t)snprintf(
				text + len, sizeof(text) - len, "%s%s=", i > 0 ? ";" : "", p->name);
		if (len < sizeof(text) && p->addr != NULL)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", p->addr);
		else if (len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "mtu=%u",
					d != NULL ? d->mtu : 1500u);
	}
	if (len >= sizeof(text)) {
		run_error("--addr: longer than %zu characters: give fewer", sizeof(text) - 1);
		return -1;
	}
	return run_var_set("DPVMA_PORTS", text, "--addr");
}
