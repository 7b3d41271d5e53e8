/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of the extra API over stand-ins for the rooms below: what is announced, how arguments
 * and results are passed on, and which errors come as which errno.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "cyclic/cyclic.h"
#include "sock/dpvma.h"
#include "sock/front.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

#define RING_FD 70
#define PLAIN_FD 71

static struct port ports[2];
static struct ring cyclic_ring = { .port = &ports[0] }, plain_ring = { .port = &ports[1] };
static int pinned, held, stale, registered_result;
static bool has_ids;
static int init_result, rings, read_result, armed, disarmed, disarms, waiting, offload = -1,
									       memory_result;
static struct cyclic_run next_run;
static struct ring_profile added;
static size_t read_min, read_max;
static bool read_time;
static void *(*offered)(void);
static const char *rule;
static char logged[256];
static uint8_t memory[64];

int log_level_now = LOG_LEVEL_INFO;
struct conf conf_values = { .vma_abi = CONF_VMA_ABI_B };
int conf_loaded = 1;

int
conf_load(void)
{
	return 0;
}

void
log_write(int level, const char *fmt, ...)
{
	size_t len = strlen(logged);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(logged + len, sizeof(logged) - len, fmt, ap);
	va_end(ap);
	strncat(logged, "|", sizeof(logged) - strlen(logged) - 1);
}

int
dpvma_init(void)
{
	return init_result;
}

int
dpvma_dump(int fd, FILE *f)
{
	if (fd != 0 && fd != 5) {
		errno = EBADF;
		return -1;
	}
	fprintf(f, "fd %d\nsecond\n", fd);
	return 0;
}

void
sock_set_api(void *(*get)(void))
{
	offered = get;
}

int
sock_thread_offload(pthread_t thread, bool on)
{
	if (!pthread_equal(thread, pthread_self()))
		return -ESRCH;
	offload = on;
	return 0;
}

int
conf_offload_add(const char *line)
{
	rule = line;
	return line == NULL ? -EINVAL : 0;
}

void
sock_misused(enum extra_stat what)
{
	assert_int_equal(what, EXTRA_STAT_stale_ring);
	stale++;
}

int
sock_ring_fds(int fd, int *out, unsigned int n)
{
	assert_int_equal(fd, 5);
	for (unsigned int i = 0; i < (unsigned int)rings && i < n; i++)
		out[i] = i == 0 ? RING_FD : PLAIN_FD;
	return rings < (int)n ? rings : (int)n;
}

int
sock_rings(int fd, struct ring **out, int n)
{
	assert_int_equal(fd, 5);
	for (int i = 0; i < rings && i < n; i++)
		out[i] = i == 0 ? &cyclic_ring : &plain_ring;
	return rings < n ? rings : n;
}

/* test_zcopy.c has the zero copy functions */
ssize_t
sock_lend(int fd, struct sock_loan *loan)
{
	(void)fd;
	(void)loan;
	return -EAGAIN;
}

void
sock_lent_name(struct rte_mbuf *m, struct sockaddr *from, socklen_t *fromlen)
{
	(void)m;
	(void)from;
	(void)fromlen;
}

int
sock_named_room(struct sockaddr *from, socklen_t *fromlen)
{
	(void)from;
	(void)fromlen;
	return 0;
}

void
front_flush(struct front *f)
{
	(void)f;
}

static struct reader nobody;
__thread struct reader *front_reader = &nobody;
struct front **fronts;
uint32_t fronts_n;

int
sock_lender(int fd)
{
	(void)fd;
	return -EINVAL;
}

int
sock_lent_back(int fd, void *const *packets, unsigned int n)
{
	(void)fd;
	(void)packets;
	(void)n;
	return -EINVAL;
}

int ring_mbuf_meta_offset;

int
sock_tx_ring_fd(int fd, const struct sockaddr *to, socklen_t len)
{
	(void)fd;
	(void)len;
	return to != NULL ? PLAIN_FD : -EINVAL;
}

int
sock_headers(int fd, void *buf, uint16_t *len)
{
	(void)fd;
	(void)buf;
	*len = 42;
	return 0;
}

/** @name What is registered */
/** @{ */
int ring_mbuf_meta_offset = offsetof(struct rte_mbuf, dynfield1);
static struct sock_callback registered;
static int registered_fd, register_result;
static bool unregistered;

int
sock_set_callback(int fd, const struct sock_callback *callback)
{
	registered_fd = fd;
	unregistered = callback == NULL;
	if (callback != NULL)
		registered = *callback;
	return register_result;
}

uint64_t
sock_judged_time(const struct sock_judging *j, const struct rte_mbuf *m)
{
	(void)m;
	return (uintptr_t)j->sock;
}
/** @} */

struct ring *
ring_pin(int fd)
{
	struct ring *ring = fd == RING_FD ? &cyclic_ring : fd == PLAIN_FD ? &plain_ring : NULL;

	pinned += ring != NULL;
	return ring;
}

void
ring_unpin(struct ring *ring)
{
	assert_non_null(ring);
	pinned--;
}

struct ring *
ring_hold_by_fd(int fd)
{
	struct ring *ring = ring_pin(fd);

	pinned -= ring != NULL;
	held += ring != NULL;
	return ring;
}

void
ring_release(struct ring *ring)
{
	assert_non_null(ring);
	held--;
}

struct ring *
ring_enter(int fd)
{
	struct ring *ring = ring_pin(fd);

	if (ring != NULL) {
		pinned--;
		ring->callers++;
	}
	return ring;
}

int
ring_memory_add(struct ring *ring, void *addr, size_t len, uint32_t *key)
{
	assert_ptr_equal(ring, &plain_ring);
	if (addr == NULL || len == 0)
		return -EINVAL;
	*key = 77;
	return registered_result;
}

int
ring_memory_del(struct ring *ring, void *addr, size_t len)
{
	assert_ptr_equal(ring, &plain_ring);
	(void)addr;
	(void)len;
	return registered_result;
}

unsigned int
port_count(void)
{
	return 2;
}

struct port *
port_get(unsigned int index)
{
	return &ports[index];
}

int
port_ids(const struct port *port, struct port_ids *ids)
{
	if (port != &ports[1] || !has_ids)
		return -EOPNOTSUPP;
	*ids = (struct port_ids){ 0x02c9, 0x1017 };
	return 0;
}

int
ring_arm(struct ring *ring)
{
	(void)ring;
	return armed;
}

int
ring_disarm(struct ring *ring)
{
	(void)ring;
	disarms++;
	return disarmed;
}

int
ring_moderate(struct ring *ring, uint32_t count, uint32_t period_usec)
{
	(void)ring;
	assert_int_equal(count, 8);
	assert_int_equal(period_usec, 50);
	return -ENOTSUP;
}

int
ring_profile_add(const struct ring_profile *profile)
{
	added = *profile;
	return profile->num == 0 && profile->type == RING_PROFILE_CYCLIC ? -EINVAL : 3;
}

int
cyclic_get(struct ring *ring, struct cyclic **cyclic)
{
	*cyclic = (struct cyclic *)ring;
	/* a reader ends when nobody uses the ring, whoever pinned it */
	assert_true(held > 0 || ring->callers > 0);
	return ring == &cyclic_ring ? 0 : -EOPNOTSUPP;
}

struct cyclic *
cyclic_of(const struct ring *ring)
{
	assert_true(held > 0);
	return ring == &cyclic_ring ? (struct cyclic *)&cyclic_ring : NULL;
}

bool
cyclic_waiting(const struct cyclic *cyclic)
{
	(void)cyclic;
	return waiting;
}

int
cyclic_memory(const struct cyclic *cyclic, void **addr, size_t *len)
{
	(void)cyclic;
	*addr = memory;
	*len = sizeof(memory);
	return memory_result;
}

int
cyclic_read(struct cyclic *cyclic, size_t min, size_t max, bool want_time, struct cyclic_run *run)
{
	assert_ptr_equal(cyclic, &cyclic_ring);
	read_min = min;
	read_max = max;
	read_time = want_time;
	*run = next_run;
	return read_result;
}

static bool memory_rx, memory_tx;
static struct ring_memory memory_functions;
static int memory_taken;

int
sock_memory_from(bool rx, bool tx, const struct ring_memory *functions)
{
	memory_rx = rx;
	memory_tx = tx;
	memory_functions = *functions;
	return memory_taken;
}

static bool xtreme_on;
static int xtreme_result;
static const void *xtreme_saw;

bool
sock_xtreme_waiting(const struct ring *ring)
{
	return xtreme_on && ring == &plain_ring;
}

int
sock_xtreme_poll(int fd, struct sock_completion *completions, unsigned int n)
{
	assert_int_equal(fd, RING_FD);
	assert_int_equal(n, 3);
	xtreme_saw = completions;
	return xtreme_result;
}

int
sock_xtreme_free(const struct sock_packet *packets, int n)
{
	assert_int_equal(n, 2);
	xtreme_saw = packets;
	return xtreme_result;
}

int
sock_xtreme_ref_buff(struct ring_meta *buff)
{
	xtreme_saw = buff;
	return xtreme_result;
}

int
sock_xtreme_free_buff(struct ring_meta *buff)
{
	xtreme_saw = buff;
	return xtreme_result;
}

static struct vma_api_t *api;

static int
up(void **state)
{
	(void)state;
	init_result = read_result = armed = disarmed = waiting = memory_result = 0;
	pinned = held = stale = registered_result = disarms = 0;
	cyclic_ring.armed = plain_ring.armed = false;
	has_ids = false;
	rings = 2;
	logged[0] = '\0';
	errno = 0;
	api = dpvma_get_api();
	return api == NULL;
}

/* Whoever came by a descriptor has left its ring. */
static int
down(void **state)
{
	(void)state;
	assert_int_equal(pinned, 0);
	assert_int_equal(held, 0);
	assert_int_equal(cyclic_ring.callers, 0);
	assert_int_equal(plain_ring.callers, 0);
	return 0;
}

#define FAILS(call, err)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		assert_int_equal(call, -1);                                                        \
		assert_int_equal(errno, err);                                                      \
	} while (0)

static void
test_table(void **state)
{
	const unsigned char *p = (const unsigned char *)api;

	(void)state;
	assert_ptr_equal(offered(), api);
	assert_ptr_equal(dpvma_get_api(), api);
	/* 21 functions, the mask, one more: none is missing. */
	for (size_t at = 0; at < sizeof(*api); at += 8) {
		uint64_t word;

		memcpy(&word, p + at, 8);
		assert_true(word != 0);
	}
	/* dpcp: not offered; descriptors on no port there is. */
	assert_int_equal(api->vma_extra_supported_mask, 0x3fffff & ~(1ull << 14 | 1 << 21));
	has_ids = true;
	assert_int_equal(dpvma_get_api()->vma_extra_supported_mask, 0x3fffff & ~(1ull << 21));
	init_result = -1;
	assert_null(dpvma_get_api());
	assert_null(offered());
}

/* What is announced in each family; each has a table of its own, which stays. */
static void
test_families(void **state)
{
	static const struct {
		enum conf_vma_abi abi;
		size_t size, mask_at;
		uint64_t never; /* bits that no function of the family has */
	} families[] = {
		{ CONF_VMA_ABI_A, 176, 168, 1 << 21 }, { CONF_VMA_ABI_B, 184, 168, 1 << 21 },
		{ CONF_VMA_ABI_C, 168, 152, 1 << 15 | 1 << 19 | 1 << 21 },
		{ CONF_VMA_ABI_D, 160, 152, 1 << 15 | 1 << 19 | 1 << 21 },
		{ CONF_VMA_ABI_E, 168, 152, 1 << 15 | 1 << 19 }, /* bit 21: ioctl */
	};
	uint64_t mask, word;
	char *table;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(families); i++) {
		conf_values.vma_abi = families[i].abi;
		/* up to D only a stack that has started has a table */
		init_result = -1;
		assert_int_equal(offered() != NULL, families[i].abi == CONF_VMA_ABI_E);
		init_result = 0;
		table = offered();
		assert_ptr_equal(offered(), table);
		assert_ptr_equal(dpvma_get_api(), api);
		memcpy(&mask, table + families[i].mask_at, sizeof(mask));
		assert_int_equal(mask >> 22, 0);
		assert_int_equal(mask & families[i].never, 0);
		assert_int_equal(mask >> 21, families[i].abi == CONF_VMA_ABI_E);
		/* what B announces the others do, as far as they have it */
		assert_int_equal(mask & ~(1ull << 21),
				api->vma_extra_supported_mask & ~families[i].never & ~(1ull << 21));
		for (size_t at = 0; at < families[i].size; at += 8) {
			memcpy(&word, table + at, sizeof(word));
			assert_true(word != 0);
		}
	}
	conf_values.vma_abi = CONF_VMA_ABI_B;
	assert_ptr_equal(offered(), api);
}

static void
test_not_offered(void **state)
{
	uintptr_t *devices;
	size_t n;

	(void)state;
	FAILS(api->get_dpcp_devices(&devices, &n), EOPNOTSUPP);
}

static void
test_xtreme(void **state)
{
	struct vma_modify_ring_attr arm = { .comp_bit_mask = VMA_MODIFY_RING_CQ_ARM,
		.ring_fd = PLAIN_FD };
	struct vma_completion_t completions[3];
	struct vma_packet_desc_t packets[2];
	struct vma_buff_t buff;

	(void)state;
	for (xtreme_result = 2; xtreme_result >= 0; xtreme_result -= 2) {
		assert_int_equal(
				api->socketxtreme_poll(RING_FD, completions, 3, 77), xtreme_result);
		assert_ptr_equal(xtreme_saw, completions);
		assert_int_equal(api->socketxtreme_free_vma_packets(packets, 2), xtreme_result);
		assert_ptr_equal(xtreme_saw, packets);
		xtreme_saw = NULL;
		assert_int_equal(api->socketxtreme_ref_vma_buff(&buff), xtreme_result);
		assert_ptr_equal(xtreme_saw, &buff);
		xtreme_saw = NULL;
		assert_int_equal(api->socketxtreme_free_vma_buff(&buff), xtreme_result);
		assert_ptr_equal(xtreme_saw, &buff);
	}
	xtreme_result = -EBADFD;
	FAILS(api->socketxtreme_poll(RING_FD, completions, 3, 0), EBADFD);
	xtreme_result = -EOPNOTSUPP;
	FAILS(api->socketxtreme_free_vma_packets(packets, 2), EOPNOTSUPP);
	FAILS(api->socketxtreme_ref_vma_buff(&buff), EOPNOTSUPP);
	FAILS(api->socketxtreme_free_vma_buff(&buff), EOPNOTSUPP);
	/* what a poll would find at once keeps the ring from being armed */
	assert_int_equal(api->vma_modify_ring(&arm), 0);
	xtreme_on = true;
	assert_int_equal(api->vma_modify_ring(&arm), 1);
	xtreme_on = false;
}

static void
test_read(void **state)
{
	struct vma_completion_cb_t c, untouched;

	(void)state;
	memset(&c, 0x77, sizeof(c));
	c.comp_mask = 0;
	untouched = c;
	next_run = (struct cyclic_run){ .payload = memory,
		.payload_len = 512,
		.packets = 2,
		.usr_hdr = memory + 32,
		.usr_hdr_len = 32,
		.hw_timestamp = { 7, 9 } };
	assert_int_equal(api->vma_cyclic_buffer_read(RING_FD, &c, 1, 9, MSG_DONTWAIT), 0);
	assert_int_equal(read_min, 1);
	assert_int_equal(read_max, 9);
	assert_false(read_time);
	assert_ptr_equal(c.payload_ptr, memory);
	assert_int_equal(c.payload_length, 512);
	assert_int_equal(c.packets, 2);
	assert_ptr_equal(c.usr_hdr_ptr, memory + 32);
	assert_int_equal(c.usr_hdr_ptr_length, 32);
	/* Not asked for, not touched. */
	assert_memory_equal(&c.hw_timestamp, &untouched.hw_timestamp, sizeof(c.hw_timestamp));
	c.comp_mask = VMA_CB_MASK_TIMESTAMP;
	assert_int_equal(api->vma_cyclic_buffer_read(RING_FD, &c, 1, 9, MSG_DONTWAIT), 0);
	assert_true(read_time);
	assert_int_equal(c.hw_timestamp.tv_sec, 7);
	assert_int_equal(c.hw_timestamp.tv_nsec, 9);

	/* Fewer than wanted: success, and nothing is touched. */
	c = untouched;
	next_run = (struct cyclic_run){ .packets = 0 };
	assert_int_equal(api->vma_cyclic_buffer_read(RING_FD, &c, 1, 9, MSG_DONTWAIT), 0);
	assert_memory_equal(&c, &untouched, sizeof(c));

	FAILS(api->vma_cyclic_buffer_read(RING_FD, &c, 1, 9, 0), EINVAL);
	FAILS(api->vma_cyclic_buffer_read(RING_FD, &c, 1, 9, MSG_DONTWAIT | MSG_PEEK), EINVAL);
	FAILS(api->vma_cyclic_buffer_read(RING_FD, NULL, 1, 9, MSG_DONTWAIT), EINVAL);
	FAILS(api->vma_cyclic_buffer_read(999, &c, 1, 9, MSG_DONTWAIT), EBADF);
	FAILS(api->vma_cyclic_buffer_read(PLAIN_FD, &c, 1, 9, MSG_DONTWAIT), EOPNOTSUPP);
	read_result = -EMSGSIZE;
	FAILS(api->vma_cyclic_buffer_read(RING_FD, &c, 1, 9, MSG_DONTWAIT), EMSGSIZE);
	assert_memory_equal(&c, &untouched, sizeof(c));
}

static void
test_profile(void **state)
{
	struct vma_ring_type_attr attr = {
		.ring_type = VMA_RING_CYCLIC_BUFFER,
		.ring_cyclicb = { .comp_mask = VMA_CB_HDR_BYTE,
				.num = 1000,
				.stride_bytes = 1400,
				.hdr_bytes = 12,
				.packet_receive_mode = SEPERATE_NETWORK_HDRS },
	};
	vma_ring_profile_key key = -1;

	(void)state;
	assert_int_equal(api->vma_add_ring_profile(&attr, &key), 0);
	assert_int_equal(key, 3);
	assert_int_equal(added.type, RING_PROFILE_CYCLIC);
	assert_int_equal(added.num, 1000);
	assert_int_equal(added.stride_bytes, 1400);
	assert_int_equal(added.hdr_bytes, 12);
	assert_int_equal(added.mode, CYCLIC_SEPARATE);
	/* hdr_bytes counts only when the mask says so. */
	attr.ring_cyclicb.comp_mask = 0;
	assert_int_equal(api->vma_add_ring_profile(&attr, &key), 0);
	assert_int_equal(added.hdr_bytes, 0);
	attr.ring_type = VMA_RING_PACKET;
	assert_int_equal(api->vma_add_ring_profile(&attr, &key), 0);
	assert_int_equal(added.type, RING_PROFILE_PACKET);

	key = -1;
	FAILS(api->vma_add_ring_profile(NULL, &key), EINVAL);
	FAILS(api->vma_add_ring_profile(&attr, NULL), EINVAL);
	attr.ring_type = VMA_RING_EXTERNAL_MEM;
	FAILS(api->vma_add_ring_profile(&attr, &key), EOPNOTSUPP);
	attr.ring_type = (vma_ring_type)9;
	FAILS(api->vma_add_ring_profile(&attr, &key), EOPNOTSUPP);
	attr.ring_type = VMA_RING_CYCLIC_BUFFER;
	attr.ring_cyclicb.comp_mask = VMA_CB_EXTERNAL_MEM;
	assert_int_equal(api->vma_add_ring_profile(&attr, &key), 0);
	assert_true(added.external);
	attr.ring_cyclicb.comp_mask = 0;
	assert_int_equal(api->vma_add_ring_profile(&attr, &key), 0);
	assert_false(added.external);
	key = -1;
	attr.ring_cyclicb.num = 0;
	FAILS(api->vma_add_ring_profile(&attr, &key), EINVAL);
	assert_int_equal(key, -1);
}

static void
test_rings(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fds[3] = { -7, -7, -7 };
	uint16_t len = 0;

	(void)state;
	assert_int_equal(api->get_socket_rings_num(5), 2);
	assert_int_equal(api->get_socket_rings_fds(5, fds, 3), 2);
	assert_int_equal(fds[0], RING_FD);
	assert_int_equal(fds[1], PLAIN_FD);
	assert_int_equal(fds[2], -7);
	fds[1] = -7;
	assert_int_equal(api->get_socket_rings_fds(5, fds, 1), 1);
	assert_int_equal(fds[1], -7);
	rings = 0;
	assert_int_equal(api->get_socket_rings_num(5), 0);
	assert_int_equal(api->get_socket_rings_fds(5, fds, 3), 0);
	FAILS(api->get_socket_rings_fds(5, NULL, 3), EINVAL);
	FAILS(api->get_socket_rings_fds(5, fds, 0), EINVAL);
	assert_int_equal(api->get_socket_tx_ring_fd(5, (struct sockaddr *)&to, sizeof(to)),
			PLAIN_FD);
	FAILS(api->get_socket_tx_ring_fd(5, NULL, 0), EINVAL);
	assert_int_equal(api->get_socket_network_header(5, NULL, &len), 0);
	assert_int_equal(len, 42);
	FAILS(api->get_socket_network_header(5, NULL, NULL), EINVAL);
}

static void
test_modify(void **state)
{
	struct vma_modify_ring_attr attr = { .ring_fd = RING_FD };

	(void)state;
	FAILS(api->vma_modify_ring(NULL), EINVAL);
	FAILS(api->vma_modify_ring(&attr), EINVAL);
	attr.comp_bit_mask = VMA_MODIFY_RING_CQ_ARM;
	/* what threads armed that sleep is theirs to undo; from then on, what we did */
	assert_int_equal(api->vma_modify_ring(&attr), 0);
	assert_int_equal(disarms, 0);
	assert_int_equal(api->vma_modify_ring(&attr), 0);
	assert_int_equal(disarms, 1);
	/* A notification, packets in the queue, packets in the reader: busy. */
	disarmed = 2;
	assert_int_equal(api->vma_modify_ring(&attr), 1);
	disarmed = 0;
	armed = 1;
	assert_int_equal(api->vma_modify_ring(&attr), 1);
	assert_int_equal(disarms, 2);
	armed = 0;
	waiting = 1;
	assert_int_equal(api->vma_modify_ring(&attr), 1);
	waiting = 0;
	assert_int_equal(disarms, 3);
	armed = -ENOTSUP;
	FAILS(api->vma_modify_ring(&attr), ENOTSUP);
	assert_int_equal(disarms, 3);
	attr.comp_bit_mask = VMA_MODIFY_RING_CQ_MODERATION;
	attr.cq_moderation.cq_moderation_count = 8;
	attr.cq_moderation.cq_moderation_period_usec = 50;
	FAILS(api->vma_modify_ring(&attr), ENOTSUP);
	attr.ring_fd = 999;
	FAILS(api->vma_modify_ring(&attr), EBADF);
}

static void
test_memory(void **state)
{
	uint32_t key = 9;
	size_t len = 0;
	void *addr;

	(void)state;
	assert_int_equal(api->get_mem_info(RING_FD, &addr, &len, &key), 0);
	assert_ptr_equal(addr, memory);
	assert_int_equal(len, sizeof(memory));
	assert_int_equal(key, 0);
	FAILS(api->get_mem_info(RING_FD, NULL, &len, &key), EINVAL);
	FAILS(api->get_mem_info(RING_FD, &addr, NULL, &key), EINVAL);
	FAILS(api->get_mem_info(RING_FD, &addr, &len, NULL), EINVAL);
	FAILS(api->get_mem_info(PLAIN_FD, &addr, &len, &key), EOPNOTSUPP);
	FAILS(api->get_mem_info(999, &addr, &len, &key), EBADF);
	memory_result = -EAGAIN;
	FAILS(api->get_mem_info(RING_FD, &addr, &len, &key), EAGAIN);
}

static void
test_register(void **state)
{
	uint32_t key = 9;

	(void)state;
	assert_int_equal(api->register_memory_on_ring(PLAIN_FD, memory, sizeof(memory), &key), 0);
	assert_int_equal(key, 77);
	assert_int_equal(api->deregister_memory_on_ring(PLAIN_FD, memory, sizeof(memory)), 0);
	FAILS(api->register_memory_on_ring(PLAIN_FD, NULL, 1, &key), EINVAL);
	FAILS(api->register_memory_on_ring(PLAIN_FD, memory, 0, &key), EINVAL);
	FAILS(api->register_memory_on_ring(PLAIN_FD, memory, 1, NULL), EINVAL);
	FAILS(api->deregister_memory_on_ring(PLAIN_FD, NULL, 1), EINVAL);
	FAILS(api->deregister_memory_on_ring(PLAIN_FD, memory, 0), EINVAL);
	registered_result = -EEXIST;
	FAILS(api->register_memory_on_ring(PLAIN_FD, memory, 1, &key), EEXIST);
	registered_result = -ENOENT;
	FAILS(api->deregister_memory_on_ring(PLAIN_FD, memory, 1), ENOENT);
}

static void
test_descriptors(void **state)
{
	const struct vma_mlx_hw_device_data none = { 0 };
	struct vma_mlx_hw_device_data data;

	(void)state;
	FAILS(api->get_ring_direct_descriptors(PLAIN_FD, &data), EOPNOTSUPP);
	has_ids = true;
	memset(&data, 0xff, sizeof(data));
	assert_int_equal(api->get_ring_direct_descriptors(PLAIN_FD, &data), 0);
	/* nothing but the device: programs read it as bits */
	assert_int_equal(data.valid_mask, 0);
	assert_int_equal(data.dev_data.vendor_id, 0x02c9);
	assert_int_equal(data.dev_data.vendor_part_id, 0x1017);
	assert_int_equal(data.dev_data.device_cap, 0);
	assert_memory_equal(&data.sq_data, &none.sq_data, sizeof(none.sq_data));
	assert_memory_equal(&data.rq_data, &none.rq_data, sizeof(none.rq_data));
	ports[1].caps.striding = true;
	assert_int_equal(api->get_ring_direct_descriptors(PLAIN_FD, &data), 0);
	assert_int_equal(data.dev_data.device_cap, VMA_HW_MP_RQ_EN);
	ports[1].caps.striding = false;
	/* another port's ring */
	FAILS(api->get_ring_direct_descriptors(RING_FD, &data), EOPNOTSUPP);
	FAILS(api->get_ring_direct_descriptors(PLAIN_FD, NULL), EINVAL);
}

/* A descriptor that is no ring is refused by every function that takes one, and counted. */
static void
test_stale(void **state)
{
	struct vma_modify_ring_attr arm = { .comp_bit_mask = VMA_MODIFY_RING_CQ_ARM };
	struct vma_modify_ring_attr moderate = { .comp_bit_mask = VMA_MODIFY_RING_CQ_MODERATION };
	struct vma_mlx_hw_device_data data;
	struct vma_completion_cb_t c = { 0 };
	const int no_ring[] = { 999, -1, 0, 5 };
	uint32_t key;
	size_t len;
	void *addr;

	(void)state;
	for (size_t i = 0; i < sizeof(no_ring) / sizeof(no_ring[0]); i++) {
		int fd = no_ring[i];

		stale = 0;
		arm.ring_fd = moderate.ring_fd = fd;
		FAILS(api->vma_cyclic_buffer_read(fd, &c, 1, 9, MSG_DONTWAIT), EBADF);
		FAILS(api->get_mem_info(fd, &addr, &len, &key), EBADF);
		FAILS(api->vma_modify_ring(&arm), EBADF);
		FAILS(api->vma_modify_ring(&moderate), EBADF);
		FAILS(api->register_memory_on_ring(fd, memory, 1, &key), EBADF);
		FAILS(api->deregister_memory_on_ring(fd, memory, 1), EBADF);
		FAILS(api->get_ring_direct_descriptors(fd, &data), EBADF);
		assert_int_equal(stale, 7);
	}
}

static void
test_rule(void **state)
{
	static const char line[] = "use os udp_receiver *:*";

	(void)state;
	assert_int_equal(api->add_conf_rule(line), 0);
	assert_ptr_equal(rule, line);
	FAILS(api->add_conf_rule(NULL), EINVAL);
}

static void
test_dump_and_threads(void **state)
{
	(void)state;
	assert_int_equal(api->dump_fd_stats(5, LOG_LEVEL_INFO), 0);
	assert_string_equal(logged, "fd 5|second|");
	logged[0] = '\0';
	assert_int_equal(api->dump_fd_stats(5, LOG_LEVEL_DEBUG), 0);
	assert_string_equal(logged, "");
	FAILS(api->dump_fd_stats(5, LOG_LEVEL_PANIC - 1), EINVAL);
	FAILS(api->dump_fd_stats(5, LOG_LEVEL_ALL + 1), EINVAL);
	FAILS(api->dump_fd_stats(9, LOG_LEVEL_INFO), EBADF);
	assert_string_equal(logged, "");
	assert_int_equal(api->dump_fd_stats(0, LOG_LEVEL_PANIC), 0);
	assert_string_equal(logged, "fd 0|second|");
	conf_values.socketxtreme = true;
	FAILS(api->dump_fd_stats(0, LOG_LEVEL_PANIC), EOPNOTSUPP);
	assert_int_equal(
			dpvma_get_api()->vma_extra_supported_mask & VMA_EXTRA_API_DUMP_FD_STATS, 0);
	conf_values.socketxtreme = false;
	assert_int_not_equal(
			dpvma_get_api()->vma_extra_supported_mask & VMA_EXTRA_API_DUMP_FD_STATS, 0);
	assert_int_equal(api->thread_offload(0, pthread_self()), 0);
	assert_int_equal(offload, 0);
	assert_int_equal(api->thread_offload(1, pthread_self()), 0);
	assert_int_equal(offload, 1);
	FAILS(api->thread_offload(2, pthread_self()), EINVAL);
	FAILS(api->thread_offload(0, pthread_self() + 1), ESRCH);
	assert_int_equal(offload, 1);
}

/** @name Callbacks */
/** @{ */
#define SEGS 70

static struct {
	unsigned int n;
	vma_recv_callback_retval_t verdict;
	struct vma_info_t info;
	struct sockaddr_in src, dst;
	size_t iovs, bytes;
	void *first;
	uint32_t generation;
	bool changes;
} shown;

static vma_recv_callback_retval_t
show(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	assert_int_equal(fd, 5);
	assert_ptr_equal(context, &shown);
	shown.n++;
	shown.info = *info;
	shown.src = *info->src;
	shown.dst = *info->dst;
	shown.iovs = n;
	shown.first = iov[0].iov_base;
	shown.bytes = 0;
	for (size_t i = 0; i < n; i++)
		shown.bytes += iov[i].iov_len;
	shown.generation += shown.changes;
	return shown.verdict;
}

/* Datagrams "data" of 10.0.0.2:7 to 10.0.0.1:9, in buffers of their own. */
static void
make(struct rte_mbuf *m, uint8_t *buf)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(buf + 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	ip->src_addr = RTE_BE32(0x0a000002);
	ip->dst_addr = RTE_BE32(0x0a000001);
	udp->src_port = RTE_BE16(7);
	udp->dst_port = RTE_BE16(9);
	*m = (struct rte_mbuf){ .buf_addr = buf,
		.data_off = 42,
		.data_len = 4,
		.pkt_len = 4,
		.nb_segs = 1,
		.l2_len = 14,
		.l3_len = 20 };
}

static void
test_callback(void **state)
{
	static struct rte_mbuf mbufs[SEGS];
	static uint8_t bufs[SEGS][64];
	struct rte_mbuf *pkts[SEGS];
	uint8_t verdicts[SEGS];
	struct rte_mbuf *asking = NULL;
	struct sock_judging j = { .fd = 5,
		.pkts = pkts,
		.n = 3,
		.verdicts = verdicts,
		.generation = &shown.generation,
		.serial = 77,
		.asking = &asking };
	struct sockaddr_in from = { .sin_port = 1 }, to = { .sin_port = 2 };

	(void)state;
	assert_int_equal(api->register_recv_callback(5, show, &shown), 0);
	assert_int_equal(registered_fd, 5);
	assert_false(unregistered);
	assert_int_equal(api->register_recv_callback(6, NULL, &shown), 0);
	assert_int_equal(registered_fd, 6);
	assert_true(unregistered);
	register_result = -EINVAL;
	FAILS(api->register_recv_callback(5, show, &shown), EINVAL);
	register_result = 0;
	for (unsigned int i = 0; i < SEGS; i++) {
		make(&mbufs[i], bufs[i]);
		pkts[i] = &mbufs[i];
	}
	shown.verdict = VMA_PACKET_RECV;
	j.ready_pkts = 2;
	j.ready_bytes = 100;
	assert_int_equal(registered.judge(&registered, &j), 3);
	assert_int_equal(verdicts[2], SOCK_PASS);
	assert_int_equal(shown.info.struct_sz, 80);
	assert_ptr_equal(shown.info.packet_id, &mbufs[2]);
	assert_int_equal(shown.info.payload_sz, 4);
	assert_int_equal(shown.info.socket_ready_queue_pkt_count, 4);
	assert_int_equal(shown.info.socket_ready_queue_byte_count, 108);
	assert_int_equal(shown.info.hw_timestamp.tv_sec | shown.info.sw_timestamp.tv_sec, 0);
	assert_int_equal(shown.src.sin_family, AF_INET);
	assert_int_equal(shown.src.sin_addr.s_addr, RTE_BE32(0x0a000002));
	assert_int_equal(shown.src.sin_port, RTE_BE16(7));
	assert_int_equal(shown.dst.sin_addr.s_addr, RTE_BE32(0x0a000001));
	assert_int_equal(shown.dst.sin_port, RTE_BE16(9));
	assert_int_equal(shown.iovs, 1);
	assert_ptr_equal(shown.first, bufs[2] + 42);
	/* a change of the callback and, where that is so, the first that passes end a run */
	j.one_passes_all = true;
	assert_int_equal(registered.judge(&registered, &j), 1);
	shown.verdict = VMA_PACKET_HOLD;
	assert_int_equal(registered.judge(&registered, &j), 3);
	assert_int_equal(verdicts[1], SOCK_HOLD);
	/* the application's from then on */
	assert_int_equal(j.held, 3);
	assert_int_equal(j.held_bytes, 12);
	assert_int_equal(ring_mbuf_meta(pkts[1])->lent, RING_LENT_PACKET);
	assert_int_equal(ring_mbuf_meta(pkts[1])->owner, 77);
	assert_ptr_equal(asking, pkts[2]);
	shown.verdict = VMA_PACKET_DROP;
	shown.changes = true;
	assert_int_equal(registered.judge(&registered, &j), 1);
	assert_int_equal(verdicts[0], SOCK_DROP);
	shown.changes = false;
	j.began = shown.generation;
	/* times and names that are given */
	j.wants_hw = j.wants_sw = true;
	j.sock = (void *)(uintptr_t)3000000004;
	j.from = &from;
	j.to = &to;
	*ring_mbuf_swtime(&mbufs[2]) = 5000000006;
	assert_int_equal(registered.judge(&registered, &j), 3);
	assert_int_equal(shown.info.hw_timestamp.tv_sec, 3);
	assert_int_equal(shown.info.hw_timestamp.tv_nsec, 4);
	assert_int_equal(shown.info.sw_timestamp.tv_sec, 5);
	assert_int_equal(shown.info.sw_timestamp.tv_nsec, 6);
	assert_int_equal(shown.src.sin_port, 1);
	assert_int_equal(shown.dst.sin_port, 2);
	/* a buffer each, but for those without data; more than lie on the stack, too */
	for (unsigned int i = 0; i + 1 < SEGS; i++)
		mbufs[i].next = &mbufs[i + 1];
	mbufs[1].data_len = 0;
	mbufs[0].nb_segs = SEGS;
	mbufs[0].pkt_len = 4 * (SEGS - 1);
	j.n = 1;
	assert_int_equal(registered.judge(&registered, &j), 1);
	assert_int_equal(shown.iovs, SEGS - 1);
	assert_int_equal(shown.bytes, 4 * (SEGS - 1));
	assert_int_equal(shown.info.payload_sz, 4 * (SEGS - 1));
}
/** @} */
/* The ioctl of family E, as its programs call it. */
struct __attribute__((packed)) user_alloc {
	uint8_t flags;
	void *(*memalloc)(size_t);
	void (*memfree)(void *);
};

static int
ioctl_of_e(void *control, size_t len)
{
	int (*call)(void *, size_t);
	char *table;

	conf_values.vma_abi = CONF_VMA_ABI_E;
	table = offered();
	conf_values.vma_abi = CONF_VMA_ABI_B;
	memcpy(&call, table + 160, sizeof(call));
	return call(control, len);
}

static int
bring(struct user_alloc u)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(u))] = { 0 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	memory_rx = memory_tx = false;
	memory_functions.alloc = NULL;
	*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(u)), SOL_SOCKET, 2900 };
	memcpy(CMSG_DATA(cmsg), &u, sizeof(u));
	return ioctl_of_e(control, sizeof(control));
}

static void
test_ioctl(void **state)
{
	struct user_alloc u = { 3, malloc, free };
	_Alignas(struct cmsghdr) char control[2 * CMSG_SPACE(sizeof(u))] = { 0 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	(void)state;
	assert_int_equal(sizeof(u), 17);
	memory_taken = 0;
	assert_int_equal(bring(u), 0);
	assert_true(memory_rx && memory_tx);
	assert_ptr_equal(memory_functions.alloc, malloc);
	assert_ptr_equal(memory_functions.release, free);
	assert_int_equal(bring((struct user_alloc){ 1, malloc, free }), 0);
	assert_true(memory_tx && !memory_rx);
	assert_int_equal(bring((struct user_alloc){ 2, malloc, free }), 0);
	assert_true(memory_rx && !memory_tx);
	FAILS(bring((struct user_alloc){ 1, NULL, free }), EINVAL);
	FAILS(bring((struct user_alloc){ 2, malloc, NULL }), EINVAL);
	FAILS(bring((struct user_alloc){ 4, malloc, free }), EINVAL);
	assert_null(memory_functions.alloc);
	/* nothing is asked for */
	assert_int_equal(bring((struct user_alloc){ 0, NULL, NULL }), 0);
	assert_true(!memory_rx && !memory_tx);
	/* after the start */
	memory_taken = -EINVAL;
	FAILS(bring(u), EINVAL);
	memory_taken = 0;
	memory_functions.alloc = NULL;

	/* messages that are none of ours, or not whole */
	memcpy(CMSG_DATA(cmsg), &u, sizeof(u));
	*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(u)) - 1, SOL_SOCKET, 2900 };
	FAILS(ioctl_of_e(control, CMSG_SPACE(sizeof(u))), EINVAL);
	cmsg->cmsg_len = CMSG_LEN(sizeof(u)) + 1;
	FAILS(ioctl_of_e(control, CMSG_SPACE(sizeof(u))), EINVAL);
	cmsg->cmsg_len = 0;
	FAILS(ioctl_of_e(control, CMSG_SPACE(sizeof(u))), EINVAL);
	cmsg->cmsg_len = CMSG_LEN(sizeof(u));
	FAILS(ioctl_of_e(control, CMSG_LEN(sizeof(u)) - 1), EINVAL);
	FAILS(ioctl_of_e(control, sizeof(*cmsg) - 1), EINVAL);
	FAILS(ioctl_of_e(NULL, sizeof(control)), EINVAL);
	FAILS(ioctl_of_e(NULL, 0), EINVAL);
	cmsg->cmsg_level = IPPROTO_IP;
	FAILS(ioctl_of_e(control, CMSG_SPACE(sizeof(u))), EINVAL);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = 2901;
	FAILS(ioctl_of_e(control, CMSG_SPACE(sizeof(u))), EINVAL);
	assert_null(memory_functions.alloc);
	/* one for each direction; whatever follows in the room is not read */
	cmsg->cmsg_type = 2900;
	memcpy(control + CMSG_SPACE(sizeof(u)), control, CMSG_SPACE(sizeof(u)));
	assert_int_equal(ioctl_of_e(control, sizeof(control)), 0);
	control[CMSG_SPACE(sizeof(u)) + CMSG_LEN(0)] = 9;
	FAILS(ioctl_of_e(control, sizeof(control)), EINVAL);
	assert_int_equal(ioctl_of_e(control, CMSG_SPACE(sizeof(u))), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, up, down),
		cmocka_unit_test_setup_teardown(test_families, up, down),
		cmocka_unit_test_setup_teardown(test_not_offered, up, down),
		cmocka_unit_test_setup_teardown(test_xtreme, up, down),
		cmocka_unit_test_setup_teardown(test_read, up, down),
		cmocka_unit_test_setup_teardown(test_profile, up, down),
		cmocka_unit_test_setup_teardown(test_rings, up, down),
		cmocka_unit_test_setup_teardown(test_modify, up, down),
		cmocka_unit_test_setup_teardown(test_memory, up, down),
		cmocka_unit_test_setup_teardown(test_register, up, down),
		cmocka_unit_test_setup_teardown(test_descriptors, up, down),
		cmocka_unit_test_setup_teardown(test_stale, up, down),
		cmocka_unit_test_setup_teardown(test_rule, up, down),
		cmocka_unit_test_setup_teardown(test_callback, up, down),
		cmocka_unit_test_setup_teardown(test_ioctl, up, down),
		cmocka_unit_test_setup_teardown(test_dump_and_threads, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
