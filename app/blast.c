/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpvma-blast ADDR PORT SIZE PPS COUNT [SOURCE-IFACE-ADDR]: checked payloads through the kernel's
 * sockets, as dpvma-testpmd --check expects them. Knows nothing of dpvma or DPDK.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
fill(uint8_t *payload, size_t len, uint64_t seq)
{
	uint64_t head[2] = { htobe64(seq), htobe64(now_ns()) };

	memcpy(payload, head, len < sizeof(head) ? len : sizeof(head));
	if (len > sizeof(head))
		memset(payload + sizeof(head), (int)(seq & 0xff), len - sizeof(head));
}

static void
wait_until(uint64_t due)
{
	uint64_t now = now_ns();

	while (now < due) {
		struct timespec ts = { .tv_nsec = (long)(due - now) };

		if (due - now > 100000)
			nanosleep(&ts, NULL);
		now = now_ns();
	}
}

int
main(int argc, char **argv)
{
	static uint8_t buf[BATCH][65536];
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct mmsghdr vec[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint64_t seq = 0, count, due;
	size_t size;
	double pps;
	int fd, i, n;

	if (argc < 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: %s ADDR PORT SIZE PPS COUNT [MULTICAST-INTERFACE-ADDR]\n",
				argv[0]);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	size = (size_t)atoi(argv[3]);
	pps = atof(argv[4]);
	count = strtoull(argv[5], NULL, 10);
	if (size < 16 || size > 65507 || pps <= 0) {
		fprintf(stderr, "%s: SIZE from 16 to 65507, PPS above 0\n", argv[0]);
		return 2;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (argc > 6) {
		struct in_addr iface;

		inet_pton(AF_INET, argv[6], &iface);
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &iface, sizeof(iface));
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror(argv[1]);
		return 1;
	}
	due = now_ns();
	while (seq < count) {
		for (i = 0; i < BATCH && seq + (uint64_t)i < count; i++) {
			fill(buf[i], size, seq + (uint64_t)i);
			iov[i] = (struct iovec){ buf[i], size };
			vec[i].msg_hdr.msg_iov = &iov[i];
			vec[i].msg_hdr.msg_iovlen = 1;
		}
		n = sendmmsg(fd, vec, (unsigned int)i, 0);
		/* ECONNREFUSED is an answer to an earlier one; the datagram itself was not sent */
		if (n < 0 && errno != ENOBUFS && errno != ECONNREFUSED) {
			perror("send");
			return 1;
		}
		seq += n > 0 ? (uint64_t)n : 0;
		due += (uint64_t)(1e9 * i / pps);
		wait_until(due);
	}
	printf("sent %lu\n", seq);
	return 0;
}
