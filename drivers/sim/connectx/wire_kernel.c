/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires to the kernel of this machine: a TAP, whose other end is an interface of the kernel, and an
 * AF_PACKET socket on an interface that is there already (one end of a veth, or a NIC).
 */
#include "connectx.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#define AFP_ROOM                                                                                   \
	(16 << 20) /* bytes of frames that may wait in the kernel, with what each costs it */

static bool
fd_poll(struct cx_dev *d)
{
	bool work = false;
	ssize_t n;
	int i;

	for (i = 0; i < CX_RX_BATCH; i++) {
		n = read(d->wire.fd, d->frame, CX_MAX_FRAME);
		if (n <= 0)
			break;
		d->now = cx_clock();
		cx_port_rx(d, d->frame, n, 0);
		/* each read() is dear: do not let the first frame wait for the last */
		cx_cq_flush_all(d);
		work = true;
	}
	return work;
}

static void
fd_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	(void)flags;
	if (write(d->wire.fd, frame, len) < 0)
		d->stat.tx_lost++;
}

static void
fd_close(struct cx_dev *d)
{
	close(d->wire.fd);
}

/* ---- tap ---- */
/* In another network namespace: a TAP belongs to the one that the thread is in when it is opened.
 */
static int
tap_open_in(struct cx_dev *d, const char *name, const char *netns)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(netns, O_RDONLY | O_CLOEXEC);
	int fd = -1;

	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0) {
		cx_log(0, "%s: wire tap:%s: cannot enter the network namespace %s: %m",
				d->conf.name, name, netns);
		goto out;
	}
	fd = cx_tap_open(name, NULL, d->conf.mtu);
	if (setns(home, CLONE_NEWNET) != 0) {
		cx_log(0, "%s: wire tap:%s: cannot come back from %s: %m", d->conf.name, name,
				netns);
		close(fd);
		fd = -1;
	}
out:
	if (home >= 0)
		close(home);
	if (there >= 0)
		close(there);
	return fd;
}

static int
tap_open(struct cx_dev *d, const char *arg)
{
	const char *comma = strchr(arg, ',');
	char name[IFNAMSIZ + 1];

	if (comma == NULL) {
		d->wire.fd = cx_tap_open(arg, NULL, d->conf.mtu);
	} else if (strncmp(comma, ",netns=/", 8) == 0) {
		snprintf(name, sizeof(name), "%.*s", (int)(comma - arg), arg);
		d->wire.fd = tap_open_in(d, name, comma + 7);
	} else {
		cx_log(0, "%s: wire tap:%s: behind the interface only \",netns=/PATH\" can stand",
				d->conf.name, arg);
		return -1;
	}
	return d->wire.fd < 0 ? -1 : 0;
}

const struct cx_wire_ops cx_wire_tap = {
	.name = "tap",
	.help = "tap:IF[,netns=PATH]: a TAP; the kernel's interface IF is the other end of the "
		"wire",
	.open = tap_open,
	.close = fd_close,
	.poll = fd_poll,
	.send = fd_send,
};

/* ---- afp ---- */
static int
afp_open(struct cx_dev *d, const char *arg)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(arg),
	};
	struct packet_mreq mr = { .mr_ifindex = sll.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd, one = 1, room = AFP_ROOM;

	if (sll.sll_ifindex == 0) {
		cx_log(0, "%s: wire afp:%s: no such interface in this network namespace",
				d->conf.name, arg);
		return -1;
	}
	/* protocol 0 until it is bound: else frames of other interfaces come in between */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
			setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr)) != 0 ||
			bind(fd, (struct sockaddr *)&sll, sizeof(sll)) != 0) {
		cx_log(0, "%s: wire afp:%s: cannot open a packet socket on it: %m", d->conf.name,
				arg);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* a wire does not lose what comes while the device thread waits for a processor */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	d->wire.fd = fd;
	return 0;
}

const struct cx_wire_ops cx_wire_afp = {
	.name = "afp",
	.help = "afp:IF: a packet socket on the interface IF, one end of a veth for example",
	.open = afp_open,
	.close = fd_close,
	.poll = fd_poll,
	.send = fd_send,
};
