/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires to the kernel of this machine: a TAP, whose other end is an interface of the kernel, and an
 * AF_PACKET socket on an interface that is there already (one end of a veth, or a NIC).
 */
#include "connectx.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
poll_fd(int fd)
{
	static uint8_t frame[CX_MAX_FRAME];
	bool work = false;
	ssize_t n;
	int i;

	for (i = 0; i < CX_RX_BATCH; i++) {
		n = read(fd, frame, sizeof(frame));
		if (n <= 0)
			break;
		cx.now = cx_clock();
		cx_rx_frame(frame, n, 0);
		/* each read() is dear: do not let the first frame wait for the last */
		cx_cq_flush_all();
		work = true;
	}
	return work;
}

static void
send_fd(int fd, const uint8_t *frame, size_t len)
{
	if (write(fd, frame, len) < 0)
		cx.stat.tx_lost++;
}

/* ---- tap ---- */
static int
tap_open(const char *arg)
{
	cx_wire_tap.fd = cx_tap_open(arg, NULL);
	return cx_wire_tap.fd < 0 ? -1 : 0;
}

static void
tap_close(void)
{
	close(cx_wire_tap.fd);
}

static bool
tap_poll(void)
{
	return poll_fd(cx_wire_tap.fd);
}

static void
tap_send(const uint8_t *frame, size_t len)
{
	send_fd(cx_wire_tap.fd, frame, len);
}

struct cx_wire cx_wire_tap = {
	.name = "tap",
	.help = "tap:IF: a TAP; the kernel's interface IF is the other end of the wire",
	.open = tap_open,
	.close = tap_close,
	.poll = tap_poll,
	.send = tap_send,
	.fd = -1,
};

/* ---- afp ---- */
static int
afp_open(const char *arg)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(arg),
	};
	struct packet_mreq mr = { .mr_ifindex = sll.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd, one = 1;

	if (sll.sll_ifindex == 0) {
		cx_log(0, "CONNECTX_WIRE=afp:%s: no such interface in this network namespace", arg);
		return -1;
	}
	/* protocol 0 until it is bound: else frames of other interfaces come in between */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
			setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr)) != 0 ||
			bind(fd, (struct sockaddr *)&sll, sizeof(sll)) != 0) {
		cx_log(0, "CONNECTX_WIRE=afp:%s: cannot open a packet socket on it: %m", arg);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	cx_wire_afp.fd = fd;
	return 0;
}

static void
afp_close(void)
{
	close(cx_wire_afp.fd);
}

static bool
afp_poll(void)
{
	return poll_fd(cx_wire_afp.fd);
}

static void
afp_send(const uint8_t *frame, size_t len)
{
	send_fd(cx_wire_afp.fd, frame, len);
}

struct cx_wire cx_wire_afp = {
	.name = "afp",
	.help = "afp:IF: a packet socket on the interface IF, one end of a veth for example",
	.open = afp_open,
	.close = afp_close,
	.poll = afp_poll,
	.send = afp_send,
	.fd = -1,
};
