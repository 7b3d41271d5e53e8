/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receive entry whose key is not valid: the device answers with an error completion, and the PMD
 * resets the queue and goes on. The program finds the ring of its own driver by standing in front
 * of the calls that make it.
 */
#include "cxtest.h"
#include <dirent.h>
#include <dlfcn.h>
#include <unistd.h>
#include <infiniband/mlx5dv.h>

#define ROUNDS 5
#define OP_CREATE_RQ 0x908
#define LOGS "/var/log"

/* In the command, bytes: the work queue, and in it what tells where the ring is. */
#define WQ_AT (32 + 48)
#define WQ_UMEM (WQ_AT + 44)
#define WQ_OFFSET (WQ_AT + 48)

static struct {
	uint32_t id;
	uint8_t *addr;
	size_t len;
} umems[64];
static unsigned int n_umems;
static uint8_t *ring;
static uint32_t ring_bytes, entry_bytes;
static bool striding;

static uint32_t
word(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return rte_be_to_cpu_32(v);
}

__attribute__((visibility("default"))) struct mlx5dv_devx_umem *
mlx5dv_devx_umem_reg(struct ibv_context *c, void *addr, size_t len, uint32_t access)
{
	struct mlx5dv_devx_umem *(*next)(struct ibv_context *, void *, size_t, uint32_t);
	struct mlx5dv_devx_umem *u;

	*(void **)&next = dlsym(RTLD_NEXT, "mlx5dv_devx_umem_reg");
	u = next(c, addr, len, access);
	if (u != NULL && n_umems < RTE_DIM(umems)) {
		umems[n_umems].id = u->umem_id;
		umems[n_umems].addr = addr;
		umems[n_umems++].len = len;
	}
	return u;
}

/* The last RQ made is the port's: the drop queue's comes first. */
__attribute__((visibility("default"))) struct mlx5dv_devx_obj *
mlx5dv_devx_obj_create(
		struct ibv_context *c, const void *in, size_t in_len, void *out, size_t out_len)
{
	struct mlx5dv_devx_obj *(*next)(struct ibv_context *, const void *, size_t, void *, size_t);
	const uint8_t *b = in;
	unsigned int i;

	if (b[0] == OP_CREATE_RQ >> 8 && b[1] == (OP_CREATE_RQ & 255)) {
		for (i = n_umems; i-- > 0 && umems[i].id != word(b + WQ_UMEM);)
			;
		if (i < n_umems) {
			ring = umems[i].addr + word(b + WQ_OFFSET + 4);
			entry_bytes = 1u << (b[WQ_AT + 33] & 15);
			ring_bytes = entry_bytes << (b[WQ_AT + 35] & 31);
			striding = b[WQ_AT] >> 4 == 3;
		}
	}
	*(void **)&next = dlsym(RTLD_NEXT, "mlx5dv_devx_obj_create");
	return next(c, in, in_len, out, out_len);
}

static void
spoil_ring(void)
{
	uint32_t i;

	CHECK(ring != NULL, "no receive queue was made");
	for (i = 0; i < ring_bytes; i += entry_bytes)
		ring[i + (striding ? 16 : 0) + 5] ^= 0x55; /* of the key */
}

/* What the PMD writes about the queue goes there. */
static void
remove_dumps(void)
{
	DIR *d = opendir(LOGS);
	char path[300];
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, "dpdk_mlx5_port_0_rxq_0_", 23) != 0)
			continue;
		snprintf(path, sizeof(path), LOGS "/%s", e->d_name);
		unlink(path);
	}
	if (d != NULL)
		closedir(d);
}

void
case_rx_error(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024 };
	struct segment seg = { .src = 0x0a630001,
		.dst = 0x0a630002,
		.sport = 1,
		.dport = 2,
		.proto = IPPROTO_UDP,
		.len = 100 };
	struct rte_eth_stats st;
	/* the vector paths do nothing for less than four */
	struct rte_mbuf *m, *burst[32];
	uint8_t frame[2048];
	unsigned int round, i;
	uint64_t end;
	uint32_t len;

	(void)c;
	port_start(&pc);
	len = peer_frame(frame, &seg);
	for (round = 1; round <= ROUNDS; round++) {
		for (i = 0; i < 100; i++) {
			port_send(frame, len);
			rte_pktmbuf_free(port_wait(NULL, 1, "before an error"));
		}
		spoil_ring();
		port_send(frame, len);
		end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
		/* polling is what makes the PMD see the error and get over it */
		do {
			CHECK(rte_eth_rx_burst(0, 0, burst, RTE_DIM(burst)) == 0,
					"a frame for a wrong key");
			CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
			CHECK(rte_get_timer_cycles() < end, "no error is reported");
		} while (st.ierrors < round);
		/* ready again at some time: what is sent before is lost */
		for (i = 0; port_receive(&m, NULL, 1, 1) == 0; i++) {
			CHECK(i < PATIENCE, "the queue does not come back");
			port_send(frame, len);
		}
		do
			rte_pktmbuf_free(m);
		while (port_receive(&m, NULL, 1, 1) == 1);
	}
	port_stop();
	remove_dumps();
}
