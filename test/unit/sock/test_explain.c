/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is told of descriptors: what decided about each, names, rings, steering, counters; as text,
 * as JSON that is JSON, by telemetry, and in the file of DPVMA_EXPLAIN with those that were closed.
 */
#include <ctype.h>
#include <sys/stat.h>

#include "sock/sock.h"
#include "sock_test.h"

static char rules[] = "/tmp/dpvma-test-explain-XXXXXX", report[] = "/tmp/dpvma-test-report-XXXXXX";

/** @name A reader of JSON that takes nothing else */
/** @{ */
static const char *value(const char *p);

static const char *
string(const char *p)
{
	if (p == NULL || *p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if (*p == '\\')
			p++;
		if ((unsigned char)*p < ' ')
			return NULL;
	}
	return p + 1;
}

/* Of an object its members, of an array its items. */
static const char *
items(const char *p, char end)
{
	p++;
	if (*p == end)
		return p + 1;
	for (;; p++) {
		if (end == '}') {
			p = string(p);
			if (p == NULL || *p++ != ':')
				return NULL;
		}
		p = value(p);
		if (p == NULL || (*p != ',' && *p != end))
			return NULL;
		if (*p == end)
			return p + 1;
	}
}

static const char *
value(const char *p)
{
	if (*p == '{')
		return items(p, '}');
	if (*p == '[')
		return items(p, ']');
	if (*p == '"')
		return string(p);
	if (strncmp(p, "null", 4) == 0)
		return p + 4;
	p += *p == '-';
	if (!isdigit((unsigned char)*p))
		return NULL;
	while (isdigit((unsigned char)*p))
		p++;
	return p;
}

static void
assert_json(const char *text)
{
	const char *end = value(text);

	if (end == NULL || (*end != '\0' && strcmp(end, "\n") != 0))
		fail_msg("no JSON: %s", text);
}
/** @} */

static void
assert_in(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("'%s' is not in\n%s", part, text);
}

static void
assert_not_in(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("'%s' is in\n%s", part, text);
}

/* To be freed. */
static char *
text_of(int (*write)(FILE *f))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(write(f), 0);
	fclose(f);
	return text;
}

/* The paragraph of one descriptor, to be freed. */
static char *
paragraph(int fd)
{
	char *all = text_of(dpvma_explain_all), head[32], *at, *end;

	snprintf(head, sizeof(head), "fd %d ", fd);
	at = strncmp(all, head, strlen(head)) == 0 ? all : strstr(all, head);
	if (at == NULL)
		fail_msg("'%s' is not in\n%s", head, all);
	at = strdup(at);
	end = strstr(at, "\nfd ");
	if (end == NULL)
		end = strstr(at, "\nclosed: ");
	if (end != NULL)
		end[1] = '\0';
	free(all);
	return at;
}

static void
an_offloaded_one(void **state)
{
	struct sockaddr_in peer = test_addr(PEER, PEER_PORT);
	char want[64], buf[8], *text;
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	test_inject_text(port, "four");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	text = paragraph(fd);
	snprintf(want, sizeof(want), "fd %d udp offloaded, " LOCAL ":%u, bound: by port: ", fd,
			port);
	assert_in(text, want);
	assert_in(text, "\tring 0 on queue 0 of net_ring_wire\n");
	snprintf(want, sizeof(want), "\tsteering: 3-tuple udp to " LOCAL ":%u: software", port);
	assert_in(text, want);
	assert_in(text, "as the port takes no rules\n");
	assert_in(text, "\tcounters: rx_packets 1 rx_bytes 4 rx_read 1");
	free(text);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	text = paragraph(fd);
	assert_in(text, " to " PEER ":7777, connected: by port: ");
	free(text);
	dpvma_close(fd);
}

static void
streams(void **state)
{
	struct sockaddr_in any = test_addr("0.0.0.0", 0);
	int l = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	char *text = paragraph(l);

	(void)state;
	assert_in(text, " tcp offloaded, unbound: by port: ");
	free(text);
	assert_int_equal(dpvma_bind(l, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_listen(l, 4), 0);
	text = paragraph(l);
	assert_in(text, ", LISTEN: by port: offloaded: listens on 0.0.0.0:");
	assert_in(text, "\tsteering: tcp port ");
	assert_in(text, "as no rule can name any address\n");
	free(text);
	dpvma_close(l);
}

/* Each word of what can decide. */
static void
reasons(void **state)
{
	struct sockaddr_in lo = test_addr("127.0.0.1", 0), to = test_addr(PEER, 9);
	int fd, six = socket(AF_INET6, SOCK_STREAM, 0);
	char *text;

	(void)state;
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&lo, sizeof(lo)), 0);
	text = paragraph(fd);
	assert_in(text, " udp kernel, 127.0.0.1:");
	assert_in(text, ", bound: by loopback: bound to 127.0.0.1");
	free(text);
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET6, SOCK_DGRAM, 0);
	text = paragraph(fd);
	assert_in(text, " udp kernel, unbound: by family: ");
	free(text);
	dpvma_close(fd);
	sock_thread_offload(pthread_self(), false);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	sock_thread_offload(pthread_self(), true);
	text = paragraph(fd);
	assert_in(text, " udp kernel, unbound: by thread_offload: ");
	free(text);
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to));
	text = paragraph(fd);
	assert_in(text, " udp kernel");
	assert_in(text, ": by rule: rule ");
	assert_in(text, ":2: use os udp_connect *:9");
	free(text);
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_port = htons(10);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	text = paragraph(fd);
	assert_in(text, " udp offloaded");
	assert_in(text, ": by rule: offloaded: ");
	assert_in(text, ":1: use vma udp_connect *:10");
	free(text);
	dpvma_close(fd);
	/* one that never came by here */
	text = paragraph(six);
	assert_in(text, " tcp kernel, unbound: by family: ");
	free(text);
	close(six);
}

static void
json(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), other = dpvma_socket(AF_INET6, SOCK_STREAM, 0);
	char *text = text_of(dpvma_explain_json), want[160];

	(void)state;
	assert_json(text);
	snprintf(want, sizeof(want), "{\"fd\":%d,\"type\":\"udp\",\"carrier\":\"offloaded\"", fd);
	assert_in(text, want);
	snprintf(want, sizeof(want),
			"\"local\":\"" LOCAL ":%u\",\"remote\":\"\",\"state\":\"bound\"", port);
	assert_in(text, want);
	assert_in(text, "\"rings\":[{\"index\":0,\"queue\":0,\"port\":\"net_ring_wire\"");
	assert_in(text, "\"steering\":[\"3-tuple udp to " LOCAL);
	assert_in(text, "\"counters\":{\"rx_packets\":0");
	snprintf(want, sizeof(want), "{\"fd\":%d,\"type\":\"tcp\",\"carrier\":\"kernel\"", other);
	assert_in(text, want);
	free(text);
	text = text_of(dpvma_dump_json);
	assert_json(text);
	free(text);
	dpvma_close(fd);
	dpvma_close(other);
}

static void
telemetry(void **state)
{
	enum { MANY = 600 };
	uint16_t port;
	int fd = test_bound(&port), fds[MANY], i;
	char request[64], want[64];
	const char *answer;

	(void)state;
	answer = test_ask("/dpvma/explain");
	assert_json(answer);
	snprintf(want, sizeof(want), "%d", fd);
	assert_in(answer, want);
	snprintf(request, sizeof(request), "/dpvma/explain,%d", fd);
	answer = test_ask(request);
	assert_json(answer);
	assert_in(answer, "\"carrier\":\"offloaded\"");
	assert_in(answer, "\"steering\":[\"3-tuple udp to " LOCAL);
	assert_in(answer, "\"rings\":[\"ring 0 on queue 0 of net_ring_wire\"]");
	assert_in(answer, "\"counters\":{\"rx_packets\":0");
	/* no socket, no number */
	answer = test_ask("/dpvma/explain,1000000");
	assert_json(answer);
	assert_in(answer, ":null");
	assert_in(test_ask("/dpvma/explain,one"), ":null");
	/* more than one answer holds */
	for (i = 0; i < MANY; i++) {
		fds[i] = dpvma_socket(AF_INET6, SOCK_DGRAM, 0);
		assert_true(fds[i] >= 0);
	}
	answer = test_ask("/dpvma/explain");
	assert_json(answer);
	snprintf(want, sizeof(want), ",%d]", fds[MANY - 1]);
	assert_not_in(answer, want);
	answer = strrchr(answer, ',');
	assert_non_null(answer);
	snprintf(request, sizeof(request), "/dpvma/explain,after,%d", atoi(answer + 1));
	answer = test_ask(request);
	assert_json(answer);
	assert_in(answer, want);
	for (i = 0; i < MANY; i++)
		dpvma_close(fds[i]);
	dpvma_close(fd);
}

static char *
file_text(const char *path)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	char *text;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	return text;
}

/* The last test: the stack ends. */
static void
at_the_end(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	char want[128], *text;
	uint16_t port, kept;
	int fd = test_bound(&port), open = test_bound(&kept);

	(void)state;
	assert_int_equal(dpvma_sendto(fd, "out", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	dpvma_close(fd);
	text = file_text(report);
	assert_string_equal(text, "");
	free(text);
	dpvma_exit();
	text = file_text(report);
	snprintf(want, sizeof(want), "fd %d udp offloaded, " LOCAL ":%u, bound", open, kept);
	assert_in(text, want);
	snprintf(want, sizeof(want), "closed: fd %d udp offloaded, " LOCAL ":%u, bound: by port",
			fd, port);
	assert_in(text, want);
	assert_in(text, "; tx_packets 1 tx_bytes 3\n");
	assert_in(text, ", unbound: by family: its address family");
	/* those of the test before, too, and each once */
	assert_not_in(text, "more\n");
	assert_null(strstr(strstr(text, want) + 1, want));
	free(text);
}

static int
start(void **state)
{
	char config[sizeof(rules) + 32], explain[sizeof(report) + 32];
	int fd = mkstemp(rules), out = mkstemp(report);
	static const char text[] = "use vma udp_connect *:10\nuse os udp_connect *:9\n";

	(void)state;
	if (fd < 0 || out < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
		return -1;
	close(fd);
	close(out);
	snprintf(config, sizeof(config), "VMA_CONFIG_FILE=%s", rules);
	snprintf(explain, sizeof(explain), "DPVMA_EXPLAIN=%s", report);
	test_telemetry = true;
	test_start(config, explain, NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	unlink(rules);
	unlink(report);
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offloaded_one),
		cmocka_unit_test(streams),
		cmocka_unit_test(reasons),
		cmocka_unit_test(json),
		cmocka_unit_test(telemetry),
		cmocka_unit_test(at_the_end),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
