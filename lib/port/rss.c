/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port that spreads by its hash (RSS): the Toeplitz hash of a packet's addresses and port numbers
 * picks an entry of the redirection table, and the entry names the queue. Key and table are ours,
 * so that where a packet will arrive is known before it comes, and a local port number can be
 * chosen whose answers arrive at a wanted queue. Entries go to queues that a ring owns and to no
 * others.
 *
 * What has no hash of its own (ARP, ICMP, fragments) comes to entry 0, or to queue 0, as the device
 * likes; the default ring polls queue 0 when nobody else does.
 *
 * mlx5 restarts the port for each change of its table, so a table changes only while the rings are
 * aside, like the port's rules.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define ALLOW_EXPERIMENTAL_API /* those of rte_thash.h that make keys are, since 21.05 */
#include <rte_errno.h>
#include <rte_thash.h>

#include "port/port_priv.h"

#define RETA_MIN 4 /* rte_thash's least */
#define RETA_MAX RTE_ETH_RSS_RETA_SIZE_512
#define GROUPS_MAX (RETA_MAX / RTE_ETH_RETA_GROUP_SIZE)
#define KEY_MIN 40 /* what PMDs take that tell no length */
#define KEY_MAX 64
#define NOBODY UINT16_MAX

#define BY_ADDRESS (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER)
#define BY_NUMBER (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)

/* Where the local port number is in what is hashed of an arriving packet, and its length: bits. */
#define LPORT_AT 80
#define LPORT_LEN 16

struct port_rss {
	struct rte_thash_ctx *thash;
	struct rte_thash_subtuple_helper *lport;
	uint64_t types;				  /* RTE_ETH_RSS_*, that the device has taken */
	uint32_t key[KEY_MAX / sizeof(uint32_t)]; /* for rte_softrss_be() */
	uint8_t device_key[KEY_MAX];
	uint8_t key_len;
	uint16_t n; /* entries, a power of two */
	uint16_t table[RETA_MAX];
};

unsigned int
port_rss_fill(uint16_t *table, unsigned int n, const uint16_t *queues, unsigned int n_queues)
{
	uint16_t has[PORT_QUEUES_MAX];
	unsigned int share = n / n_queues, more = n % n_queues, changed = 0, i, k, best = 0;

	memset(has, 0xff, sizeof(has));
	for (k = 0; k < n_queues; k++)
		has[queues[k]] = 0;
	for (i = 0; i < n; i++) {
		uint16_t *h = table[i] < PORT_QUEUES_MAX ? &has[table[i]] : NULL;

		if (h == NULL || *h == NOBODY || *h > share || (*h == share && more == 0)) {
			table[i] = NOBODY;
			continue;
		}
		more -= *h == share;
		++*h;
	}
	/* in turn, so that entries beside each other are different queues' */
	for (i = 0; i < n; i++) {
		if (table[i] != NOBODY)
			continue;
		for (k = 0; k < n_queues; k++)
			if (has[queues[k]] < has[queues[best]])
				best = k;
		table[i] = queues[best];
		has[queues[best]]++;
		changed++;
	}
	return changed;
}

static unsigned int
owned_queues(const struct port_queues *qs, uint16_t *queues)
{
	unsigned int i, n = 0;

	for (i = 0; i < qs->n; i++)
		if (qs->q[i].owned)
			queues[n++] = (uint16_t)i;
	return n;
}

/* The table as it should be. @return entries that are not what they were */
static unsigned int
plan(struct port *port)
{
	struct port_rss *rss = port->queues->rss;
	uint16_t queues[PORT_QUEUES_MAX];
	unsigned int n = owned_queues(port->queues, queues);

	return n > 0 ? port_rss_fill(rss->table, rss->n, queues, n) : 0;
}

/* Give the device what of the table differs from @p old; NULL: all of it. */
static int
write_table(struct port *port, const uint16_t *old)
{
	struct rte_eth_rss_reta_entry64 groups[GROUPS_MAX];
	const struct port_rss *rss = port->queues->rss;
	unsigned int i;

	memset(groups, 0, sizeof(groups));
	for (i = 0; i < rss->n; i++) {
		struct rte_eth_rss_reta_entry64 *g = &groups[i / RTE_ETH_RETA_GROUP_SIZE];

		g->reta[i % RTE_ETH_RETA_GROUP_SIZE] = rss->table[i];
		if (old == NULL || old[i] != rss->table[i])
			g->mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
	}
	return rte_eth_dev_rss_reta_update(port->id, groups, rss->n);
}

static int
write_key(struct port *port)
{
	struct port_rss *rss = port->queues->rss;
	struct rte_eth_rss_conf conf = {
		.rss_key = rss->device_key, .rss_key_len = rss->key_len, .rss_hf = rss->types
	};

	return rte_eth_dev_rss_hash_update(port->id, &conf);
}

static bool
has_table(struct port *port)
{
	struct rte_eth_rss_reta_entry64 groups[GROUPS_MAX];
	const struct port_rss *rss = port->queues->rss;
	unsigned int i;

	memset(groups, 0, sizeof(groups));
	for (i = 0; i < rss->n; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(port->id, groups, rss->n) != 0)
		return false;
	for (i = 0; i < rss->n; i++)
		if (groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
				rss->table[i])
			return false;
	return true;
}

/* And what of the kinds of packets it hashes. */
static bool
has_key(struct port *port)
{
	struct port_rss *rss = port->queues->rss;
	uint8_t key[KEY_MAX] = { 0 };
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = rss->key_len };

	if (rte_eth_dev_rss_hash_conf_get(port->id, &conf) != 0 ||
			memcmp(key, rss->device_key, rss->key_len) != 0 ||
			(conf.rss_hf & rss->types & BY_NUMBER) == 0)
		return false;
	rss->types &= conf.rss_hf;
	return true;
}

/* A key of chance, but for the bits by which port_rss_fit() works. */
static int
make_key(struct port *port, struct port_rss *rss)
{
	char name[32];

	snprintf(name, sizeof(name), "dpvma_rss_%u", port->id);
	rte_thash_free_ctx(rte_thash_find_existing(name));
	rss->thash = rte_thash_init_ctx(
			name, rss->key_len, rte_log2_u32(rss->n), NULL, RTE_THASH_MINIMAL_SEQ);
	if (rss->thash == NULL ||
			rte_thash_add_helper(rss->thash, "lport", LPORT_LEN, LPORT_AT) != 0)
		return -ENOMEM;
	rss->lport = rte_thash_get_helper(rss->thash, "lport");
	memcpy(rss->device_key, rte_thash_get_key(rss->thash), rss->key_len);
	memcpy(rss->key, rss->device_key, rss->key_len);
	rte_convert_rss_key(rss->key, rss->key, rss->key_len);
	return rss->lport != NULL ? 0 : -ENOMEM;
}

/* NULL: it can. */
static const char *
missing(const struct port *port)
{
	const struct rte_eth_dev_info *info = &port->queues->info;
	uint8_t key_len = info->hash_key_size;

	if (RTE_MIN(info->max_rx_queues, info->max_tx_queues) < 2)
		return "it has one queue pair";
	if (conf()->queues == 1)
		return "DPVMA_QUEUES=1 leaves it one queue pair";
	if ((info->flow_type_rss_offloads & BY_NUMBER) == 0)
		return "it has no hash of port numbers";
	if (info->reta_size < RETA_MIN || info->reta_size > RETA_MAX ||
			!rte_is_power_of_2(info->reta_size))
		return "it has no redirection table of 4 to 512 entries";
	if (key_len != 0 && (key_len < KEY_MIN || key_len > KEY_MAX || key_len % 4 != 0))
		return "its hash has a key of unusual length";
	return NULL;
}

static void __attribute__((cold)) say_software(const struct port *port, const char *why)
{
	if (conf()->steering == CONF_STEERING_RSS)
		LOG_WARNING("port %s: no DPVMA_STEERING=rss here, as %s; software hands packets to "
			    "their ring: give DPVMA_STEERING=auto, or a port with RSS",
				port->name, why);
	else
		LOG_DEBUG("port %s: no RSS, as %s", port->name, why);
}

static bool
wanted(const struct port *port)
{
	switch (conf()->steering) {
	case CONF_STEERING_RSS:
		return true;
	case CONF_STEERING_AUTO:
		/* what has not been tried may turn out to have rules */
		return !port->caps.flow && !port->caps.isolated && !port->driver->idle_hash &&
				!port->driver->stop_is_final;
	default:
		return false;
	}
}

void
port_rss_decide(struct port *port)
{
	struct port_queues *qs = port->queues;
	const char *why;
	struct port_rss *rss;

	port->caps.rss = false;
	if (!wanted(port))
		return;
	why = missing(port);
	if (why != NULL) {
		say_software(port, why);
		return;
	}
	port_rss_free(port);
	rss = calloc(1, sizeof(*rss));
	if (rss == NULL)
		return;
	qs->rss = rss;
	rss->n = qs->info.reta_size;
	rss->key_len = qs->info.hash_key_size != 0 ? qs->info.hash_key_size : KEY_MIN;
	rss->types = qs->info.flow_type_rss_offloads & (BY_ADDRESS | BY_NUMBER);
	memset(rss->table, 0xff, sizeof(rss->table));
	port->caps.rss = make_key(port, rss) == 0;
	if (!port->caps.rss)
		say_software(port, "there is no memory for a key");
}

void
port_rss_free(struct port *port)
{
	struct port_rss *rss = port->queues->rss;

	if (rss == NULL)
		return;
	rte_thash_free_ctx(rss->thash);
	free(rss);
	port->queues->rss = NULL;
	port->caps.rss = false;
}

void
port_rss_configure(struct port *port, struct rte_eth_conf *conf)
{
	struct port_rss *rss = port->queues->rss;

	if (!port->caps.rss)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = rss->device_key,
		.rss_key_len = rss->key_len,
		.rss_hf = rss->types,
	};
}

void
port_rss_prepare(struct port *port)
{
	if (!port->caps.rss)
		return;
	plan(port);
	/* many take it only when they run, and mlx5 restarts for one that comes later */
	write_table(port, NULL);
}

/* Packets come to any queue now, as to a port that knows neither rules nor RSS. */
static void __attribute__((cold)) give_up(struct port *port, const char *what)
{
	port->caps.rss = false;
	LOG_WARNING("port %s: its driver %s does not keep the %s that it was given, so software "
		    "hands packets to their ring: DPVMA_STEERING=software says so from the start",
			port->name, port->queues->info.driver_name, what);
}

void
port_rss_verify(struct port *port)
{
	if (!port->caps.rss)
		return;
	if (!has_key(port) && (write_key(port) != 0 || !has_key(port)))
		give_up(port, "RSS key");
	else if (!has_table(port) && (write_table(port, NULL) != 0 || !has_table(port)))
		give_up(port, "redirection table");
}

void
port_rss_rewrite(struct port *port)
{
	struct port_rss *rss = port->queues->rss;
	uint16_t old[RETA_MAX];

	if (!port->caps.rss)
		return;
	memcpy(old, rss->table, sizeof(old));
	if (plan(port) == 0)
		return;
	if (write_table(port, old) != 0 || !has_table(port))
		give_up(port, "redirection table");
}

static uint32_t
hash(const struct port_rss *rss, const struct port_tuple *t)
{
	uint64_t bit = t->proto == IPPROTO_TCP ? RTE_ETH_RSS_NONFRAG_IPV4_TCP
					       : RTE_ETH_RSS_NONFRAG_IPV4_UDP;
	uint32_t words[] = {
		rte_be_to_cpu_32(ip_v4(&t->remote)),
		rte_be_to_cpu_32(ip_v4(&t->local)),
		(uint32_t)rte_be_to_cpu_16(t->rport) << 16 | rte_be_to_cpu_16(t->lport),
	};
	bool numbers = (rss->types & bit) != 0;

	if (!numbers && (rss->types & RTE_ETH_RSS_IPV4) == 0)
		return 0;
	return rte_softrss_be(words, numbers ? 3 : 2, (const uint8_t *)rss->key);
}

static bool
computable(const struct port *port, const struct port_tuple *t)
{
	return port->caps.rss && ip_is_v4(&t->remote) && ip_is_v4(&t->local) &&
			(t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP);
}

int
port_rss_queue(struct port *port, const struct port_tuple *t)
{
	const struct port_rss *rss;
	int queue = -ENOTSUP;

	port_lock(port);
	rss = port->queues->rss;
	if (computable(port, t))
		queue = rss->table[hash(rss, t) & (rss->n - 1u)];
	port_unlock(port);
	return queue;
}

/* The nth entry of the queue's, counted round; -1 without any. */
static int
entry_of(const struct port_rss *rss, uint16_t queue, uint16_t nth)
{
	unsigned int i, has = 0;

	for (i = 0; i < rss->n; i++)
		has += rss->table[i] == queue;
	if (has == 0)
		return -1;
	nth %= has;
	for (i = 0; rss->table[i] != queue || nth-- != 0; i++)
		;
	return (int)i;
}

/* The complement changes the last bits only, so the number stays near to what it was. */
static bool
fit(const struct port_rss *rss, struct port_tuple *t, uint16_t queue)
{
	uint16_t number = rte_be_to_cpu_16(t->lport);
	uint32_t h = hash(rss, t);
	int entry = entry_of(rss, queue, number);

	if (rss->table[h & (rss->n - 1u)] == queue)
		return true;
	if (entry < 0)
		return false;
	number ^= (uint16_t)rte_thash_get_complement(rss->lport, h, (uint32_t)entry);
	t->lport = rte_cpu_to_be_16(number);
	return rss->table[hash(rss, t) & (rss->n - 1u)] == queue;
}

bool
port_rss_fit(struct port *port, struct port_tuple *t, uint16_t queue)
{
	bool fits;

	port_lock(port);
	fits = computable(port, t) && fit(port->queues->rss, t, queue);
	port_unlock(port);
	return fits;
}
