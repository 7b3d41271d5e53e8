/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner itself: scripts that are wrong are refused with the place and the reason, what a line
 * expects in vain makes a script fail and says what came instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "script.h"

static void
refused(const char *text, const char *message)
{
	struct script script;

	assert_int_equal(script_load_text(&script, "t", text), -1);
	if (strcmp(script.error, message) != 0)
		print_message("for: %s\nwas: %s\n", text, script.error);
	assert_string_equal(script.error, message);
	script_free(&script);
}

static void
refuses_lines(void **state)
{
	(void)state;
	refused("listen\n\nlissen\n", "t:3: no such statement: lissen");
	refused("!", "t:1: no such statement: !");
	refused("listen backlog", "t:1: a number should be at ''");
	refused("listen 5", "t:1: what is '5'?");
	refused("0.1~0.2 listen", "t:1: only an expected segment may come at one of many times");
	refused("0.2~0.1 > . *", "t:1: the range of times ends before it begins");
	refused("* close", "t:1: only an expected segment may come at one of many times");
	refused("+x listen", "t:1: a time in seconds should be at 'x listen'");
	refused("@ listen", "t:1: no such statement: ");
	refused("accept = EBLA", "t:1: what is 'EBLA'?");
	refused("accept = 1.5", "t:1: a fraction needs a unit");
	refused("option colour 1", "t:1: there is no colour to set");
	refused("option nodelay maybe", "t:1: what is 'maybe'?");
	refused("listen\nengine tso_max 1", "t:2: engine lines come before all others");
	refused("shutdown all", "t:1: shutdown rd, wr or rdwr");
	refused("icmp EBLA seq 1", "t:1: icmp ERROR seq N [mtu N]");
	refused("event tea", "t:1: there is no event tea");
	refused("event", "t:1: event [only] NAME...");
	refused("? tea == 1", "t:1: there is no field 'tea'");
	refused("? counter tea == 1", "t:1: there is no counter tea");
	refused("? cwnd 1", "t:1: a comparison should be at '1'");
	refused("? srtt == 1h", "t:1: h is no unit (ns, us, ms, s)");
	refused("? state == ASLEEP", "t:1: what is 'ASLEEP'?");
	refused("flow a to here", "t:1: here is no address");
}

static void
refuses_segments(void **state)
{
	(void)state;
	refused("< X 1:1(0) win 1",
			"t:1: flags (F S R P . U E W, - for none) should be at 'X 1:1(0) win 1'");
	refused("< SX 1:1(0) win 1", "t:1: 'X' is no flag");
	refused("< . 1:2(0) ack 1 win 1", "t:1: 1:2(0): the end is not the start plus the length");
	refused("< . 1(0) ack 1 win 1", "t:1: sequence numbers are START:END(LENGTH)");
	refused("< . 1:1(0) win 1", "t:1: the segment has the flag . but no ack");
	refused("< S 1:1(0) ack 1 win 1", "t:1: the segment has an ack but not the flag .");
	refused("< . 1:1(0) ack 1", "t:1: an injected segment has a win");
	refused("< . 1:1(0) ack 1 win 65536", "t:1: win is one number of 16 bits");
	refused("< . *", "t:1: an injected segment leaves nothing open");
	refused("< S 0:0(0) win 1 <mss 1,tea>", "t:1: no such option: tea");
	refused("< S 0:0(0) win 1 <mss 1", "t:1: options should end with > at ''");
	refused("< S 0:0(0) win 1 <raw>", "t:1: raw HEXDIGITS");
	refused("< S 0:0(0) win 1 <TS 1 2>", "t:1: TS val N ecr N");
	refused("< . 1:1(0) ack 1 win 1 <sack 1>", "t:1: SACK blocks are START:END");
	refused("< . 1:1(0) ack 1 win 1 tso 5", "t:1: what is 'tso 5'?");
	refused("> . 1:1(0) ack 1 lro 5", "t:1: what is 'lro 5'?");
	refused("> [tea] . 1:1(0)", "t:1: [noecn], [ect0], [ect1] or [ce]");
}

static void
refuses_structure(void **state)
{
	(void)state;
	refused("repeat 3\nlisten", "t:1: repeat without end");
	refused("listen\nend", "t:2: end without repeat");
	refused("repeat\nend", "t:1: a number or a name should be at ''");
	refused("let 5 = 6", "t:1: let NAME = EXPRESSION");
	refused("let a = 6 b", "t:1: what is 'b'?");
	refused("let a = 6/0", "t:1: division by zero");
	refused("send $b", "t:1: no such name: b");
	refused("send $(1+", "t:1: a number or a name should be at ''");
	refused("include \"no.inc\"", "t:1: cannot open ./no.inc");
	refused("include no.inc", "t:1: include \"FILE\"");
}

static void
expands(void **state)
{
	struct script script;

	(void)state;
	assert_int_equal(script_load_text(&script, "t",
					 "let a = 2*(3+4) # fourteen\n"
					 "repeat i 3\n"
					 "  repeat 2\n"
					 "    send $($i*$a-1)\n"
					 "  end\n"
					 "end\n"),
			-1);
	assert_string_equal(script.error, "t:4: a number or a name should be at '$i*$a-1)'");
	script_free(&script);
	assert_int_equal(script_load_text(&script, "t",
					 "let a = 2*(3+4) # fourteen\n"
					 "repeat i 3\n"
					 "  repeat 2\n"
					 "    send $(i*a+1) = $a\n"
					 "  end\n"
					 "end\n"),
			0);
	assert_int_equal(script.n, 6);
	assert_int_equal(script.steps[5].value, 29);
	assert_int_equal(script.steps[5].expect, 14);
	assert_int_equal(script.steps[5].line->number, 4);
	script_free(&script);
}

static void
parses(void **state)
{
	struct script script;
	const struct segment *seg;
	char text[256];

	(void)state;
	assert_int_equal(
			script_load_text(&script, "t",
					"+0.25~0.5 @b > [ce] P.UE 1:1461(1460) ack 7 win 1~9 urg 3 "
					"<nop,TS val 5 ecr *,sack 1:2 3:4> each 100"),
			0);
	assert_int_equal(script.steps[0].when, WHEN_RELATIVE);
	assert_int_equal(script.steps[0].at, 250000000);
	assert_int_equal(script.steps[0].until, 500000000);
	assert_string_equal(script.steps[0].name, "b");
	seg = &script.steps[0].seg;
	assert_int_equal(seg->flags, FL_PSH | FL_ACK | FL_URG | FL_ECE);
	assert_int_equal(seg->ecn, 3);
	assert_int_equal(seg->each, 100);
	assert_int_equal(seg->any, ANY_TS_ECR);
	segment_print(seg, text, sizeof(text));
	assert_string_equal(text,
			"[ce] P.UE 1:1461(1460) ack 7 win 1 urg 3 <nop,TS val 5 ecr 0,sack 1:2 "
			"3:4>");
	script_free(&script);
}

/* Each difference is found, and what a line leaves open is none. */
static void
compares(void **state)
{
	static const struct {
		const char *want, *got, *differs;
	} cases[] = {
		{ "> P. 1:2(1) ack 1", "> P. 1:2(1) ack 1 win 5", NULL },
		{ "> * *", "> P. 1:2(1) ack 1 win 5", NULL },
		{ "> . 1:2(1) ack 1", "> P. 1:2(1) ack 1", "flags differ" },
		{ "> . 1:2(1) ack 1", "> . 2:3(1) ack 1", "sequence number differs" },
		{ "> . 1:2(1) ack 1", "> . 1:3(2) ack 1", "length differs" },
		{ "> . 1:2(1) ack 1", "> . 1:2(1) ack 2", "ack differs" },
		{ "> . * ack * win 5", "> . 1:2(1) ack 2 win 6", "win differs" },
		{ "> . * ack * win 5~7", "> . 1:2(1) ack 2 win 6", NULL },
		{ "> .U * ack 1 urg 5", "> .U 1:2(1) ack 1 urg 6", "urg differs" },
		{ "> [ce] . * ack 1", "> [ect0] . 1:2(1) ack 1",
				"ECN bits of the IP header differ" },
		{ "> . * ack 1 <nop,mss 5>", "> . 1:2(1) ack 1 <mss 5>", NULL },
		{ "> . * ack 1 <mss 5>", "> . 1:2(1) ack 1 <mss 6>", "mss differs" },
		{ "> . * ack 1 <mss 5>", "> . 1:2(1) ack 1 <mss 5,wscale 0>", "wscale differs" },
		{ "> . * ack 1 <>", "> . 1:2(1) ack 1 <sackOK>", "sackOK differs" },
		{ "> . * ack 1 <>", "> . 1:2(1) ack 1 <TS val 1 ecr 2>", "TS is not in both" },
		{ "> . * ack 1 <TS val 2 ecr *>", "> . 1:2(1) ack 1 <TS val 1 ecr 2>",
				"TS val differs" },
		{ "> . * ack 1 <TS val * ecr 1>", "> . 1:2(1) ack 1 <TS val 1 ecr 2>",
				"TS ecr differs" },
		{ "> . * ack 1", "> . 1:2(1) ack 1 <sack 1:2>",
				"SACK blocks where none should be" },
		{ "> . * ack 1 <sack 1:3>", "> . 1:2(1) ack 1 <sack 1:2>", "SACK blocks differ" },
		{ "> . * ack 1 <sack 1:2>", "> . 1:2(1) ack 1 <sack 1:2 3:4>",
				"the number of SACK blocks differs" },
		{ "> . 1:9(8) ack 1", "> . 1:9(8) ack 1 tso 4", "tso differs" },
		{ "> . * ack 1 <*>", "> . 1:2(1) ack 1 <sack 1:2>", NULL },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(cases); i++) {
		struct script want, got;
		const char *what;

		assert_int_equal(script_load_text(&want, "t", cases[i].want), 0);
		assert_int_equal(script_load_text(&got, "t", cases[i].got), 0);
		got.steps[0].seg.any &= (uint32_t)~NO_OPTS;
		what = segment_differs(&want.steps[0].seg, &got.steps[0].seg);
		if (cases[i].differs == NULL)
			assert_null(what);
		else
			assert_string_equal(what, cases[i].differs);
		script_free(&want);
		script_free(&got);
	}
}

static int
run(const char *text, char **log)
{
	struct script script;
	size_t len;
	FILE *f = open_memstream(log, &len);
	int rc;

	rc = script_load_text(&script, "t", text);
	if (rc < 0)
		print_message("%s\n", script.error);
	assert_int_equal(rc, 0);
	rc = script_run(&script, f);
	fclose(f);
	script_free(&script);
	return rc;
}

static void
fails(const char *text, const char *message)
{
	char *log = NULL;

	assert_int_equal(run(text, &log), -1);
	if (strncmp(log, message, strlen(message)) != 0)
		print_message("for: %s\nwas: %s\n", text, log);
	assert_int_equal(strncmp(log, message, strlen(message)), 0);
	assert_non_null(strstr(log, "what happened"));
	free(log);
}

#define OPEN                                                                                       \
	"listen = 0\n"                                                                             \
	"< S 0:0(0) win 65535 <mss 1460>\n"                                                        \
	"> S. 0:0(0) ack 1 <mss 1460>\n"                                                           \
	"+0.1 < . 1:1(0) ack 1 win 65535\n"                                                        \
	"accept = 0\n"

static void
runs(void **state)
{
	char *log = NULL;
	int rc;

	(void)state;
	rc = run(OPEN "send 100\n"
		      "> P. 1:101(100) ack 1\n"
		      "+0.1 < P. 1:11(10) ack 101 win 65535\n"
		      "> . 101:101(0) ack 11\n"
		      "event only readable\n"
		      "recv 100 = 10\n"
		      "? state == ESTABLISHED, bytes_acked == 100, counter accepted == 1\n"
		      "abort\n"
		      "> R. 101:101(0) ack 11\n",
			&log);
	if (rc != 0)
		print_message("%s\n", log);
	assert_int_equal(rc, 0);
	free(log);
}

static void
fails_where_it_should(void **state)
{
	(void)state;
	fails(OPEN "> P. 1:101(100) ack 1\n", "t:6: the engine sent nothing till 0.101000");
	fails(OPEN "send 100\n> P. 1:102(101) ack 1\n",
			"t:7: length differs; at 0.100000 came > P. 1:101(100) ack 1");
	fails(OPEN "send 100\n+0.1 nothing\n",
			"t:7: the engine sent what no line expects, at 0.100000: > P. 1:101(100)");
	fails(OPEN "send 100\n", "t:6: the engine sent what no line expects");
	fails(OPEN "send 100\n+0.5 > P. 1:101(100) ack 1\n",
			"t:7: it came at 0.100000, not between 0.599000 and 0.601000");
	fails(OPEN "accept = 0\n", "t:6: the call returned -EAGAIN, should be 0");
	fails(OPEN "recv 10 = 0\n", "t:6: the call returned -EAGAIN, should be 0");
	fails(OPEN "? state == CLOSE-WAIT\n", "t:6: state is ESTABLISHED, should be == CLOSE-WAIT");
	fails(OPEN "? mss == 1461\n", "t:6: mss is 1460, should be == 1461");
	fails(OPEN "? counter accepted > 1\n", "t:6: counter accepted is 1, should be > 1");
	fails(OPEN "event readable\n",
			"t:6: events since the last such line: none; should be readable");
	fails(OPEN "<+ . 1:1(0) ack 1 win 1\n", "t:6: a burst has no end");
	fails("send 1\n", "t:1: the flow has no connection of the application's");
	fails("unlisten\n", "t:1: there is no listener");
	fails("? state == CLOSED\n", "t:1: there is no connection to look at");
}

static int
up(void **state)
{
	(void)state;
	return script_world_up("test_script");
}

static int
down(void **state)
{
	(void)state;
	script_world_down();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_lines),
		cmocka_unit_test(refuses_segments),
		cmocka_unit_test(refuses_structure),
		cmocka_unit_test(expands),
		cmocka_unit_test(parses),
		cmocka_unit_test(compares),
		cmocka_unit_test(runs),
		cmocka_unit_test(fails_where_it_should),
	};

	return cmocka_run_group_tests(tests, up, down);
}
