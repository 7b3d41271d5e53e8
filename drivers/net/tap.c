/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tap: the kernel's network device is the other end of the wire. The PMD gives it the MAC of the
 * port, and setting the port's sets the kernel's too; two ends of one wire need two, so the port
 * answers to another one. The PMD filters nothing: what the kernel sends there arrives.
 */
#include "port/port.h"

static int
probe(struct port *port)
{
	port->mac.addr_bytes[5] ^= 1;
	return 0;
}

/*
 * What it offers as segmentation is done in software and takes its buffers from a pool of 128,
 * enough for two large packets.
 */
static void
configure(struct port *port, struct rte_eth_conf *conf)
{
	RTE_SET_USED(port);
	conf->txmode.offloads &= ~RTE_ETH_TX_OFFLOAD_TCP_TSO;
}

static struct port_driver tap = {
	.name = "net_tap",
	.kernel = KERNEL_PEER,
	.sends_from = PORT_SENDS_ANY,
	.probe = probe,
	.configure = configure,
};
PORT_DRIVER_REGISTER(tap)
