/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mlx5: the kernel keeps its network device, and isolation leaves to it what no rule takes; receive
 * queues stride when the device arguments say so. Facts below are those of the PMD:
 *
 * - MPRQ is off below rxqs_min_mprq queues, and unless a queue has more descriptors than a buffer
 *   has strides, the number counting packets. It is on for all queues of a port or for none.
 * - Packets of mprq_max_memcpy_len and less are copied out of their stride.
 * - Descriptors are a power of two; the ring is counted in 16 bits.
 * - A queue cannot be stopped alone while the vector or the MPRQ burst runs.
 * - It registers memory by virtual address. By physical ones EAL would have every striding buffer,
 *   which is longer than a huge page, lie in one piece of memory.
 * - It asks for a completion when 32 buffers were sent since the last one, and frees none before.
 * - LRO wants scatter, and has all queues of the port use the scalar burst. A frame put together
 *   lies in the strides of one buffer, which must hold it and the headroom, or else MPRQ is off;
 *   its last bytes may be copied to a second mbuf, where they lie in the headroom of the next
 * stride. Without strides every frame, however short, takes the descriptors of the longest. How
 * long a frame may get is the least that any queue since the device was opened allowed, and a queue
 *   without LRO allows one segment: LRO is asked for from the first start on, or never again.
 * - A port takes buffers from one pool, sized as in queue_bytes(), and mbufs for every descriptor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>

#include "port/port.h"

/* What the device takes: strides of 2^6..2^13 bytes, 2^3..2^16 of them; of the latter, a queue of
 * at most 2^15 descriptors leaves 2^14. The PMD enlarges strides that are no longer than the
 * headroom of 128 bytes, which lies in the stride beside the frame.
 */
#define STRIDE_LOG_MIN 8
#define STRIDE_LOG_MAX 13
#define STRIDES_LOG_MIN 3
#define STRIDES_LOG_MAX 14
#define DESC_MAX 32768u
/* Both together are a buffer. With less than 2^14 bytes, which hold a frame of every MTU, the PMD
 * goes back to its defaults; beyond 2^25, the forty buffers of one queue take more than 1 GB.
 */
#define BUFFER_LOG_MIN 14
#define BUFFER_LOG_MAX 25

/* Without strides: buffers of one frame put together, a power of two (the PMD would take 32), and
 * frames that the queue holds at least.
 */
#define LRO_BUFFERS_MAX 8u
#define LRO_FRAMES_MIN 512u

/* Defaults of the PMD. */
#define STRIDES_LOG_DEFAULT 6
#define STRIDE_LOG_DEFAULT 11
#define MIN_RXQS_DEFAULT 12

/* In every striding buffer, beside the strides: a header, one shared-info a stride, headroom. */
#define BUFFER_HEADER 64u
#define SHINFO_SIZE 24u
#define MP_FACTOR 4u /* buffers in the pool for each that is posted */
#define MP_CACHE 32u /* and for each queue */

/* The value of KEY=... among comma separated arguments; false without one. */
static bool
find_arg(const char *args, const char *key, unsigned long *value)
{
	size_t len = strlen(key);

	while (args != NULL && *args != '\0') {
		if (strncmp(args, key, len) == 0 && args[len] == '=') {
			*value = strtoul(args + len + 1, NULL, 0);
			return true;
		}
		args = strchr(args, ',');
		if (args != NULL)
			args++;
	}
	return false;
}

static void
add_arg(char *extra, size_t size, const char *given, const char *key, unsigned long value)
{
	size_t len = strlen(extra);
	unsigned long theirs;

	if (!find_arg(given, key, &theirs) && len < size)
		snprintf(extra + len, size - len, "%s%s=%lu", len == 0 ? "" : ",", key, value);
}

static unsigned long
clamp_log(int value, unsigned int min, unsigned int max, const char *name)
{
	unsigned int log = (unsigned int)__builtin_ctz((unsigned int)value);
	unsigned int got = RTE_MAX(log, min);

	got = RTE_MIN(got, max);
	if (got != log)
		LOG_WARNING("%s=%d is not possible on mlx5: %u is used", name, value, 1u << got);
	return got;
}

static void
devargs(const char *given, char *extra, size_t len)
{
	unsigned long on, stride, theirs;

	extra[0] = '\0';
	add_arg(extra, len, given, "mprq_en", 1);
	if (find_arg(given, "mprq_en", &on) && on == 0)
		return;
	add_arg(extra, len, given, "rxqs_min_mprq", 1);
	if (!find_arg(given, "mprq_log_stride_size", &stride) || stride > STRIDE_LOG_MAX)
		stride = clamp_log(conf()->mprq_stride, STRIDE_LOG_MIN, STRIDE_LOG_MAX,
				"DPVMA_MPRQ_STRIDE");
	if (!find_arg(given, "mprq_log_stride_num", &theirs))
		add_arg(extra, len, given, "mprq_log_stride_num",
				clamp_log(conf()->mprq_strides,
						RTE_MAX(STRIDES_LOG_MIN,
								BUFFER_LOG_MIN - (int)stride),
						RTE_MIN(STRIDES_LOG_MAX,
								BUFFER_LOG_MAX - (int)stride),
						"DPVMA_MPRQ_STRIDES"));
	add_arg(extra, len, given, "mprq_log_stride_size", stride);
	add_arg(extra, len, given, "mprq_max_memcpy_len", 0);
	/* a compressed completion has no room for both the mark and the checksum */
	add_arg(extra, len, given, "rxq_cqe_comp_en", 0);
}

/* ConnectX-4 and later; before them, mlx4 drove the cards of this vendor. */
static bool
pci(uint16_t vendor, uint16_t device)
{
	return vendor == 0x15b3 && device >= 0x1011;
}

static const char *
args_of(const struct port *port)
{
	const struct rte_devargs *args = NULL;
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port->id, &info) == 0 && info.device != NULL)
		args = rte_dev_devargs(info.device);
	return args != NULL ? args->args : NULL;
}

static bool
wants_mprq(const struct port *port, uint32_t *stride, uint32_t *strides)
{
	const char *args = args_of(port);
	unsigned long on, value;

	if (!find_arg(args, "mprq_en", &on) || on == 0)
		return false;
	*stride = *strides = 0;
	if (find_arg(args, "mprq_log_stride_size", &value) && value < 32)
		*stride = 1u << value;
	if (find_arg(args, "mprq_log_stride_num", &value) && value < 32)
		*strides = 1u << value;
	if (*stride == 0)
		*stride = rte_align32pow2((uint32_t)port->mtu + RTE_ETHER_HDR_LEN +
				RTE_ETHER_CRC_LEN + RTE_PKTMBUF_HEADROOM);
	if (*strides == 0)
		*strides = 1u << STRIDES_LOG_DEFAULT;
	return true;
}

static int
probe(struct port *port)
{
	port_isolate(port);
	return 0;
}

static uint32_t
striding_desc(const struct port *port)
{
	uint32_t stride, strides;

	return wants_mprq(port, &stride, &strides) ? 2 * strides : 0;
}

static void
rx_queue(struct port *port, const struct port_queue_conf *q, struct rte_eth_rxconf *rx,
		uint16_t *nb_desc)
{
	uint32_t least = striding_desc(port), n = *nb_desc;

	RTE_SET_USED(q);
	RTE_SET_USED(rx);
	n = rte_align32pow2(RTE_MAX(n, least));
	*nb_desc = (uint16_t)RTE_MIN(n, DESC_MAX);
}

static uint64_t
queue_bytes(const struct port *port, uint16_t n_queues, uint16_t rx_desc)
{
	uint32_t stride, strides;
	uint64_t buffers, size;

	if (!wants_mprq(port, &stride, &strides) || rx_desc <= strides)
		return 0;
	buffers = (uint64_t)n_queues * (rx_desc / strides * MP_FACTOR + MP_CACHE);
	size = (uint64_t)strides * (stride + SHINFO_SIZE) + BUFFER_HEADER + RTE_PKTMBUF_HEADROOM;
	return buffers * size;
}

/* By ethdev: it had queues without LRO. */
static bool lro_spoilt[RTE_MAX_ETHPORTS];

static void
configure(struct port *port, struct rte_eth_conf *conf)
{
	if ((conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) == 0)
		lro_spoilt[port->id] = true;
}

static uint32_t
lro_size(const struct port *port, uint16_t rx_desc, uint32_t room, uint32_t max)
{
	uint32_t stride, strides, buffers = LRO_BUFFERS_MAX;

	if (lro_spoilt[port->id])
		return 0;
	if (wants_mprq(port, &stride, &strides) && rx_desc > strides)
		return RTE_MIN(max, stride * strides - RTE_PKTMBUF_HEADROOM);
	while (buffers > 1 && rx_desc / buffers < LRO_FRAMES_MIN)
		buffers /= 2;
	return RTE_MIN(max, buffers * room);
}

static bool
striding(const struct port *port, uint32_t *stride, uint32_t *strides)
{
	struct rte_eth_burst_mode mode;

	if (!wants_mprq(port, stride, strides))
		return false;
	/* the PMD says what it does in the end: "Multi-Packet RQ", "MPRQ Vector SSE", "Scalar" */
	return rte_eth_rx_burst_mode_get(port->id, 0, &mode) == 0 &&
			(strstr(mode.info, "MPRQ") != NULL ||
					strstr(mode.info, "Multi-Packet RQ") != NULL);
}

static struct port_driver mlx5 = {
	.name = "mlx5_pci",
	.kernel = KERNEL_RESTS,
	.keeps_queues = true,
	.own_translation = true,
	.sends_from = PORT_SENDS_REGISTERED,
	.tx_tells = 32,
	.vendor = 0x02c9,
	.devargs = devargs,
	.pci = pci,
	.probe = probe,
	.rx_queue = rx_queue,
	.striding = striding,
	.striding_desc = striding_desc,
	.queue_bytes = queue_bytes,
	.configure = configure,
	.lro_size = lro_size,
	.lro_whole = true,
};
PORT_DRIVER_REGISTER(mlx5)
