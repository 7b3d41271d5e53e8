/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path MTU discovery (RFC 1191): what routers said about destinations, for ten minutes. A table of
 * a few hundred, as only ways through a narrower link are in it.
 */
#include "net/net_priv.h"

#define ENTRIES 256
#define LIFE_MS (10 * 60 * 1000)
/* Less is believed of nobody: a forged message would cut everything into tiny fragments. */
#define FLOOR 552

static struct {
	struct ip_addr dst;
	uint16_t mtu; /* 0: free */
	uint64_t until_ms;
} table[ENTRIES];
static unsigned int used;

/* RFC 1191 section 7: what a router means that says no number. */
static uint16_t
plateau_below(uint16_t tried)
{
	static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };
	unsigned int i;

	for (i = 0; i < RTE_DIM(plateaus); i++)
		if (plateaus[i] < tried)
			return plateaus[i];
	return NET_MTU_MIN;
}

void
pmtu_learn(const struct ip_addr *dst, uint16_t mtu, uint16_t tried)
{
	unsigned int i, at = 0;

	if (mtu < NET_MTU_MIN)
		mtu = plateau_below(tried);
	mtu = RTE_MAX(mtu, (uint16_t)FLOOR);
	pthread_mutex_lock(&net_lock);
	for (i = 0; i < ENTRIES; i++) {
		if (table[i].mtu != 0 && ip_equal(&table[i].dst, dst)) {
			at = i;
			break;
		}
		/* a free one, else the one that ends first */
		if (table[at].mtu != 0 &&
				(table[i].mtu == 0 || table[i].until_ms < table[at].until_ms))
			at = i;
	}
	if (i == ENTRIES || mtu < table[at].mtu) {
		used += table[at].mtu == 0 ? 1 : 0;
		table[at].dst = *dst;
		table[at].mtu = mtu;
		table[at].until_ms = net_now + LIFE_MS;
		net_changed();
	}
	pthread_mutex_unlock(&net_lock);
}

uint16_t
pmtu_get(const struct ip_addr *dst, uint16_t mtu)
{
	unsigned int i;

	for (i = 0; used > 0 && i < ENTRIES; i++)
		if (table[i].mtu != 0 && ip_equal(&table[i].dst, dst))
			return RTE_MIN(mtu, table[i].mtu);
	return mtu;
}

void
pmtu_timers(uint64_t now)
{
	unsigned int i;

	pthread_mutex_lock(&net_lock);
	for (i = 0; used > 0 && i < ENTRIES; i++)
		if (table[i].mtu != 0 && now >= table[i].until_ms) {
			table[i].mtu = 0;
			used--;
			net_changed();
		}
	pthread_mutex_unlock(&net_lock);
}

void
pmtu_fini(void)
{
	memset(table, 0, sizeof(table));
	used = 0;
}
