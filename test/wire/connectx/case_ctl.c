/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket and its tool: what they say is what was sent and received, whatever other
 * clients do meanwhile. CXTOOL is the path of the tool.
 */
#include "cxtest.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DPORT 5000
#define SENT 20
#define SILENT 50 /* clients, more than the model has room for */

static void
udp_rule(void)
{
	struct rte_flow_action_queue queue = { .index = 0 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	port_udp_rule(0, 0, 0, DPORT, 0, actions);
}

/* What the tool prints, both outputs; *status is what it exits with. */
static char *
tool(const char *args, int *status)
{
	static char text[1 << 18];
	char command[512];
	size_t n;
	FILE *f;

	CHECK(getenv("CXTOOL") != NULL, "CXTOOL is not set");
	snprintf(command, sizeof(command), "exec \"$CXTOOL\" -p %d %s 2>&1", (int)getpid(), args);
	f = popen(command, "r");
	CHECK(f != NULL, "%m");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	*status = pclose(f);
	CHECK(WIFEXITED(*status), "%s: %x", args, *status);
	*status = WEXITSTATUS(*status);
	return text;
}

static char *
told(const char *args)
{
	int status;
	char *text = tool(args, &status);

	CHECK(status == 0, "%s: %d, %s", args, status, text);
	return text;
}

/* The column of the receive queue with the most frames, which is the port's own. */
static void
find_queue(char *text, uint64_t *frames, uint64_t *bytes, uint64_t *no_buffer, char kind[64])
{
	unsigned long f, b, nb;
	char *line, *p, geometry[32];

	*frames = 0;
	for (line = strtok_r(text, "\n", &p); line != NULL; line = strtok_r(NULL, "\n", &p)) {
		if (sscanf(line, " 0x%*x ready striding %31s %*u %*u %*u %*u %*u %lu %lu %lu",
				    geometry, &f, &b, &nb) != 4 ||
				f < *frames)
			continue;
		*frames = f;
		*bytes = b;
		*no_buffer = nb;
		snprintf(kind, 64, "%s", geometry);
	}
}

/* Whether a completion queue wrote n completions, and no more of them are unread than there were.
 */
static bool
has_cq(char *text, unsigned int n)
{
	unsigned int unread, pi, ci;
	char *line, *p;

	for (line = strtok_r(text, "\n", &p); line != NULL; line = strtok_r(NULL, "\n", &p))
		if (sscanf(line, " 0x%*x %*u %u %u %u", &unread, &pi, &ci) == 3 && pi == n &&
				ci + unread == pi)
			return true;
	return false;
}

/* The send queue's count of what this sends; the wire takes it and forgets it. */
static void
check_send_queue(void)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct segment seg = { .src = 1, .dst = 2, .proto = IPPROTO_UDP, .len = 58 };
	unsigned long frames = 0, bytes = 0;
	char *line;
	struct rte_mbuf *m;
	unsigned int i;

	for (i = 0; i < SENT; i++) {
		m = rte_pktmbuf_alloc(pool);
		CHECK(m != NULL, "no mbuf");
		rte_pktmbuf_append(m, peer_frame(rte_pktmbuf_mtod(m, uint8_t *), &seg));
		CHECK(rte_eth_tx_burst(0, 0, &m, 1) == 1, "not sent");
	}
	while (frames < SENT) {
		line = strstr(told("queues"), " ready send ");
		CHECK(line != NULL && rte_get_timer_cycles() < end, "%lu frames", frames);
		CHECK(sscanf(line, " ready send %*u %*u %*u %*u %*u %lu %lu", &frames, &bytes) == 2,
				"%s", line);
	}
	CHECK(frames == SENT && bytes == SENT * 100, "%lu frames, %lu bytes", frames, bytes);
}

/* ---- a JSON text, looked at for its syntax only ---- */
static const char *value(const char *p);

static const char *
literal(const char *p)
{
	if (*p != '"')
		return p + strspn(p, "0123456789-truefalsn");
	for (p++; *p != '"'; p++) {
		CHECK(*p != '\0' && (unsigned char)*p >= ' ', "string");
		p += *p == '\\';
	}
	return p + 1;
}

static const char *
list(const char *p, char end, bool named)
{
	p += 1 + strspn(p + 1, " \n");
	while (*p != end) {
		if (named) {
			CHECK(*p == '"', "no name: %.20s", p);
			p = literal(p);
			CHECK(*p == ':', "no colon: %.20s", p);
			p++;
		}
		p = value(p);
		p += strspn(p, " \n");
		CHECK(*p == ',' || *p == end, "after a value: %.20s", p);
		if (*p == ',') {
			p += 1 + strspn(p + 1, " \n");
			CHECK(*p != end, "comma at the end");
		}
	}
	return p + 1;
}

static const char *
value(const char *p)
{
	const char *end;

	if (*p == '[' || *p == '{')
		return list(p, *p == '[' ? ']' : '}', *p == '{');
	end = literal(p);
	CHECK(end > p, "no value: %.20s", p);
	return end;
}

static void
check_json(const char *text)
{
	CHECK(text[0] == '[' && strcmp(value(text), "\n") == 0, "%s", text);
}

/* ---- clients that misbehave ---- */
static void
misbehave(void)
{
	char noise[8192];
	int s[SILENT], i;
	uint64_t seed = 1;
	size_t k;

	for (i = 0; i < SILENT; i++) {
		s[i] = ctl_connect();
		if (i % 3 == 1) /* half a request */
			CHECK(send(s[i], "sta", 3, MSG_NOSIGNAL) == 3, "%m");
		CHECK(ctl_number(ctl_ask("stats"), "rx_wire") != UINT64_MAX, "beside %d silent", i);
	}
	for (i = 0; i < SILENT; i++)
		close(s[i]);
	for (i = 0; i < SILENT; i++) {
		for (k = 0; k < sizeof(noise); k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			noise[k] = seed >> 56;
		}
		s[i] = ctl_connect();
		/* it may have been answered and closed before all of it was sent */
		k = send(s[i], noise, 1 + seed % sizeof(noise), MSG_NOSIGNAL);
		if (i & 1)
			CHECK(send(s[i], "queues\n", 7, MSG_NOSIGNAL) != 0, "%m");
		close(s[i]);
	}
	CHECK(strncmp(ctl_ask(""), "error: ", 7) == 0, "%s", ctl_ask(""));
	memset(noise, 'x', 2000);
	noise[2000] = '\0';
	CHECK(strncmp(ctl_ask(noise), "error: ", 7) == 0, "a long line");
	CHECK(strncmp(ctl_ask("stats\033[2J"), "error: no command \"stats?[2J\"", 28) == 0, "%s",
			ctl_ask("stats\033[2J"));
	CHECK(strncmp(ctl_ask("stats mlx5_0 mlx5_0"), "error: ", 7) == 0, "a word too many");
	CHECK(strncmp(ctl_ask("rules 4097"), "error: ", 7) == 0, "too many rules");
	/* the end of what is sent ends a line too */
	s[0] = ctl_connect();
	CHECK(send(s[0], "nics", 4, MSG_NOSIGNAL) == 4 && shutdown(s[0], SHUT_WR) == 0, "%m");
	CHECK(recv(s[0], noise, 7, MSG_WAITALL) == 7 && memcmp(noise, "mlx5_0:", 7) == 0, "%.7s",
			noise);
	close(s[0]);
}

static void
check_errors(void)
{
	int status;
	char *text;

	text = tool("nonsense", &status);
	CHECK(status == 1 && strstr(text, "no command \"nonsense\"") != NULL, "%d %s", status,
			text);
	text = tool("stats nobody", &status);
	CHECK(status == 1 && strstr(text, "no NIC \"nobody\"") != NULL, "%d %s", status, text);
	text = tool("-p 1 stats", &status);
	CHECK(status == 1 && strstr(text, "process 1 runs no software ConnectX") != NULL, "%d %s",
			status, text);
	text = tool("queues -w 1", &status);
	CHECK(status == 2, "%d %s", status, text);
	text = tool("stats -w 1x", &status);
	CHECK(status == 2, "%d %s", status, text);
}

/* a: datagrams, b: their length as frames */
void
case_ctl(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .isolated = true };
	uint64_t frames, bytes, no_buffer;
	struct rte_mbuf *m[64];
	unsigned int got = 0, n, i;
	char kind[64] = "", *text;

	port_start(&pc);
	udp_rule();
	while (got < c->a) {
		n = RTE_MIN(RTE_DIM(m), c->a - got);
		port_receive_all(m, n);
		for (i = 0; i < n; i++)
			rte_pktmbuf_free(m[i]);
		got += n;
		if (got < c->a / 2 && got % 16 == 0)
			ctl_ask("queues");
	}
	misbehave();
	text = told("stats mlx5_0");
	CHECK(strncmp(text, "mlx5_0: pci 0000:03:00.0, netdev cx0, wire gen:", 47) == 0, "%s",
			text);
	CHECK(strstr(text, "link up, in use\n") != NULL, "%s", text);
	CHECK(ctl_number(text, "rx_wire") == c->a, "%s", text);
	CHECK(ctl_number(text, "rx_delivered") == c->a, "%s", text);
	CHECK(ctl_number(text, "rx_no_buf") == 0, "%s", text);
	find_queue(told("queues"), &frames, &bytes, &no_buffer, kind);
	CHECK(frames == c->a && bytes == (uint64_t)c->a * c->b && no_buffer == 0,
			"%lu frames, %lu bytes, %lu lost", frames, bytes, no_buffer);
	CHECK(strcmp(kind, "64x2048") == 0, "%s", kind);
	snprintf(kind, sizeof(kind), "udp_dport=%u -> TIR", DPORT);
	text = strstr(told("rules"), kind);
	CHECK(text != NULL && ctl_number(text, "hits") == c->a, "%s", told("rules"));
	snprintf(kind, sizeof(kind), " }: rules 1, hits %u\n", c->a);
	CHECK(strstr(told("rules"), kind) != NULL, "%s", told("rules"));
	CHECK(has_cq(told("queues"), c->a), "%s", told("queues"));
	check_send_queue();
	check_json(told("stats-json"));
	CHECK(ctl_number(told("stats-json"), "rx_delivered") == c->a, "%s", told("stats-json"));
	check_json(told("queues-json"));
	CHECK(strstr(told("help"), "queues-json") != NULL, "%s", told("help"));
	check_errors();
	port_stop();
	CHECK(strstr(told("nics"), ", not in use\n") == NULL, "the port is closed, not removed");
}

/* Nobody polls: what the wire sends is lost, which is the rate to see. */
void
case_ctl_rates(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .isolated = true };
	uint64_t frames, bytes, no_buffer, first;
	struct rte_eth_stats st;
	char kind[64], *text, *p;
	unsigned int n = 0;

	(void)c;
	port_start(&pc);
	udp_rule();
	text = told("stats mlx5_0 -w 0.2 -n 3");
	for (p = text; (p = strstr(p, "rx_no_buf")) != NULL; p += 9, n++)
		CHECK(ctl_number(p, "rx_no_buf") > 0, "%s", text);
	CHECK(n == 3 && strstr(text, " /s ") != NULL, "%u times\n%s", n, text);
	/* what one sees after another, none of them at rest */
	first = ctl_number(ctl_ask("stats"), "rx_no_buf");
	find_queue(told("queues"), &frames, &bytes, &no_buffer, kind);
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	CHECK(first > 0 && first <= no_buffer && no_buffer <= st.imissed,
			"%lu of the NIC, %lu of the queue, %lu missed", first, no_buffer,
			st.imissed);
	CHECK(frames > 0 && frames * 60 == bytes, "%lu frames, %lu bytes", frames, bytes);
	port_stop();
}
