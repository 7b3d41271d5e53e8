/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_script FILE...: run scripts. Each that fails says why on standard error.
 */
#include <stdlib.h>
#include <string.h>

#include "script.h"

static int
run_file(const char *path)
{
	struct script script;
	int rc;

	if (script_load(&script, path) < 0) {
		fprintf(stderr, "%s\n", script.error);
		script_free(&script);
		return -1;
	}
	rc = script_run(&script, stderr);
	script_free(&script);
	return rc;
}

int
main(int argc, char **argv)
{
	int failed = 0, i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	if (script_world_up("tcp_script") < 0) {
		fprintf(stderr, "EAL does not start\n");
		return 2;
	}
	for (i = 1; i < argc; i++)
		if (run_file(argv[i]) < 0) {
			fprintf(stderr, "FAILED %s\n", argv[i]);
			failed++;
		}
	if (argc > 2)
		printf("%d of %d failed\n", failed, argc - 1);
	script_world_down();
	return failed > 0;
}
