/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of libvma.conf from anywhere: the reader of a line either takes it, as something that holds
 * what rules must hold, or says what it expected; and questions to what was taken have an answer.
 * With CORPUS defined it is the program that writes the first inputs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf_priv.h"

#ifdef CORPUS
int
main(int argc, char **argv)
{
	static const char *const texts[] = {
		"# libvma.conf\napplication-id * *\nuse os udp_connect *:53\n",
		"application-id sockperf* feed\nuse vma tcp_client 10.0.0.0/8:1-1023:*:*\n",
		"use os tcp_server 10.0.0.1:80\nuse sdp udp_receiver 239.0.0.0/8:*\n",
		"log destination yfile /tmp/x min-level 3\nlog destination ystderr\n",
	};
	char path[4096];

	for (unsigned int i = 0; argc == 2 && i < RTE_DIM(texts); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%u", argv[1], i);
		f = fopen(path, "w");
		if (f == NULL || fputs(texts[i], f) < 0 || fclose(f) != 0)
			return 1;
	}
	return argc == 2 ? 0 : 1;
}
#else
static void
check(int ret, const struct conf_line *line, const char *why)
{
	const struct conf_rule *r = &line->rule;

	if (ret != 0 && (ret != -EINVAL || strncmp(why, "expected ", 9) != 0))
		abort();
	if (ret != 0 || line->kind != CONF_LINE_RULE)
		return;
	if (r->role >= CONF_ROLES_N || r->pairs_n < 1 || r->pairs_n > 2)
		abort();
	for (unsigned int i = 0; i < r->pairs_n; i++)
		if (r->pairs[i].first > r->pairs[i].last ||
				(r->pairs[i].net_be & ~r->pairs[i].mask_be) != 0)
			abort();
}

static void
ask_all(void)
{
	struct ip_addr local = ip_from_v4(RTE_BE32(0x0a000001));
	struct ip_addr remote = ip_from_v4(RTE_BE32(0xef000001));
	struct conf_offload o;

	for (unsigned int role = 0; role < CONF_ROLES_N; role++) {
		o = conf_offload((enum conf_role)role, &local, RTE_BE16(80), &remote, RTE_BE16(53));
		if (!o.offload && (o.text == NULL || !conf_offload_asked((enum conf_role)role)))
			abort();
		if (o.text != conf_offload_text(o.rule))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[CONF_WHY_SIZE] = "", *text = malloc(size + 1), *line, *rest;
	struct conf_line parsed;

	if (text == NULL)
		return 0;
	log_setup(LOG_LEVEL_NONE, 0, false, NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		check(conf_line_parse(line, &parsed, why, sizeof(why)), &parsed, why);
		conf_offload_add(line);
	}
	ask_all();
	conf_offload_forget();
	free(text);
	return 0;
}
#endif
