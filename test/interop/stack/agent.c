/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * agent: a program on the native API (or, with the argument "kernel", on the kernel's sockets, to
 * be the peer) that does what it is told, a line of standard input each, and answers with a line:
 * "ok ..." or "err ENAME text". The tests decide what to ask and what is right; nothing is checked
 * here. Bytes are written in hexadecimal, "-" for none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "dpvma.h"

#define PAYLOAD_MAX 65536
#define ECHO_BATCH 16
#define SOCKPERF_FLAGS 9     /**< byte of a sockperf message: low half of the flags */
#define SOCKPERF_CLIENT 0x01 /**< set by a client, clear in a server's answer */

static const struct calls native = {
	.socket = dpvma_socket,
	.close = dpvma_close,
	.shutdown = dpvma_shutdown,
	.bind = dpvma_bind,
	.listen = dpvma_listen,
	.accept = dpvma_accept,
	.connect = dpvma_connect,
	.getsockname = dpvma_getsockname,
	.getpeername = dpvma_getpeername,
	.setsockopt = dpvma_setsockopt,
	.getsockopt = dpvma_getsockopt,
	.send = dpvma_send,
	.recv = dpvma_recv,
	.sendto = dpvma_sendto,
	.sendmsg = dpvma_sendmsg,
	.recvmsg = dpvma_recvmsg,
	.poll = dpvma_poll,
};
static const struct calls kernel = {
	.socket = socket,
	.close = close,
	.shutdown = shutdown,
	.bind = bind,
	.listen = listen,
	.accept = accept,
	.connect = connect,
	.getsockname = getsockname,
	.getpeername = getpeername,
	.setsockopt = setsockopt,
	.getsockopt = getsockopt,
	.send = send,
	.recv = recv,
	.sendto = sendto,
	.sendmsg = sendmsg,
	.recvmsg = recvmsg,
	.poll = poll,
};
const struct calls *call = &native;

static char *words[WORDS_MAX];
int words_n;
static uint8_t payload[PAYLOAD_MAX];

static void
on_signal(int sig)
{
	(void)sig;
}

int
answer(long ret)
{
	if (ret < 0)
		printf("err %s %s\n", strerrorname_np(errno), strerror(errno));
	else
		printf("ok %ld\n", ret);
	return 0;
}

const char *
word(int i)
{
	return i < words_n ? words[i] : "";
}

int
number(int i)
{
	return (int)strtol(word(i), NULL, 0);
}

struct sockaddr_in
address(int i)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)number(i + 1)) };

	inet_pton(AF_INET, word(i), &sin.sin_addr);
	return sin;
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
from_hex(const char *hex, uint8_t *out, size_t room)
{
	size_t n = 0;

	for (; n < room && nibble(hex[0]) >= 0 && nibble(hex[1]) >= 0; hex += 2)
		out[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
	return n;
}

static void
put_hex(const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t i;

	if (len == 0)
		putchar('-');
	for (i = 0; i < len; i++) {
		putchar(digits[p[i] >> 4]);
		putchar(digits[p[i] & 15]);
	}
}

/** @name Commands: words[1] is the descriptor where there is one */
/** @{ */
static int
do_option(void)
{
	return answer(dpvma_set_option(word(1), word(2)));
}

static int
do_init(void)
{
	return answer(dpvma_init());
}

static int
do_exit(void)
{
	dpvma_exit();
	return answer(0);
}

static int
do_socket(void)
{
	int type = strcmp(word(1), "stream") == 0 ? SOCK_STREAM : SOCK_DGRAM;

	return answer(call->socket(AF_INET, type, 0));
}

static int
do_bind(void)
{
	struct sockaddr_in sin = address(2);

	return answer(call->bind(number(1), (struct sockaddr *)&sin, sizeof(sin)));
}

static int
do_connect(void)
{
	struct sockaddr_in sin = address(2);
	int ret;

	if (words_n < 4)
		sin.sin_family = AF_UNSPEC;
	ret = call->connect(number(1), (struct sockaddr *)&sin, sizeof(sin));
	if (ret != 0 && errno == EINTR) /* it goes on, and net_tap interrupts often */
		ret = connect_end(number(1)) ? 0 : -1;
	return answer(ret);
}

static int
do_name(void)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	char text[INET_ADDRSTRLEN];
	int ret;

	if (word(2)[0] == 'p')
		ret = call->getpeername(number(1), (struct sockaddr *)&sin, &len);
	else
		ret = call->getsockname(number(1), (struct sockaddr *)&sin, &len);
	if (ret != 0)
		return answer(ret);
	printf("ok %s %u\n", inet_ntop(AF_INET, &sin.sin_addr, text, sizeof(text)),
			ntohs(sin.sin_port));
	return 0;
}

static int
do_setopt(void)
{
	uint8_t value[512];
	size_t len = from_hex(word(4), value, sizeof(value));

	return answer(call->setsockopt(number(1), number(2), number(3), value, (socklen_t)len));
}

static int
do_getopt(void)
{
	uint8_t value[512];
	socklen_t len = (socklen_t)number(4);
	int ret = call->getsockopt(number(1), number(2), number(3), value, &len);

	if (ret != 0)
		return answer(ret);
	printf("ok ");
	put_hex(value, len);
	putchar('\n');
	return 0;
}

/* send FD FLAGS HEX */
static int
do_send(void)
{
	size_t len = from_hex(word(3), payload, sizeof(payload));

	return answer(call->send(number(1), payload, len, number(2)));
}

/* sendto FD FLAGS HEX ADDR PORT [LEVEL TYPE HEX]: with ancillary data */
static int
do_sendto(void)
{
	struct sockaddr_in sin = address(4);
	_Alignas(struct cmsghdr) uint8_t control[256] = { 0 };
	struct cmsghdr *c = (struct cmsghdr *)control;
	struct iovec iov = { .iov_base = payload };
	struct msghdr msg = {
		.msg_name = &sin, .msg_namelen = sizeof(sin), .msg_iov = &iov, .msg_iovlen = 1
	};
	size_t len;

	iov.iov_len = from_hex(word(3), payload, sizeof(payload));
	if (words_n < 9)
		return answer(call->sendto(number(1), payload, iov.iov_len, number(2),
				(struct sockaddr *)&sin, sizeof(sin)));
	len = from_hex(word(8), CMSG_DATA(c), sizeof(control) - CMSG_LEN(0));
	c->cmsg_level = number(6);
	c->cmsg_type = number(7);
	c->cmsg_len = CMSG_LEN(len);
	msg.msg_control = control;
	msg.msg_controllen = CMSG_SPACE(len);
	return answer(call->sendmsg(number(1), &msg, number(2)));
}

/* recv FD FLAGS ROOM: "ok LENGTH HEX ADDR PORT FLAGS [LEVEL:TYPE:HEX ...]" */
static int
do_recv(void)
{
	struct sockaddr_in from = { 0 };
	_Alignas(struct cmsghdr) uint8_t control[1024];
	struct iovec iov = { .iov_base = payload, .iov_len = sizeof(payload) };
	struct msghdr msg = { .msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	char text[INET_ADDRSTRLEN];
	struct cmsghdr *c;
	ssize_t len;

	if (words_n > 3)
		iov.iov_len = (size_t)number(3);
	len = call->recvmsg(number(1), &msg, number(2));
	if (len < 0)
		return answer(len);
	printf("ok %zd ", len);
	put_hex(payload, (size_t)len < iov.iov_len ? (size_t)len : iov.iov_len);
	printf(" %s %u %d", inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text)),
			ntohs(from.sin_port), msg.msg_flags);
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		printf(" %d:%d:", c->cmsg_level, c->cmsg_type);
		put_hex(CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
	putchar('\n');
	return 0;
}

/* poll TIMEOUT FD:EVENTS ...: "ok N FD:REVENTS ..." */
static int
do_poll(void)
{
	struct pollfd fds[WORDS_MAX];
	int i, ret, n = words_n - 2;

	for (i = 0; i < n; i++) {
		int fd = 0, events = 0;

		sscanf(word(i + 2), "%d:%d", &fd, &events);
		fds[i] = (struct pollfd){ .fd = fd, .events = (short)events };
	}
	ret = call->poll(fds, (nfds_t)n, number(1));
	if (ret < 0)
		return answer(ret);
	printf("ok %d", ret);
	for (i = 0; i < n; i++)
		printf(" %d:%d", fds[i].fd, fds[i].revents);
	putchar('\n');
	return 0;
}

static unsigned long
echo_one(int fd, bool sockperf)
{
	static uint8_t bufs[ECHO_BATCH][PAYLOAD_MAX];
	struct sockaddr_in from[ECHO_BATCH];
	struct mmsghdr vec[ECHO_BATCH] = { 0 };
	struct iovec iov[ECHO_BATCH];
	int i, n, done;

	for (i = 0; i < ECHO_BATCH; i++) {
		iov[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		vec[i].msg_hdr.msg_iov = &iov[i];
		vec[i].msg_hdr.msg_iovlen = 1;
		vec[i].msg_hdr.msg_name = &from[i];
		vec[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	n = dpvma_recvmmsg(fd, vec, ECHO_BATCH, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++) {
		iov[i].iov_len = vec[i].msg_len;
		if (sockperf && vec[i].msg_len > SOCKPERF_FLAGS)
			bufs[i][SOCKPERF_FLAGS] &= (uint8_t)~SOCKPERF_CLIENT;
	}
	for (i = 0; i<n; i += done> 0 ? done : 1)
		done = dpvma_sendmmsg(fd, vec + i, (unsigned int)(n - i), 0);
	return n > 0 ? (unsigned long)n : 0;
}

/*
 * echo FD ...: send back what comes until there is a line to read; says READY when it listens.
 * sockperf FD ...: the same as a server of that program.
 */
static int
do_echo(void)
{
	struct pollfd fds[WORDS_MAX];
	bool sockperf = word(0)[0] == 's';
	unsigned long total = 0;
	int i, n = words_n - 1;

	for (i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = number(i + 1), .events = POLLIN };
	fds[n] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	printf("ok READY\n");
	fflush(stdout);
	do {
		call->poll(fds, (nfds_t)n + 1, -1);
		for (i = 0; i < n; i++)
			if (fds[i].revents & POLLIN)
				total += echo_one(fds[i].fd, sockperf);
	} while (fds[n].revents == 0);
	return answer((long)total);
}

static int
do_shutdown(void)
{
	return answer(call->shutdown(number(1), number(2)));
}

static int
do_close(void)
{
	return answer(call->close(number(1)));
}

static int
do_dump(void)
{
	printf("ok ");
	return dpvma_dump_json(stdout);
}

static int
do_explain(void)
{
	char why[512];
	bool ours = dpvma_explain(number(1), why, sizeof(why)) == DPVMA_OFFLOADED;

	printf("ok %s %s\n", ours ? "offloaded" : "kernel", why);
	return 0;
}
/** @} */

static const struct {
	const char *name;
	int (*run)(void);
} commands[] = {
	{ "option", do_option },
	{ "init", do_init },
	{ "exit", do_exit },
	{ "socket", do_socket },
	{ "bind", do_bind },
	{ "connect", do_connect },
	{ "name", do_name },
	{ "setopt", do_setopt },
	{ "getopt", do_getopt },
	{ "send", do_send },
	{ "sendto", do_sendto },
	{ "recv", do_recv },
	{ "poll", do_poll },
	{ "echo", do_echo },
	{ "sockperf", do_echo },
	{ "shutdown", do_shutdown },
	{ "close", do_close },
	{ "dump", do_dump },
	{ "explain", do_explain },
	{ "listen", do_listen },
	{ "accept", do_accept },
	{ "many", do_many },
	{ "stream", do_stream },
	{ "sink", do_sink },
	{ "run", do_run },
	{ "file", do_file },
	{ "rings", do_rings },
	{ "opened", do_opened },
	{ "epoll", do_epoll },
	{ "epoll_ctl", do_epoll_ctl },
	{ "epoll_wait", do_epoll_wait },
};

static void
obey(char *line)
{
	char *save;
	size_t i;

	words_n = 0;
	for (line = strtok_r(line, " \n", &save); line != NULL && words_n < WORDS_MAX;
			line = strtok_r(NULL, " \n", &save))
		words[words_n++] = line;
	if (strcmp(word(0), "beside") == 0) {
		do_beside();
		return;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(word(0), commands[i].name) == 0) {
			beside_begin();
			commands[i].run();
			beside_end();
			return;
		}
	printf("err ENOSYS %s is no command\n", word(0));
}

int
main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	static char *line;
	static size_t room;

	if (argc > 1 && strcmp(argv[1], "kernel") == 0)
		call = &kernel;
	/* without SA_RESTART: a blocked call is interrupted */
	sigaction(SIGUSR1, &act, NULL);
	/* getline() must not keep lines that poll() is to see */
	setvbuf(stdin, NULL, _IONBF, 0);
	while (getline(&line, &room, stdin) > 0) {
		obey(line);
		fflush(stdout);
	}
	free(line);
	if (call == &native)
		dpvma_exit();
	return 0;
}
