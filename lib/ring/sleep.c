/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping on a ring: an epoll fd that contains the queue's interrupt and an eventfd by which other
 * rings wake the poller of this one. The epoll fd is the ring's name towards applications too.
 *
 * The interrupt is level-triggered for epoll. How it is cleared differs: mlx5 takes the event off
 * its completion channel in rx_intr_disable(), and says -EAGAIN when there was none; where the fd
 * is an eventfd, of VFIO or a kernel driver, it has to be read.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/ring_priv.h"

static bool
is_eventfd(int fd)
{
	char path[48], target[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

static int
watch(int epfd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
}

static void
watch_interrupt(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;

	ring->rx_fd = port_rx_fd(ring->port, ring->queue);
	if (ring->rx_fd < 0)
		return;
	ctl->rx_fd_counts = is_eventfd(ring->rx_fd);
	if (ring->fd >= 0 && watch(ring->fd, ring->rx_fd) != 0 && errno != EEXIST)
		ring->rx_fd = -ENOTSUP;
}

void
sleep_init(struct ring_ctl *ctl)
{
	ctl->ring.fd = -1;
	ctl->wake_fd = -1;
	watch_interrupt(ctl);
}

void
sleep_fini(struct ring_ctl *ctl)
{
	int fd = ctl->ring.fd;

	if (fd < 0)
		return;
	ring_fd_end(&ctl->ring);
	port_fork_close(ctl->wake_fd);
	port_fork_close(fd);
	ctl->wake_fd = -1;
}

void
sleep_restart(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;

	/* A closed fd left the set by itself; one that stayed is there yet. */
	if (ring->rx_fd >= 0 && ring->fd >= 0)
		epoll_ctl(ring->fd, EPOLL_CTL_DEL, ring->rx_fd, NULL);
	watch_interrupt(ctl);
	if (ctl->sleepers == 0)
		return;
	if (ring->rx_fd < 0 || rte_eth_dev_rx_intr_enable(ring->port_id, ring->queue) != 0)
		sleep_wake(ring);
}

static int
open_fd(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;
	int err;

	ctl->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ring->fd = ctl->wake_fd < 0 ? -1 : ring_fd_fresh(epoll_create1(EPOLL_CLOEXEC));
	if (ring->fd < 0 || watch(ring->fd, ctl->wake_fd) != 0 ||
			(ring->rx_fd >= 0 && watch(ring->fd, ring->rx_fd) != 0)) {
		err = errno;
		LOG_ERROR("port %s: no file descriptor for a ring: %s; raise the limit of open "
			  "files "
			  "(ulimit -n)",
				ring->port->name, strerror(err));
		if (ring->fd >= 0)
			close(ring->fd);
		if (ctl->wake_fd >= 0)
			close(ctl->wake_fd);
		ring->fd = ctl->wake_fd = -1;
		return -err;
	}
	ring_fd_begin(ring);
	return 0;
}

int
ring_fd(struct ring *ring)
{
	int ret = 0;

	if (likely(ring->fd >= 0))
		return ring->fd;
	table_lock();
	if (ring->fd < 0)
		ret = open_fd(ring_ctl(ring));
	table_unlock();
	if (ret == 0) {
		port_fork_own(ring->fd);
		port_fork_own(ring_ctl(ring)->wake_fd);
	}
	return ret == 0 ? ring->fd : ret;
}

void
sleep_wake(struct ring *ring)
{
	int fd = __atomic_load_n(&ring_ctl(ring)->wake_fd, __ATOMIC_RELAXED);
	uint64_t one = 1;

	/* once is enough, until somebody sleeps again */
	__atomic_store_n(&ring->wanted, false, __ATOMIC_RELAXED);
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it counted to the end already, the sleeper wakes */
}

/* Whether a queue holds packets; a driver that cannot tell has none. */
static bool
queue_waits(uint16_t port_id, uint16_t queue)
{
	int n = rte_eth_rx_queue_count(port_id, queue);

	if (n >= 0)
		return n > 0;
	return rte_eth_rx_descriptor_status(port_id, queue, 0) == RTE_ETH_RX_DESC_DONE;
}

static bool
packets_wait(const struct ring *ring)
{
	if (ring->handover != NULL && !rte_ring_empty(ring->handover))
		return true;
	if (queue_waits(ring->port_id, ring->queue))
		return true;
	for (unsigned int i = 0; i < ring->spare_queues; i++)
		if (queue_waits(ring->port_id, ring->spare[i]))
			return true;
	return false;
}

static bool
readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Take what the interrupt and others left; 1 or 0 for each of the two. */
static int
take_events(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;
	int taken = 0;
	uint64_t n;

	if (ring->rx_fd >= 0) {
		taken += readable(ring->rx_fd);
		rte_eth_dev_rx_intr_disable(ring->port_id, ring->queue);
		/* some drivers have read it by now */
		if (ctl->rx_fd_counts && readable(ring->rx_fd) &&
				read(ring->rx_fd, &n, sizeof(n)) < 0)
			LOG_DEBUG("port %s: the interrupt of queue %u cannot be cleared: %s",
					ring->port->name, ring->queue, strerror(errno));
	}
	if (ctl->wake_fd >= 0 && read(ctl->wake_fd, &n, sizeof(n)) == sizeof(n))
		taken++;
	return taken;
}

static int
arm(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;

	if (rte_eth_dev_rx_intr_enable(ring->port_id, ring->queue) != 0)
		return -ENOTSUP;
	ctl->sleepers++;
	__atomic_store_n(&ring->wanted, true, __ATOMIC_RELAXED);
	/* ring_give() puts the packets there first and then looks whether they are wanted. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (packets_wait(ring))
		return 1;
	STAT_INC(&ring->stats, RING, sleeps);
	return 0;
}

int
ring_arm(struct ring *ring)
{
	int ret;

	if (ring->rx_fd < 0)
		return -ENOTSUP;
	ret = ring_fd(ring);
	if (ret < 0)
		return ret;
	ring_rx_lock(ring);
	ret = arm(ring_ctl(ring));
	ring_rx_unlock(ring);
	return ret;
}

int
ring_disarm(struct ring *ring)
{
	struct ring_ctl *ctl = ring_ctl(ring);
	int taken;

	if (ring->fd < 0 || ring->rx_fd < 0)
		return 0;
	ring_rx_lock(ring);
	if (ctl->sleepers > 0)
		ctl->sleepers--;
	__atomic_store_n(&ring->wanted, ctl->sleepers > 0, __ATOMIC_RELAXED);
	taken = take_events(ctl);
	/* Another thread sleeps yet: the next packet is for it to hear of. */
	if (ctl->sleepers > 0)
		rte_eth_dev_rx_intr_enable(ring->port_id, ring->queue);
	ring_rx_unlock(ring);
	return taken;
}

int
ring_moderate(struct ring *ring, uint32_t count, uint32_t period_usec)
{
	ring->moderation_count = count;
	ring->moderation_usec = period_usec;
	return -ENOTSUP;
}
