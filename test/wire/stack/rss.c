/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens connections from several threads, each with a ring of its own, to a peer that sends back
 * what it gets: rss ADDRESS PORT tcp|udp choose|fixed. Writes the library's counters as a line of
 * JSON when every thread has its ring, when all connections have had their bytes back, and again
 * when one more ring has come and they had them once more.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sock/dpvma.h"

#define THREADS 4
#define EACH 12		/* connections of a thread */
#define TCP_BYTES 20000 /* of each, there and back */
#define UDP_BYTES 1000
#define ROUNDS 3
#define FIXED 40000 /* numbers from here on, where they are not chosen */
#define PATIENCE_S 20

static struct sockaddr_in peer;
static bool udp, fixed;
static pthread_barrier_t barrier;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static int
open_one(unsigned int thread, unsigned int i)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_in local = { .sin_family = AF_INET };
	int fd = dpvma_socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	if (dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		die("SO_RCVTIMEO");
	local.sin_port = htons((uint16_t)(FIXED + thread * 100 + i));
	if (fixed && dpvma_bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		die("bind");
	if (dpvma_connect(fd, (struct sockaddr *)&peer, sizeof(peer)) != 0)
		die("connect");
	return fd;
}

/* Bytes that nobody else sends, there and back. */
static void
exchange(int fd, unsigned int seed)
{
	static __thread unsigned char out[TCP_BYTES], in[TCP_BYTES];
	size_t size = udp ? UDP_BYTES : TCP_BYTES, done;
	ssize_t n;

	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
	if (dpvma_send(fd, out, size, 0) != (ssize_t)size)
		die("send");
	for (done = 0; done < size; done += (size_t)n) {
		n = dpvma_recv(fd, in + done, size - done, 0);
		if (n <= 0)
			die("recv");
	}
	if (memcmp(in, out, size) != 0) {
		fprintf(stderr, "other bytes came back\n");
		exit(1);
	}
}

static void
exchange_all(const int *fds, unsigned int seed)
{
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < EACH; i++)
			exchange(fds[i], seed + i * ROUNDS + round);
}

/* Its ring is there, and nothing comes by it: the table of the port is as it will be. */
static int
take_ring(unsigned int thread)
{
	struct sockaddr_in local = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(FIXED + THREADS * 100 + thread)) };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || dpvma_bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		die("bind");
	return fd;
}

static void *
run(void *arg)
{
	unsigned int thread = (unsigned int)(size_t)arg;
	int first = take_ring(thread), fds[EACH];

	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < EACH; i++)
		fds[i] = open_one(thread, i);
	exchange_all(fds, thread * 1000);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	exchange_all(fds, thread * 2000);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < EACH; i++)
		dpvma_close(fds[i]);
	dpvma_close(first);
	return NULL;
}

static void
tell(void)
{
	if (dpvma_dump_json(stdout) != 0)
		die("dump");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int fd;

	if (argc != 5)
		return 2;
	peer.sin_family = AF_INET;
	peer.sin_port = htons((uint16_t)atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &peer.sin_addr);
	udp = strcmp(argv[3], "udp") == 0;
	fixed = strcmp(argv[4], "fixed") == 0;
	if (dpvma_init() != 0)
		die("init");
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i) != 0)
			die("thread");
	pthread_barrier_wait(&barrier);
	tell();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	tell();
	/* a ring of this thread's */
	fd = open_one(THREADS, THREADS);
	exchange(fd, 1);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	tell();
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	dpvma_close(fd);
	dpvma_exit();
	return 0;
}
