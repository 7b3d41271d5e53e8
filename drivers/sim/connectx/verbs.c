/* SPDX-License-Identifier: BSD-3-Clause */
/* The libibverbs part of the ABI. */
#include "connectx.h"
#include <sys/eventfd.h>
#include <unistd.h>
#undef ibv_query_port
#undef ibv_reg_mr
#undef ibv_reg_mr_iova

struct sim_ctx {
	struct verbs_context v;
};
void vobj_ops(struct verbs_context *v);

SIM_EXPORT int
ibv_fork_init(void)
{
	return 0;
}
SIM_EXPORT enum ibv_fork_status
ibv_is_fork_initialized(void)
{
	return IBV_FORK_UNNEEDED;
}

SIM_EXPORT struct ibv_device **
ibv_get_device_list(int *n)
{
	struct ibv_device **l = calloc(2, sizeof(*l));

	sim_init_once();
	if (sim.root[0])
		l[0] = &sim.ibdev;
	if (n)
		*n = !!l[0];
	return l;
}
SIM_EXPORT void
ibv_free_device_list(struct ibv_device **l)
{
	free(l);
}
SIM_EXPORT const char *
ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

static int
query_port(struct ibv_context *c, uint8_t port, struct ibv_port_attr *a, size_t len)
{
	struct ibv_port_attr t = { .state = IBV_PORT_ACTIVE,
		.max_mtu = IBV_MTU_4096,
		.active_mtu = IBV_MTU_1024,
		.gid_tbl_len = 1,
		.phys_state = 5,
		.link_layer = IBV_LINK_LAYER_ETHERNET,
		.active_width = 2,
		.active_speed = 32 };

	(void)c;
	if (port != 1)
		return EINVAL;
	memset(a, 0, len);
	memcpy(a, &t, len < sizeof(t) ? len : sizeof(t));
	return 0;
}
SIM_EXPORT int
ibv_query_port(struct ibv_context *c, uint8_t port, struct _compat_ibv_port_attr *a)
{
	return query_port(c, port, (struct ibv_port_attr *)a,
			offsetof(struct ibv_port_attr, port_cap_flags2));
}

static void
fill_dev(struct ibv_device_attr *a)
{
	memset(a, 0, sizeof(*a));
	strcpy(a->fw_ver, "22.99.1000");
	a->vendor_id = 0x2c9;
	a->vendor_part_id = 0x101d;
	a->max_mr_size = UINT64_MAX;
	a->page_size_cap = ~0xfffull;
	a->max_qp = 1 << 17;
	a->max_qp_wr = 1 << 15;
	a->max_sge = 30;
	a->max_cq = 1 << 20;
	a->max_cqe = (1 << 22) - 1;
	a->max_mr = 1 << 20;
	a->max_pd = 1 << 20;
	a->phys_port_cnt = 1;
}
SIM_EXPORT int
ibv_query_device(struct ibv_context *c, struct ibv_device_attr *a)
{
	(void)c;
	fill_dev(a);
	return 0;
}
static int
query_device_ex(struct ibv_context *c, const struct ibv_query_device_ex_input *in,
		struct ibv_device_attr_ex *attr, size_t len)
{
	struct ibv_device_attr_ex t;

	(void)c;
	(void)in;
	memset(&t, 0, sizeof(t));
	fill_dev(&t.orig_attr);
	t.device_cap_flags_ex = IBV_DEVICE_RAW_IP_CSUM | IBV_DEVICE_CURR_QP_STATE_MOD;
	t.raw_packet_caps = IBV_RAW_PACKET_CAP_CVLAN_STRIPPING | IBV_RAW_PACKET_CAP_IP_CSUM;
	t.tso_caps.max_tso = 1 << 18;
	t.tso_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	t.rss_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	t.rss_caps.max_rwq_indirection_tables = 1 << 16;
	t.rss_caps.max_rwq_indirection_table_size = 512;
	t.rss_caps.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ;
	t.rss_caps.rx_hash_fields_mask = 0xff;
	t.max_wq_type_rq = 1 << 17;
	t.completion_timestamp_mask = UINT64_MAX;
	t.hca_core_clock = 1000000;
	t.phys_port_cnt_ex = 1;
	memset(attr, 0, len);
	memcpy(attr, &t, len < sizeof(t) ? len : sizeof(t));
	return 0;
}
static int
query_rt(struct ibv_context *c, struct ibv_values_ex *v)
{
	uint64_t t = now_ns();

	(void)c;
	v->raw_clock.tv_sec = 0;
	v->raw_clock.tv_nsec = t;
	return 0;
}

SIM_EXPORT struct ibv_context *
ibv_open_device(struct ibv_device *d)
{
	struct sim_ctx *s = calloc(1, sizeof(*s));
	struct ibv_context *c = &s->v.context;

	s->v.sz = sizeof(s->v);
	s->v.query_port = query_port;
	s->v.query_device_ex = query_device_ex;
	s->v.query_rt_values = query_rt;
	vobj_ops(&s->v);
	c->abi_compat = __VERBS_ABI_IS_EXTENDED;
	c->device = d;
	c->cmd_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->async_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->num_comp_vectors = 8;
	pthread_mutex_init(&c->mutex, NULL);
	sim_thread_start();
	return c;
}
SIM_EXPORT int
ibv_close_device(struct ibv_context *c)
{
	sim_thread_stop();
	close(c->cmd_fd);
	close(c->async_fd);
	free((uint8_t *)c - offsetof(struct sim_ctx, v.context));
	return 0;
}
SIM_EXPORT struct ibv_context *
ibv_import_device(int fd)
{
	(void)fd;
	errno = EOPNOTSUPP;
	return NULL;
}

struct sim_pd {
	struct ibv_pd pub;
};
SIM_EXPORT struct ibv_pd *
ibv_alloc_pd(struct ibv_context *c)
{
	struct ibv_pd *p = calloc(1, sizeof(*p));

	p->context = c;
	p->handle = 1;
	return p;
}
SIM_EXPORT int
ibv_dealloc_pd(struct ibv_pd *p)
{
	free(p);
	return 0;
}
SIM_EXPORT struct ibv_pd *
ibv_import_pd(struct ibv_context *c, uint32_t h)
{
	(void)c;
	(void)h;
	errno = EOPNOTSUPP;
	return NULL;
}
SIM_EXPORT void
ibv_unimport_pd(struct ibv_pd *p)
{
	(void)p;
}

SIM_EXPORT struct ibv_mr *
ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, unsigned int acc)
{
	struct sim_mr *m = calloc(1, sizeof(*m));
	unsigned int i;

	(void)iova;
	(void)acc;
	pthread_mutex_lock(&sim.lock);
	for (i = 1; i < 4096 && sim.mrs[i]; i++)
		;
	if (i == 4096) {
		pthread_mutex_unlock(&sim.lock);
		free(m);
		errno = ENOMEM;
		return NULL;
	}
	m->pub = (struct ibv_mr){ .context = pd->context,
		.pd = pd,
		.addr = addr,
		.length = len,
		.handle = i,
		.lkey = 0x01000000 | i << 8 | 0x5a,
		.rkey = 0x01000000 | i << 8 | 0x5a };
	sim.mrs[i] = m;
	pthread_mutex_unlock(&sim.lock);
	sim_log(3, "reg_mr %p+%zu lkey=%x", addr, len, m->pub.lkey);
	return &m->pub;
}
SIM_EXPORT struct ibv_mr *
ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t len, int acc)
{
	return ibv_reg_mr_iova2(pd, addr, len, (uintptr_t)addr, acc);
}
SIM_EXPORT struct ibv_mr *
ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, int acc)
{
	return ibv_reg_mr_iova2(pd, addr, len, iova, acc);
}
SIM_EXPORT int
ibv_dereg_mr(struct ibv_mr *m)
{
	pthread_mutex_lock(&sim.lock);
	sim.mrs[m->handle] = NULL;
	pthread_mutex_unlock(&sim.lock);
	free(m);
	return 0;
}

SIM_EXPORT int
ibv_get_async_event(struct ibv_context *c, struct ibv_async_event *e)
{
	(void)c;
	(void)e;
	errno = EAGAIN;
	return -1;
}
SIM_EXPORT void
ibv_ack_async_event(struct ibv_async_event *e)
{
	(void)e;
}
SIM_EXPORT const char *
ibv_port_state_str(enum ibv_port_state s)
{
	return s == IBV_PORT_ACTIVE ? "PORT_ACTIVE" : "PORT_DOWN";
}

/* Verbs queue objects: only needed when the PMD runs without DevX. */
#define NOTSUP_PTR                                                                                 \
	do {                                                                                       \
		errno = EOPNOTSUPP;                                                                \
		return NULL;                                                                       \
	} while (0)
SIM_EXPORT struct ibv_comp_channel *
ibv_create_comp_channel(struct ibv_context *c)
{
	(void)c;
	NOTSUP_PTR;
}
SIM_EXPORT int
ibv_destroy_comp_channel(struct ibv_comp_channel *c)
{
	(void)c;
	return EOPNOTSUPP;
}
SIM_EXPORT int
ibv_get_cq_event(struct ibv_comp_channel *c, struct ibv_cq **q, void **x)
{
	(void)c;
	(void)q;
	(void)x;
	errno = EAGAIN;
	return -1;
}
SIM_EXPORT void
ibv_ack_cq_events(struct ibv_cq *c, unsigned int n)
{
	(void)c;
	(void)n;
}
