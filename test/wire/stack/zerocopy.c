/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sends a stream with MSG_ZEROCOPY from four buffers, each of which is written anew as soon as the
 * error queue says that it may be, or receives one and compares every byte. A plain program for the
 * kernel's sockets; "registered" is for the extra API, under libdpvma-preload.so.
 *   zerocopy sink ADDRESS PORT
 *   zerocopy send ADDRESS PORT CALLS SIZE plain|registered
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "../../unit/program.h"
#include "mellanox/vma_extra.h"

#define BUFFERS 4
#define HEAD 100 /* bytes of a vector before the buffer, from memory that nobody registers */
#define PATIENCE_MS 20000

static uint64_t total; /* bytes of the stream that were written or compared */

static uint8_t
byte_at(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) + (at >> 16) * 3);
}

static void
fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = byte_at(total++);
}

/** @name Receiving */
/** @{ */
static void
sink(const struct sockaddr_in *addr)
{
	static uint8_t buf[1 << 16];
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, fd;
	ssize_t n;

	CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	CHECK(bind(listener, (const struct sockaddr *)addr, sizeof(*addr)) == 0);
	CHECK(listen(listener, 1) == 0);
	printf("READY\n");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == byte_at(total++));
	CHECK(n == 0);
	CHECK(send(fd, &total, sizeof(total), 0) == sizeof(total));
	CHECK(recv(fd, buf, 1, 0) == 0);
	close(fd);
	close(listener);
	printf("DONE %llu\n", (unsigned long long)total);
}
/** @} */

/** @name Sending */
/** @{ */
static uint32_t done, copies; /* sends that are done with, and those that were copied */

/* One range of the error queue: it goes on where the last one ended. */
static bool
take_range(int fd)
{
	char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	const struct sock_extended_err *ee;
	const struct cmsghdr *c;

	if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		CHECK(errno == EAGAIN);
		return false;
	}
	CHECK(msg.msg_flags == MSG_ERRQUEUE);
	c = CMSG_FIRSTHDR(&msg);
	CHECK(c != NULL && c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR);
	ee = (const struct sock_extended_err *)CMSG_DATA(c);
	CHECK(ee->ee_errno == 0 && ee->ee_origin == SO_EE_ORIGIN_ZEROCOPY);
	CHECK(ee->ee_info == done && ee->ee_data >= ee->ee_info);
	CHECK((ee->ee_code & ~SO_EE_CODE_ZEROCOPY_COPIED) == 0);
	if (ee->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
		copies += ee->ee_data - ee->ee_info + 1;
	done = ee->ee_data + 1;
	return true;
}

static void
wait_done(int fd, uint32_t sends)
{
	struct pollfd p = { .fd = fd };

	while (done < sends) {
		if (take_range(fd))
			continue;
		CHECK(poll(&p, 1, PATIENCE_MS) == 1);
		CHECK(p.revents == POLLERR);
	}
}

static uint8_t *
buffers(int fd, size_t size, bool registered)
{
	size_t len = BUFFERS * size;
	uint8_t *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ring = -1;
	uint32_t key;

	CHECK(at != MAP_FAILED);
	memset(at, 1, len);
	if (registered) {
		struct vma_api_t *api = vma_get_api();

		CHECK(api != NULL);
		CHECK(api->get_socket_rings_fds(fd, &ring, 1) == 1);
		CHECK(api->register_memory_on_ring(ring, at, len, &key) == 0);
	}
	return at;
}

static void
send_one(int fd, uint8_t *head, uint8_t *body, size_t size)
{
	struct iovec iov[2] = { { head, HEAD }, { body, size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	fill(head, HEAD);
	fill(body, size);
	CHECK(sendmsg(fd, &msg, MSG_ZEROCOPY) == (ssize_t)(HEAD + size));
}

static void
send_all(const struct sockaddr_in *addr, uint32_t calls, size_t size, bool registered)
{
	static uint8_t head[BUFFERS][HEAD];
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct timespec from, to;
	uint64_t theirs = 0;
	uint8_t *at;

	CHECK(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) == 0);
	at = buffers(fd, size, registered);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint32_t i = 0; i < calls; i++) {
		if (i >= BUFFERS)
			wait_done(fd, i - BUFFERS + 1);
		send_one(fd, head[i % BUFFERS], at + i % BUFFERS * size, size);
	}
	/* nothing follows that would make a driver look */
	wait_done(fd, calls);
	CHECK(!take_range(fd));
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK(recv(fd, &theirs, sizeof(theirs), MSG_WAITALL) == sizeof(theirs));
	CHECK(theirs == total);
	close(fd);
	printf("DONE %llu bytes, %u copied, %.3f s\n", (unsigned long long)total, copies,
			(double)(to.tv_sec - from.tv_sec) +
					(double)(to.tv_nsec - from.tv_nsec) * 1e-9);
}
/** @} */

int
main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };

	CHECK(argc >= 4 && inet_pton(AF_INET, argv[2], &addr.sin_addr) == 1);
	addr.sin_port = htons((uint16_t)atoi(argv[3]));
	if (argc == 4) {
		sink(&addr);
	} else {
		CHECK(argc == 7);
		send_all(&addr, (uint32_t)atoi(argv[4]), (size_t)atol(argv[5]),
				strcmp(argv[6], "registered") == 0);
	}
	return 0;
}
