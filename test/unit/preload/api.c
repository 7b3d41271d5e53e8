/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that was written for the extra API and finds it by getsockopt(): what it says about
 * single threads and sockets must hold for libc's calls. Under libdpvma-preload.so, linked with
 * nothing of dpvma; as "linked" it is linked with libdpvma.so, too, and calls that by its names.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

#include "../program.h"
#ifdef LINKED
#include "sock/dpvma.h"
#endif

static int (*explain_fn)(int fd, char *why, size_t len);

static const char *
why(int fd)
{
	static char text[256];

	explain_fn(fd, text, sizeof(text));
	return text;
}

static int
udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(fd >= 0);
	return fd;
}

static int
bind_to(int fd, const char *addr)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(addr) };

	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

static void
reasons(void)
{
	int fd = udp(), again;

	CHECK(strstr(why(fd), "nothing has needed a port") != NULL);
	CHECK(bind_to(fd, "0.0.0.0") == 0);
	CHECK(strstr(why(fd), "offloaded: bound") != NULL);
	CHECK(close(fd) == 0);
	fd = udp();
	CHECK(bind_to(fd, "127.0.0.1") == 0);
	CHECK(strstr(why(fd), "127.0.0.0/8") != NULL);
	CHECK(close(fd) == 0);
	/* nothing is left of it for the next of that number */
	again = udp();
	CHECK(again == fd);
	CHECK(strstr(why(again), "127") == NULL);
	CHECK(close(again) == 0);
}

static void *
other_thread(void *fd)
{
	CHECK(bind_to(*(int *)fd, "0.0.0.0") == 0);
	return NULL;
}

/* What counts is the thread that opened a socket, at that time. */
static void
thread_offload(struct vma_api_t *api)
{
	int off, on, fd;
	pthread_t thread;

	on = udp();
	CHECK(api->thread_offload(0, pthread_self()) == 0);
	off = udp();
	CHECK(bind_to(on, "0.0.0.0") == 0);
	CHECK(strstr(why(on), "offloaded: bound") != NULL);
	CHECK(pthread_create(&thread, NULL, other_thread, &off) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(strstr(why(off), "thread_offload") != NULL);
	CHECK(close(off) == 0 && close(on) == 0);
	/* and that reason is not the next socket's */
	CHECK(api->thread_offload(1, pthread_self()) == 0);
	fd = udp();
	CHECK(api->thread_offload(0, pthread_self()) == 0);
	CHECK(bind_to(fd, "0.0.0.0") == 0);
	CHECK(strstr(why(fd), "offloaded: bound") != NULL);
	CHECK(close(fd) == 0);
	CHECK(api->thread_offload(1, pthread_self()) == 0);
}

struct opener {
	pthread_barrier_t told, opened;
	int fd;
};

static void *
open_one(void *arg)
{
	struct opener *o = arg;

	pthread_barrier_wait(&o->told);
	o->fd = udp();
	pthread_barrier_wait(&o->opened);
	pthread_barrier_wait(&o->opened);
	return NULL;
}

/* One thread says it of another, which opens by libc's call. */
static void
offload_of_another(struct vma_api_t *api, int on)
{
	struct opener o;
	pthread_t thread;

	CHECK(pthread_barrier_init(&o.told, NULL, 2) == 0);
	CHECK(pthread_barrier_init(&o.opened, NULL, 2) == 0);
	CHECK(pthread_create(&thread, NULL, open_one, &o) == 0);
	CHECK(api->thread_offload(on, thread) == 0);
	pthread_barrier_wait(&o.told);
	pthread_barrier_wait(&o.opened);
	CHECK(bind_to(o.fd, "0.0.0.0") == 0);
	CHECK((strstr(why(o.fd), "thread_offload") == NULL) == on);
	CHECK(close(o.fd) == 0);
	pthread_barrier_wait(&o.opened);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(api->thread_offload(on, thread) == -1 && errno == ESRCH);
}

/* Functions of the API take a socket that nothing has needed a port for yet. */
static void
functions(struct vma_api_t *api)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = inet_addr("10.9.0.2") };
	struct timeval tv = { 0, 1000 }, got = { 0 };
	socklen_t len = sizeof(got);
	int fd = udp();
	char c;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	/* EINVAL would be a socket that is not dpvma's; this one has just not sent yet */
	CHECK(api->get_socket_tx_ring_fd(fd, (struct sockaddr *)&to, sizeof(to)) == -1);
	CHECK(errno == ENODATA);
	CHECK(strstr(why(fd), "offloaded") != NULL);
	/* with what was set on it */
	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len) == 0 && got.tv_usec != 0);
	CHECK(recv(fd, &c, 1, 0) == -1 && errno == EAGAIN);
	CHECK(close(fd) == 0);
}

static void
own_options(void)
{
	uint64_t data = 0x1234567890, got = 0;
	socklen_t len = sizeof(got);
	int fd = udp();

	CHECK(setsockopt(fd, SOL_SOCKET, SO_VMA_USER_DATA, &data, sizeof(data)) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_VMA_USER_DATA, &got, &len) == 0 && got == data);
	/* a port that the kernel does not know by any name */
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "net_null0", 10) == 0);
	CHECK(bind_to(fd, "10.9.0.1") == 0);
	CHECK(strstr(why(fd), "offloaded: bound to 10.9.0.1") != NULL);
	CHECK(close(fd) == 0);
	CHECK(close(fd) == -1 && errno == EBADF);
}

#ifdef LINKED
/* Both ways of calling name the same socket. */
static void
both_ways(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.9.0.1") };
	socklen_t len = sizeof(a);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(fd >= 0);
	CHECK(bind_to(fd, "10.9.0.1") == 0);
	CHECK(strstr(why(fd), "offloaded: bound to 10.9.0.1") != NULL);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0 && a.sin_port != 0);
	CHECK(close(fd) == 0);
	CHECK(dpvma_close(fd) == -1 && errno == EBADF);
	fd = udp();
	CHECK(bind_to(fd, "10.9.0.1") == 0);
	CHECK(dpvma_close(fd) == 0);
	CHECK(close(fd) == -1 && errno == EBADF);
}
#endif

int
main(void)
{
	struct vma_api_t *api = vma_get_api();
	void *library;

	CHECK(api != NULL && api->thread_offload != NULL);
	library = dlopen("libdpvma.so.0", RTLD_NOW | RTLD_NOLOAD);
	CHECK(library != NULL);
	explain_fn = (int (*)(int, char *, size_t))dlsym(library, "dpvma_explain");
	CHECK(explain_fn != NULL);
#ifdef LINKED
	CHECK((void *)explain_fn == (void *)dpvma_explain);
	both_ways();
#endif
	reasons();
	functions(api);
	thread_offload(api);
	offload_of_another(api, 0);
	offload_of_another(api, 1);
	own_options();
	return 0;
}
