/* SPDX-License-Identifier: BSD-3-Clause */
/* cxclient CASE: one process a case, each with a NIC of its own on the loop wire. */
#include "cxclient.h"

#define SEEDS 4

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	struct cx_stats st;
	uint64_t seed;

	client_open();
	if (strcmp(name, "commands") == 0) {
		test_commands();
	} else if (strcmp(name, "busy") == 0) {
		test_busy();
	} else if (strcmp(name, "rings") == 0) {
		test_rings();
	} else if (strcmp(name, "hws") == 0) {
		test_hws();
	} else if (strcmp(name, "symmetric") == 0) {
		test_symmetric();
	} else if (strcmp(name, "fuzz-commands") == 0) {
		for (seed = 1; seed <= SEEDS; seed++)
			fuzz_commands(seed, 20000);
	} else if (strcmp(name, "fuzz-rings") == 0) {
		for (seed = 1; seed <= SEEDS; seed++)
			fuzz_rings(seed, 100);
	} else {
		printf("cases: commands busy rings hws symmetric fuzz-commands fuzz-rings\n");
		return 2;
	}
	st = stats();
	if (strncmp(name, "fuzz", 4) != 0 && strcmp(name, "rings") != 0 && strcmp(name, "hws") != 0)
		CHECK(st.bad_lkey == 0 && st.bad_doorbell == 0 && st.rx_errors == 0 &&
						st.tx_errors == 0,
				"errors in a case without any");
	ibv_dealloc_pd(pd);
	CHECK(ibv_close_device(ctx) == 0, "close");
	printf("ok %s\n", name);
	return 0;
}
