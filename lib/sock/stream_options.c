/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of stream sockets. The kernel's socket says what is valid, as for datagrams; what an
 * option is now is said by ours, as a connection that was accepted inherits its listener's and the
 * kernel's socket behind it does not.
 */
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"
#include "errqueue.h"

#define USEC 1000u
/* of Linux 6.7 */
#define TCP_AO_ADD_KEY_ 38

static struct tcp_options *
tcp(struct sock *s)
{
	return &stream_options(s->stream)->tcp;
}

static void
apply(struct sock *s)
{
	stream_apply(s->stream);
}

static int
give_int(void *val, socklen_t *len, int value)
{
	return option_give(val, len, &value, sizeof(value));
}

static void
share(struct sock *s, bool on)
{
	tcp(s)->reuse_port = on;
	stream_options(s->stream)->uid = geteuid();
}

/** @name Numbers: taken over from the kernel's socket, given from ours */
/** @{ */
#define NUMBER(suffix, take, is)                                                                   \
	static void mirror_##suffix(struct sock *s, int value)                                     \
	{                                                                                          \
		take;                                                                              \
		apply(s);                                                                          \
	}                                                                                          \
	static int get_##suffix(struct sock *s, int name, void *val, socklen_t *len)               \
	{                                                                                          \
		(void)name;                                                                        \
		return give_int(val, len, (int)(is));                                              \
	}
NUMBER(keepalive, tcp(s)->keepalive = value != 0, tcp(s)->keepalive)
NUMBER(oob_inline, tcp(s)->oob_inline = value != 0, tcp(s)->oob_inline)
NUMBER(reuse_addr, stream_options(s->stream)->reuse_addr = value != 0,
		stream_options(s->stream)->reuse_addr)
NUMBER(reuse_port, share(s, value != 0), tcp(s)->reuse_port)
NUMBER(rcv_lowat, stream_options(s->stream)->rcv_lowat = RTE_MAX(value, 1),
		stream_options(s->stream)->rcv_lowat)
NUMBER(ttl, stream_options(s->stream)->ttl = (uint8_t)value, stream_options(s->stream)->ttl)
NUMBER(tos, stream_options(s->stream)->tos = (uint8_t)value, stream_options(s->stream)->tos)
NUMBER(nodelay, tcp(s)->nodelay = value != 0, tcp(s)->nodelay)
NUMBER(cork, tcp(s)->cork = value != 0, tcp(s)->cork)
NUMBER(keep_idle, tcp(s)->keep_idle_s = (uint32_t)value, tcp(s)->keep_idle_s)
NUMBER(keep_interval, tcp(s)->keep_interval_s = (uint32_t)value, tcp(s)->keep_interval_s)
NUMBER(keep_count, tcp(s)->keep_count = (uint8_t)value, tcp(s)->keep_count)
NUMBER(syn_retries, tcp(s)->syn_retries = (uint8_t)value, tcp(s)->syn_retries)
NUMBER(user_timeout, tcp(s)->user_timeout_ms = (uint32_t)value, tcp(s)->user_timeout_ms)
#undef NUMBER

/* The kernel counts the seconds in its own retransmissions of a SYN-ACK; here it is on or off. */
static void
mirror_defer_accept(struct sock *s, int value)
{
	tcp(s)->defer_accept = value != 0;
	apply(s);
}

static void
mirror_notsent_lowat(struct sock *s, int value)
{
	/* all ones: no limit, as zero is one of the system's, which has none */
	tcp(s)->notsent_lowat = value == -1 ? 0 : (uint32_t)value;
	apply(s);
}

static void
mirror_quickack(struct sock *s, int value)
{
	tcp(s)->quickack = value != 0;
	apply(s);
}

static void
mirror_linger2(struct sock *s, int value)
{
	tcp(s)->fin_wait_s = value;
	apply(s);
}

static void
mirror_inq(struct sock *s, int value)
{
	s->wants = value != 0 ? s->wants | WANT_INQ : s->wants & ~(uint32_t)WANT_INQ;
}

static void
mirror_recverr(struct sock *s, int value)
{
	if (value != 0 && errqueue_open(s) != 0)
		return;
	stream_set_recverr(s->stream, value != 0 ? errqueue_icmp : NULL);
}

static void
mirror_df(struct sock *s, int value)
{
	tcp(s)->pmtud = value != IP_PMTUDISC_DONT;
	apply(s);
}
/** @} */

/** @name Buffers */
/** @{ */
/* Doubled as in the kernel, but without its limits net.core.*mem_max: the memory is ours. */
static int
set_buffer(struct sock *s, int name, const void *val, socklen_t len)
{
	uint32_t bytes;
	int value;

	if (val == NULL)
		return -EFAULT;
	if (len < sizeof(value))
		return -EINVAL;
	memcpy(&value, val, sizeof(value));
	bytes = value < 0 ? 0 : RTE_MIN((uint32_t)value, (uint32_t)INT32_MAX / 2) * 2;
	/* SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of Linux */
	if (name == SO_SNDBUF || name == SO_SNDBUFFORCE)
		tcp(s)->sndbuf = RTE_MAX(bytes, 4608u);
	else
		tcp(s)->rcvbuf = RTE_MAX(bytes, 2304u);
	os.setsockopt(s->fd, SOL_SOCKET, name, val, len);
	apply(s);
	return 0;
}

static int
get_buffer(struct sock *s, int name, void *val, socklen_t *len)
{
	return give_int(val, len, (int)(name == SO_SNDBUF ? tcp(s)->sndbuf : tcp(s)->rcvbuf));
}

static int
set_window_clamp(struct sock *s, int name, const void *val, socklen_t len)
{
	int value = -1;

	if (val != NULL && len >= sizeof(value))
		memcpy(&value, val, sizeof(value));
	if (value == 0 && stream_phase(s->stream) != STREAM_IDLE)
		return -EINVAL;
	if (os.setsockopt(s->fd, IPPROTO_TCP, name, val, len) != 0)
		return -errno;
	value = option_held(s, IPPROTO_TCP, name);
	if (value > 0)
		tcp(s)->rcvbuf = RTE_MIN(tcp(s)->rcvbuf, (uint32_t)value);
	apply(s);
	return 0;
}
/** @} */

/** @name Of the socket */
/** @{ */
static int
get_error(struct sock *s, int name, void *val, socklen_t *len)
{
	(void)name;
	return give_int(val, len, stream_error(s->stream, true));
}

static int
get_accepting(struct sock *s, int name, void *val, socklen_t *len)
{
	(void)name;
	return give_int(val, len, stream_phase(s->stream) == STREAM_LISTENING);
}

static int
set_linger(struct sock *s, int name, const void *val, socklen_t len)
{
	struct linger linger;

	if (os.setsockopt(s->fd, SOL_SOCKET, name, val, len) != 0)
		return -errno;
	memcpy(&linger, val, sizeof(linger));
	s->linger = linger.l_onoff != 0;
	s->linger_s = linger.l_linger < 0 ? INT32_MAX : (uint32_t)linger.l_linger;
	return 0;
}

static int
get_mtu(struct sock *s, int name, void *val, socklen_t *len)
{
	struct tcp_snapshot look;

	(void)name;
	if (stream_look(s->stream, &look) != 0)
		return -ENOTCONN;
	return give_int(val, len, look.pmtu);
}
/** @} */

/** @name Timestamps of what is sent */
/** @{ */
#ifndef SO_TIMESTAMPING_NEW
#define SO_TIMESTAMPING_NEW 65
#endif
#define STAMP_ID_TCP (1u << 16) /* SOF_TIMESTAMPING_OPT_ID_TCP of Linux 6.2 */
#define STAMP_IDS (SOF_TIMESTAMPING_OPT_ID | STAMP_ID_TCP)
#define STAMP_TX                                                                                   \
	(SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK)

/* Bytes are counted from the first that is not acknowledged, or from the next that is written. */
static void
count_from_here(struct sock *s, uint32_t flags)
{
	struct stream_queued q;

	s->stamp_key = 0;
	if (!(flags & STAMP_ID_TCP) && stream_queued(s->stream, &q) == 0)
		s->stamp_key = q.tx;
}

/* The kernel counts no bytes of a socket that is not connected, and its own never is. */
static int
set_stamping(struct sock *s, int name, const void *val, socklen_t len)
{
	enum stream_phase phase = stream_phase(s->stream);
	bool connected = phase == STREAM_CONNECTING || phase == STREAM_CONNECTED;
	uint32_t value[2] = { 0 }, flags;
	const void *told = val;

	if (connected && val != NULL && len >= sizeof(value[0])) {
		len = len == sizeof(value) ? sizeof(value) : sizeof(value[0]);
		memcpy(value, val, len);
		if ((value[0] & STAMP_IDS) == STAMP_ID_TCP)
			return -EINVAL;
		told = value;
	}
	flags = value[0];
	value[0] &= ~STAMP_IDS;
	if (os.setsockopt(s->fd, SOL_SOCKET, name, told, len) != 0)
		return -errno;
	if (!connected)
		flags = (uint32_t)option_held(s, SOL_SOCKET, name);
	if ((flags & STAMP_TX) != 0 && errqueue_open(s) != 0)
		return -ENOMEM;
	if (flags & ~s->stamping & SOF_TIMESTAMPING_OPT_ID)
		count_from_here(s, flags);
	s->stamping = flags;
	s->wants = flags & SOF_TIMESTAMPING_SOFTWARE ? s->wants | WANT_STAMPING
						     : s->wants & ~(uint32_t)WANT_STAMPING;
	s->notes = flags & STAMP_TX ? s->notes | NOTE_STAMP : s->notes & ~(uint32_t)NOTE_STAMP;
	stream_on_mark(s->stream, flags & STAMP_TX ? note_mark : NULL);
	return 0;
}

static int
get_stamping(struct sock *s, int name, void *val, socklen_t *len)
{
	if (os.getsockopt(s->fd, SOL_SOCKET, name, val, len) != 0)
		return -errno;
	memcpy(val, &s->stamping, RTE_MIN(*len, (socklen_t)sizeof(s->stamping)));
	return 0;
}
/** @} */

/** @name Of TCP */
/** @{ */
static int
set_mss(struct sock *s, int name, const void *val, socklen_t len)
{
	int value;

	if (os.setsockopt(s->fd, IPPROTO_TCP, name, val, len) != 0)
		return -errno;
	memcpy(&value, val, sizeof(value));
	tcp(s)->mss = (uint16_t)value;
	apply(s);
	return 0;
}

/* Before a connection Linux tells what was set, or the smallest that everybody takes. */
static int
get_mss(struct sock *s, int name, void *val, socklen_t *len)
{
	struct tcp_snapshot look;
	int value = tcp(s)->mss != 0 ? tcp(s)->mss : 536;

	(void)name;
	if (stream_look(s->stream, &look) == 0)
		value = (int)look.mss;
	return give_int(val, len, value);
}

static int
set_congestion(struct sock *s, int name, const void *val, socklen_t len)
{
	char text[16] = "";
	int algo;

	(void)name;
	if (val == NULL)
		return -EFAULT;
	if (len < 1)
		return -EINVAL;
	memcpy(text, val, RTE_MIN(len, (socklen_t)sizeof(text) - 1));
	algo = tcp_cc_by_name(text);
	if (algo < 0)
		return -ENOENT;
	/* one that only we have the kernel refuses, and keeps its own */
	os.setsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, val, len);
	tcp(s)->cc = (uint8_t)algo;
	apply(s);
	return 0;
}

static int
get_congestion(struct sock *s, int name, void *val, socklen_t *len)
{
	char text[16] = "";

	(void)name;
	strlcpy(text, tcp_cc_name((enum tcp_cc_algo)tcp(s)->cc), sizeof(text));
	return option_give(val, len, text, sizeof(text));
}

/*
 * What our TCP does not do it refuses, though the kernel's would: kTLS falls back to the program's
 * own, signatures of segments must not silently be missing.
 */
static int
set_ulp(struct sock *s, int name, const void *val, socklen_t len)
{
	(void)s;
	(void)name;
	return val == NULL ? -EFAULT : len < 1 ? -EINVAL : -ENOENT;
}

static int
refuse(struct sock *s, int name, const void *val, socklen_t len)
{
	(void)s;
	(void)val;
	(void)len;
	switch (name) {
	case TCP_REPAIR:
	case TCP_REPAIR_QUEUE:
	case TCP_QUEUE_SEQ:
	case TCP_REPAIR_OPTIONS:
		return -EPERM;
	default:
		return -ENOPROTOOPT;
	}
}

static int
refuse_get(struct sock *s, int name, void *val, socklen_t *len)
{
	(void)s;
	(void)name;
	(void)val;
	(void)len;
	return -ENOPROTOOPT;
}

/* What the kernel's socket would take at any time, as it is never connected. */
static int
set_fast_open(struct sock *s, int name, const void *val, socklen_t len)
{
	enum stream_phase phase = stream_phase(s->stream);

	if (phase != STREAM_IDLE && (phase != STREAM_LISTENING || name == TCP_FASTOPEN_CONNECT))
		return -EINVAL;
	return os.setsockopt(s->fd, IPPROTO_TCP, name, val, len) == 0 ? 0 : -errno;
}

/* Linux's numbers of the states. */
static uint8_t
state_number(const struct sock *s, const struct tcp_snapshot *look)
{
	static const uint8_t numbers[] = {
		[TCP_S_CLOSED] = 7,
		[TCP_S_SYN_SENT] = 2,
		[TCP_S_SYN_RECEIVED] = 3,
		[TCP_S_ESTABLISHED] = 1,
		[TCP_S_FIN_WAIT_1] = 4,
		[TCP_S_FIN_WAIT_2] = 5,
		[TCP_S_CLOSE_WAIT] = 8,
		[TCP_S_CLOSING] = 11,
		[TCP_S_LAST_ACK] = 9,
		[TCP_S_TIME_WAIT] = 6,
	};

	return stream_phase(s->stream) == STREAM_LISTENING ? 10 : numbers[look->state];
}

static uint32_t
packets(uint64_t bytes, uint32_t mss)
{
	return mss == 0 ? 0 : (uint32_t)((bytes + mss - 1) / mss);
}

static uint32_t
ago_ms(uint64_t at)
{
	return at == 0 ? 0 : (uint32_t)((clock_ns() - at) / 1000000u);
}

static void
fill_times(struct tcp_info *i, const struct tcp_snapshot *look)
{
	i->tcpi_rto = (uint32_t)(look->rto / USEC);
	i->tcpi_rtt = (uint32_t)(look->srtt / USEC);
	i->tcpi_rttvar = (uint32_t)(look->rttvar / USEC);
	i->tcpi_min_rtt = (uint32_t)(look->min_rtt / USEC);
	i->tcpi_last_data_sent = ago_ms(look->last_sent);
	i->tcpi_last_data_recv = ago_ms(look->last_received);
	i->tcpi_last_ack_recv = i->tcpi_last_data_recv;
}

/* Linux counts windows and losses in segments, buffers and totals in bytes. */
static void
fill_info(struct sock *s, struct tcp_info *i, const struct tcp_snapshot *look)
{
	i->tcpi_state = state_number(s, look);
	i->tcpi_ca_state = look->in_rto ? 4 : look->in_recovery ? 3 : 0;
	i->tcpi_backoff = look->backoff;
	i->tcpi_retransmits = look->backoff;
	i->tcpi_options = (uint8_t)((look->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
			(look->sack ? TCPI_OPT_SACK : 0) | (look->wscale ? TCPI_OPT_WSCALE : 0) |
			(look->ecn ? TCPI_OPT_ECN : 0));
	i->tcpi_snd_wscale = look->snd_wscale & 0xf;
	i->tcpi_rcv_wscale = look->rcv_wscale & 0xf;
	i->tcpi_snd_mss = look->mss;
	i->tcpi_rcv_mss = look->rcv_mss;
	i->tcpi_advmss = look->pmtu > 40 ? look->pmtu - 40 : 0;
	i->tcpi_pmtu = look->pmtu;
	i->tcpi_snd_cwnd = packets(look->cwnd, look->mss);
	i->tcpi_snd_ssthresh = packets(look->ssthresh, look->mss);
	i->tcpi_unacked = packets(look->in_flight, look->mss);
	i->tcpi_sacked = packets(look->sacked, look->mss);
	i->tcpi_lost = packets(look->lost, look->mss);
	i->tcpi_total_retrans = (uint32_t)look->segs_retransmitted;
	i->tcpi_reordering = look->reordering;
	i->tcpi_rcv_space = tcp(s)->rcvbuf;
	i->tcpi_rcv_ssthresh = look->rcv_wnd;
	i->tcpi_pacing_rate = look->pacing_rate == 0 ? UINT64_MAX : look->pacing_rate;
	i->tcpi_max_pacing_rate = tcp(s)->pacing_rate == 0 ? UINT64_MAX : tcp(s)->pacing_rate;
	i->tcpi_bytes_acked = look->bytes_acked;
	i->tcpi_bytes_received = look->bytes_received;
	i->tcpi_bytes_sent = look->bytes_sent;
	i->tcpi_bytes_retrans = look->bytes_retransmitted;
	i->tcpi_segs_out = (uint32_t)look->segs_out;
	i->tcpi_segs_in = (uint32_t)look->segs_in;
	i->tcpi_notsent_bytes = look->unsent;
	i->tcpi_delivery_rate = look->delivery_rate;
	fill_times(i, look);
}

static int
get_info(struct sock *s, int name, void *val, socklen_t *len)
{
	struct tcp_snapshot look = { .state = TCP_S_CLOSED };
	struct tcp_info info = { 0 };

	(void)name;
	stream_look(s->stream, &look);
	fill_info(s, &info, &look);
	return option_give(val, len, &info, sizeof(info));
}
/** @} */

#define BOTH(level, name, suffix)                                                                  \
	{                                                                                          \
		level, name, mirror_##suffix, NULL, get_##suffix                                   \
	}
const struct option stream_sock_options[] = {
	BOTH(SOL_SOCKET, SO_KEEPALIVE, keepalive),
	BOTH(SOL_SOCKET, SO_OOBINLINE, oob_inline),
	BOTH(SOL_SOCKET, SO_REUSEADDR, reuse_addr),
	BOTH(SOL_SOCKET, SO_REUSEPORT, reuse_port),
	BOTH(SOL_SOCKET, SO_RCVLOWAT, rcv_lowat),
	{ SOL_SOCKET, SO_SNDBUF, NULL, set_buffer, get_buffer },
	{ SOL_SOCKET, SO_RCVBUF, NULL, set_buffer, get_buffer },
	{ SOL_SOCKET, SO_SNDBUFFORCE, NULL, set_buffer, NULL },
	{ SOL_SOCKET, SO_RCVBUFFORCE, NULL, set_buffer, NULL },
	{ SOL_SOCKET, SO_LINGER, NULL, set_linger, NULL },
	{ SOL_SOCKET, SO_ERROR, NULL, NULL, get_error },
	{ SOL_SOCKET, SO_TIMESTAMPING, NULL, set_stamping, get_stamping },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, NULL, set_stamping, get_stamping },
	{ SOL_SOCKET, SO_ACCEPTCONN, NULL, NULL, get_accepting },

	BOTH(IPPROTO_IP, IP_TTL, ttl),
	BOTH(IPPROTO_IP, IP_TOS, tos),
	OPTION_MIRROR(IPPROTO_IP, IP_MTU_DISCOVER, mirror_df),
	OPTION_MIRROR(IPPROTO_IP, IP_RECVERR, mirror_recverr),
	{ IPPROTO_IP, IP_MTU, NULL, NULL, get_mtu },

	BOTH(IPPROTO_TCP, TCP_NODELAY, nodelay),
	BOTH(IPPROTO_TCP, TCP_CORK, cork),
	OPTION_MIRROR(IPPROTO_TCP, TCP_QUICKACK, mirror_quickack),
	BOTH(IPPROTO_TCP, TCP_KEEPIDLE, keep_idle),
	BOTH(IPPROTO_TCP, TCP_KEEPINTVL, keep_interval),
	BOTH(IPPROTO_TCP, TCP_KEEPCNT, keep_count),
	BOTH(IPPROTO_TCP, TCP_SYNCNT, syn_retries),
	BOTH(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout),
	OPTION_MIRROR(IPPROTO_TCP, TCP_DEFER_ACCEPT, mirror_defer_accept),
	OPTION_MIRROR(IPPROTO_TCP, TCP_NOTSENT_LOWAT, mirror_notsent_lowat),
	OPTION_MIRROR(IPPROTO_TCP, TCP_LINGER2, mirror_linger2),
	OPTION_MIRROR(IPPROTO_TCP, TCP_INQ, mirror_inq),
	{ IPPROTO_TCP, TCP_ULP, NULL, set_ulp, NULL },
	{ IPPROTO_TCP, TCP_REPAIR, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_REPAIR_QUEUE, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_QUEUE_SEQ, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_REPAIR_OPTIONS, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_FASTOPEN, NULL, set_fast_open, NULL },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, NULL, set_fast_open, NULL },
	{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, NULL, set_fast_open, NULL },
	{ IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, NULL, NULL, refuse_get },
	{ IPPROTO_TCP, TCP_MD5SIG, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_MD5SIG_EXT, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_AO_ADD_KEY_, NULL, refuse, NULL },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, NULL, set_window_clamp, NULL },
	{ IPPROTO_TCP, TCP_MAXSEG, NULL, set_mss, get_mss },
	{ IPPROTO_TCP, TCP_CONGESTION, NULL, set_congestion, get_congestion },
	{ IPPROTO_TCP, TCP_INFO, NULL, NULL, get_info },
	{ 0 },
};
