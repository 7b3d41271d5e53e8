/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside room sock: the object behind a file descriptor. Memory of these objects is never given
 * back to the system, only used again, so that a lookup that races with a close reads a struct sock
 * in any case and finds out by the table that it is not its own.
 */
#ifndef DPVMA_SOCK_PRIV_H
#define DPVMA_SOCK_PRIV_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "conf/conf.h"
#include "ring/ring.h"
#include "sock/attach.h"
#include "sock/dpvma.h"
#include "sock/front.h"
#include "sock/sock.h"
#include "stat/stat.h"
#include "stream/stream.h"
#include "udp/udp.h"

#define SOCK_BATCH 64	      /**< datagrams a call handles at once */
#define SOCK_RINGS 64	      /**< rings of one wait: two a port */
#define SOCK_CARRIED 128      /**< options that follow from one kernel's socket to another */
#define SOCK_WHY 320	      /**< bytes of an explanation */
#define SOCK_SENT_BITS 3      /**< destinations whose rule is remembered, as a power of two */
#define SOCK_OS_GROUPS 20     /**< groups that the kernel receives for a socket, by rules */
#define SOCK_SEND_DUMMY 0x400 /**< VMA_SND_FLAGS_DUMMY: walk the way, send nothing */
#define SOCK_MSGS_MAX 1024    /**< messages of one sendmmsg or recvmmsg, as Linux has it */

/** Ancillary data a receiver asked for. */
enum {
	WANT_PKTINFO = 0x01,
	WANT_TTL = 0x02,
	WANT_TOS = 0x04,
	WANT_TIME = 0x08,
	WANT_TIME_NS = 0x10,
	WANT_STAMPING = 0x20,
	WANT_ORIGDST = 0x40,
	WANT_INQ = 0x80,
};

/** What of a send is noted in the error queue. */
enum {
	NOTE_ZEROCOPY = 0x1, /**< SO_ZEROCOPY: sends with MSG_ZEROCOPY */
	NOTE_STAMP = 0x2,    /**< SO_TIMESTAMPING: times of all, or of those that ask for it */
};

/** Why a socket is not offloaded. */
enum sock_reason {
	REASON_NONE,
	REASON_OPTION,
	REASON_THREAD,
	REASON_FAMILY,
	REASON_TYPE,
	REASON_PROTOCOL,
	REASON_START,
	REASON_TABLE,
	REASON_ACCEPT,
	REASON_LISTENER,
	REASON_RULE,
	REASON_ADDRESS,
	REASON_LOOPBACK,
	REASON_ROUTE,
	REASON_DEVICE,
	REASON_STEERING, /**< the device took no rule for it */
	REASON_IDLE,	 /**< nothing has decided yet */
};

/** SO_MAX_PACING_RATE as it was set. */
struct sock_rate {
	uint64_t bytes;	 /**< a second; UINT64_MAX: no limit, and 0 limits nothing either */
	uint32_t burst;	 /**< bytes at once, 0: not said */
	uint16_t packet; /**< usual bytes of one, 0: not said */
};

struct sock;
struct option;
struct epoll;
struct errqueue;
struct callback;
struct watch;
struct notes;

/**
 * What datagrams and streams do differently. Data of datagrams do not come by here: recv.c and
 * send.c tell the two apart and go straight on.
 */
struct sock_ops {
	/** Make the object of the room below. 0, -ENOMEM */
	int (*open)(struct sock *s);
	/** A socket that the program opened: take over what the kernel's has. */
	void (*start)(struct sock *s);
	/** The last user has gone; closes everything but the descriptor. */
	void (*destroy)(struct sock *s);
	/** A turn of the rings that the socket receives from; packets that came. */
	unsigned int (*poll)(struct sock *s);
	/** They themselves, at most @p n; how many in all. */
	unsigned int (*rings)(struct sock *s, struct ring **rings, unsigned int n);
	/** The same with a reference of each; how many were written. */
	unsigned int (*hold_rings)(struct sock *s, struct ring **rings, unsigned int n);
	/** Events of poll(2) that hold. */
	short (*revents)(struct sock *s);
	/** The same among @p want, so that no waker has missed a sleeper. */
	bool (*awaited)(struct sock *s, short want);
	/** When the wake callback is wanted. */
	void (*set_wake)(struct sock *s, enum udp_wake when);
	/** When a sleeper must take a turn at the latest, ns. */
	uint64_t (*due)(struct sock *s);
	/** sock.lock is held. -EREMOTE: the kernel's from now on */
	int (*bind)(struct sock *s, const struct ip_addr *addr, uint16_t port_be);
	int (*connect)(struct sock *s, const struct sockaddr *sa, socklen_t len);
	int (*shutdown)(struct sock *s, int how);
	void (*local)(struct sock *s, struct ip_addr *addr, uint16_t *port_be);
	bool (*peer)(struct sock *s, struct ip_addr *addr, uint16_t *port_be);
	/** -EREMOTE: ask the kernel's socket */
	int (*ioctl)(struct sock *s, unsigned long request, void *arg);
	/** with a reference, NULL for none; for a peer, else that address */
	struct ring *(*tx_ring)(struct sock *s, const struct ip_addr *addr, uint16_t port_be);
	/** Ethernet to transport header, as udp_headers() */
	int (*headers)(struct sock *s, void *buf, uint16_t len);
	struct ring_alloc *(*ring_alloc)(struct sock *s, enum ring_dir dir);
	int (*set_ring_alloc)(struct sock *s, enum ring_dir dir, const struct ring_alloc *alloc);
	/** SO_BINDTODEVICE: the port and the kernel's index of its device, NULL and 0 for none */
	int (*bind_device)(struct sock *s, struct port *port, uint32_t ifindex);
	/** SO_VMA_SHUTDOWN_RX */
	void (*shut_rx)(struct sock *s);
	/** Counters, brought up to date. */
	struct sock_stats *(*stats)(struct sock *s);
	/** The same as they are, to count in. */
	struct sock_stats *(*counters)(struct sock *s);
	/** Another pending error, 0: none. */
	void (*put_error)(struct sock *s, int err);
	/** What comes is staged, and callbacks_staged() told; or no more. */
	void (*set_stage)(struct sock *s, bool on);
	/**
	 * Have a batch of what is staged judged by callback_judge(), and settle it. NULL: there is
	 * nothing to judge
	 * @return packets; 0: none were staged
	 */
	unsigned int (*judge)(struct sock *s);
	const struct option *options; /**< the last has no function */
	int type;		      /**< SOCK_DGRAM, SOCK_STREAM */
};
extern const struct sock_ops dgram_ops, stream_ops, epoll_ops;

struct sock {
	/* read by every call */
	int fd;		       /**< the kernel's socket: one of its names, -1 once that is gone */
	uint32_t users;	       /**< the table's reference and those of calls under way */
	struct udp_sock *udp;  /**< a datagram socket's, else NULL */
	struct stream *stream; /**< a stream socket's, else NULL */
	struct epoll *epoll;   /**< an epoll descriptor's, else NULL */
	struct front *front;   /**< see front.h; NULL until it is received from without a copy */
	bool offloaded;	       /**< else the kernel carries it */
	bool sends;	       /**< not offloaded, but its sends go by our ports */
	bool peer_os;	       /**< datagrams to the peer go by the kernel */
	bool nonblock;
	bool paced; /**< datagrams have a rate */
	bool closing;
	bool bound;	   /**< has a local port */
	bool os_pollable;  /**< the kernel's socket may have datagrams, too */
	bool kernel_bound; /**< the kernel's socket has our local port */
	bool loud;	   /**< it would have the kernel reset its connection, see kernel_guard() */
	bool mc_kernel;	   /**< IP_MULTICAST_IF names a device that is no port of ours */
	bool shut_read;
	uint32_t wants;		   /**< WANT_* */
	uint32_t stamping;	   /**< SOF_TIMESTAMPING_* */
	uint32_t notes;		   /**< NOTE_* */
	uint32_t stamp_key;	   /**< SOF_TIMESTAMPING_OPT_ID of the next datagram or byte */
	uint32_t errors_queued;	   /**< entries of the error queue */
	struct errqueue *errqueue; /**< NULL until an option asks for it */
	uint32_t stirs;		   /**< data and changes of state, for who polls a stream */
	int os_countdown;	   /**< receives until the kernel's socket is looked at */
	bool os_told;		   /**< somebody heard that it has something, and may ask for it */
	int64_t rcv_timeout_ns;	   /**< 0: none */
	int64_t snd_timeout_ns;
	uint64_t drained_tsc; /**< VMA_RX_CQ_DRAIN_RATE_NSEC: when the rings were polled last */
	const struct sock_ops *ops;
	struct callback *callback; /**< NULL: it never had one */

	/* sleeping */
	uint32_t sleepers;
	int wake_fd;	  /**< an eventfd, -1 until somebody slept */
	uint32_t watched; /**< epolls that have it */
	uint64_t room_at; /**< ns, when epolls are told of room to send; 0: not waited for */
	TAILQ_ENTRY(sock) of_rate; /**< of those, rate.c */

	/* control */
	rte_spinlock_t lock __rte_cache_aligned; /**< bind, connect, options, why */
	uint32_t names;				 /**< entries of the table that lead here */
	uint32_t serial; /**< no other socket has had it, whatever their numbers */
	uint64_t user_data;
	struct notes *noted; /**< socketxtreme: where a poll looks for it; NULL: nowhere */
	uint32_t told;	     /**< events of which a poll has told */
	uint32_t flow_tag;
	struct sock_rate rate;
	bool linger; /**< SO_LINGER */
	uint32_t linger_s;
	bool profile_set[2];	       /**< SO_VMA_RING_ALLOC_LOGIC gave one, by enum ring_dir */
	uint64_t carried[2];	       /**< options that the program set, see carry.c */
	bool untold;		       /**< the kernel's socket lacks some of them */
	char bind_device[IF_NAMESIZE]; /**< SO_BINDTODEVICE of a port the kernel does not know */
	char why[SOCK_WHY];	       /**< why the kernel carries it */
	enum sock_reason reason;       /**< the same in a word */
	uint32_t rule;		       /**< of libvma.conf that decided, 0: none */
	uint32_t send_rule;	       /**< that made the kernel send, the last one */
	unsigned int os_groups_n;
	struct os_group {
		uint32_t addr; /**< network order */
		uint32_t rule;
	} os_groups[SOCK_OS_GROUPS];
	uint64_t sent[1 << SOCK_SENT_BITS]; /**< destinations that rules were asked for */
	SLIST_ENTRY(sock) next_free;
	LIST_ENTRY(sock) next_loud;
	const struct notes *note_in; /**< whose list it is in; the lock of that */
	TAILQ_ENTRY(sock) of_notes;  /**< the same */
	SLIST_ENTRY(sock) of_serial; /**< the lock of its bucket */
	rte_spinlock_t wake_lock;    /**< what the room below was asked to tell */
	rte_spinlock_t watch_lock;   /**< watches and their events; taken by wake callbacks */
	TAILQ_HEAD(, watch) watches;
};

/* os.c */
/** libc's calls, for descriptors of the program: never to be made by their own names in this room
 */
extern struct sock_os os;
extern uint8_t *sock_marks; /**< the host's; NULL: there is none */
void sock_mark(int fd, enum sock_mark mark);
/** NONE without a library that interposes. */
enum sock_mark sock_marked(int fd);
/** A descriptor of dpvma's own, which the program is not to close; < 0: none. @return the same */
int sock_own(int fd);
void sock_own_close(int fd);
/** As port_fork_tell() says. */
void sock_own_told(int fd, bool own);
/** Whether the number is the stack's own still. Not without a library that interposes. */
bool sock_is_stacks(int fd);
/** No number of that kind is at or above it. */
unsigned int sock_stacks_top(void);
/** For calls of VMA's API, which know no candidates: as sock_get(), and a candidate is adopted. */
struct sock *sock_get_named(int fd);
/** struct sock_host.started */
void sock_host_started(void);
/** Of the calling thread; the same address in every call of it. */
const struct sock_signals *sock_signals(void);
extern bool (*sock_epoll_waits)(int epfd); /**< see struct sock_host; NULL: there is none */
extern bool sock_faults;		   /**< see struct sock_host */

/* fdtable.c */
/** By number; as memory of sockets is used for nothing else an entry may be looked at unasked. */
extern struct sock **sock_table;
extern uint32_t sock_table_size; /**< 0 until there is a table */
static inline struct sock *
sock_at(int fd)
{
	if (unlikely((uint32_t)fd >= __atomic_load_n(&sock_table_size, __ATOMIC_ACQUIRE)))
		return NULL;
	return __atomic_load_n(&sock_table[fd], __ATOMIC_ACQUIRE);
}
int sock_table_init(void);
/** The child of a fork() forgets all: its descriptors are the kernel's sockets only. */
void sock_table_forget(void);
/** @return NULL for want of memory or when @p fd is beyond the table */
struct sock *sock_new(int fd);
/** Into the table with it: from now on other threads find it. */
void sock_publish(struct sock *s);
/** The socket with one more user, or NULL: not one of ours. */
struct sock *sock_get(int fd);
/** With VMA_THREAD_MODE=0, too, calls hold references from now on; the caller has none. */
void sock_count_users(void);
/** One more, by who has one. */
void sock_hold(struct sock *s);
void sock_put(struct sock *s);
/** Whether a lookup would find one; for a first look at many descriptors. */
bool sock_is_ours(int fd);
/** No descriptor of ours is at or above it. */
unsigned int sock_table_top(void);
/** Give a reference of the table's back; the last user destroys the socket. */
void sock_release(struct sock *s);
/**
 * Take a name out of the table; its reference is the caller's, for sock_release(). The last one
 * lets calls end with EBADF. The number itself is not closed, but destroying closes s->fd.
 */
struct sock *sock_detach(int fd, bool *last);
/** Names do not change while it is held; it comes after sock.lock. */
void sock_names_lock(void);
void sock_names_unlock(void);
/** The following with the lock held. */
struct sock *sock_held(int fd);
struct sock *sock_detach_locked(int fd, bool *last);
/** @return false: the socket has no name any more, or the number is beyond the table */
bool sock_add_name(struct sock *s, int fd);
void sock_foreach_name(struct sock *s, void (*cb)(int fd, void *ctx), void *ctx);
/** Sockets that are not destroyed yet. */
unsigned int sock_alive(void);
void sock_foreach(void (*cb)(struct sock *s, void *ctx), void *ctx);

/* thread.c */
/** thread_offload of the calling thread: 0, 1; -1: as VMA_OFFLOADED_SOCKETS says. */
int thread_offload(void);

/* socket.c */
/** A socket of ours behind a kernel's, not in the table yet. NULL with -ENOMEM or -EMFILE in @p
 * err.
 */
struct sock *sock_make(int fd, int type, bool nonblock, int *err);
void sock_to_kernel(struct sock *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Of a socket that is the kernel's: its sends are ours still. */
void sock_to_sends(struct sock *s);

/** Not so after all, as the kernel refused the call that made it the kernel's. */
void sock_to_us(struct sock *s);

/* rules.c: each asks libvma.conf */
/** The kernel's by this rule. */
void rules_whole(struct sock *s, const struct conf_offload *o);
/** udp_connect, tcp_client. 0; -EREMOTE: the kernel's now; or it cannot be, which was said */
int rules_connect(struct sock *s, const struct ip_addr *peer, uint16_t port_be);
/** tcp_server, of a socket that is bound; as rules_connect() */
int rules_listen(struct sock *s);
/** udp_receiver: whether the kernel shall receive for it, by rule @p o. */
bool rules_receiver(const struct ip_addr *local, uint16_t port_be, struct conf_offload *o);
/** udp_sender, of a new peer: peer_os. */
void rules_peer(struct sock *s, const struct ip_addr *peer, uint16_t port_be);
/** udp_sender: whether the kernel sends to that address. */
bool rules_sends(struct sock *s, const struct ip_addr *to, uint16_t port_be);

/* names.c */
/** fcntl(F_DUPFD) and F_DUPFD_CLOEXEC. */
int sock_dup(int fd, int cmd, int from);

/* address.c */
/** Where an address is that is none of ours. */
enum sock_reason sock_elsewhere(const struct ip_addr *addr, enum sock_reason otherwise);
/** Whether it can be a name at all: 0, -EINVAL, -EFAULT */
int sock_name_given(const struct sockaddr *sa, socklen_t len);
/** As ip_from_sockaddr(); AF_UNSPEC counts as AF_INET, as Linux does for UDP. */
int sock_address(const struct sockaddr *sa, socklen_t len, struct ip_addr *addr, uint16_t *port_be);
int sock_autobind(struct sock *s);
/** AF_UNSPEC with address any is Linux's concession to old programs. */
int sock_bind_address(
		const struct sockaddr *sa, socklen_t len, struct ip_addr *addr, uint16_t *port_be);
/** Store a name as getsockname() does. 0, or -1 with errno */
int sock_give_name(
		const struct ip_addr *addr, uint16_t port_be, struct sockaddr *sa, socklen_t *len);
/** Whether the kernel may carry what our ports do not: its socket must have the local address. */
bool sock_kernel_may_send(const struct sock *s);

/* dgram.c */
/** VMA_TRIGGER_DUMMY_SEND_GETSOCKNAME */
void dgram_warm_up(struct sock *s);

/* init.c */
bool sock_is_started(void);
/** The errno of a start that failed, 0: none did. */
int sock_start_error(void);
/** A child of fork() has copies of descriptors; this is such a child; the process ends. */
extern bool sock_shared, sock_forked, sock_ending;

/* explain.c */
/** Why a descriptor that never came into the table is not offloaded. */
void explain_remember(int fd, enum sock_reason reason);
/** A rule of libvma.conf, by its number. */
void explain_remember_rule(int fd, uint32_t rule);
/** Of a duplicate. */
void explain_copy(int fd, int to);
/** Of numbers from @p first to @p last nothing is known any more. */
void explain_forget(unsigned int first, unsigned int last);
/** What is remembered, or what the descriptor itself tells. */
enum sock_reason explain_reason(int fd);
void explain_sock(struct sock *s, char *why, size_t len);

/* kernel.c: the kernel's socket behind ours */
int kernel_bind(struct sock *s, const struct ip_addr *addr, uint16_t *port_be);
/** The kernel's alone: its errors are those of the program's bind(). */
int kernel_bind_alone(struct sock *s, const struct ip_addr *addr, uint16_t *port_be);
/**
 * A socket that is ours shall be the kernel's: nothing of ours receives for it any more, and the
 * kernel's socket hears everything. -ENETUNREACH: the kernel's is not bound, and cannot be
 */
int kernel_takes_over(struct sock *s);
/**
 * A group that the kernel's socket shall be in by a rule, and no flow of ours.
 * @return -ENOBUFS: there are too many
 */
int kernel_group(struct sock *s, const struct ip_addr *group, uint32_t rule);
void kernel_group_left(struct sock *s, const struct ip_addr *group);
/**
 * The kernel listens beside us, for what comes by devices that are not ours; and where it sees a
 * copy of what is ours it must not answer with a reset. 0 or -errno
 */
int kernel_listen(struct sock *s, int backlog);
/** What comes by our devices does not come to the kernel any more: it takes connections. */
void kernel_hears(struct sock *s);
/** Not all that the socket listens at comes to us: the kernel takes the rest. */
void kernel_hears_rest(struct sock *s);
/** No more. */
void kernel_unlisten(struct sock *s);
/** Its half receives nothing for good, and answers nothing. */
void kernel_deaf(struct sock *s);
/** Of a connection the latter alone. */
void kernel_guard(struct sock *s, const struct ip_addr *addr);
/** Not to be made silent any more: its end, or another socket of the kernel's behind it. */
void kernel_forget(struct sock *s);
/** Make sockets silent whenever a port whose rest is the kernel's is started anew. 0, -ENOMEM */
int kernel_follow(void);
void kernel_unfollow(void);
/** Whether it sees copies of what comes to this address. */
bool kernel_sees(const struct ip_addr *addr);
/** Whether it may see segments to this address, now or while a port is started anew. */
bool kernel_may_reset(const struct ip_addr *addr);
/** We leave it to whoever shares it: it hears what it was kept from, for our sake. */
void kernel_leave(struct sock *s);
/** Take the binding back, after room udp refused it. */
void kernel_unbind(struct sock *s);
int kernel_connect(struct sock *s, const struct ip_addr *peer, uint16_t port_be);
void kernel_disconnect(struct sock *s);
void kernel_membership(struct sock *s, enum udp_mc_op op, const struct ip_addr *group,
		struct port *port, const struct ip_addr *source);
/** True when the kernel itself works with the port's network device. */
bool kernel_knows(const struct port *port);
bool kernel_readable(int fd);

/* wait.c */
/**
 * What bounds a blocking call: its time, and signals that are handled while it lasts, of whose
 * handlers we know by the host's counters (struct sock_signals). Zero but for the first two.
 */
struct sock_wait {
	uint64_t deadline_ns;
	/** It goes on after a handler set with SA_RESTART: signal(7). Not with a time limit of the
	 * socket's, and not once it has something to return. */
	bool restarts;
	const struct sock_signals *signals; /**< NULL until it waits for the first time */
	uint32_t all, ending, sigints;
};
extern uint32_t sock_sigints; /**< SIGINTs with VMA_HANDLE_SIGINTR, which end calls of all threads
			       */
/** Before each wait of the call; from the first one on, handlers that run are for it to notice. */
static inline void
sock_wait_begin(struct sock_wait *w)
{
	if (w->signals != NULL)
		return;
	w->signals = sock_signals();
	w->all = w->signals->all;
	w->ending = w->signals->ending;
	w->sigints = __atomic_load_n(&sock_sigints, __ATOMIC_RELAXED);
}
/** Whether its time is over. */
static inline bool
sock_late(const struct sock_wait *w)
{
	return unlikely(w->deadline_ns != UINT64_MAX) && clock_ns() >= w->deadline_ns;
}
bool sock_wait_judge(struct sock_wait *w);
/** Whether handlers that ran since the last look end the call: EINTR. For every turn of a spin. */
static inline bool
sock_interrupted(struct sock_wait *w)
{
	return unlikely(w->signals->all != w->all ||
			       __atomic_load_n(&sock_sigints, __ATOMIC_RELAXED) != w->sigints) &&
			sock_wait_judge(w);
}
/** A sleep of the call's ended with EINTR: whether the call does, too. */
static inline bool
sock_sleep_interrupted(struct sock_wait *w)
{
	/* a handler that nobody counted ends it */
	return w->signals->all == w->all || sock_wait_judge(w);
}

/** After a turn of a receive or send that spins: 0, -EINTR, -EAGAIN (deadline). */
static inline int
sock_turned(struct sock_wait *w, int round)
{
	int yield = conf()->rx_poll_yield;

	if (sock_interrupted(w))
		return -EINTR;
	if (unlikely((round & 0xff) == 0xff) && w->deadline_ns != UINT64_MAX &&
			clock_ns() >= w->deadline_ns)
		return -EAGAIN;
	if (unlikely(yield != 0 && round % yield == yield - 1))
		sched_yield();
	rte_pause();
	return 0;
}

/**
 * Sleep until the socket may have something, the deadline passes or a signal comes that ends the
 * call.
 * @param want POLLIN or POLLOUT
 * @param sigmask in force while asleep; NULL: as it is
 * @return 0, -EINTR, -EAGAIN (deadline), -EREMOTE (the kernel's socket is readable)
 */
int sock_sleep(struct sock *s, short want, struct sock_wait *w, const sigset_t *sigmask);
void sock_wake(void *sock, struct ring *ring, unsigned int events);
/** Only these: for who found something and does not take it. */
void sock_wake_sleepers(struct sock *s);
/** Sleepers and watches came or went: what the room below shall tell. */
void sock_set_wake(struct sock *s);
/** Wake all sleepers after a change that is not made under the queue lock. */
void sock_wake_all(struct sock *s);
/**
 * Count the caller as a sleeper; must be followed by a look at the queue, and sock_awake().
 * @return the eventfd that a waker writes, or -1: nap instead
 */
int sock_asleep(struct sock *s);
void sock_awake(struct sock *s);

/* ring_set.c */
/** The rings of a call's sockets. */
struct ring_set {
	unsigned int n;
	bool nap; /**< some packets may come without a sound: look again in DPVMA_NAP_USEC */
	struct ring *rings[SOCK_RINGS];
	bool armed[SOCK_RINGS];
};
/** A socket whose rings may be exchanged by another thread: no pointer to one may be kept. */
bool sock_migrates(const struct sock *s);
/** To poll them. Those of a socket that migrates are not among them. */
void ring_set_add(struct ring_set *set, struct sock *s);
/**
 * To sleep on them, each with a reference: of a socket, or of all that are in an epoll. The caller
 * has counted itself as a sleeper: a change from then on wakes it.
 */
void ring_set_hold(struct ring_set *set, struct sock *s);
void ring_set_hold_epoll(struct ring_set *set, struct epoll *ep);
/** Arm all and append their fds to @p fds. @return true when packets are waiting already */
bool ring_set_arm(struct ring_set *set, struct pollfd *fds, nfds_t *n);
/** After the sleep: disarm them, and give the references back. */
void ring_set_leave(struct ring_set *set);

/* wait.c */
/** What a wait for many descriptors does between looks at the clock. */
struct wait_calls {
	/** Turn the rings, look; @p ask: at the kernel's, too. Events, 0, or a negative errno. */
	int (*turn)(void *ctx, bool ask);
	/** Sleep once, turn, look; the same. @param sigmask in force while asleep */
	int (*sleep)(void *ctx, const sigset_t *sigmask);
};
/**
 * After a first look found nothing: turns for VMA_SELECT_POLL, if it @p spins at all, then sleep.
 * @param w begun
 * @param sigmask the call's, NULL: none
 */
int wait_longer(const struct wait_calls *calls, void *ctx, struct sock_wait *w,
		const sigset_t *sigmask, bool spins);

/** Hold signals back but for the faults, so that one that comes between two naps is not missed. */
void signals_hold(sigset_t *before);
void signals_release(const sigset_t *before);
struct timespec timespec_until(uint64_t deadline_ns, bool nap);

/* poll.c */
/**
 * Wait as ppoll(2) does.
 * @param only_asked POLLERR and POLLHUP count only where they are among the events asked for
 * @return descriptors with events, 0, -EINTR, -ENOMEM; -EREMOTE: none of them is offloaded
 */
int poll_wait(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *sigmask,
		bool only_asked);
/** 0, -EINVAL, -EFAULT: a time as ppoll(2) takes it. */
int poll_timeout(const struct timespec *timeout);
/** When a timeout ends, ns of clock_ns(); NULL: never. 0, -EINVAL, -EFAULT */
int poll_deadline(const struct timespec *timeout, uint64_t *deadline);

/* epoll.c, watch.c */
/** Whether readiness is ours to tell: a socket that we carry, or an epoll with one. */
static inline bool
sock_has_events(const struct sock *s)
{
	return s->offloaded || s->epoll != NULL;
}
/** Events of poll(2) came about, 0: any; or RING_CHANGED. Any lock of rooms below may be held. */
void epoll_notify(struct sock *s, unsigned int events);
/** Who carries the socket, or its kernel half, is another now: for epolls to follow. */
void epoll_follow(struct sock *s);
/** A send found no room in a queue of the device's, which drains in microseconds. */
void epoll_no_room(struct sock *s);
/** Its last name is gone: out of all epolls with it. */
void epoll_forget(struct sock *s);
int epolls_init(void);

/* epoll_kernel.c */
/** It may be an epoll of the kernel's, which may become ours. */
bool epoll_maybe(int fd);
/**
 * Wait as ppoll(2) does, in the kernel alone.
 * @return descriptors with events, a negative errno; -EREMOTE: one of them is an epoll that is ours
 *         now, look again
 */
int epoll_poll_kernels(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *sigmask);

/* recv.c */
/**
 * Take datagrams, waiting as the socket, @p flags and @p w say. With MSG_PEEK one is
 * taken as a new reference and stays.
 * @param w the same in all waits of one call
 * @return > 0; 0: receiving was shut down; -EAGAIN, -EINTR, -EBADF, a pending error; -EREMOTE: read
 *         the kernel's socket
 */
int sock_take(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags,
		struct sock_wait *w);

/** A receive that polled, slept or came at a bad time counts it. */
static inline bool
sock_dont_wait(const struct sock *s, int flags)
{
	return s->nonblock || (flags & MSG_DONTWAIT);
}

/**
 * What came of a try to read the kernel's socket of an offloaded one. It was readable, but the
 * datagram may have had a bad checksum, or another thread was faster: a blocking call goes on.
 */
static inline bool
sock_try_again(const struct sock *s, ssize_t ret, int flags)
{
	return ret < 0 && errno == EAGAIN && !sock_dont_wait(s, flags) && !(flags & MSG_ERRQUEUE);
}

/** A receive's deadline by SO_RCVTIMEO, or a send's by SO_SNDTIMEO; UINT64_MAX for none. */
static inline uint64_t
sock_deadline(int64_t timeout_ns)
{
	return timeout_ns == 0 ? UINT64_MAX : clock_ns() + (uint64_t)timeout_ns;
}

/** The bounds of a call that begins, by the same. */
static inline struct sock_wait
sock_wait_of(int64_t timeout_ns)
{
	return (struct sock_wait){ .deadline_ns = sock_deadline(timeout_ns),
		.restarts = timeout_ns == 0 };
}

/* stream.c */
/** Take a connection of ours that waits. Its descriptor; -EAGAIN, -EINVAL, -EMFILE, -ENOMEM... */
int stream_sock_accept(struct sock *l, int flags);
/** close(): SO_LINGER waits here. */
void stream_sock_linger(struct sock *s);

/* stream_callback.c: of struct sock_ops */
void stream_sock_set_stage(struct sock *s, bool on);
unsigned int stream_sock_judge(struct sock *s);

/* stream_data.c: as recvmsg() and sendmsg(), of an offloaded socket */
ssize_t stream_sock_recvmsg(struct sock *s, struct msghdr *msg, int flags);
ssize_t stream_sock_sendmsg(struct sock *s, const struct msghdr *msg, int flags);
/** What comes may not be passed over once a call has data: an error, the urgent mark. */
bool stream_sock_must_stop(struct sock *s);
/** sock_lend() of a stream; waits. @return bytes and loan->first, or a negative errno */
ssize_t stream_sock_lend(struct sock *s, struct sock_loan *loan);
/**
 * Take turns, then sleep, until one of the events holds.
 * @param w the same in all waits of one call
 * @return 0; -EAGAIN (deadline), -EINTR, -EBADF (closed); -EREMOTE: the kernel's socket is readable
 */
int stream_sock_wait(struct sock *s, short want, struct sock_wait *w);

/* note.c */
/** Of the wall clock, as timestamps are. */
uint64_t note_now(void);
/** 0; -ENOBUFS: the error queue has no room for what is to be noted. */
int note_before(struct sock *s, int flags);
/** Datagrams went. @param before when they were given away @param stamping of each */
void note_sent(struct sock *s, const struct udp_out *out, const uint32_t *stamping, unsigned int n,
		int flags, uint64_t before);

/** Bytes were written to a stream: when the last goes and is acknowledged is noted then. */
void note_written(struct sock *s, size_t len);
/** stream_mark_cb */
void note_mark(void *sock, unsigned int what, uint32_t key);

/* cmsg.c */
/** Append one; a control buffer that is too small sets MSG_CTRUNC and loses only this one. */
void cmsg_put(struct msghdr *msg, size_t room, size_t *used, int level, int type, const void *data,
		size_t len);
/** A software timestamp as the socket wants to have it. */
void cmsg_put_times(struct sock *s, struct msghdr *msg, size_t room, size_t *used, uint64_t ns);
void cmsg_write(struct sock *s, struct msghdr *msg, const struct rte_mbuf *m);
/** The device's time of a packet, ns of CLOCK_REALTIME; 0: it has none. */
uint64_t cmsg_hardware_ns(struct sock *s, const struct rte_mbuf *m);
/** @return 0, -EINVAL, -EREMOTE (only the kernel knows what this asks for) */
int cmsg_read(struct sock *s, const struct msghdr *msg, struct udp_out *out, struct ip_addr *src,
		uint32_t *stamping);

/* membership.c */
bool membership_name(int level, int name);
int membership_set(struct sock *s, int name, const void *val, socklen_t len);

/* carry.c: options that outlive the kernel's socket that they were set on */
/** The program set it. */
void carry_note(struct sock *s, int level, int name);
/** Another kernel's socket is to take the place of this one's. */
void carry_along(struct sock *s, int fd);
/** A connection was accepted: Linux has it inherit what the listener has. */
void carry_inherit(struct sock *s, const struct sock *listener);
/** The kernel is to carry it: what only ours holds it learns now. */
void carry_tell(struct sock *s);

/* options.c */
/** One option that dpvma itself acts on. A member that is NULL: the kernel's call alone. */
struct option {
	int level, name;
	/** After the kernel took it: take over what it now holds. */
	void (*mirror)(struct sock *s, int value);
	/** In place of the kernel's call. */
	int (*set)(struct sock *s, int name, const void *val, socklen_t len);
	int (*get)(struct sock *s, int name, void *val, socklen_t *len);
};
#define OPTION_MIRROR(level, name, mirror)                                                         \
	{                                                                                          \
		level, name, mirror, NULL, NULL                                                    \
	}
extern const struct option dgram_options[], stream_sock_options[];
/** The option if ours is the socket that says what it is, else NULL. */
const struct option *option_ours(const struct sock *s, int level, int name);
/** What a descriptor holds. False: it does not tell, and 0. */
bool option_of(int fd, int level, int name, int *value);
/** What the kernel's socket holds; 0 when it does not tell. */
int option_held(const struct sock *s, int level, int name);
/** Store an option's value; what does not fit is cut. 0, -EFAULT, -EINVAL */
int option_give(void *val, socklen_t *len, const void *from, socklen_t size);

/* vma_options.c: SO_VMA_*; -EREMOTE for a name that is none of them */
int vma_option_set(struct sock *s, int name, const void *val, socklen_t len);
int vma_option_get(struct sock *s, int name, void *val, socklen_t *len);
/** getsockopt(-1, SOL_SOCKET, SO_VMA_GET_API) */
bool vma_option_api(int fd, int level, int name, void *val, const socklen_t *len);

/* sigint.c: VMA_HANDLE_SIGINTR */
int sigint_start(void);
/** Safe in the child of a fork(). */
void sigint_stop(void);
/** Readable when a SIGINT came, for the internal thread to call sigint_turn(); -1: never. */
int sigint_fd(void);
void sigint_turn(void);

/* engine.c */
int engine_start(void);
void engine_stop(void);

/* explain_export.c */
void explain_export(void);

/* report.c */
/** There is a socket to tell of. */
void report_opened(void);
/** With DPVMA_EXPLAIN set, before a descriptor is closed. */
void report_closing(int fd);
/** The child of a fork() has nothing to tell. */
void report_forget(void);
/** The process ends, or the stack does. */
void report_write(void);

/* dump.c */
void dump_export(void);
/** A line to VMA_STATS_FILE when a socket is closed. */
void dump_closed(struct sock *s);

static inline int
fail(int negative_errno)
{
	errno = -negative_errno;
	return -1;
}

#endif
