/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * callback_filter ADDR PORT FIRST: of the datagrams to a UDP port, let those pass that begin with
 * the character FIRST. The others are dropped where the device put them: the receive call neither
 * sees nor copies them.
 *
 *   DPVMA_EAL_ARGS="--vdev=net_memif0,role=server" DPVMA_PORTS="net_memif0=10.0.0.1/24" \
 *           callback_filter 10.0.0.1 5000 Q
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <dpvma.h>
#include <mellanox/vma_extra.h>

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int
die(const char *what)
{
	perror(what);
	return EXIT_FAILURE;
}

/* Called from within the receive call below. What iov and info point at is gone at the return. */
static vma_recv_callback_retval_t
filter(int fd, size_t iov_count, struct iovec *iov, struct vma_info_t *info, void *first)
{
	(void)fd;
	(void)info;
	if (iov_count != 0 && iov[0].iov_len != 0 && *(char *)iov[0].iov_base == *(char *)first)
		return VMA_PACKET_RECV;
	return VMA_PACKET_DROP;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct sigaction act = { .sa_handler = on_signal };
	struct timeval second = { .tv_sec = 1 };
	struct vma_api_t *api;
	char text[2048];
	ssize_t n;
	int fd;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1) {
		fprintf(stderr, "usage: %s ADDR PORT FIRST\n", argv[0]);
		return EXIT_FAILURE;
	}
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	api = dpvma_get_api();
	if (api == NULL)
		return die("start");
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || dpvma_bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		return die("socket");
	/* a signal that comes while the call polls does not end it: it looks again each second */
	dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	/* EINVAL: the address is no port's, so the kernel receives */
	if (api->register_recv_callback(fd, filter, argv[3]) != 0)
		return die("register_recv_callback");
	while (!stop) {
		n = dpvma_recv(fd, text, sizeof(text), 0);
		if (n >= 0)
			printf("%.*s\n", (int)n, text);
		fflush(stdout);
	}
	dpvma_dump(fd, stdout);
	dpvma_close(fd);
	dpvma_exit();
	return EXIT_SUCCESS;
}
