/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that the device sends at a time. mlx5 has it from ConnectX-7 on when its clock counts real
 * time (REAL_TIME_CLOCK_ENABLE): an entry in front of the frame's makes the queue wait. What keeps
 * that clock at CLOCK_REALTIME is a daemon; whoever gives DPVMA_TX_SCHEDULING says that one does.
 */
/* rte_eth_read_clock() is older than its stable ABI. */
#define ALLOW_EXPERIMENTAL_API
#include <time.h>

#include <rte_mbuf_dyn.h>

#include "ring/ring_priv.h"

/* A clock that is further off is nobody's real time: a queue might wait for seconds. */
#define OFF_MAX 1000000u

uint64_t ring_mbuf_send_at_flag;

static uint64_t
real_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t (*ring_send_clock)(void) = real_time;

void
schedule_init(void)
{
	int offset;

	/* without a flag left, all stays as it is without the device's help */
	if (rte_mbuf_dyn_tx_timestamp_register(&offset, &ring_mbuf_send_at_flag) != 0)
		ring_mbuf_send_at_flag = 0;
}

bool
schedule_works(const struct port *port)
{
	uint64_t ticks, before, after;

	if (!port->caps.tx_scheduled || ring_mbuf_send_at_flag == 0)
		return false;
	before = ring_send_clock();
	/* the PMD cannot read it for an isolated port */
	if (rte_eth_read_clock(port->id, &ticks) != 0)
		return true;
	after = ring_send_clock();
	if (ticks + OFF_MAX >= before && ticks <= after + OFF_MAX)
		return true;
	LOG_WARNING("port %s: its clock is not held to the system's (DPVMA_TX_SCHEDULING): "
		    "SO_MAX_PACING_RATE is kept in software",
			port->name);
	return false;
}
