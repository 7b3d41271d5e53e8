/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * md_filter ADDR PORT QUOTES SNAPSHOTS FILE: a filter by receive callback. A message is a letter
 * and what belongs to it: quotes (Q) go to the ordinary queue and are read from there, snapshots
 * (S) are kept where they lie until the loop has time for them, all else is dropped before it costs
 * anything. Quotes stand in FILE, snapshots in FILE.held.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

#define HELD_MAX 64

struct held {
	void *packet_id;
	char *data;
	size_t len;
};

static struct held held[HELD_MAX];
static unsigned int n_held;
static unsigned long dropped, quotes, snapshots, odd;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static vma_recv_callback_retval_t
judge(int fd, size_t sz_iov, struct iovec iov[], struct vma_info_t *info, void *context)
{
	const char *kind = iov[0].iov_base;

	/* what it is told of the packet has to be true */
	if (fd != *(int *)context || info->struct_sz < sizeof(*info) ||
			info->src->sin_family != AF_INET || info->src->sin_port == 0 ||
			info->dst->sin_port == 0)
		odd++;
	if (*kind == 'Q')
		return VMA_PACKET_RECV;
	if (*kind != 'S' || sz_iov != 1 || n_held == HELD_MAX) {
		dropped++;
		return VMA_PACKET_DROP;
	}
	held[n_held++] = (struct held){ info->packet_id, iov[0].iov_base, iov[0].iov_len };
	return VMA_PACKET_HOLD;
}

static void
write_message(FILE *out, const void *data, uint32_t len)
{
	fwrite(&len, sizeof(len), 1, out);
	fwrite(data, 1, len, out);
}

/* Outside of the callback: the snapshots are worked on and given back. */
static void
work_on_held(struct vma_api_t *vma, int fd, FILE *out)
{
	/* as programs do it that keep the handle alone: no room for pieces, nor their number */
	struct vma_packet_t *packet = malloc(sizeof(*packet));
	unsigned int i;

	if (packet == NULL)
		die("malloc");
	memset(packet, 0xa5, sizeof(*packet));
	for (i = 0; i < n_held; i++) {
		write_message(out, held[i].data, (uint32_t)held[i].len);
		packet->packet_id = held[i].packet_id;
		if (vma->free_packets(fd, packet, 1) != 0)
			die("free_packets");
		snapshots++;
	}
	n_held = 0;
	free(packet);
}

static void
read_quotes(int fd, FILE *out)
{
	static char buf[65536];
	ssize_t len;

	while ((len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		write_message(out, buf, (uint32_t)len);
		quotes++;
	}
	if (errno != EAGAIN)
		die("recv");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct vma_api_t *vma = vma_get_api();
	unsigned long want_quotes, want_snapshots;
	struct pollfd pfd;
	FILE *out, *out_held;
	char name[4096];
	int fd;

	if (argc != 6 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1)
		return 2;
	if (vma == NULL) {
		fprintf(stderr, "no library answers for the socket calls\n");
		return 3;
	}
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	want_quotes = strtoul(argv[3], NULL, 10);
	want_snapshots = strtoul(argv[4], NULL, 10);
	snprintf(name, sizeof(name), "%s.held", argv[5]);
	out = fopen(argv[5], "w");
	out_held = fopen(name, "w");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (out == NULL || out_held == NULL || fd < 0 ||
			bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		die("open");
	if (vma->register_recv_callback(fd, judge, &fd) != 0)
		die("register_recv_callback");
	printf("ready vma\n");
	fflush(stdout);
	pfd = (struct pollfd){ .fd = fd, .events = POLLIN };
	while (quotes < want_quotes || snapshots < want_snapshots) {
		if (poll(&pfd, 1, 100) < 0)
			die("poll");
		work_on_held(vma, fd, out_held);
		read_quotes(fd, out);
	}
	work_on_held(vma, fd, out_held);
	if (vma->register_recv_callback(fd, NULL, NULL) != 0)
		die("register_recv_callback");
	printf("quotes %lu snapshots %lu dropped %lu odd %lu\n", quotes, snapshots, dropped, odd);
	fclose(out);
	fclose(out_held);
	close(fd);
	return 0;
}
