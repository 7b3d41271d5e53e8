/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is configured about ports: the grammar of DPVMA_PORTS, the checks that DPVMA_PORTS and the
 * file's [port NAME] sections share, and the list of ports. A description with a mistake is left
 * out as a whole: half an address plan is worse than none.
 */
#include <errno.h>
#include <stdlib.h>

#include "conf/conf_priv.h"

static struct conf_port ports[CONF_PORTS_MAX];
static unsigned int ports_n;

static int __rte_format_printf(2, 3) wrong(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_SIZE, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static unsigned int
width(const struct ip_addr *a)
{
	return ip_is_v4(a) ? 32 : 128;
}

/* An address that a port or a neighbour may have. */
static int
host_parse(const char *text, const char *what, struct ip_addr *a, char *why)
{
	if (ip_parse(text, a) != 0)
		return wrong(why, "%s %.50s is neither an IPv4 nor an IPv6 address", what, text);
	if (ip_is_any(a) || ip_is_multicast(a) || (ip_is_v4(a) && ip_v4(a) == UINT32_MAX))
		return wrong(why, "%s %.50s is not the address of one host", what, text);
	return 0;
}

/* ADDR/LEN in place; the address itself is left in @p text. */
static int
prefix_parse(char *text, const char *what, struct ip_addr *a, uint8_t *prefix, char *why)
{
	char *slash = strchr(text, '/');
	int len;

	if (slash != NULL)
		*slash = '\0';
	if (ip_parse(text, a) != 0)
		return wrong(why, "%s %.50s is neither an IPv4 nor an IPv6 address", what, text);
	if (slash == NULL)
		return wrong(why, "%s %.50s has no prefix length: write %.50s/%d", what, text, text,
				ip_is_v4(a) ? 24 : 64);
	if (conf_number_parse(slash + 1, &len) != 0 || len < 0 || len > (int)width(a))
		return wrong(why, "%s %.50s has the prefix length %.20s, which is not in 0..%u",
				what, text, slash + 1, width(a));
	*prefix = (uint8_t)len;
	return 0;
}

/* The VLAN id behind an address, ADDR/LEN@ID, which is cut off. */
static int
vlan_parse(char *text, uint16_t *vlan_id, char *why)
{
	char *at = strchr(text, '@');
	int id;

	if (at == NULL)
		return 0;
	*at++ = '\0';
	/* IEEE 802.1Q: 0 is no VLAN, 4095 is reserved */
	if (conf_number_parse(at, &id) != 0 || id < 1 || id > 4094)
		return wrong(why, "address %.50s has the VLAN %.20s, which is not in 1..4094", text,
				at);
	*vlan_id = (uint16_t)id;
	return 0;
}

static int
addr_set(struct conf_port *p, char *value, char *why)
{
	struct conf_addr a = { .vlan_id = 0 };
	unsigned int i;

	if (p->addrs_n == CONF_ADDRS_MAX)
		return wrong(why, "more than %d addresses", CONF_ADDRS_MAX);
	if (vlan_parse(value, &a.vlan_id, why) != 0 ||
			prefix_parse(value, "address", &a.addr, &a.prefix, why) != 0 ||
			host_parse(value, "address", &a.addr, why) != 0)
		return -EINVAL;
	for (i = 0; i < p->addrs_n; i++)
		if (ip_equal(&p->addrs[i].addr, &a.addr))
			return wrong(why, "address %.50s is given twice", value);
	p->addrs[p->addrs_n++] = a;
	return 0;
}

static int
gateway_set(struct conf_port *p, const char *value, char *why)
{
	if (p->has_gateway)
		return wrong(why, "a second gateway, %.50s: only one is possible", value);
	if (host_parse(value, "gateway", &p->gateway, why) != 0)
		return -EINVAL;
	p->has_gateway = true;
	return 0;
}

static int
mtu_set(struct conf_port *p, const char *value, char *why)
{
	int mtu;

	if (p->mtu != 0)
		return wrong(why, "a second mtu, %.20s: only one is possible", value);
	/* RFC 791: every network carries 68 bytes */
	if (conf_number_parse(value, &mtu) != 0 || mtu < 68 || mtu > UINT16_MAX)
		return wrong(why, "mtu %.20s is not a number in 68..65535", value);
	p->mtu = (uint16_t)mtu;
	return 0;
}

static int
neigh_set(struct conf_port *p, char *value, char *why)
{
	char *at = strchr(value, '@');
	struct conf_neigh n;
	unsigned int i;

	if (p->neighs_n == CONF_NEIGHS_MAX)
		return wrong(why, "more than %d neighbours", CONF_NEIGHS_MAX);
	if (at == NULL)
		return wrong(why, "neighbour %.50s is not written ADDR@MAC", value);
	*at++ = '\0';
	if (host_parse(value, "neighbour", &n.addr, why) != 0)
		return -EINVAL;
	if (rte_ether_unformat_addr(at, &n.mac) != 0)
		return wrong(why, "neighbour %.50s has %.30s, which is not a MAC address", value,
				at);
	if (!rte_is_valid_assigned_ether_addr(&n.mac))
		return wrong(why,
				"neighbour %.50s has %.30s, which is not the address of one "
				"station",
				value, at);
	for (i = 0; i < p->neighs_n; i++)
		if (ip_equal(&p->neighs[i].addr, &n.addr))
			return wrong(why, "neighbour %.50s is given twice", value);
	p->neighs[p->neighs_n++] = n;
	return 0;
}

/* Whether bits beyond the prefix are set; @p net gets them cleared. */
static bool
prefix_cut(struct ip_addr *net, unsigned int prefix)
{
	unsigned int bit = prefix + (ip_is_v4(net) ? 96 : 0);
	bool cut = false;

	for (; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

		cut |= (net->b[bit / 8] & mask) != 0;
		net->b[bit / 8] &= (uint8_t)~mask;
	}
	return cut;
}

static int
route_set(struct conf_port *p, char *value, char *why)
{
	char *at = strchr(value, '@'), text[IP_ADDR_STRLEN];
	struct conf_route r;
	unsigned int i;

	if (p->routes_n == CONF_ROUTES_MAX)
		return wrong(why, "more than %d routes", CONF_ROUTES_MAX);
	if (at == NULL)
		return wrong(why, "route %.50s is not written NET/LEN@GATEWAY", value);
	*at++ = '\0';
	if (prefix_parse(value, "route", &r.net, &r.prefix, why) != 0 ||
			host_parse(at, "route's gateway", &r.via, why) != 0)
		return -EINVAL;
	if (ip_is_v4(&r.net) != ip_is_v4(&r.via))
		return wrong(why, "route %.50s and its gateway %.50s are not of one IP version",
				value, at);
	if (prefix_cut(&r.net, r.prefix))
		return wrong(why, "route %.50s has bits beyond its prefix: write %s/%u", value,
				ip_format(&r.net, text), r.prefix);
	for (i = 0; i < p->routes_n; i++)
		if (p->routes[i].prefix == r.prefix && ip_equal(&p->routes[i].net, &r.net))
			return wrong(why, "route %.50s/%u is given twice", value, r.prefix);
	p->routes[p->routes_n++] = r;
	return 0;
}

int
conf_port_set(struct conf_port *p, enum conf_port_key key, char *value, char *why)
{
	if (*value == '\0')
		return wrong(why, "a value is missing");
	switch (key) {
	case CONF_PORT_ADDR:
		return addr_set(p, value, why);
	case CONF_PORT_GATEWAY:
		return gateway_set(p, value, why);
	case CONF_PORT_MTU:
		return mtu_set(p, value, why);
	case CONF_PORT_NEIGH:
		return neigh_set(p, value, why);
	case CONF_PORT_ROUTE:
		return route_set(p, value, why);
	case CONF_PORT_UNKNOWN:
		break;
	}
	return wrong(why, "unknown key");
}

/*
 * A gateway is a neighbour: it stands in a network of the port, or is link-local (RFC 4291 2.5.6).
 * Ports without an address here have theirs from the kernel, and a host address (/32, /128) has no
 * network; nothing is known of those.
 */
static int
via_check(const struct conf_port *p, const struct ip_addr *via, const char *what, char *why)
{
	char text[IP_ADDR_STRLEN];
	unsigned int i;
	bool known = false;

	for (i = 0; i < p->addrs_n; i++) {
		const struct conf_addr *a = &p->addrs[i];

		if (ip_equal(&a->addr, via))
			return wrong(why, "%s %s is the port's own address", what,
					ip_format(via, text));
		if (ip_is_v4(&a->addr) == ip_is_v4(via) && ip_in_prefix(via, &a->addr, a->prefix))
			return 0;
		known |= a->prefix != width(&a->addr);
	}
	if (!known || (via->b[0] == 0xfe && (via->b[1] & 0xc0) == 0x80))
		return 0;
	return wrong(why, "%s %s is in none of the port's networks", what, ip_format(via, text));
}

static bool
same_name(const char *a, const char *b)
{
	static const char domain[] = "0000:";
	size_t n = sizeof(domain) - 1;

	if (strcmp(a, b) == 0)
		return true;
	return (strncmp(a, domain, n) == 0 && strcmp(a + n, b) == 0) ||
			(strncmp(b, domain, n) == 0 && strcmp(a, b + n) == 0);
}

static struct conf_port *
port_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ports_n; i++)
		if (same_name(ports[i].name, name))
			return &ports[i];
	return NULL;
}

int
conf_port_add(const struct conf_port *p, bool replace, char *why)
{
	struct conf_port *slot = port_find(p->name);
	unsigned int i;

	if (slot != NULL && !replace)
		return wrong(why, "the port is described twice");
	if (p->has_gateway && via_check(p, &p->gateway, "gateway", why) != 0)
		return -EINVAL;
	for (i = 0; i < p->routes_n; i++)
		if (via_check(p, &p->routes[i].via, "route's gateway", why) != 0)
			return -EINVAL;
	if (slot == NULL) {
		if (ports_n == CONF_PORTS_MAX)
			return wrong(why, "more than %d ports", CONF_PORTS_MAX);
		slot = &ports[ports_n++];
	}
	*slot = *p;
	return 0;
}

void
conf_ports_reset(void)
{
	ports_n = 0;
}

static enum conf_port_key
key_of(const char *name)
{
	static const char *const names[] = {
		[CONF_PORT_ADDR] = "addr",
		[CONF_PORT_GATEWAY] = "gw",
		[CONF_PORT_MTU] = "mtu",
		[CONF_PORT_NEIGH] = "neigh",
		[CONF_PORT_ROUTE] = "route",
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum conf_port_key)i;
	return CONF_PORT_UNKNOWN;
}

static int
item_parse(struct conf_port *p, char *item, char *why)
{
	char *value = strchr(item, '='), *name;
	enum conf_port_key key;

	if (*item == '\0')
		return wrong(why, "nothing stands between two commas, or at an end");
	if (value == NULL)
		return conf_port_set(p, CONF_PORT_ADDR, item, why);
	*value++ = '\0';
	name = conf_trim(item);
	key = key_of(name);
	if (key == CONF_PORT_UNKNOWN)
		return wrong(why, "%.30s= is not one of gw=, mtu=, neigh=, route=", name);
	value = conf_trim(value);
	if (*value == '\0')
		return wrong(why, "%s= has no value", name);
	return conf_port_set(p, key, value, why);
}

/* PORT=ITEM[,ITEM...] */
static int
entry_parse(struct conf_port *p, char *entry, char *why)
{
	char *rest = strchr(entry, '='), *item, *name;

	if (rest == NULL)
		return wrong(why, "there is no = after the port's name");
	*rest++ = '\0';
	name = conf_trim(entry);
	if (*name == '\0')
		return wrong(why, "no port's name stands before the =");
	if (strlen(name) >= sizeof(p->name))
		return wrong(why, "the port's name is longer than %zu characters",
				sizeof(p->name) - 1);
	snprintf(p->name, sizeof(p->name), "%s", name);
	while ((item = strsep(&rest, ",")) != NULL)
		if (item_parse(p, conf_trim(item), why) != 0)
			return -EINVAL;
	return 0;
}

int
conf_ports_parse(const char *text)
{
	char *copy = strdup(text), *rest = copy, *entry, why[CONF_WHY_SIZE], before[64];
	struct conf_port *seen = calloc(CONF_PORTS_MAX, sizeof(*seen)), *p;
	unsigned int n = 0, i;
	int ret = copy == NULL || seen == NULL ? -ENOMEM : 0;

	while (ret != -ENOMEM && (entry = strsep(&rest, ";")) != NULL) {
		bool bad;

		entry = conf_trim(entry);
		if (*entry == '\0')
			continue;
		if (n == CONF_PORTS_MAX) {
			conf_say(LOG_LEVEL_ERROR,
					"DPVMA_PORTS: more than %d ports: the rest is "
					"left out",
					CONF_PORTS_MAX);
			ret = -EINVAL;
			break;
		}
		p = &seen[n];
		memset(p, 0, sizeof(*p));
		snprintf(before, sizeof(before), "%s", entry);
		bad = entry_parse(p, entry, why) != 0;
		for (i = 0; !bad && i < n; i++)
			if (same_name(seen[i].name, p->name)) {
				wrong(why, "the port is described twice");
				bad = true;
			}
		if (bad || conf_port_add(p, true, why) != 0) {
			conf_say(LOG_LEVEL_ERROR,
					"DPVMA_PORTS: \"%s%s\": %s: this port's entry is "
					"left out",
					before, strlen(before) + 1 == sizeof(before) ? "..." : "",
					why);
			ret = -EINVAL;
		} else {
			n++;
		}
	}
	free(seen);
	free(copy);
	return ret;
}

const struct conf_port *
conf_port_find(const char *name)
{
	conf_load();
	return port_find(name);
}

unsigned int
conf_ports_n(void)
{
	conf_load();
	return ports_n;
}

const struct conf_port *
conf_port_at(unsigned int i)
{
	conf_load();
	return i < ports_n ? &ports[i] : NULL;
}
