/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine with a software NIC for the program, and another one at the end of its wire: two
 * network namespaces without names, which are gone with the last process in them.
 *
 *   program's   nic0, the kernel's device of the NIC, a TAP; the NIC is a thread of the program
 *   peer's      wire0, a TAP that the NIC opens from there
 *
 * Both devices are made here and stay while the NIC comes and goes: it starts with the first socket
 * that needs it, and before that a program must be able to bind its address.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <netlink/route/addr.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/fifo.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run.h"

#define TUN "/dev/net/tun"
#define PCI "0000:03:00.0" /* the model's own default */
#define QUEUE 10000	   /* frames, at the sending kernel */

static const char *own_addr = SIM_ADDR;
static int peer_fd = -1; /* reserved early, so that its number can be told */

static int
check_addr(const char *option, const char *text)
{
	const char *slash = strchr(text, '/');
	struct nl_addr *addr = NULL;
	bool good;

	/* libnl takes what begins well */
	good = slash != NULL && slash[1 + strspn(slash + 1, "0123456789")] == '\0' &&
			nl_addr_parse(text, AF_INET, &addr) == 0 &&
			nl_addr_get_prefixlen(addr) >= 1 && nl_addr_get_prefixlen(addr) <= 30;
	nl_addr_put(addr);
	if (good)
		return 0;
	run_error("--%s=%s: with --sim give an IPv4 address and the length of its network, as %s",
			option, text, SIM_ADDR);
	return -1;
}

static int
check_tun(void)
{
	int fd = open(TUN, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENOENT)
		run_error("--sim: there is no " TUN ": modprobe tun, or where the module is there "
			  "and the node is not: mkdir -p /dev/net && mknod " TUN " c 10 200");
	else
		run_error("--sim: " TUN ": %s: the kernel must have TUN, and you access to it "
			  "(modprobe tun; be root)",
				strerror(errno));
	return -1;
}

static int
set_wire(const struct run_args *a)
{
	char wire[512];

	if (a->sim_wire != NULL) {
		snprintf(wire, sizeof(wire), "%s", a->sim_wire);
	} else {
		peer_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (peer_fd < 0) {
			run_error("/dev/null: %s", strerror(errno));
			return -1;
		}
		snprintf(wire, sizeof(wire), "tap:" SIM_WIRE ",netns=/proc/%d/fd/%d", getpid(),
				peer_fd);
	}
	return run_env_set("CONNECTX_WIRE", wire);
}

int
sim_prepare(struct run_args *a)
{
	struct run_port *p = &a->ports[0];
	const char *pci = getenv("CONNECTX_PCI");

	if (getenv("CONNECTX_NICS") != NULL) {
		run_error("--sim makes one NIC, and CONNECTX_NICS says others: unset it");
		return -1;
	}
	/* the kernel has the address, as with a real one */
	if (p->addr != NULL)
		own_addr = p->addr;
	p->addr = NULL;
	if (check_addr("addr", own_addr) != 0 ||
			(a->peer_addr != NULL && check_addr("peer-addr", a->peer_addr) != 0) ||
			check_tun() != 0)
		return -1;
	p->spec = "--sim";
	snprintf(p->name, sizeof(p->name), "%s", pci != NULL && *pci != '\0' ? pci : PCI);
	snprintf(p->netdev, sizeof(p->netdev), SIM_NETDEV);
	snprintf(p->device, sizeof(p->device), "%.32s" RUN_MLX5_ARGS, p->name);
	a->n_ports = 1;
	if (run_env_set("CONNECTX_NETDEV", SIM_NETDEV) != 0)
		return -1;
	return set_wire(a);
}

/* ---- devices of the namespace that this thread is in ---- */

static int
set_up(const char *name)
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = -1;

	if (s < 0)
		return -1;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(s, SIOCGIFFLAGS, &ifr) == 0) {
		ifr.ifr_flags |= IFF_UP;
		ret = ioctl(s, SIOCSIFFLAGS, &ifr);
	}
	close(s);
	return ret;
}

static int
make_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open(TUN, O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ret = ioctl(fd, TUNSETIFF, &ifr);
	if (ret == 0)
		ret = ioctl(fd, TUNSETPERSIST, 1);
	close(fd);
	return ret;
}

/* 0 or an error of libnl's, negative. */
static int
add_addr(struct nl_sock *sk, const char *name, const char *text)
{
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local = NULL;
	int ret = -NLE_NOMEM;

	if (addr != NULL)
		ret = nl_addr_parse(text, AF_INET, &local);
	if (ret == 0) {
		rtnl_addr_set_ifindex(addr, (int)if_nametoindex(name));
		ret = rtnl_addr_set_local(addr, local);
	}
	if (ret == 0)
		ret = rtnl_addr_add(sk, addr, NLM_F_CREATE);
	nl_addr_put(local);
	rtnl_addr_put(addr);
	return ret;
}

/* One queue in order: the default one may reorder what a sender that changes processors gives it.
 */
static int
set_queue(struct nl_sock *sk, const char *name)
{
	struct rtnl_qdisc *q = rtnl_qdisc_alloc();
	int ret = -NLE_NOMEM;

	if (q == NULL)
		return ret;
	rtnl_tc_set_ifindex(TC_CAST(q), (int)if_nametoindex(name));
	rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
	ret = rtnl_tc_set_kind(TC_CAST(q), "pfifo");
	if (ret == 0)
		ret = rtnl_qdisc_fifo_set_limit(q, QUEUE);
	if (ret == 0)
		ret = rtnl_qdisc_add(sk, q, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_qdisc_put(q);
	return ret;
}

static int
configure(const char *name, const char *addr)
{
	struct nl_sock *sk = nl_socket_alloc();
	int ret = sk == NULL ? -NLE_NOMEM : nl_connect(sk, NETLINK_ROUTE);

	if (ret == 0)
		ret = add_addr(sk, name, addr);
	if (ret == 0)
		ret = set_queue(sk, name);
	nl_socket_free(sk);
	if (ret != 0)
		run_error("--sim: address %s and queue of %s: %s", addr, name, nl_geterror(ret));
	return ret == 0 ? 0 : -1;
}

static int
make_device(const char *name, const char *addr)
{
	if (set_up("lo") != 0 || make_tap(name) != 0 || set_up(name) != 0) {
		run_error("--sim: the TAP %s cannot be made: %s", name, strerror(errno));
		return -1;
	}
	return configure(name, addr);
}

/* ---- namespaces ---- */

static int
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = -1;

	if (fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		ret = 0;
	close(fd);
	return ret;
}

/*
 * Rights over namespaces of one's own, that a program keeps when it is started: it opens TAPs, may
 * serve numbers below 1024, and with fewer rights than this process could not look up the
 * namespace of the wire in it.
 */
static int
keep_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	int i;

	if (syscall(SYS_capget, &head, caps) != 0)
		return -1;
	for (i = 0; i < 2; i++)
		caps[i].inheritable = caps[i].permitted;
	if (syscall(SYS_capset, &head, caps) != 0)
		return -1;
	for (i = 0; i < 64; i++)
		if ((caps[i / 32].permitted >> i % 32 & 1) != 0 &&
				prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) != 0)
			return -1;
	return 0;
}

/* Who is not root may have a root's rights over namespaces of his own, and stays who he is. */
static int
own_users(void)
{
	char uid[64], gid[64];

	snprintf(uid, sizeof(uid), "%u %u 1", (unsigned int)geteuid(), (unsigned int)geteuid());
	snprintf(gid, sizeof(gid), "%u %u 1", (unsigned int)getegid(), (unsigned int)getegid());
	if (unshare(CLONE_NEWUSER) != 0 || write_file("/proc/self/setgroups", "deny") != 0 ||
			write_file("/proc/self/uid_map", uid) != 0 ||
			write_file("/proc/self/gid_map", gid) != 0)
		return -1;
	return keep_rights();
}

static int
enter_new(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	if (errno == EPERM && geteuid() != 0 && own_users() == 0 && unshare(CLONE_NEWNET) == 0)
		return 0;
	run_error("--sim: a network namespace cannot be made: %s: be root", strerror(errno));
	return -1;
}

int
sim_start(const struct run_args *a)
{
	int ns;

	if (a->sim_wire == NULL) {
		if (enter_new() != 0 ||
				make_device(SIM_WIRE,
						a->peer_addr != NULL ? a->peer_addr
								     : SIM_PEER_ADDR) != 0)
			return -1;
		ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (ns < 0 || dup3(ns, peer_fd, O_CLOEXEC) < 0) {
			run_error("--sim: /proc/self/ns/net: %s", strerror(errno));
			return -1;
		}
		close(ns);
	}
	if (enter_new() != 0 || make_device(SIM_NETDEV, own_addr) != 0)
		return -1;
	if (a->verbose && peer_fd >= 0)
		fprintf(stderr,
				"dpvma-run: a shell at the other end: nsenter "
				"--net=/proc/%d/fd/%d\n",
				getpid(), peer_fd);
	return peer_fd >= 0 ? peer_fd : -2;
}
