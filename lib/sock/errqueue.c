/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error queue: records of different lengths in one block of memory, the oldest overtaken by
 * none. Entries come with locks of rings and engines held, so nothing here allocates, and the
 * queue's lock is innermost but for the counters' owner.
 */
#include <stdlib.h>

#include <linux/errqueue.h>

#include "errqueue.h"
#include "port/port.h"

#define QUEUE_BYTES 65536u
#define DATA_MAX 9216u /* of one record: a jumbo frame */

struct record {
	uint32_t size; /**< of the record; 0: the next is at the start of the block */
	uint32_t len;  /**< bytes of data */
	struct sock_extended_err ee;
	uint64_t ns; /**< of a timestamp, 0: none */
	struct ip_addr dst;
	struct ip_addr offender, local; /**< of an ICMP message */
	uint32_t ifindex;
	uint16_t dst_port;
	uint8_t ttl, tos;
	uint8_t data[];
};
_Static_assert(sizeof(struct record) % 8 == 0, "records follow one another");

struct errqueue {
	rte_spinlock_t lock;
	uint32_t head, tail; /**< of the oldest record, and where the next goes */
	uint32_t n;
	uint32_t zerocopy; /**< number of the next send with MSG_ZEROCOPY */
	struct record *last;
	struct sock *s;
	/** Sends that were not done when they returned, and those behind them; in their order. */
	STAILQ_HEAD(, zerocopy_call) pending;
	uint32_t calls; /**< zerocopy_call objects: their memory is the device's, so they outlive s
			 */
	bool closed;	/**< the socket has gone */
	uint64_t room[QUEUE_BYTES / 8];
};

static struct record *
at(struct errqueue *q, uint32_t offset)
{
	return (struct record *)(void *)((uint8_t *)q->room + offset);
}

int
errqueue_open(struct sock *s)
{
	struct errqueue *q;

	if (s->errqueue != NULL)
		return 0;
	/* its pages come when they are touched */
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	rte_spinlock_init(&q->lock);
	STAILQ_INIT(&q->pending);
	q->s = s;
	__atomic_store_n(&s->errqueue, q, __ATOMIC_RELEASE);
	return 0;
}

void
errqueue_free(struct sock *s)
{
	struct errqueue *q = s->errqueue;
	bool last;

	rte_spinlock_lock(&q->lock);
	q->closed = true;
	last = q->calls == 0;
	rte_spinlock_unlock(&q->lock);
	s->errqueue = NULL;
	s->errors_queued = 0;
	if (last)
		free(q);
}

/* Where @p size bytes go, the tail moved behind them; NULL: no room. */
static struct record *
place(struct errqueue *q, uint32_t size)
{
	struct record *r;

	if (q->n == 0) {
		q->head = q->tail = 0;
	} else if (q->tail <= q->head) {
		if (q->head - q->tail < size)
			return NULL;
	} else if (QUEUE_BYTES - q->tail < size) {
		if (q->head < size)
			return NULL;
		if (q->tail != QUEUE_BYTES)
			at(q, q->tail)->size = 0;
		q->tail = 0;
	}
	r = at(q, q->tail);
	q->tail += size;
	return r;
}

/* The queue is locked. NULL: full, and counted. */
static struct record *
append(struct sock *s, const void *data, size_t len)
{
	struct errqueue *q = s->errqueue;
	uint32_t part = (uint32_t)RTE_MIN(len, (size_t)DATA_MAX);
	uint32_t size = RTE_ALIGN_CEIL((uint32_t)sizeof(struct record) + part, 8u);
	struct record *r = place(q, size);

	if (r == NULL) {
		STAT_INC(s->ops->counters(s), SOCK, err_drop);
		return NULL;
	}
	memset(r, 0, sizeof(*r));
	r->size = size;
	r->len = part;
	if (part != 0)
		memcpy(r->data, data, part);
	q->last = r;
	q->n++;
	__atomic_store_n(&s->errors_queued, q->n, __ATOMIC_RELEASE);
	return r;
}

void
errqueue_icmp(void *sock, const struct flow_key *key, const struct net_error *e)
{
	struct sock *s = sock;
	struct errqueue *q = __atomic_load_n(&s->errqueue, __ATOMIC_ACQUIRE);
	/* Linux: of a datagram what follows its header, of a segment all */
	uint32_t skip = key->proto == IPPROTO_UDP ? (uint32_t)sizeof(struct rte_udp_hdr) : 0;
	bool local = (e->offender.d[0] | e->offender.d[1]) == 0, quoted = e->quote_len > skip;
	struct record *r;

	if (q == NULL)
		return;
	rte_spinlock_lock(&q->lock);
	r = append(s, quoted ? e->quote + skip : NULL, quoted ? e->quote_len - skip : 0);
	if (r != NULL) {
		r->ee = (struct sock_extended_err){ .ee_errno = (uint32_t)e->err,
			.ee_origin = local ? SO_EE_ORIGIN_LOCAL : SO_EE_ORIGIN_ICMP,
			.ee_type = e->type,
			.ee_code = e->code,
			.ee_info = e->info };
		r->dst = key->remote;
		r->dst_port = key->rport;
		r->offender = e->offender;
		r->local = key->local;
		r->ifindex = e->port != NULL ? e->port->ifindex : 0;
		r->ttl = e->ttl;
		r->tos = e->tos;
	}
	rte_spinlock_unlock(&q->lock);
	sock_wake_all(s);
}

/** @name What was sent */
/** @{ */
/*
 * skb_zerocopy_notify_extend() of Linux: the range grows as long as nothing else came between.
 * Other than there, copied sends and others make ranges of their own.
 */
static bool
extend(struct errqueue *q, uint32_t number, uint8_t code)
{
	struct sock_extended_err *ee;

	if (q->n == 0)
		return false;
	ee = &q->last->ee;
	if (ee->ee_origin != SO_EE_ORIGIN_ZEROCOPY || ee->ee_code != code ||
			ee->ee_data + 1 != number || ee->ee_data - ee->ee_info == UINT32_MAX)
		return false;
	ee->ee_data++;
	return true;
}

static bool
has_room(const struct errqueue *q)
{
	return q->n == 0 ||
			(q->tail > q->head ? QUEUE_BYTES - q->tail >= sizeof(struct record) ||
									q->head >= sizeof(struct record)
					   : q->head - q->tail >= sizeof(struct record));
}

bool
errqueue_zerocopy_room(struct sock *s)
{
	const struct zerocopy_call *first;
	struct errqueue *q = s->errqueue;
	bool room;

	rte_spinlock_lock(&q->lock);
	/* what is done and waits for room has nobody who reads */
	first = STAILQ_FIRST(&q->pending);
	room = has_room(q) ||
			(q->last->ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
					(first == NULL || first->left != 0));
	rte_spinlock_unlock(&q->lock);
	return room;
}

/* The queue is locked. False: no room, it is told of when there is. */
static bool
put_zerocopy(struct errqueue *q, uint32_t number, bool copied)
{
	uint8_t code = copied ? SO_EE_CODE_ZEROCOPY_COPIED : 0;
	struct record *r;

	if (q->closed || extend(q, number, code))
		return true;
	if (!has_room(q))
		return false;
	r = append(q->s, NULL, 0);
	r->ee = (struct sock_extended_err){ .ee_origin = SO_EE_ORIGIN_ZEROCOPY,
		.ee_code = code,
		.ee_info = number,
		.ee_data = number };
	return true;
}

/* Those that are done, up to the first that is not. The queue is locked. */
static bool
flush(struct errqueue *q)
{
	struct zerocopy_call *call;
	bool any = false;

	while ((call = STAILQ_FIRST(&q->pending)) != NULL && call->left == 0 &&
			put_zerocopy(q, call->number, call->copied)) {
		STAILQ_REMOVE_HEAD(&q->pending, next);
		q->calls--;
		free(call);
		any = true;
	}
	return any;
}

/*
 * After a call's count went down: what follows from that. The socket's memory is only ever used for
 * sockets, so waking one that has just gone is no more than a stir too many.
 */
static void
settle(struct errqueue *q)
{
	bool any = flush(q), last = q->closed && q->calls == 0;
	struct sock *s = q->closed ? NULL : q->s;

	rte_spinlock_unlock(&q->lock);
	if (last)
		free(q);
	else if (any && s != NULL)
		sock_wake_all(s);
}

struct zerocopy_call *
errqueue_zerocopy_begin(struct sock *s, unsigned int n)
{
	struct zerocopy_call *call = malloc(sizeof(*call) + n * sizeof(call->range[0]));

	if (call == NULL)
		return NULL;
	*call = (struct zerocopy_call){ .q = s->errqueue, .left = n + 1, .ranges = n };
	for (unsigned int i = 0; i < n; i++)
		call->range[i] = (struct zerocopy_range){ .call = call };
	rte_spinlock_lock(&call->q->lock);
	call->q->calls++;
	rte_spinlock_unlock(&call->q->lock);
	return call;
}

void
errqueue_zerocopy_done(struct tcp_zc *zc)
{
	struct zerocopy_call *call = ((struct zerocopy_range *)((char *)zc -
						      offsetof(struct zerocopy_range, zc)))
						     ->call;
	struct errqueue *q = call->q;

	rte_spinlock_lock(&q->lock);
	call->left--;
	settle(q);
}

void
errqueue_zerocopy_end(struct sock *s, struct zerocopy_call *call, bool sent)
{
	struct errqueue *q = s->errqueue;

	rte_spinlock_lock(&q->lock);
	call->left--;
	if (sent) {
		call->number = q->zerocopy++;
		STAILQ_INSERT_TAIL(&q->pending, call, next);
	} else {
		/* its ranges were closed unused, and nothing else refers to them */
		RTE_VERIFY(call->left == 0);
		q->calls--;
		free(call);
	}
	settle(q);
}

void
errqueue_zerocopy(struct sock *s)
{
	struct sock_stats *stats = s->ops->counters(s);
	struct errqueue *q = s->errqueue;
	struct zerocopy_call *call;

	rte_spinlock_lock(&q->lock);
	/* behind those before it, and until there is room */
	if (unlikely(!STAILQ_EMPTY(&q->pending) || !put_zerocopy(q, q->zerocopy, true))) {
		call = malloc(sizeof(*call));
		if (call == NULL) {
			STAT_INC(stats, SOCK, err_drop);
		} else {
			*call = (struct zerocopy_call){
				.q = q, .number = q->zerocopy, .copied = true
			};
			STAILQ_INSERT_TAIL(&q->pending, call, next);
			q->calls++;
		}
	}
	STAT_INC(stats, SOCK, tx_zerocopy_copied);
	q->zerocopy++;
	rte_spinlock_unlock(&q->lock);
	sock_wake_all(s);
}

void
errqueue_stamp(struct sock *s, uint32_t kind, uint32_t key, uint64_t ns, const void *data,
		size_t len)
{
	struct errqueue *q = s->errqueue;
	struct record *r;

	rte_spinlock_lock(&q->lock);
	r = append(s, data, len);
	if (r != NULL) {
		r->ee = (struct sock_extended_err){ .ee_errno = ENOMSG,
			.ee_origin = SO_EE_ORIGIN_TIMESTAMPING,
			.ee_info = kind,
			.ee_data = key };
		r->ns = ns;
	}
	rte_spinlock_unlock(&q->lock);
	sock_wake_all(s);
}
/** @} */

/** @name Reading */
/** @{ */
static bool
is_icmp(const struct record *r)
{
	return r->ee.ee_origin == SO_EE_ORIGIN_ICMP;
}

/* The oldest, copied out; its data go where the program wants them. The queue is locked. */
static size_t
copy(const struct record *r, struct msghdr *msg)
{
	size_t done = 0, part, i;

	for (i = 0; i < msg->msg_iovlen && done < r->len; i++) {
		part = RTE_MIN(msg->msg_iov[i].iov_len, r->len - done);
		memcpy(msg->msg_iov[i].iov_base, r->data + done, part);
		done += part;
	}
	if (done < r->len)
		msg->msg_flags |= MSG_TRUNC;
	return done;
}

/*
 * sock_dequeue_err_skb() of Linux: the pending error is that of the next ICMP message, or none.
 * @return that, -1: it stays as it is
 */
static int
take(struct sock *s, struct errqueue *q)
{
	struct record *r = at(q, q->head);
	bool was_icmp = is_icmp(r);

	q->head += r->size;
	q->n--;
	__atomic_store_n(&s->errors_queued, q->n, __ATOMIC_RELEASE);
	if (q->n != 0) {
		if (q->head == QUEUE_BYTES || at(q, q->head)->size == 0)
			q->head = 0;
		r = at(q, q->head);
		if (is_icmp(r))
			return (int)r->ee.ee_errno;
	}
	return was_icmp ? 0 : -1;
}

static void
write_name(struct msghdr *msg, const struct record *r)
{
	struct sockaddr_in sin;

	if (r->ee.ee_origin != SO_EE_ORIGIN_ICMP && r->ee.ee_origin != SO_EE_ORIGIN_LOCAL) {
		msg->msg_namelen = 0;
		return;
	}
	ip_to_sockaddr(&r->dst, r->dst_port, &sin);
	if (msg->msg_name != NULL)
		memcpy(msg->msg_name, &sin, RTE_MIN(msg->msg_namelen, (socklen_t)sizeof(sin)));
	msg->msg_namelen = msg->msg_name != NULL ? sizeof(sin) : 0;
}

/* What is asked of datagrams is told of the ICMP message, as that is what came. */
static void
write_about(struct sock *s, struct msghdr *msg, size_t room, size_t *used, const struct record *r)
{
	int ttl = r->ttl;

	if (s->wants & WANT_PKTINFO) {
		struct in_pktinfo info = {
			.ipi_ifindex = (int)r->ifindex,
			.ipi_addr.s_addr = ip_v4(&r->local),
			.ipi_spec_dst.s_addr = ip_v4(&r->local),
		};

		cmsg_put(msg, room, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (s->wants & WANT_TTL)
		cmsg_put(msg, room, used, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (s->wants & WANT_TOS)
		cmsg_put(msg, room, used, IPPROTO_IP, IP_TOS, &r->tos, 1);
}

static void
write_control(struct sock *s, struct msghdr *msg, const struct record *r)
{
	size_t room = msg->msg_control == NULL ? 0 : msg->msg_controllen, used = 0;
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} said = { .ee = r->ee };

	if (r->ns != 0)
		cmsg_put_times(s, msg, room, &used, r->ns);
	if (is_icmp(r)) {
		ip_to_sockaddr(&r->offender, 0, &said.offender);
		write_about(s, msg, room, &used, r);
	}
	cmsg_put(msg, room, &used, IPPROTO_IP, IP_RECVERR, &said, sizeof(said));
	msg->msg_controllen = used;
}

ssize_t
errqueue_recv(struct sock *s, struct msghdr *msg)
{
	struct errqueue *q = __atomic_load_n(&s->errqueue, __ATOMIC_ACQUIRE);
	struct record first;
	ssize_t len;
	int err;

	if (q == NULL || __atomic_load_n(&s->errors_queued, __ATOMIC_ACQUIRE) == 0)
		return -EAGAIN;
	rte_spinlock_lock(&q->lock);
	if (q->n == 0) {
		rte_spinlock_unlock(&q->lock);
		return -EAGAIN;
	}
	first = *at(q, q->head);
	msg->msg_flags = 0;
	len = (ssize_t)copy(at(q, q->head), msg);
	err = take(s, q);
	if (unlikely(!STAILQ_EMPTY(&q->pending)))
		flush(q);
	rte_spinlock_unlock(&q->lock);
	if (err >= 0)
		s->ops->put_error(s, err);
	write_name(msg, &first);
	write_control(s, msg, &first);
	msg->msg_flags |= MSG_ERRQUEUE;
	return len;
}
/** @} */
