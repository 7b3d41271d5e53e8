/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_echo PORT [ADDR]: send back what comes to a UDP port, a batch at a time. ADDR is an address
 * of a port; without it all addresses of this machine are served, the kernel's included.
 *
 *   DPVMA_EAL_ARGS="--vdev=net_memif0,role=server" DPVMA_PORTS="net_memif0=10.0.0.1/24" udp_echo 7
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <dpvma.h>

#define BATCH 32
#define ROOM 2048

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

/* Every message points at a buffer and a name of its own, for good. */
static void
prepare(struct mmsghdr *vec, struct iovec *iov, struct sockaddr_in *names, char (*bufs)[ROOM])
{
	for (int i = 0; i < BATCH; i++) {
		iov[i].iov_base = bufs[i];
		vec[i].msg_hdr.msg_iov = &iov[i];
		vec[i].msg_hdr.msg_iovlen = 1;
		vec[i].msg_hdr.msg_name = &names[i];
	}
}

/* What came goes back: the same messages, cut to the length received. */
static int
echo(int fd, struct mmsghdr *vec)
{
	int n, i, sent;

	for (i = 0; i < BATCH; i++) {
		vec[i].msg_hdr.msg_iov->iov_len = ROOM;
		vec[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
	}
	n = dpvma_recvmmsg(fd, vec, BATCH, MSG_WAITFORONE, NULL);
	for (i = 0; i < n; i++)
		vec[i].msg_hdr.msg_iov->iov_len = vec[i].msg_len;
	/* a datagram that cannot go back is passed over: UDP may lose it anyway */
	for (i = 0; i<n; i += sent> 0 ? sent : 1)
		sent = dpvma_sendmmsg(fd, vec + i, (unsigned int)(n - i), 0);
	return n;
}

int
main(int argc, char **argv)
{
	static char bufs[BATCH][ROOM];
	static struct sockaddr_in names[BATCH];
	static struct mmsghdr vec[BATCH];
	static struct iovec iov[BATCH];
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct sigaction act = { .sa_handler = on_signal };
	char why[256];
	int fd;

	if (argc < 2 || argc > 3 ||
			(argc == 3 && inet_pton(AF_INET, argv[2], &local.sin_addr) != 1)) {
		fprintf(stderr, "usage: %s PORT [ADDR]\n", argv[0]);
		return EXIT_FAILURE;
	}
	local.sin_port = htons((uint16_t)atoi(argv[1]));
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || dpvma_bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		return die("udp_echo");
	dpvma_explain(fd, why, sizeof(why));
	printf("%s\n", why);
	fflush(stdout);
	prepare(vec, iov, names, bufs);
	while (!stop)
		echo(fd, vec);
	dpvma_dump(fd, stdout);
	dpvma_close(fd);
	dpvma_exit();
	return EXIT_SUCCESS;
}
