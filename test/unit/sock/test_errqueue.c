/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error queue: what recvmsg(MSG_ERRQUEUE) gives of ICMP errors, of sends with MSG_ZEROCOPY and
 * of times of sending, against what the kernel's sockets say on loopback.
 */
#include <poll.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "sock/sock.h"
#include "sock_test.h"

/* <netinet/in.h> and <linux/in.h> do not go together */
#define CLOSED 9 /* nobody is there */

/* What one read of the queue said. */
struct said {
	ssize_t ret;
	int err, flags;
	struct sock_extended_err ee;
	struct sockaddr_in name, offender;
	socklen_t namelen;
	bool has_ee, has_time;
	int ttl;
	struct scm_timestamping times;
	char data[2048];
};

typedef ssize_t (*recvmsg_t)(int fd, struct msghdr *msg, int flags);

static void
control(struct said *said, struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			memcpy(&said->ee, CMSG_DATA(c), sizeof(said->ee));
			memcpy(&said->offender, CMSG_DATA(c) + sizeof(said->ee),
					sizeof(said->offender));
			said->has_ee = true;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
			memcpy(&said->times, CMSG_DATA(c), sizeof(said->times));
			said->has_time = true;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
			memcpy(&said->ttl, CMSG_DATA(c), sizeof(said->ttl));
		}
	}
}

static struct said
read_queue(recvmsg_t call, int fd)
{
	struct said said = { .namelen = sizeof(said.name) };
	char cmsgs[512];
	struct iovec iov = { .iov_base = said.data, .iov_len = sizeof(said.data) };
	struct msghdr msg = {
		.msg_name = &said.name,
		.msg_namelen = sizeof(said.name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = cmsgs,
		.msg_controllen = sizeof(cmsgs),
	};

	errno = 0;
	said.ret = call(fd, &msg, MSG_ERRQUEUE);
	said.err = errno;
	said.flags = msg.msg_flags;
	said.namelen = msg.msg_namelen;
	if (said.ret >= 0)
		control(&said, &msg);
	return said;
}

static int
one(int fd, int level, int name, bool ours)
{
	int on = 1;

	return ours ? dpvma_setsockopt(fd, level, name, &on, sizeof(on))
		    : setsockopt(fd, level, name, &on, sizeof(on));
}

static short
events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_true(dpvma_poll(&p, 1, 0) >= 0);
	return p.revents;
}

/* The last datagram that was sent could not be delivered. */
static void
unreachable(void)
{
	struct rte_mbuf *m = test_sent();

	assert_non_null(m);
	test_inject_unreachable(m);
	rte_pktmbuf_free(m);
}

static void
same(const struct said *k, const struct said *o)
{
	assert_int_equal(o->ret, k->ret);
	assert_int_equal(o->err, k->err);
	assert_int_equal(o->flags, k->flags);
	assert_int_equal(o->namelen, k->namelen);
	assert_int_equal(o->has_ee, k->has_ee);
	assert_memory_equal(&o->ee, &k->ee, sizeof(k->ee));
	assert_int_equal(o->name.sin_family, k->name.sin_family);
	assert_int_equal(o->name.sin_port, k->name.sin_port);
	assert_int_equal(o->offender.sin_family, k->offender.sin_family);
	assert_int_equal(o->offender.sin_port, k->offender.sin_port);
	if (k->ret > 0)
		assert_memory_equal(o->data, k->data, (size_t)k->ret);
	assert_int_equal(o->ttl != 0, k->ttl != 0);
}

static int
kernels(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in sin = test_addr("127.0.0.1", 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(one(fd, IPPROTO_IP, IP_RECVERR, false), 0);
	return fd;
}

/* Unconnected and then connected: message by message as the kernel's. */
static void
icmp_as_kernel(void **state)
{
	struct sockaddr_in there = test_addr("127.0.0.1", CLOSED), peer = test_addr(PEER, CLOSED);
	struct said k, o;
	uint16_t port;
	int fd = test_bound(&port), kernel = kernels(), err;
	socklen_t len = sizeof(err);
	char buf[8];

	(void)state;
	o = read_queue(dpvma_recvmsg, fd);
	k = read_queue(recvmsg, kernel);
	same(&k, &o);
	assert_int_equal(k.err, EAGAIN);
	assert_int_equal(one(fd, IPPROTO_IP, IP_RECVERR, true), 0);
	one(fd, IPPROTO_IP, IP_RECVTTL, true);
	one(kernel, IPPROTO_IP, IP_RECVTTL, false);
	for (unsigned int i = 0; i < 2; i++) {
		if (i == 1) {
			assert_int_equal(dpvma_connect(fd, (void *)&peer, sizeof(peer)), 0);
			assert_int_equal(connect(kernel, (void *)&there, sizeof(there)), 0);
		}
		assert_int_equal(dpvma_sendto(fd, "data", 4, 0, i ? NULL : (void *)&peer,
						 i ? 0 : sizeof(peer)),
				4);
		assert_int_equal(sendto(kernel, "data", 4, 0, i ? NULL : (void *)&there,
						 i ? 0 : sizeof(there)),
				4);
		unreachable();
		assert_true(events(fd) & POLLERR);
		o = read_queue(dpvma_recvmsg, fd);
		k = read_queue(recvmsg, kernel);
		same(&k, &o);
		assert_int_equal(o.ret, 4);
		assert_int_equal(o.ee.ee_errno, ECONNREFUSED);
		assert_int_equal(o.ee.ee_origin, SO_EE_ORIGIN_ICMP);
		assert_int_equal(o.name.sin_addr.s_addr, peer.sin_addr.s_addr);
		assert_int_equal(o.offender.sin_addr.s_addr, peer.sin_addr.s_addr);
		assert_int_equal(o.ttl, 64);
		/* what was read is no pending error any more */
		assert_int_equal(events(fd), 0);
		assert_errno(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
		assert_errno(recv(kernel, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	}
	/* two of them: the error of the second is pending when the first was read */
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(dpvma_send(fd, "x", 1, 0), 1);
		unreachable();
		assert_true(events(fd) & POLLERR);
		assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
		assert_int_equal(err, ECONNREFUSED);
	}
	assert_int_equal(read_queue(dpvma_recvmsg, fd).ret, 1);
	assert_errno(dpvma_send(fd, "x", 1, 0), ECONNREFUSED);
	assert_int_equal(dpvma_send(fd, "x", 1, 0), 1);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).ret, 1);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
	/* a buffer that is too small */
	unreachable();
	{
		struct iovec iov = { .iov_base = buf, .iov_len = 0 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		assert_true(events(fd) & POLLERR);
		assert_int_equal(dpvma_recvmsg(fd, &msg, MSG_ERRQUEUE), 0);
		assert_int_equal(msg.msg_flags, MSG_ERRQUEUE | MSG_TRUNC | MSG_CTRUNC);
	}
	test_drain();
	dpvma_close(fd);
	close(kernel);
}

/* Without the option an unconnected socket hears nothing; nor does it when it is off again. */
static void
not_asked(void **state)
{
	struct sockaddr_in peer = test_addr(PEER, CLOSED);
	int off = 0, fd;
	uint16_t port;

	(void)state;
	fd = test_bound(&port);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(dpvma_sendto(fd, "a", 1, 0, (void *)&peer, sizeof(peer)), 1);
		unreachable();
		assert_int_equal(events(fd), 0);
		assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
		assert_int_equal(one(fd, IPPROTO_IP, IP_RECVERR, true), 0);
		assert_int_equal(
				dpvma_setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof(off)), 0);
	}
	dpvma_close(fd);
}

/* A datagram that may not be fragmented and is too long says so here, too. */
static void
too_long(void **state)
{
	struct sockaddr_in peer = test_addr(PEER, CLOSED);
	static char data[3000];
	int value = IP_PMTUDISC_DO, fd;
	struct said o;
	uint16_t port;

	(void)state;
	fd = test_bound(&port);
	dpvma_setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof(value));
	assert_errno(dpvma_sendto(fd, data, sizeof(data), 0, (void *)&peer, sizeof(peer)),
			EMSGSIZE);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
	one(fd, IPPROTO_IP, IP_RECVERR, true);
	assert_errno(dpvma_sendto(fd, data, sizeof(data), 0, (void *)&peer, sizeof(peer)),
			EMSGSIZE);
	assert_int_equal(events(fd), POLLERR);
	o = read_queue(dpvma_recvmsg, fd);
	assert_int_equal(o.ret, 0);
	assert_true(o.has_ee);
	assert_int_equal(o.ee.ee_origin, SO_EE_ORIGIN_LOCAL);
	assert_int_equal(o.ee.ee_errno, EMSGSIZE);
	assert_int_equal(o.ee.ee_info, 1500);
	assert_int_equal(o.name.sin_addr.s_addr, peer.sin_addr.s_addr);
	assert_int_equal(o.name.sin_port, 0); /* Linux: that of the peer, and there is none */
	assert_int_equal(o.offender.sin_family, 0);
	assert_int_equal(events(fd), 0);
	dpvma_close(fd);
}

/* What the socket counted. */
static unsigned int
counter(int fd, const char *name)
{
	char *text = NULL, *at;
	unsigned int value = 0;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(dpvma_dump(fd, f), 0);
	fclose(f);
	at = strstr(text, name);
	if (at != NULL)
		assert_int_equal(sscanf(at + strlen(name), "%*[^0-9]%u", &value), 1);
	free(text);
	return value;
}

/* A program that never reads costs no more than the queue; what does not fit is counted. */
static void
bounded(void **state)
{
	static char data[1000];
	struct sockaddr_in peer = test_addr(PEER, CLOSED);
	unsigned int n = 0;
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	one(fd, IPPROTO_IP, IP_RECVERR, true);
	for (unsigned int i = 0; i < 300; i++) {
		/* the pending error is said first */
		if (dpvma_sendto(fd, data, 100 + i, 0, (void *)&peer, sizeof(peer)) < 0)
			dpvma_sendto(fd, data, 100 + i, 0, (void *)&peer, sizeof(peer));
		unreachable();
		events(fd);
		/* now and then one is read: the records go round */
		if (i % 7 == 0) {
			assert_int_equal(read_queue(dpvma_recvmsg, fd).ret, 100 + n);
			n++;
		}
	}
	for (struct said o; (o = read_queue(dpvma_recvmsg, fd)).ret >= 0;) {
		assert_in_range(o.ret, 100, 520);
		assert_true(o.has_ee);
		n++;
	}
	assert_in_range(n, 100, 299);
	assert_int_equal(counter(fd, "err_drop"), 300 - n);
	dpvma_close(fd);
}

static ssize_t
send_zero(int fd, bool ours, const void *data, size_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return ours ? dpvma_sendmsg(fd, &msg, MSG_ZEROCOPY) : sendmsg(fd, &msg, MSG_ZEROCOPY);
}

/* The range of sends that are done; -1: none. */
static int64_t
zero_done(int fd, uint32_t *hi)
{
	struct said o = read_queue(dpvma_recvmsg, fd);

	if (o.ret < 0)
		return -1;
	assert_int_equal(o.ret, 0);
	assert_true(o.has_ee);
	assert_int_equal(o.namelen, 0);
	assert_int_equal(o.ee.ee_errno, 0);
	assert_int_equal(o.ee.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	assert_int_equal(o.ee.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
	*hi = o.ee.ee_data;
	return o.ee.ee_info;
}

static void
zerocopy(void **state)
{
	struct sockaddr_in peer = test_addr(PEER, CLOSED);
	struct mmsghdr vec[3] = { 0 };
	struct iovec iov = { .iov_base = (char *)"abc", .iov_len = 3 };
	uint32_t hi;
	uint16_t port;
	int fd = test_bound(&port), two = 2;

	(void)state;
	assert_int_equal(dpvma_connect(fd, (void *)&peer, sizeof(peer)), 0);
	/* not switched on: the flag means nothing */
	assert_int_equal(send_zero(fd, true, "a", 1), 1);
	assert_int_equal(zero_done(fd, &hi), -1);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &two, sizeof(two)), EINVAL);
	assert_int_equal(one(fd, SOL_SOCKET, SO_ZEROCOPY, true), 0);
	assert_int_equal(dpvma_send(fd, "a", 1, 0), 1);
	assert_int_equal(events(fd), 0);
	assert_int_equal(send_zero(fd, true, "a", 0), 0); /* of nothing nothing is told */
	assert_int_equal(events(fd), 0);
	assert_int_equal(send_zero(fd, true, "a", 1), 1);
	assert_int_equal(events(fd), POLLERR);
	assert_int_equal(zero_done(fd, &hi), 0);
	assert_int_equal(hi, 0);
	for (unsigned int i = 0; i < 3; i++)
		vec[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	assert_int_equal(dpvma_sendmmsg(fd, vec, 3, MSG_ZEROCOPY), 3);
	assert_int_equal(send_zero(fd, true, "a", 1), 1);
	/* one entry for all of them */
	assert_int_equal(zero_done(fd, &hi), 1);
	assert_int_equal(hi, 4);
	assert_int_equal(zero_done(fd, &hi), -1);
	/* an ICMP error between two of them begins another range */
	test_drain();
	one(fd, IPPROTO_IP, IP_RECVERR, true);
	assert_int_equal(send_zero(fd, true, "a", 1), 1);
	unreachable();
	assert_true(events(fd) & POLLERR);
	dpvma_send(fd, "x", 1, 0); /* takes the pending error */
	assert_int_equal(send_zero(fd, true, "a", 1), 1);
	assert_int_equal(zero_done(fd, &hi), 5);
	assert_int_equal(hi, 5);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).ee.ee_origin, SO_EE_ORIGIN_ICMP);
	assert_int_equal(zero_done(fd, &hi), 6);
	assert_int_equal(hi, 6);
	test_drain();
	dpvma_close(fd);
}

static void
set_stamping(int fd, int flags)
{
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)),
			0);
}

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
stamped(int fd, uint32_t kind, uint32_t key, uint64_t since, size_t len)
{
	struct said o = read_queue(dpvma_recvmsg, fd);

	assert_int_equal(o.ret, len);
	assert_true(o.has_ee && o.has_time);
	assert_int_equal(o.ee.ee_errno, ENOMSG);
	assert_int_equal(o.ee.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
	assert_int_equal(o.ee.ee_info, kind);
	assert_int_equal(o.ee.ee_data, key);
	assert_in_range((uint64_t)o.times.ts[0].tv_sec * 1000000000u +
					(uint64_t)o.times.ts[0].tv_nsec,
			since, now());
	assert_int_equal(o.times.ts[2].tv_sec, 0);
	if (len != 0) {
		/* the frame as it went */
		struct rte_mbuf *m = test_sent();

		assert_non_null(m);
		assert_int_equal(m->pkt_len, len);
		assert_memory_equal(o.data, rte_pktmbuf_mtod(m, char *), 14 + 4);
		assert_memory_equal(o.data + 14 + 12, rte_pktmbuf_mtod(m, char *) + 14 + 12, 14);
		assert_memory_equal(o.data + 42, rte_pktmbuf_mtod(m, char *) + 42, len - 42);
		rte_pktmbuf_free(m);
	}
}

static void
times(void **state)
{
	const int all = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
			SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_OPT_ID |
			SOF_TIMESTAMPING_OPT_TSONLY;
	struct sockaddr_in peer = test_addr(PEER, CLOSED);
	union {
		char room[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr c;
	} cmsg = { .c = { .cmsg_level = SOL_SOCKET,
				   .cmsg_type = SO_TIMESTAMPING,
				   .cmsg_len = CMSG_LEN(sizeof(uint32_t)) } };
	struct iovec iov = { .iov_base = (char *)"abc", .iov_len = 3 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &cmsg,
		.msg_controllen = sizeof(cmsg.room),
	};
	uint32_t want = SOF_TIMESTAMPING_TX_SOFTWARE;
	uint64_t since = now();
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	assert_int_equal(dpvma_connect(fd, (void *)&peer, sizeof(peer)), 0);
	set_stamping(fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
	assert_int_equal(dpvma_send(fd, "abc", 3, 0), 3);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
	set_stamping(fd, all);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(dpvma_send(fd, "abc", 3, 0), 3);
		assert_int_equal(events(fd), POLLERR);
		stamped(fd, SCM_TSTAMP_SCHED, i, since, 0);
		stamped(fd, SCM_TSTAMP_SND, i, since, 0);
	}
	/* the number begins anew when it is switched on anew only */
	set_stamping(fd, all & ~SOF_TIMESTAMPING_TX_SCHED);
	assert_int_equal(dpvma_send(fd, "abc", 3, 0), 3);
	stamped(fd, SCM_TSTAMP_SND, 3, since, 0);
	set_stamping(fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE);
	test_drain();
	assert_int_equal(dpvma_send(fd, "abc", 3, 0), 3);
	stamped(fd, SCM_TSTAMP_SND, 0, since, 45);
	/* for one datagram */
	set_stamping(fd,
			SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY |
					SOF_TIMESTAMPING_OPT_ID);
	assert_int_equal(dpvma_send(fd, "abc", 3, 0), 3);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
	memcpy(CMSG_DATA(&cmsg.c), &want, sizeof(want));
	assert_int_equal(dpvma_sendmsg(fd, &msg, 0), 3);
	stamped(fd, SCM_TSTAMP_SND, 0, since, 0);
	want = SOF_TIMESTAMPING_SOFTWARE; /* says how to tell, not what to record */
	memcpy(CMSG_DATA(&cmsg.c), &want, sizeof(want));
	assert_errno(dpvma_sendmsg(fd, &msg, 0), EINVAL);
	test_drain();
	dpvma_close(fd);
}

/* Of a SYN that finds no next hop; a later one tells no more than that it failed. */
static void
connecting(void **state)
{
	struct sockaddr_in peer = test_addr("10.9.0.77", CLOSED);
	int fd = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), err;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(err);
	struct said o;

	(void)state;
	assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
	assert_int_equal(one(fd, IPPROTO_IP, IP_RECVERR, true), 0);
	assert_errno(dpvma_connect(fd, (void *)&peer, sizeof(peer)), EINPROGRESS);
	assert_int_equal(dpvma_poll(&p, 1, 20000), 1);
	assert_true(p.revents & POLLERR);
	o = read_queue(dpvma_recvmsg, fd);
	assert_true(o.ret >= 0);
	assert_true(o.has_ee);
	assert_int_equal(o.ee.ee_errno, EHOSTUNREACH);
	assert_int_equal(o.ee.ee_origin, SO_EE_ORIGIN_ICMP);
	assert_int_equal(o.ee.ee_type, 3);
	assert_int_equal(o.ee.ee_code, 1);
	assert_int_equal(o.name.sin_addr.s_addr, peer.sin_addr.s_addr);
	assert_int_equal(o.name.sin_port, htons(CLOSED));
	assert_int_equal(o.offender.sin_addr.s_addr, inet_addr(LOCAL));
	/* who reads the queue has taken the error */
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, 0);
	assert_int_equal(read_queue(dpvma_recvmsg, fd).err, EAGAIN);
	test_drain();
	dpvma_close(fd);
}

static int
start(void **state)
{
	(void)state;
	test_start(NULL, NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icmp_as_kernel),
		cmocka_unit_test(not_asked),
		cmocka_unit_test(too_long),
		cmocka_unit_test(bounded),
		cmocka_unit_test(zerocopy),
		cmocka_unit_test(times),
		cmocka_unit_test(connecting),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
