/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of libvma.conf: every element of the grammar, what is said of each mistake, which block
 * and which rule decide, and lines of which nothing can be expected.
 */
#include <arpa/inet.h>

#include "conf_test.h"

#include "conf/conf_priv.h"

static char path[] = "/tmp/dpvma-test-rules-XXXXXX";

/* Load rules, and one variable more unless it is NULL. */
static void
rules_sized(const char *text, size_t len, const char *env)
{
	char set[sizeof(path) + 32];
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	snprintf(set, sizeof(set), "VMA_CONFIG_FILE=%s", path);
	assert_int_equal(load(set, env, NULL), 0);
}

static void
rules(const char *text)
{
	rules_sized(text, strlen(text), NULL);
}

static struct conf_offload
ask(enum conf_role role, const char *local, unsigned int lport, const char *remote,
		unsigned int rport)
{
	struct ip_addr l, r;

	assert_int_equal(ip_parse(local, &l), 0);
	assert_int_equal(ip_parse(remote, &r), 0);
	return conf_offload(role, &l, htons((uint16_t)lport), &r, htons((uint16_t)rport));
}

static bool
offloads(enum conf_role role, const char *local, unsigned int lport, const char *remote,
		unsigned int rport)
{
	return ask(role, local, lport, remote, rport).offload;
}

/* The number of the rule that takes this client to the kernel, 0: none. */
static unsigned int
client(const char *remote, unsigned int rport)
{
	struct conf_offload o = ask(CONF_TCP_CLIENT, "0.0.0.0", 0, remote, rport);

	assert_int_equal(o.offload, o.rule == 0);
	return o.rule;
}

static void
test_none(void **state)
{
	struct conf_offload o;

	(void)state;
	rules("");
	assert_int_equal(said_n, 0);
	o = ask(CONF_TCP_SERVER, "10.0.0.1", 80, "0.0.0.0", 0);
	assert_true(o.offload);
	assert_int_equal(o.rule, 0);
	assert_null(o.text);
	rules("# a comment\n\n \t\n   # another: use os\nuse os tcp_client *:1\r\n");
	assert_int_equal(said_n, 0);
	assert_int_equal(client("10.0.0.1", 1), 1);
}

/* Only a file that was asked for is missed. */
static void
test_missing(void **state)
{
	(void)state;
	assert_int_equal(load("VMA_CONFIG_FILE=/nowhere/libvma.conf", NULL), 0);
	said_once("VMA_CONFIG_FILE=/nowhere/libvma.conf");
	assert_int_equal(said_n, 1);
	assert_int_equal(load("VMA_CONFIG_FILE=/tmp", NULL), 0);
	said_once("/tmp cannot be opened (Is a directory)");
	assert_int_equal(load("VMA_CONFIG_FILE=/dev/null", NULL), 0);
	assert_int_equal(said_n, 0);
	assert_int_equal(load("VMA_CONFIG_FILE=", NULL), 0);
	assert_int_equal(said_n, 0);
	if (access("/etc/libvma.conf", F_OK) != 0) {
		assert_int_equal(load(NULL), 0);
		assert_int_equal(said_n, 0);
	}
}

static void
test_addresses(void **state)
{
	(void)state;
	rules("use os tcp_client 10.1.2.3:80\n"
	      "use os tcp_client 10.2.255.255/16:80\n"
	      "use os tcp_client 10.3.0.0/40:80\n"
	      "use os tcp_client 192.168.1.128/25:*\n"
	      "use os tcp_client 0.0.0.0/0:81\n"
	      "use os tcp_client 128.0.0.0/1:82\n");
	assert_int_equal(said_n, 0);
	assert_int_equal(client("10.1.2.3", 80), 1);
	assert_int_equal(client("10.1.2.2", 80), 0);
	assert_int_equal(client("10.2.0.1", 80), 2);
	assert_int_equal(client("10.2.255.1", 80), 2);
	assert_int_equal(client("10.4.0.1", 80), 0);
	assert_int_equal(client("10.3.0.0", 80), 3);
	assert_int_equal(client("10.3.0.1", 80), 0);
	assert_int_equal(client("192.168.1.127", 9), 0);
	assert_int_equal(client("192.168.1.128", 9), 4);
	assert_int_equal(client("1.2.3.4", 81), 5);
	assert_int_equal(client("127.0.0.1", 82), 0);
	assert_int_equal(client("128.0.0.1", 82), 6);
	/* a rule that names addresses is about IPv4 */
	assert_int_equal(client("fd00::1", 80), 0);
}

static void
test_ports(void **state)
{
	(void)state;
	rules("use os tcp_client *:0\n"
	      "use os tcp_client *:100-200\n"
	      "use os tcp_client * : 300 - 300\n"
	      "use os tcp_client *:65535\n"
	      "use os tcp_client 10.0.0.1 : *\n");
	assert_int_equal(said_n, 0);
	assert_int_equal(client("10.0.0.2", 0), 1);
	assert_int_equal(client("10.0.0.2", 99), 0);
	assert_int_equal(client("10.0.0.2", 100), 2);
	assert_int_equal(client("10.0.0.2", 200), 2);
	assert_int_equal(client("10.0.0.2", 201), 0);
	assert_int_equal(client("10.0.0.2", 300), 3);
	assert_int_equal(client("10.0.0.2", 65535), 4);
	assert_int_equal(client("10.0.0.1", 7), 5);
}

/* Which addresses each role looks at. */
static void
test_roles(void **state)
{
	(void)state;
	rules("use os tcp_server 10.0.0.1:80\n"
	      "use os tcp_client 10.0.0.2:80:10.0.0.3:90\n"
	      "use os udp_receiver 239.1.1.1:5000\n"
	      "use os udp_sender 10.0.0.4:53\n"
	      "use os udp_connect 10.0.0.5:53:*:1000-2000\n");
	assert_int_equal(said_n, 0);
	assert_false(offloads(CONF_TCP_SERVER, "10.0.0.1", 80, "9.9.9.9", 9));
	assert_true(offloads(CONF_TCP_SERVER, "9.9.9.9", 9, "10.0.0.1", 80));
	assert_false(offloads(CONF_TCP_CLIENT, "10.0.0.3", 90, "10.0.0.2", 80));
	assert_true(offloads(CONF_TCP_CLIENT, "10.0.0.3", 91, "10.0.0.2", 80));
	assert_true(offloads(CONF_TCP_CLIENT, "10.0.0.2", 80, "10.0.0.3", 90));
	assert_false(offloads(CONF_UDP_RECEIVER, "239.1.1.1", 5000, "0.0.0.0", 0));
	assert_false(offloads(CONF_UDP_SENDER, "0.0.0.0", 0, "10.0.0.4", 53));
	assert_true(offloads(CONF_UDP_SENDER, "10.0.0.4", 53, "10.0.0.5", 53));
	assert_false(offloads(CONF_UDP_CONNECT, "1.2.3.4", 1500, "10.0.0.5", 53));
	assert_true(offloads(CONF_UDP_CONNECT, "1.2.3.4", 2500, "10.0.0.5", 53));
	for (unsigned int role = 0; role < CONF_ROLES_N; role++)
		assert_true(conf_offload_asked(role));
	/* a second pair says nothing where there is no second address */
	rules("use os tcp_server *:80:10.0.0.1:90\nuse os udp_sender *:53:10.0.0.1:90\n");
	assert_false(offloads(CONF_TCP_SERVER, "10.0.0.1", 80, "9.9.9.9", 9));
	assert_false(offloads(CONF_UDP_SENDER, "0.0.0.0", 0, "10.0.0.4", 53));
	assert_false(conf_offload_asked(CONF_TCP_CLIENT));
}

/* Every transport but the kernel's is ours; rules for us alone need not be asked for. */
static void
test_transports(void **state)
{
	(void)state;
	rules("use vma tcp_client *:1\nuse sdp tcp_client *:2\nuse sa tcp_client *:3\n"
	      "use * tcp_client *:4\nuse os tcp_client *:5\nuse vma tcp_server *:*\n");
	assert_int_equal(said_n, 0);
	for (unsigned int port = 1; port <= 5; port++) {
		assert_int_equal(ask(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.1", port).rule, port);
		assert_int_equal(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.1", port),
				port != 5);
	}
	assert_true(conf_offload_asked(CONF_TCP_CLIENT));
	assert_false(conf_offload_asked(CONF_TCP_SERVER));
}

static void
test_first_wins(void **state)
{
	struct conf_offload o;
	char want[sizeof(path) + 64];

	(void)state;
	rules("use vma tcp_client 10.0.0.0/24:80\n"
	      "\n"
	      "\tuse   os tcp_client 10.0.0.0/8:80\n"
	      "use vma tcp_client *:*\n");
	assert_true(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.9", 80));
	o = ask(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.1.0.9", 80);
	assert_false(o.offload);
	snprintf(want, sizeof(want), "%s:3: use   os tcp_client 10.0.0.0/8:80", path);
	assert_string_equal(o.text, want);
	assert_string_equal(conf_offload_text(o.rule), want);
	assert_null(conf_offload_text(17));
	assert_true(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.1.0.9", 81));
}

/* The program's name is this test's. */
static void
test_blocks(void **state)
{
	(void)state;
	rules("use os tcp_client *:1\n" /* of any program, and so the first block */
	      "application-id test_off* *\n"
	      "use os tcp_client *:2\n");
	assert_int_equal(client("10.0.0.1", 1), 1);
	assert_int_equal(client("10.0.0.1", 2), 0);
	rules("application-id nobody *\nuse os tcp_client *:1\n"
	      "application-id test_off* *\nuse os tcp_client *:2\n"
	      "application-id * *\nuse os tcp_client *:3\n"
	      "application-id test_off* *\nuse os tcp_client *:4\n");
	assert_int_equal(client("10.0.0.1", 1), 0);
	assert_int_equal(client("10.0.0.1", 2), 2);
	/* the block that fits has no such rule: later ones are not asked */
	assert_int_equal(client("10.0.0.1", 3), 0);
	/* and the last line opened it again */
	assert_int_equal(client("10.0.0.1", 4), 4);
	rules("application-id test_offloa[a-c] *\nuse os tcp_client *:1\n"
	      "application-id test_offloa[d-f] *\nuse os tcp_client *:2\n");
	assert_int_equal(client("10.0.0.1", 1), 0);
	assert_int_equal(client("10.0.0.1", 2), 2);
	rules("application-id nobody *\nuse os tcp_client *:1\n");
	assert_int_equal(client("10.0.0.1", 1), 0);
	assert_false(conf_offload_asked(CONF_TCP_CLIENT));
}

static void
test_user_id(void **state)
{
	static const char text[] = "application-id * VMA_DEFAULT_APPLICATION_ID\n"
				   "use os tcp_client *:1\n"
				   "application-id * feed\n"
				   "use os tcp_client *:2\n"
				   "application-id * *\n"
				   "use os tcp_client *:3\n";

	(void)state;
	rules(text);
	assert_int_equal(client("10.0.0.1", 1), 0);
	assert_int_equal(client("10.0.0.1", 3), 3);
	rules_sized(text, strlen(text), "VMA_APPLICATION_ID=feed");
	assert_int_equal(client("10.0.0.1", 2), 2);
	assert_int_equal(client("10.0.0.1", 3), 0);
	rules_sized(text, strlen(text), "VMA_APPLICATION_ID=*");
	assert_int_equal(client("10.0.0.1", 1), 1);
	assert_int_equal(client("10.0.0.1", 2), 0);
	/* an id that is set later chooses again */
	rules(text);
	assert_int_equal(conf_set("VMA_APPLICATION_ID", "feed"), 0);
	assert_int_equal(client("10.0.0.1", 2), 2);
}

static void
test_log_lines(void **state)
{
	(void)state;
	rules("log\nlog destination ystderr\nlog destination syslog min-level 3\n"
	      "log destination yfile /var/log/x.log\nlog min-level 9 destination stderr\n"
	      "log destination file libvma.log\nuse os tcp_client *:1\n");
	assert_int_equal(said_n, 0);
	assert_int_equal(client("10.0.0.1", 1), 1);
	assert_int_equal(access("libvma.log", F_OK), -1);
}

/* Each mistake: what is said, that what stood before holds, and what follows does not. */
static const struct {
	const char *line, *expected, *found;
} mistakes[] = {
	{ "us os tcp_client *:1", "use, application-id, log or #", "\"us os" },
	{ "useos tcp_client *:1", "use, application-id, log or #", "\"useos" },
	{ "USE os tcp_client *:1", "use, application-id, log or #", "\"USE os" },
	{ "use", "vma or os", "the end of the line" },
	{ "use linux tcp_client *:1", "vma or os", "\"linux" },
	{ "use vmatcp_client *:1", "vma or os", "\"vmatcp" },
	{ "use os", "tcp_server, tcp_client", "the end of the line" },
	{ "use os tcp *:1", "tcp_server, tcp_client", "\"tcp *:1\"" },
	{ "use os tcp_client", "an address", "the end of the line" },
	{ "use os tcp_client x:1", "an address", "\"x:1\"" },
	{ "use os tcp_client 10.0.0:1", "an address", "\"10.0.0:1\"" },
	{ "use os tcp_client 10.0.0.256:1", "an address", "\"10.0.0.256:1\"" },
	{ "use os tcp_client 10.0.0.0.0.0.0.0:1", "an address", "\"10.0.0.0.0" },
	{ "use os tcp_client fd00::1:1", "an address", "\"fd00" },
	{ "use os tcp_client 10.0.0.1/:1", "the length of a prefix", "\":1\"" },
	{ "use os tcp_client 10.0.0.1/-1:1", "the length of a prefix", "\"-1:1\"" },
	{ "use os tcp_client 10.0.0.1/99999999:1", "the length of a prefix", "\"99999999" },
	{ "use os tcp_client *", "a colon", "the end of the line" },
	{ "use os tcp_client 10.0.0.1 80", "a colon", "\"80\"" },
	{ "use os tcp_client *:", "a port from 0", "the end of the line" },
	{ "use os tcp_client *:65536", "a port from 0", "\"65536\"" },
	{ "use os tcp_client *:http", "a port from 0", "\"http\"" },
	{ "use os tcp_client *:-5", "a port from 0", "\"-5\"" },
	{ "use os tcp_client *:5-", "the last port", "the end of the line" },
	{ "use os tcp_client *:5-4", "the last port", "found" },
	{ "use os tcp_client *:5-65536", "the last port", "\"65536\"" },
	{ "use os tcp_client *:5:", "an address", "the end of the line" },
	{ "use os tcp_client *:5:*", "a colon", "the end of the line" },
	{ "use os tcp_client *:5:*:x", "a port from 0", "\"x\"" },
	{ "use os tcp_client *:5:*:6:7", "the end of the line", "\":7\"" },
	{ "use os tcp_client *:5 # note", "the end of the line", "\"# note\"" },
	{ "application-id", "a program's name", "the end of the line" },
	{ "application-id prog", "a user id", "the end of the line" },
	{ "application-id prog id more", "the end of the line", "\"more\"" },
	{ "log destination", "ystderr, syslog or yfile", "the end of the line" },
	{ "log destination printer", "ystderr, syslog or yfile", "\"printer\"" },
	{ "log destination yfile", "a file's name", "the end of the line" },
	{ "log min-level", "a level's number", "the end of the line" },
	{ "log min-level high", "a level's number", "\"high\"" },
	{ "log level 3", "the end of the line", "\"level 3\"" },
};

static void
test_mistakes(void **state)
{
	char text[512], want[512];
	const char *line;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(mistakes); i++) {
		snprintf(text, sizeof(text),
				"# rules\nuse os tcp_client *:1\n%s\nuse os tcp_client *:2\n",
				mistakes[i].line);
		rules(text);
		snprintf(want, sizeof(want), "%s line 3: expected %s", path, mistakes[i].expected);
		line = said_once(want);
		if (strstr(line, mistakes[i].found) == NULL)
			fail_msg("%s does not show %s", line, mistakes[i].found);
		assert_int_equal(said_n, 1);
		assert_int_equal(said_level[0], LOG_LEVEL_ERROR);
		assert_int_equal(client("10.0.0.1", 1), 1);
		assert_int_equal(client("10.0.0.1", 2), 0);
	}
}

static void
test_odd_files(void **state)
{
	static const char zero[] = "use os tcp_client *:1\nuse os tcp_cl\0ient *:2\n";
	char *line = malloc(100000);

	(void)state;
	rules_sized(zero, sizeof(zero) - 1, NULL);
	said_once("line 2: expected text, found a zero byte");
	assert_int_equal(client("10.0.0.1", 1), 1);
	assert_non_null(line);
	memset(line, 'x', 99999);
	line[99999] = '\0';
	memcpy(line, "application-id ", 15);
	rules(line);
	said_once("line 1: expected a program's name");
	/* no end of line, and what would move a cursor does not reach the log */
	rules("use os tcp_client *:1\x1b[2J");
	assert_null(strchr(said_once("expected the end of the line"), '\x1b'));
	rules("use os tcp_client *:1");
	assert_int_equal(client("10.0.0.1", 1), 1);
	free(line);
}

static void
test_add(void **state)
{
	(void)state;
	rules("application-id * *\nuse vma tcp_client *:80\n"
	      "application-id other *\nuse os tcp_client *:1\n");
	/* the block parsed last is another program's */
	assert_int_equal(conf_offload_add("use os tcp_client *:80"), 0);
	assert_true(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.1", 80));
	assert_int_equal(conf_offload_add("application-id * *"), 0);
	assert_int_equal(conf_offload_add("  use os tcp_client *:80\n"), 0);
	assert_false(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.1", 80));
	assert_string_equal(ask(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.1", 80).text,
			"add_conf_rule: use os tcp_client *:80");
	assert_true(conf_offload_asked(CONF_TCP_CLIENT));
	assert_int_equal(conf_offload_add("use vma tcp_client 10.0.0.1:80"), 0);
	assert_true(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.1", 80));
	assert_false(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.2", 80));
	/* other options do not undo it */
	assert_int_equal(conf_set("VMA_RX_WRE", "512"), 0);
	assert_false(offloads(CONF_TCP_CLIENT, "0.0.0.0", 0, "10.0.0.2", 80));
	said_n = 0;
	assert_int_equal(conf_offload_add("use os tcp_client 80"), -EINVAL);
	said_once("expected an address");
	assert_int_equal(conf_offload_add("use os tcp_client *:1\nuse os tcp_client *:2"), -EINVAL);
	assert_int_equal(conf_offload_add(NULL), -EINVAL);
	assert_int_equal(conf_offload_add("# nothing"), 0);
	/* without a file there is a block all the same */
	assert_int_equal(load("VMA_CONFIG_FILE=/dev/null", NULL), 0);
	assert_int_equal(conf_offload_add("use os tcp_client *:9"), 0);
	assert_int_equal(client("10.0.0.1", 9), 1);
}

/* Lines put together from what rules are made of: taken or refused, never worse. */
static void
test_random(void **state)
{
	static const char *const parts[] = { "use", "os", "vma", "sdp", "*", "tcp_server",
		"tcp_client", "udp_receiver", "udp_sender", "udp_connect", ":", "-", "/",
		"10.0.0.1", "255.255.255.255", "0", "65535", "65536", "application-id", "log",
		"destination", "yfile", "min-level", "#", " ", "\t", "[", "\xff",
		"99999999999999999999" };
	static const char *const spaces[] = { " ", "", "\t" };
	unsigned int i, n, taken = 0, refused = 0;
	struct conf_line line;
	char text[256], why[CONF_WHY_SIZE];

	(void)state;
	srandom(1);
	for (i = 0; i < 200000; i++) {
		size_t at = 0;

		/* half of them begin well */
		if (random() % 2 != 0)
			at = (size_t)snprintf(text, sizeof(text), "use os tcp_client *:1");
		for (n = (unsigned int)random() % 8; n > 0; n--)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
					parts[(size_t)random() % RTE_DIM(parts)],
					spaces[(size_t)random() % RTE_DIM(spaces)]);
		if (at == 0)
			continue;
		memset(why, 0, sizeof(why));
		if (conf_line_parse(text, &line, why, sizeof(why)) == 0) {
			taken++;
			assert_int_equal(why[0], '\0');
			if (line.kind == CONF_LINE_RULE) {
				assert_in_range(line.rule.pairs_n, 1, 2);
				assert_true(line.rule.pairs[0].first <= line.rule.pairs[0].last);
			}
		} else {
			refused++;
			assert_non_null(strstr(why, "expected"));
		}
	}
	assert_true(taken > 1000);
	assert_true(refused > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_transports),
		cmocka_unit_test(test_first_wins),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_user_id),
		cmocka_unit_test(test_log_lines),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_random),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
