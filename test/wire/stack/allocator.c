/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program of family E of the extra API that brings an allocator for packet buffers, under
 * libdpvma-preload.so: asks for the table, installs, opens its first socket, and then echoes, or
 * sends and compares, datagrams and a stream. What it receives lies in its own memory, which it has
 * back in the end.
 *   allocator server|client ADDRESS PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../unit/program.h"
#include "family_e.h"

#define ZCOPY 0x00040000 /* MSG_VMA_ZCOPY */
#define AREAS 16
#define DATAGRAMS 500
#define STREAM (1u << 20)

/** @name The allocator */
/** @{ */
static struct {
	char *at;
	size_t len;
} area[AREAS];
static unsigned int areas, outstanding;
static size_t given;

static void *
give(size_t len)
{
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED && areas < AREAS);
	area[areas].at = at;
	area[areas++].len = len;
	outstanding++;
	given += len;
	return at;
}

/* Also after main(): with what is left of the process it says that all has come back. */
static void
take_back(void *at)
{
	static const char all[] = "all came back\n";

	for (unsigned int i = 0; i < areas; i++)
		if (area[i].at == at) {
			CHECK(munmap(at, area[i].len) == 0);
			area[i].at = NULL;
			if (--outstanding == 0)
				CHECK(write(1, all, sizeof(all) - 1) == sizeof(all) - 1);
			return;
		}
	CHECK(!"memory that was not given");
}

static bool
is_ours(const char *p)
{
	for (unsigned int i = 0; i < areas; i++)
		if (area[i].at != NULL && p >= area[i].at && p < area[i].at + area[i].len)
			return true;
	return false;
}

static struct vma_api_t *api;

static int
install(void)
{
	struct vma_cmsg_ioctl_user_alloc_t u = {
		VMA_IOCTL_USER_ALLOC_FLAG_TX | VMA_IOCTL_USER_ALLOC_FLAG_RX, give, take_back
	};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(u))] = { 0 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(u)), SOL_SOCKET, CMSG_VMA_IOCTL_USER_ALLOC };
	memcpy(CMSG_DATA(cmsg), &u, sizeof(u));
	return api->ioctl(control, sizeof(control));
}

static void
bring(void)
{
	socklen_t len = sizeof(api);

	CHECK(getsockopt(-1, SOL_SOCKET, 2800, &api, &len) == 0);
	CHECK((api->vma_extra_supported_mask >> 21) == 1);
	CHECK(install() == 0);
	CHECK(given == 0);
}

static void
assert_used(void)
{
	CHECK(given > 1500 && areas >= 2);
	CHECK(install() == -1 && errno == EINVAL);
	printf("used %zu bytes\n", given);
	fflush(stdout);
}
/** @} */

static struct sockaddr_in addr;

static void
fill(uint8_t *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static bool
filled(const uint8_t *p, size_t at, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)(seed + (at + i) * 7 + ((at + i) >> 8)))
			return false;
	return true;
}

/** @name The server: echoes until its stream ends */
/** @{ */
static void
echo_stream(int fd)
{
	static char buf[65536];
	ssize_t len = recv(fd, buf, sizeof(buf), 0);

	CHECK(len >= 0);
	if (len == 0)
		exit(0);
	for (ssize_t n = 0, sent; n < len; n += sent)
		CHECK((sent = send(fd, buf + n, (size_t)(len - n), 0)) > 0);
}

static void
echo_datagram(int fd)
{
	struct sockaddr_in from;
	socklen_t fromlen = sizeof(from);
	char buf[2048];
	ssize_t len = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fromlen);

	CHECK(len > 0);
	CHECK(sendto(fd, buf, (size_t)len, 0, (struct sockaddr *)&from, fromlen) == len);
}

static void
serve(void)
{
	struct pollfd fds[3] = { { .events = POLLIN }, { .events = POLLIN },
		{ .fd = -1, .events = POLLIN } };

	fds[0].fd = socket(AF_INET, SOCK_DGRAM, 0);
	fds[1].fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(fds[0].fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	assert_used();
	CHECK(bind(fds[1].fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(listen(fds[1].fd, 1) == 0);
	printf("READY\n");
	fflush(stdout);
	for (;;) {
		CHECK(poll(fds, 3, 60000) > 0);
		if (fds[0].revents != 0)
			echo_datagram(fds[0].fd);
		if (fds[2].revents != 0)
			echo_stream(fds[2].fd);
		if (fds[1].revents != 0)
			CHECK((fds[2].fd = accept(fds[1].fd, NULL, NULL)) >= 0);
	}
}
/** @} */

/** @name The client */
/** @{ */
struct __attribute__((packed)) vma_packet_t {
	void *id;
	size_t n;
	struct iovec iov[4];
};

struct packets {
	size_t n;
	struct vma_packet_t packet;
};

/* The echo of datagram @p seed, where it lies. False: it is an older one. */
static bool
look_at_echo(int fd, unsigned int seed, size_t len)
{
	struct packets got = { 0 };
	int flags = 0;
	ssize_t ret = api->recvfrom_zcopy(fd, &got, sizeof(got), &flags, NULL, NULL);
	const uint8_t *data;
	bool right;

	CHECK(ret > 0 && (flags & ZCOPY) != 0 && got.n == 1 && got.packet.n == 1);
	data = got.packet.iov[0].iov_base;
	CHECK(is_ours((const char *)data) && is_ours((const char *)data + ret - 1));
	right = (size_t)ret == len && filled(data, 0, len, seed);
	CHECK(api->free_packets(fd, &got.packet, 1) == 0);
	return right;
}

static void
datagrams(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t buf[1472];

	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	assert_used();
	for (unsigned int i = 0; i < DATAGRAMS; i++) {
		size_t len = 1 + i * 37 % sizeof(buf);
		bool back = false;

		fill(buf, len, i);
		/* the first waits for the neighbour; a busy machine may lose one */
		for (unsigned int tries = 0; !back && tries < 100; tries++) {
			CHECK(send(fd, buf, len, 0) == (ssize_t)len);
			while (!back && poll(&p, 1, 200) == 1)
				back = look_at_echo(fd, i, len);
		}
		CHECK(back);
	}
	CHECK(close(fd) == 0);
}

static void
stream(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static uint8_t out[STREAM], in[16384];
	size_t sent = 0, got = 0;

	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	fill(out, sizeof(out), 1);
	while (got < sizeof(out)) {
		struct pollfd p = { fd, sent < sizeof(out) ? POLLIN | POLLOUT : POLLIN, 0 };
		ssize_t ret;

		CHECK(poll(&p, 1, 60000) == 1);
		if ((p.revents & POLLOUT) != 0) {
			ret = send(fd, out + sent, sizeof(out) - sent, MSG_DONTWAIT);
			CHECK(ret > 0 || errno == EAGAIN);
			sent += ret > 0 ? (size_t)ret : 0;
		}
		if ((p.revents & POLLIN) != 0) {
			ret = recv(fd, in, sizeof(in), 0);
			CHECK(ret > 0 && filled(in, got, (size_t)ret, 1));
			got += (size_t)ret;
		}
	}
	CHECK(close(fd) == 0);
}
/** @} */

int
main(int argc, char **argv)
{
	CHECK(argc == 4);
	addr = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr(argv[2]),
		.sin_port = htons((uint16_t)atoi(argv[3])) };
	bring();
	if (strcmp(argv[1], "server") == 0)
		serve();
	datagrams();
	stream();
	printf("DONE\n");
	return 0;
}
