/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_echo PORT [ADDR]: send back what comes to a TCP port, over any number of connections in one
 * thread. ADDR is an address of a port; without it all addresses of this machine are served, the
 * kernel's included.
 *
 *   DPVMA_EAL_ARGS="--vdev=net_memif0,role=server" DPVMA_PORTS="net_memif0=10.0.0.1/24" tcp_echo 7
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <dpvma.h>

#define CONNS 64
#define ROOM 65536

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

/* What a connection has goes back; false when it is over. */
static int
echo(int fd)
{
	static char buf[ROOM];
	ssize_t n = dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	return n > 0 && dpvma_send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

/* The listener is first; a place that is free has -1, which poll() passes over. */
static void
serve(struct pollfd *fds)
{
	int i, fd;

	for (i = 1; i < CONNS; i++) {
		if (fds[i].fd >= 0 && fds[i].revents != 0 && !echo(fds[i].fd)) {
			dpvma_close(fds[i].fd);
			fds[i].fd = -1;
		}
		if (fds[i].fd < 0 && (fds[0].revents & POLLIN)) {
			fd = dpvma_accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
			fds[0].revents = 0;
			fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct sigaction act = { .sa_handler = on_signal };
	struct pollfd fds[CONNS];
	int i, fd, one = 1;
	char why[256];

	if (argc < 2 || argc > 3 ||
			(argc == 3 && inet_pton(AF_INET, argv[2], &local.sin_addr) != 1)) {
		fprintf(stderr, "usage: %s PORT [ADDR]\n", argv[0]);
		return EXIT_FAILURE;
	}
	local.sin_port = htons((uint16_t)atoi(argv[1]));
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || dpvma_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
			dpvma_bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 ||
			dpvma_listen(fd, CONNS) != 0)
		return die("tcp_echo");
	dpvma_explain(fd, why, sizeof(why));
	printf("%s\n", why);
	fflush(stdout);
	for (i = 0; i < CONNS; i++)
		fds[i] = (struct pollfd){ .fd = i == 0 ? fd : -1, .events = POLLIN };
	while (!stop)
		if (dpvma_poll(fds, CONNS, 1000) > 0)
			serve(fds);
	dpvma_dump(0, stdout);
	dpvma_exit();
	return EXIT_SUCCESS;
}
