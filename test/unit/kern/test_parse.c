/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel says of links that not every kernel can make: the messages are written here as it
 * sends them, and read by libnl.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <netlink/cache.h>
#include <netlink/msg.h>

#include "kern/kern_priv.h"

static struct kern_change change;
static bool taken;

static void
on_object(struct nl_object *obj, void *arg)
{
	(void)arg;
	taken = kern_parse(KERN_LINK, obj, &change);
}

struct said {
	const char *kind;      /* IFLA_INFO_KIND */
	uint32_t link, master; /* 0: not in the message */
	int vlan_id, protocol; /* -1: not in the message */
};

static const struct kern_link *
parse(const struct said *said)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	const struct ifinfomsg info = { .ifi_index = 9, .ifi_flags = 1 };
	struct nlattr *outer, *inner;

	assert_non_null(msg);
	nlmsg_set_proto(msg, NETLINK_ROUTE);
	nlmsg_append(msg, (void *)(uintptr_t)&info, sizeof(info), NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, "d9");
	nla_put_u32(msg, IFLA_MTU, 1496);
	if (said->link != 0)
		nla_put_u32(msg, IFLA_LINK, said->link);
	if (said->master != 0)
		nla_put_u32(msg, IFLA_MASTER, said->master);
	if (said->kind != NULL) {
		outer = nla_nest_start(msg, IFLA_LINKINFO);
		nla_put_string(msg, IFLA_INFO_KIND, said->kind);
		if (said->vlan_id >= 0) {
			inner = nla_nest_start(msg, IFLA_INFO_DATA);
			nla_put_u16(msg, IFLA_VLAN_ID, (uint16_t)said->vlan_id);
			if (said->protocol >= 0)
				nla_put_u16(msg, IFLA_VLAN_PROTOCOL,
						rte_cpu_to_be_16((uint16_t)said->protocol));
			nla_nest_end(msg, inner);
		}
		nla_nest_end(msg, outer);
	}
	memset(&change, 0xff, sizeof(change));
	taken = false;
	assert_int_equal(nl_msg_parse(msg, on_object, NULL), 0);
	nlmsg_free(msg);
	assert_true(taken);
	assert_int_equal(change.link.ifindex, 9);
	assert_string_equal(change.link.name, "d9");
	assert_int_equal(change.link.mtu, 1496);
	return &change.link;
}

static void
test_vlan(void **state)
{
	struct said said = { .kind = "vlan", .link = 4, .vlan_id = 7, .protocol = ETH_P_8021Q };
	const struct kern_link *link;

	(void)state;
	link = parse(&said);
	assert_int_equal(link->vlan_id, 7);
	assert_int_equal(link->lower, 4);
	assert_int_equal(link->master, 0);
	assert_false(link->bond);
	said.vlan_id = 4094;
	said.protocol = -1;
	assert_int_equal(parse(&said)->vlan_id, 4094);
	/* a service tag is none that we write */
	said.protocol = ETH_P_8021AD;
	link = parse(&said);
	assert_int_equal(link->vlan_id, 0);
	assert_int_equal(link->lower, 0);
	/* a veth has a link, too */
	said = (struct said){ .kind = "veth", .link = 4, .vlan_id = -1 };
	assert_int_equal(parse(&said)->lower, 0);
}

static void
test_master(void **state)
{
	struct said said = { .master = 3, .vlan_id = -1 };
	const struct kern_link *link;

	(void)state;
	link = parse(&said);
	assert_int_equal(link->master, 3);
	assert_false(link->bond);
	said = (struct said){ .kind = "bond", .vlan_id = -1 };
	link = parse(&said);
	assert_true(link->bond);
	assert_int_equal(link->master, 0);
	said.kind = "team";
	assert_false(parse(&said)->bond);
	said.kind = "vrf";
	assert_false(parse(&said)->bond);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
