/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's network devices: name, driver, PCI address, addresses. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"

static void
read_driver(int s, struct netdev *d)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_value gro = { .cmd = ETHTOOL_GGRO };
	struct ifreq ifr = { .ifr_data = (char *)&info };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", d->name);
	if (ioctl(s, SIOCETHTOOL, &ifr) == 0) {
		snprintf(d->driver, sizeof(d->driver), "%s", info.driver);
		snprintf(d->bus, sizeof(d->bus), "%s", info.bus_info);
	}
	ifr.ifr_data = (char *)&gro;
	d->gro = ioctl(s, SIOCETHTOOL, &ifr) == 0 && gro.data != 0;
	d->mlx5 = strcmp(d->driver, "mlx5_core") == 0;
	memset(&ifr.ifr_ifru, 0, sizeof(ifr.ifr_ifru));
	if (ioctl(s, SIOCGIFMTU, &ifr) == 0)
		d->mtu = (unsigned int)ifr.ifr_mtu;
	if (ioctl(s, SIOCGIFFLAGS, &ifr) == 0)
		d->up = (ifr.ifr_flags & IFF_UP) != 0;
}

static void
add_addr(struct netdev *d, const struct ifaddrs *a)
{
	const struct sockaddr_in *addr = (const struct sockaddr_in *)a->ifa_addr;
	const struct sockaddr_in *mask = (const struct sockaddr_in *)a->ifa_netmask;
	char text[INET_ADDRSTRLEN] = "";
	size_t len = strlen(d->addrs);

	inet_ntop(AF_INET, &addr->sin_addr, text, sizeof(text));
	snprintf(d->addrs + len, sizeof(d->addrs) - len, "%s%s/%d", len > 0 ? " " : "", text,
			mask != NULL ? __builtin_popcount(mask->sin_addr.s_addr) : 32);
}

bool
netdev_has_addr(const struct netdev *d)
{
	return d->addrs[0] != '\0';
}

unsigned int
netdevs_read(struct netdev *list, unsigned int max)
{
	struct if_nameindex *all = if_nameindex();
	struct ifaddrs *addrs = NULL, *a;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int i, j, n = 0;

	for (i = 0; all != NULL && s >= 0 && all[i].if_index != 0 && n < max; i++) {
		if (strcmp(all[i].if_name, "lo") == 0)
			continue;
		memset(&list[n], 0, sizeof(list[n]));
		snprintf(list[n].name, sizeof(list[n].name), "%s", all[i].if_name);
		read_driver(s, &list[n++]);
	}
	if_freenameindex(all);
	if (s >= 0)
		close(s);
	if (getifaddrs(&addrs) != 0)
		addrs = NULL;
	for (a = addrs; a != NULL; a = a->ifa_next)
		for (j = 0; j < n; j++)
			if (a->ifa_addr != NULL && a->ifa_addr->sa_family == AF_INET &&
					strcmp(a->ifa_name, list[j].name) == 0)
				add_addr(&list[j], a);
	freeifaddrs(addrs);
	return n;
}
