/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel kept silent about connections of ours. Where it sees copies of their segments that is
 * from the start. Where it has what no rule takes, it sees them while the port is started anew and
 * has no rules: it is made silent when it comes to that, as it costs calls, and a number on which
 * the kernel listens cannot be bound a second time.
 */
#include <pthread.h>

#include "port/port.h"
#include "sock_priv.h"

/* Connected sockets that the kernel would answer for; the lock is held around nothing but calls. */
static LIST_HEAD(, sock) loud = LIST_HEAD_INITIALIZER(loud);
static pthread_mutex_t loud_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * A kernel that sees segments for a number on which nobody listens resets the connection. One that
 * listens and drops everything says nothing.
 */
static void
silence(struct sock *s)
{
	kernel_deaf(s);
	if (os.listen(s->fd, 1) != 0)
		LOG_WARNING("fd %d: the kernel may reset this connection: listen: %s", s->fd,
				strerror(errno));
}

void
kernel_guard(struct sock *s, const struct ip_addr *addr)
{
	if (!s->kernel_bound || !kernel_may_reset(addr))
		return;
	if (kernel_sees(addr)) {
		silence(s);
		return;
	}
	pthread_mutex_lock(&loud_lock);
	if (!s->loud)
		LIST_INSERT_HEAD(&loud, s, next_loud);
	s->loud = true;
	pthread_mutex_unlock(&loud_lock);
}

void
kernel_forget(struct sock *s)
{
	pthread_mutex_lock(&loud_lock);
	if (s->loud)
		LIST_REMOVE(s, next_loud);
	s->loud = false;
	pthread_mutex_unlock(&loud_lock);
}

/* They stay silent: what is not reserved by name would lose its number with the listening. */
static void
on_restart(struct port *port, bool up, void *ctx)
{
	struct sock *s;

	(void)ctx;
	if (up || port->kernel != KERNEL_RESTS)
		return;
	pthread_mutex_lock(&loud_lock);
	while ((s = LIST_FIRST(&loud)) != NULL) {
		silence(s);
		LIST_REMOVE(s, next_loud);
		s->loud = false;
	}
	pthread_mutex_unlock(&loud_lock);
}

int
kernel_follow(void)
{
	return port_on_restart(on_restart, &loud);
}

void
kernel_unfollow(void)
{
	port_off(&loud);
}
