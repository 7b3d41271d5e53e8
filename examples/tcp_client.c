/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_client ADDR PORT [MESSAGES [BYTES]]: send messages to tcp_echo, one after the other, and tell
 * how long it took until each was back.
 *
 *   DPVMA_EAL_ARGS="--vdev=net_memif0" DPVMA_PORTS="net_memif0=10.0.0.2/24" tcp_client 10.0.0.1 7
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dpvma.h>

static int
die(const char *what)
{
	perror(what);
	return EXIT_FAILURE;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
ask(int fd, const char *out, char *back, size_t len)
{
	if (dpvma_send(fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		return -1;
	if (dpvma_recv(fd, back, len, MSG_WAITALL) != (ssize_t)len)
		return -1;
	return memcmp(out, back, len);
}

static int
run(int fd, long messages, size_t len)
{
	char *out = malloc(len), *back = malloc(len);
	double start = seconds();
	long i;

	if (out == NULL || back == NULL)
		return die("tcp_client");
	for (i = 0; i < messages; i++) {
		memset(out, (int)('a' + i % 26), len);
		if (ask(fd, out, back, len) != 0)
			return die("tcp_client: a message did not come back");
	}
	printf("%ld messages of %zu bytes, %.1f us each\n", messages, len,
			(seconds() - start) * 1e6 / (double)messages);
	free(out);
	free(back);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long messages = argc > 3 ? atol(argv[3]) : 1000, len = argc > 4 ? atol(argv[4]) : 64;
	char why[256];
	int fd, one = 1, ret;

	if (argc < 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || messages < 1 || len < 1) {
		fprintf(stderr, "usage: %s ADDR PORT [MESSAGES [BYTES]]\n", argv[0]);
		return EXIT_FAILURE;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || dpvma_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
			dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return die("tcp_client");
	dpvma_explain(fd, why, sizeof(why));
	printf("%s\n", why);
	ret = run(fd, messages, (size_t)len);
	dpvma_close(fd);
	dpvma_exit();
	return ret;
}
