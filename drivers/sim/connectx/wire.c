/* SPDX-License-Identifier: BSD-3-Clause */
/* Wire back-ends and the kernel-side netdev (a TAP playing mlx5_core's netdev). */
#include "connectx.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_loop;
/* loop-back ring: TX frames of the port come back as RX frames */
#define LOOP_N 4096
static struct {
	uint32_t len;
	uint8_t d[2048];
} * ring;
static uint32_t ring_h, ring_t;

static int
tap_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		close(fd);
		return -1;
	}
	return fd;
}

int
netdev_open(void)
{
	sim.tap_fd = tap_open(sim.netdev);
	return sim.tap_fd < 0 ? -1 : 0;
}

int
wire_open(void)
{
	if (!strcmp(sim.wire, "loop")) {
		is_loop = true;
		ring = calloc(LOOP_N, sizeof(*ring));
		return 0;
	}
	if (!strcmp(sim.wire, "null"))
		return 0;
	if (!strncmp(sim.wire, "tap:", 4)) {
		sim.wire_fd = tap_open(sim.wire + 4);
		return sim.wire_fd < 0 ? -1 : 0;
	}
	if (!strncmp(sim.wire, "afp:", 4)) {
		struct sockaddr_ll sll = { .sll_family = AF_PACKET,
			.sll_protocol = htons(ETH_P_ALL),
			.sll_ifindex = if_nametoindex(sim.wire + 4) };
		struct packet_mreq mr = { .mr_ifindex = sll.sll_ifindex,
			.mr_type = PACKET_MR_PROMISC };
		int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)), one = 1;

		if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
			return -1;
		setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr));
		setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
		sim.wire_fd = fd;
		return 0;
	}
	errno = EINVAL;
	return -1;
}

int
wire_rx(uint8_t *buf, size_t cap)
{
	if (is_loop) {
		uint32_t n;

		if (ring_t == ring_h)
			return 0;
		n = ring[ring_t % LOOP_N].len;
		memcpy(buf, ring[ring_t % LOOP_N].d, n);
		ring_t++;
		return n;
	}
	if (sim.wire_fd < 0)
		return 0;
	return read(sim.wire_fd, buf, cap);
}

void
wire_tx(const uint8_t *buf, size_t len)
{
	if (is_loop) {
		if (ring_h - ring_t < LOOP_N && len <= sizeof(ring[0].d)) {
			ring[ring_h % LOOP_N].len = len;
			memcpy(ring[ring_h % LOOP_N].d, buf, len);
			ring_h++;
		}
		return;
	}
	if (sim.wire_fd >= 0 && write(sim.wire_fd, buf, len) < 0)
		sim.tx_err++;
}

int
kernel_rx(uint8_t *buf, size_t cap)
{
	int n = sim.tap_fd < 0 ? 0 : read(sim.tap_fd, buf, cap);

	if (n > 0)
		sim.krx++;
	return n;
}

void
kernel_tx(const uint8_t *buf, size_t len)
{
	if (sim.tap_fd >= 0 && write(sim.tap_fd, buf, len) < 0)
		sim.tx_err++;
}

/* Nothing to do: sleep a little, but wake at once for wire traffic. */
void
wire_idle(void)
{
	struct pollfd pf[2] = { { .fd = sim.wire_fd, .events = POLLIN },
		{ .fd = sim.tap_fd, .events = POLLIN } };
	struct timespec ts = { .tv_nsec = 20000 };

	ppoll(pf, 2, &ts, NULL);
}
