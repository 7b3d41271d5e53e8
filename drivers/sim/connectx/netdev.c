/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface of the NIC, a TAP that plays mlx5_core's netdev: the PMD takes address,
 * MTU and link from it, frames that no rule wants go to it, and what the kernel sends on it goes
 * to the wire. TAPs belong to the network namespace the process runs in.
 */
#include "connectx.h"
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 8
#define MAX_MASK_WORDS 16
#define FRAME_OVERHEAD 18 /* bytes: Ethernet and a VLAN tag */
#define MTU_PERIOD_NS 1000000

/* What drivers ask for: a TAP would else be one of 10 Mbit/s. Not every kernel can change that. */
static void
set_speed(int s, struct ifreq *ifr)
{
	struct {
		struct ethtool_link_settings base;
		uint32_t masks[3 * MAX_MASK_WORDS];
	} link = { .base = { .cmd = ETHTOOL_GLINKSETTINGS } };

	ifr->ifr_data = (char *)&link;
	/* the first answer is the number of words of a mask, negative */
	if (ioctl(s, SIOCETHTOOL, ifr) != 0 || link.base.link_mode_masks_nwords >= 0 ||
			-link.base.link_mode_masks_nwords > MAX_MASK_WORDS)
		return;
	link.base.link_mode_masks_nwords = -link.base.link_mode_masks_nwords;
	link.base.cmd = ETHTOOL_GLINKSETTINGS;
	if (ioctl(s, SIOCETHTOOL, ifr) != 0)
		return;
	link.base.cmd = ETHTOOL_SLINKSETTINGS;
	link.base.speed = SPEED_100000;
	link.base.duplex = DUPLEX_FULL;
	link.base.autoneg = AUTONEG_ENABLE;
	if (ioctl(s, SIOCETHTOOL, ifr) != 0)
		cx_log(2, "%s: link speed: %m", ifr->ifr_name);
}

/* A new interface gets address and MTU, if any, and is set up; one that exists is left as it is. */
static int
set_up(const char *name, const char *mac, unsigned int mtu)
{
	struct ifreq ifr = { 0 };
	uint8_t *a = (uint8_t *)ifr.ifr_hwaddr.sa_data;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = -1;

	if (s < 0)
		return -1;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	if (mac != NULL) {
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &a[0], &a[1], &a[2], &a[3], &a[4],
				    &a[5]) != 6 ||
				(a[0] & 1) != 0) {
			errno = EINVAL;
			goto out;
		}
		if (ioctl(s, SIOCSIFHWADDR, &ifr) != 0)
			goto out;
	}
	ifr.ifr_mtu = mtu;
	if (mtu != 0 && ioctl(s, SIOCSIFMTU, &ifr) != 0)
		goto out;
	set_speed(s, &ifr);
	ifr.ifr_flags = 0;
	if (ioctl(s, SIOCGIFFLAGS, &ifr) != 0)
		goto out;
	ifr.ifr_flags |= IFF_UP;
	ret = ioctl(s, SIOCSIFFLAGS, &ifr);
out:
	close(s);
	return ret;
}

/* Returns a descriptor, or -1 after one log line. */
int
cx_tap_open(const char *name, const char *mac, unsigned int mtu)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	bool exists = if_nametoindex(name) != 0;
	int fd;

	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ) {
		cx_log(0, "\"%s\" is no interface name: 1 to %d characters", name, IFNAMSIZ - 1);
		return -1;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		cx_log(0, "/dev/net/tun: %m: TAP %s needs the tun module and access to it", name);
		return -1;
	}
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
		if (errno == EBUSY)
			cx_log(0, "%s: this TAP is held already: give each process and NIC its own",
					name);
		else if (errno == EPERM)
			cx_log(0, "%s: no permission to make a TAP: be root, or in unshare -Urn",
					name);
		else
			cx_log(0, "%s: cannot make or attach the TAP: %m", name);
		close(fd);
		return -1;
	}
	if (!exists && set_up(name, mac, mtu) != 0) {
		cx_log(0, "%s: cannot set it up%s%s: %m", name, mac != NULL ? " with address " : "",
				mac != NULL ? mac : "");
		close(fd);
		return -1;
	}
	return fd;
}

static int
ask(const struct cx_dev *d, unsigned long what, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	memcpy(ifr->ifr_name, d->conf.netdev, strnlen(d->conf.netdev, IFNAMSIZ - 1));
	return ioctl(d->ctl_fd, what, ifr);
}

int
cx_netdev_open(struct cx_dev *d)
{
	d->ctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (d->ctl_fd < 0) {
		cx_log(0, "%s: socket: %m", d->conf.name);
		return -1;
	}
	d->netdev_fd = cx_tap_open(d->conf.netdev, d->conf.mac, d->conf.mtu);
	return d->netdev_fd < 0 ? -1 : 0;
}

void
cx_netdev_close(struct cx_dev *d)
{
	if (d->netdev_fd >= 0)
		close(d->netdev_fd);
	if (d->ctl_fd >= 0)
		close(d->ctl_fd);
	d->netdev_fd = d->ctl_fd = -1;
}

int
cx_netdev_mac(const struct cx_dev *d, uint8_t mac[6])
{
	struct ifreq ifr;
	int ret = ask(d, SIOCGIFHWADDR, &ifr);

	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return ret;
}

/*
 * As the device's port does it, with room for a VLAN tag. The kernel is asked again when a frame is
 * too long for what it said last, so that a larger MTU holds at once, and seldom, so that a sender
 * of long frames does not cost a system call each.
 */
bool
cx_netdev_fits(struct cx_dev *d, uint32_t len)
{
	struct ifreq ifr;

	if (len <= d->max_frame)
		return true;
	if (d->mtu_asked != 0 && d->now - d->mtu_asked < MTU_PERIOD_NS)
		return false;
	d->mtu_asked = d->now;
	if (ask(d, SIOCGIFMTU, &ifr) == 0)
		d->max_frame = ifr.ifr_mtu + FRAME_OVERHEAD;
	return len <= d->max_frame;
}

/* What the PMD and the kernel take for the state of the link. */
void
cx_netdev_carrier(struct cx_dev *d, bool up)
{
	int on = up;

	if (d->netdev_fd < 0)
		return;
	if (ioctl(d->netdev_fd, TUNSETCARRIER, &on) != 0)
		cx_log(0, "%s: cannot turn the link of %s %s: %m", d->conf.name, d->conf.netdev,
				up ? "on" : "off");
}

bool
cx_netdev_poll(struct cx_dev *d)
{
	bool work = false;
	ssize_t n;
	int i;

	for (i = 0; i < BATCH && d->netdev_fd >= 0 && cx_port_room(d); i++) {
		n = read(d->netdev_fd, d->frame, CX_MAX_FRAME);
		if (n <= 0)
			break;
		d->stat.from_kernel++;
		cx_port_send(d, d->frame, n, 0);
		work = true;
	}
	return work;
}

void
cx_netdev_send(struct cx_dev *d, const uint8_t *frame, size_t len)
{
	if (write(d->netdev_fd, frame, len) < 0)
		d->stat.tx_lost++;
}
