/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface of the NIC, a TAP that plays mlx5_core's netdev: the PMD takes address,
 * MTU and link from it, frames that no rule wants go to it, and what the kernel sends on it goes
 * to the wire. TAPs belong to the network namespace the process runs in.
 */
#include "connectx.h"
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 8

/* A new interface gets the address, if any, and is set up; one that exists is left as it is. */
static int
set_up(const char *name, const char *mac)
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
cx_tap_open(const char *name, const char *mac)
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
			cx_log(0, "%s: another process holds this TAP: give each its own name",
					name);
		else if (errno == EPERM)
			cx_log(0, "%s: no permission to make a TAP: be root, or in unshare -Urn",
					name);
		else
			cx_log(0, "%s: cannot make or attach the TAP: %m", name);
		close(fd);
		return -1;
	}
	if (!exists && set_up(name, mac) != 0) {
		cx_log(0, "%s: cannot set it up%s%s: %m", name, mac != NULL ? " with address " : "",
				mac != NULL ? mac : "");
		close(fd);
		return -1;
	}
	return fd;
}

int
cx_netdev_open(void)
{
	cx.netdev_fd = cx_tap_open(cx.conf.netdev, cx.conf.mac);
	return cx.netdev_fd < 0 ? -1 : 0;
}

int
cx_netdev_mac(uint8_t mac[6])
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (s < 0)
		return -1;
	memcpy(ifr.ifr_name, cx.conf.netdev, strnlen(cx.conf.netdev, IFNAMSIZ - 1));
	ret = ioctl(s, SIOCGIFHWADDR, &ifr);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(s);
	return ret;
}

bool
cx_netdev_poll(void)
{
	static uint8_t frame[CX_MAX_FRAME];
	bool work = false;
	ssize_t n;
	int i;

	for (i = 0; i < BATCH; i++) {
		n = read(cx.netdev_fd, frame, sizeof(frame));
		if (n <= 0)
			break;
		cx.stat.from_kernel++;
		cx.wire->send(frame, n);
		work = true;
	}
	return work;
}

void
cx_netdev_send(const uint8_t *frame, size_t len)
{
	if (write(cx.netdev_fd, frame, len) < 0)
		cx.stat.tx_lost++;
}
