/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that ends in a signal handler, as many do, while it is in a call of dpvma that holds
 * locks: on a port that is never empty nearly always. The process must end all the same.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS 3

static void
on_alarm(int sig)
{
	(void)sig;
	exit(0);
}

int
main(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr("10.9.0.1") };
	char buf[64];
	int fd[SOCKETS], i;

	for (i = 0; i < SOCKETS; i++) {
		sin.sin_port = htons((uint16_t)(5000 + i));
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (fd[i] < 0 || bind(fd[i], (struct sockaddr *)&sin, sizeof(sin)) != 0) {
			perror("bind");
			return 1;
		}
	}
	if (signal(SIGALRM, on_alarm) == SIG_ERR)
		return 1;
	alarm(1);
	for (;;)
		if (recv(fd[0], buf, sizeof(buf), 0) < 0)
			return 1;
}
