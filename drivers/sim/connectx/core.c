/* SPDX-License-Identifier: BSD-3-Clause */
/* Device bring-up: configuration, fake sysfs tree, device thread. */
#include "connectx.h"
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <limits.h>
#include <fcntl.h>

struct sim_dev sim = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .next_id = 0x100, .tap_fd = -1, .wire_fd = -1
};

void
sim_log(int lvl, const char *fmt, ...)
{
	va_list ap;

	if (lvl > (int)sim.verbose)
		return;
	va_start(ap, fmt);
	fputs("connectx: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void
put(const char *dir, const char *name, const char *val)
{
	char p[PATH_MAX];
	FILE *f;

	snprintf(p, sizeof(p), "%s/%s", dir, name);
	f = fopen(p, "w");
	if (!f)
		return;
	fputs(val, f);
	fclose(f);
}

static const char *
envd(const char *n, const char *d)
{
	const char *v = getenv(n);

	return v && *v ? v : d;
}

/* Runs before main(): the PCI bus scan must see our tree. */
__attribute__((constructor)) static void
sim_ctor(void)
{
	char pd[256], p[PATH_MAX], v[512];
	int i;

	/* a preloaded library is in every child too: stay out unless asked for */
	if (!getenv("CONNECTX_WIRE") && strcmp(envd("CONNECTX", "0"), "1"))
		return;
	sim.cqe_comp = atoi(envd("CONNECTX_CQE_COMP", "0"));
	sim.verbose = atoi(envd("CONNECTX_VERBOSE", "1"));
	snprintf(sim.pci, sizeof(sim.pci), "%s", envd("CONNECTX_PCI", "0000:03:00.0"));
	snprintf(sim.netdev, sizeof(sim.netdev), "%s", envd("CONNECTX_NETDEV", "cx0"));
	snprintf(sim.wire, sizeof(sim.wire), "%s", envd("CONNECTX_WIRE", "tap:cxwire0"));
	snprintf(sim.root, sizeof(sim.root), "/tmp/connectx.sys.%d", (int)getpid());
	mkdir(sim.root, 0755);
	snprintf(p, sizeof(p), "%s/pci", sim.root);
	mkdir(p, 0755);
	setenv("SYSFS_PCI_DEVICES", p, 1);
	snprintf(pd, sizeof(pd), "%s/pci/%s", sim.root, sim.pci);
	mkdir(pd, 0755);
	put(pd, "vendor", "0x15b3\n");
	put(pd, "device", envd("CONNECTX_DEVID", "0x101d\n"));
	put(pd, "subsystem_vendor", "0x15b3\n");
	put(pd, "subsystem_device", "0x0001\n");
	put(pd, "class", "0x020000\n");
	put(pd, "numa_node", "0\n");
	snprintf(v, sizeof(v), "DRIVER=mlx5_core\nPCI_SLOT_NAME=%s\n", sim.pci);
	put(pd, "uevent", v);
	v[0] = 0;
	for (i = 0; i < 7; i++)
		strcat(v, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	put(pd, "resource", v);
	snprintf(p, sizeof(p), "%s/driver", pd);
	if (symlink("/sys/bus/pci/drivers/mlx5_core", p) && errno != EEXIST)
		sim_log(0, "symlink %s: %m", p);
	snprintf(p, sizeof(p), "%s/net", pd);
	mkdir(p, 0755);
	snprintf(p, sizeof(p), "%s/net/%s", pd, sim.netdev);
	mkdir(p, 0755);
	put(p, "dev_port", "0\n");
	snprintf(p, sizeof(p), "%s/ib", sim.root);
	mkdir(p, 0755);
	snprintf(sim.ibdev.ibdev_path, sizeof(sim.ibdev.ibdev_path), "%s/ib/mlx5_0", sim.root);
	mkdir(sim.ibdev.ibdev_path, 0755);
	snprintf(p, sizeof(p), "%s/device", sim.ibdev.ibdev_path);
	if (symlink(pd, p) && errno != EEXIST)
		sim_log(0, "symlink %s: %m", p);
	snprintf(sim.ibdev.dev_path, sizeof(sim.ibdev.dev_path), "%s", sim.ibdev.ibdev_path);
	strcpy(sim.ibdev.name, "mlx5_0");
	strcpy(sim.ibdev.dev_name, "uverbs0");
	sim.ibdev.node_type = IBV_NODE_CA;
	sim.ibdev.transport_type = IBV_TRANSPORT_IB;
}

__attribute__((destructor)) static void
sim_dtor(void)
{
	char cmd[300];

	if (!sim.root[0])
		return;
	sim_thread_stop();
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", sim.root);
	if (!strncmp(sim.root, "/tmp/connectx.sys.", 17)) {
		unsetenv("LD_PRELOAD");
		if (system(cmd))
			sim_log(0, "cleanup failed");
	}
}

void
sim_init_once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	if (netdev_open())
		sim_log(0, "netdev %s: %m", sim.netdev);
	if (wire_open())
		sim_log(0, "wire %s: %m", sim.wire);
}

static void *
dev_thread(void *arg)
{
	static uint8_t buf[65536 + 256];
	unsigned int idle = 0;
	uint64_t last = 0;

	(void)arg;
	pthread_setname_np(pthread_self(), "connectx");
	while (!sim.stop) {
		bool work = false;
		int i, n;
		uint64_t t;

		pthread_mutex_lock(&sim.lock);
		work |= sim_poll_tx();
		for (i = 0; i < 32; i++) {
			n = wire_rx(buf, 65536);
			if (n <= 0)
				break;
			sim.rx_wire++;
			sim_rx_frame(buf, n);
			work = true;
		}
		for (i = 0; i < 8; i++) {
			n = kernel_rx(buf, 65536);
			if (n <= 0)
				break;
			wire_tx(buf, n);
			work = true;
		}
		t = now_ns();
		if (t - last > 2000) {
			lro_poll(t);
			last = t;
		}
		cq_flush_all();
		cq_events();
		pthread_mutex_unlock(&sim.lock);
		if (work) {
			idle = 0;
		} else if (++idle > 200) {
			wire_idle();
		}
	}
	return NULL;
}

void
sim_thread_start(void)
{
	if (sim.thr_up)
		return;
	sim.thr_up = true;
	sim.stop = false;
	pthread_create(&sim.thr, NULL, dev_thread, NULL);
}

void
sim_thread_stop(void)
{
	if (!sim.thr_up)
		return;
	sim.stop = true;
	pthread_join(sim.thr, NULL);
	sim.thr_up = false;
	sim_log(1,
			"rx wire=%lu delivered=%lu miss->kernel=%lu drop=%lu nobuf=%lu toobig=%lu "
			"fillers=%lu lro_in=%lu lro_out=%lu",
			sim.rx_wire, sim.rx_deliv, sim.rx_miss, sim.rx_drop, sim.rx_nobuf,
			sim.rx_toobig, sim.fillers, sim.lro_in, sim.lro_out);
	sim_log(1,
			"tx pkts=%lu bytes=%lu wqes=%lu err=%lu bad_lkey=%lu cq_overrun=%lu "
			"kernel_tx=%lu comp_sessions=%lu comp_cqes=%lu",
			sim.tx_pkts, sim.tx_bytes, sim.tx_wqes, sim.tx_err, sim.bad_lkey,
			sim.cq_overrun, sim.krx, sim.comp_sess, sim.comp_cqes);
}
