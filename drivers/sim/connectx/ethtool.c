/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The statistics of the kernel's interface, which the PMD asks of the kernel driver: without them
 * it has no extended statistics at all. A TAP has none, so ioctl() is answered here when it asks
 * for those of one of our interfaces; everything else goes to the kernel.
 */
#include "connectx.h"
#include <stdarg.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As mlx5_core's ethtool -S names what the port counts. */
static const struct {
	char name[ETH_GSTRING_LEN];
	size_t at; /* in struct cx_stats */
} counters[] = {
	{ "rx_packets_phy", offsetof(struct cx_stats, rx_wire) },
	{ "rx_bytes_phy", offsetof(struct cx_stats, rx_bytes) },
	{ "tx_packets_phy", offsetof(struct cx_stats, tx_frames) },
	{ "tx_bytes_phy", offsetof(struct cx_stats, tx_bytes) },
	{ "tx_errors_phy", offsetof(struct cx_stats, tx_lost) },
	{ "rx_discards_phy", offsetof(struct cx_stats, rx_too_long) },
	{ "rx_wqe_err", offsetof(struct cx_stats, rx_errors) },
};
#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static struct cx_dev *
by_interface(const char *name)
{
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++)
		if (strncmp(cx_devs[i]->conf.netdev, name, IFNAMSIZ) == 0)
			return cx_devs[i];
	return NULL;
}

static void
get_counters(struct cx_dev *d, struct ethtool_stats *s)
{
	uint32_t i;

	if (s->n_stats > COUNTERS)
		s->n_stats = COUNTERS;
	cx_lock(d);
	for (i = 0; i < s->n_stats; i++)
		memcpy(&s->data[i], (const uint8_t *)&d->stat + counters[i].at, sizeof(s->data[i]));
	cx_unlock(d);
}

static void
get_names(struct ethtool_gstrings *s)
{
	uint32_t i;

	if (s->len > COUNTERS)
		s->len = COUNTERS;
	for (i = 0; i < s->len; i++)
		memcpy(s->data + i * ETH_GSTRING_LEN, counters[i].name, ETH_GSTRING_LEN);
}

static void
get_driver(const struct cx_dev *d, struct ethtool_drvinfo *i)
{
	uint32_t cmd = i->cmd;

	memset(i, 0, sizeof(*i));
	i->cmd = cmd;
	strcpy(i->driver, "mlx5_core");
	snprintf(i->bus_info, sizeof(i->bus_info), "%s", d->conf.pci);
	i->n_stats = COUNTERS;
}

/* Whether the question was for us. */
static bool
answer(struct cx_dev *d, void *data)
{
	const struct ethtool_gstrings *strings = data;
	uint32_t cmd;

	memcpy(&cmd, data, sizeof(cmd));
	switch (cmd) {
	case ETHTOOL_GDRVINFO:
		get_driver(d, data);
		return true;
	case ETHTOOL_GSTRINGS:
		if (strings->string_set != ETH_SS_STATS)
			return false;
		get_names(data);
		return true;
	case ETHTOOL_GSTATS:
		get_counters(d, data);
		return true;
	default:
		return false;
	}
}

CX_EXPORT int
ioctl(int fd, unsigned long request, ...)
{
	struct cx_dev *d;
	struct ifreq *ifr;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (cx_unlikely(request == SIOCETHTOOL && cx_n_devs > 0 && arg != NULL)) {
		ifr = arg;
		d = by_interface(ifr->ifr_name);
		if (d != NULL && ifr->ifr_data != NULL && answer(d, ifr->ifr_data))
			return 0;
	}
	return syscall(SYS_ioctl, fd, request, arg);
}
