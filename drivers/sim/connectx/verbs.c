/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The libibverbs calls for devices, contexts, ports and protection domains. Memory is in mr.c,
 * queues that are made with verbs in vobj.c.
 */
#include "connectx.h"

#undef ibv_query_port

#define LINK_WIDTH_4X 2
#define LINK_SPEED_HDR 64 /* 50 Gbit/s a lane */
#define PHYS_LINK_POLLING 2
#define PHYS_LINK_UP 5

CX_EXPORT int
ibv_fork_init(void)
{
	return 0;
}

CX_EXPORT enum ibv_fork_status
ibv_is_fork_initialized(void)
{
	return IBV_FORK_UNNEEDED;
}

CX_EXPORT struct ibv_device **
ibv_get_device_list(int *n)
{
	struct ibv_device **list = calloc(cx_n_devs + 1, sizeof(*list));
	unsigned int i;
	int found = 0;

	if (list == NULL)
		return NULL;
	for (i = 0; cx_sysfs_pci() != NULL && i < cx_n_devs; i++)
		if (!__atomic_load_n(&cx_devs[i]->gone, __ATOMIC_ACQUIRE) &&
				cx_dev_open(cx_devs[i]))
			list[found++] = &cx_devs[i]->ibdev;
	if (n != NULL)
		*n = found;
	return list;
}

CX_EXPORT void
ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

CX_EXPORT const char *
ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

static int
query_port(struct ibv_context *c, uint8_t port, struct ibv_port_attr *a, size_t len)
{
	bool up = __atomic_load_n(&cx_dev_of(c)->link_up, __ATOMIC_RELAXED);
	struct ibv_port_attr t = {
		.state = up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN,
		.max_mtu = IBV_MTU_4096,
		.active_mtu = IBV_MTU_1024,
		.gid_tbl_len = 1,
		.phys_state = up ? PHYS_LINK_UP : PHYS_LINK_POLLING,
		.link_layer = IBV_LINK_LAYER_ETHERNET,
		.active_width = LINK_WIDTH_4X,
		.active_speed = LINK_SPEED_HDR,
	};

	if (cx_context_gone(c))
		return EIO;
	if (port != 1)
		return EINVAL;
	memset(a, 0, len);
	memcpy(a, &t, len < sizeof(t) ? len : sizeof(t));
	return 0;
}

CX_EXPORT int
ibv_query_port(struct ibv_context *c, uint8_t port, struct _compat_ibv_port_attr *a)
{
	return query_port(c, port, (struct ibv_port_attr *)a,
			offsetof(struct ibv_port_attr, port_cap_flags2));
}

static void
fill_attr(const struct ibv_context *c, struct ibv_device_attr *a)
{
	memset(a, 0, sizeof(*a));
	strcpy(a->fw_ver, "22.99.1000");
	a->vendor_id = 0x2c9;
	a->vendor_part_id = strtoul(cx_dev_of(c)->conf.devid, NULL, 0);
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

CX_EXPORT int
ibv_query_device(struct ibv_context *c, struct ibv_device_attr *a)
{
	/* how the PMD finds out that its device was removed */
	if (cx_context_gone(c))
		return EIO;
	fill_attr(c, a);
	return 0;
}

static int
query_device_ex(struct ibv_context *c, const struct ibv_query_device_ex_input *in,
		struct ibv_device_attr_ex *attr, size_t len)
{
	struct ibv_device_attr_ex t;

	(void)in;
	if (cx_context_gone(c))
		return EIO;
	memset(&t, 0, sizeof(t));
	fill_attr(c, &t.orig_attr);
	t.device_cap_flags_ex = IBV_DEVICE_RAW_IP_CSUM | IBV_DEVICE_CURR_QP_STATE_MOD;
	t.raw_packet_caps = IBV_RAW_PACKET_CAP_CVLAN_STRIPPING | IBV_RAW_PACKET_CAP_IP_CSUM;
	t.tso_caps.max_tso = 1 << 18;
	t.tso_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	t.rss_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	t.rss_caps.max_rwq_indirection_tables = 1 << 16;
	t.rss_caps.max_rwq_indirection_table_size = 512;
	t.rss_caps.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ;
	/* addresses and ports of IPv4 and IPv6, TCP and UDP */
	t.rss_caps.rx_hash_fields_mask = 0xff;
	t.max_wq_type_rq = 1 << 17;
	t.completion_timestamp_mask = UINT64_MAX;
	t.hca_core_clock = 1000000; /* kHz: time stamps are in nanoseconds */
	t.phys_port_cnt_ex = 1;
	memset(attr, 0, len);
	memcpy(attr, &t, len < sizeof(t) ? len : sizeof(t));
	return 0;
}

static int
query_rt_values(struct ibv_context *c, struct ibv_values_ex *v)
{
	if (cx_context_gone(c))
		return EIO;
	v->raw_clock.tv_sec = 0;
	v->raw_clock.tv_nsec = cx_clock() + cx_dev_of(c)->clock_offset;
	return 0;
}

CX_EXPORT struct ibv_context *
ibv_open_device(struct ibv_device *d)
{
	struct cx_dev *dev = (struct cx_dev *)((uint8_t *)d - offsetof(struct cx_dev, ibdev));
	struct cx_context *x = cx_context_new(dev);
	struct verbs_context *v;

	if (x == NULL)
		return NULL;
	if (cx_thread_use(dev) != 0) {
		cx_context_free(x);
		return NULL;
	}
	v = cx_context_verbs(x);
	v->query_port = query_port;
	v->query_device_ex = query_device_ex;
	v->query_rt_values = query_rt_values;
	cx_vobj_ops(v);
	cx_vflow_ops(v);
	return &v->context;
}

CX_EXPORT int
ibv_close_device(struct ibv_context *c)
{
	cx_thread_unuse(cx_dev_of(c));
	cx_context_free(cx_context_of(c));
	return 0;
}

CX_EXPORT struct ibv_context *
ibv_import_device(int fd)
{
	(void)fd;
	errno = EOPNOTSUPP;
	return NULL;
}

CX_EXPORT struct ibv_pd *
ibv_alloc_pd(struct ibv_context *c)
{
	struct ibv_pd *p = cx_context_gone(c) ? NULL : calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->context = c;
	p->handle = 1;
	return p;
}

CX_EXPORT int
ibv_dealloc_pd(struct ibv_pd *p)
{
	free(p);
	return 0;
}

CX_EXPORT struct ibv_pd *
ibv_import_pd(struct ibv_context *c, uint32_t handle)
{
	(void)c;
	(void)handle;
	errno = EOPNOTSUPP;
	return NULL;
}

CX_EXPORT void
ibv_unimport_pd(struct ibv_pd *p)
{
	(void)p;
}

CX_EXPORT const char *
ibv_port_state_str(enum ibv_port_state s)
{
	return s == IBV_PORT_ACTIVE ? "PORT_ACTIVE" : "PORT_DOWN";
}

/* Completion channels of verbs: the PMD has interrupts with DevX only. */
CX_EXPORT struct ibv_comp_channel *
ibv_create_comp_channel(struct ibv_context *c)
{
	(void)c;
	errno = EOPNOTSUPP;
	return NULL;
}

CX_EXPORT int
ibv_destroy_comp_channel(struct ibv_comp_channel *c)
{
	(void)c;
	return EOPNOTSUPP;
}

CX_EXPORT int
ibv_get_cq_event(struct ibv_comp_channel *c, struct ibv_cq **q, void **arg)
{
	(void)c;
	(void)q;
	(void)arg;
	errno = EAGAIN;
	return -1;
}

CX_EXPORT void
ibv_ack_cq_events(struct ibv_cq *c, unsigned int n)
{
	(void)c;
	(void)n;
}
