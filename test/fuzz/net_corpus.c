/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes the fuzzer's first inputs: net_corpus DIRECTORY. One of each kind of packet that the room
 * net knows, so that the fuzzer need not find protocols by itself.
 */
#include "world.h"

#include <stdio.h>

static FILE *out;
static struct frame f, whole;
static const char *directory;

static void
begin(const char *name)
{
	char path[4096];

	if (out != NULL)
		fclose(out);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "w");
	if (out == NULL) {
		perror(path);
		exit(1);
	}
}

static void
put(uint8_t flags, uint8_t arg)
{
	uint8_t head[4] = { flags, arg, (uint8_t)(f.len >> 8), (uint8_t)f.len };

	fwrite(head, 1, sizeof(head), out);
	fwrite(f.b, 1, f.len, out);
}

static void
message(uint8_t proto, uint32_t dst, const void *body, uint16_t len)
{
	frame_ip(&f, PEER, dst, proto, 0, body, len);
	put(0x80, 0);
	put(0xa0, 100);
}

int
main(int argc, char **argv)
{
	uint8_t icmp[64] = { 8 }, igmp[20] = { 0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0, 2 };
	uint8_t tcp[24] = { 0, 1, 7, 0xd0, [12] = 0x60 };
	unsigned int i;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 1;
	}
	directory = argv[1];
	begin("udp");
	frame_udp(&f, 30, 1);
	put(0, 0);
	put(3, 0);
	put(0x10, 20);
	frame_udp_to(&f, PEER, 1, OUR, 9, 0, 30, 1); /* nobody's */
	put(0, 0);
	begin("vlan");
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 30, 1);
	put(0, 0);
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 0, 30, 1);
	put(8, 5);
	begin("group");
	frame_udp_to(&f, PEER, 1, IP(239, 1, 2, 3), 2000, 0, 30, 1);
	put(0, 0);
	frame_udp_to(&f, PEER, 1, IP(10, 1, 0, 255), 2000, 0, 30, 1);
	put(0, 0);
	begin("options");
	frame_udp(&f, 30, 1);
	memmove(f.b + 42, f.b + 34, f.len - 34);
	memcpy(f.b + 34, "\x94\4\0\0\7\3\4\0", 8);
	f.b[14] = 0x47;
	f.b[17] += 8;
	f.len += 8;
	put(0x80, 0);
	begin("fragments");
	frame_udp(&whole, 600, 1);
	for (i = 0; i < 4; i++) {
		frame_fragment(&whole, (3 - i) * 152, 152, &f);
		put(0x80, 0);
	}
	begin("arp");
	for (i = 1; i <= 2; i++) {
		frame_arp(&f, (uint16_t)i, &our_mac, &peer_mac, PEER, OUR, 0);
		put(0, 0);
	}
	frame_arp(&f, 1, &our_mac, &peer_mac, PEER_VLAN, OUR_VLAN, 5);
	put(0, 0);
	begin("echo");
	message(IPPROTO_ICMP, OUR, icmp, sizeof(icmp));
	begin("unreachable");
	frame_udp_to(&f, OUR, 1, PEER, 2, 0, 20, 1);
	memcpy(icmp, "\3\4\0\0\0\0\2\x80", 8);
	memcpy(icmp + 8, f.b + 14, 48);
	message(IPPROTO_ICMP, OUR, icmp, 56);
	begin("igmp");
	message(IPPROTO_IGMP, IP(239, 1, 2, 3), igmp, 20);
	message(IPPROTO_IGMP, IP(239, 1, 2, 3), igmp, 8);
	memset(igmp + 4, 0, 4);
	igmp[11] = 0;
	message(IPPROTO_IGMP, IP(224, 0, 0, 1), igmp, 12);
	igmp[0] = 0x16;
	message(IPPROTO_IGMP, IP(239, 1, 2, 3), igmp, 8);
	begin("tcp");
	message(IPPROTO_TCP, OUR, tcp, sizeof(tcp));
	fclose(out);
	return 0;
}
