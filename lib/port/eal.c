/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An EAL inside somebody else's program: started once, from a thread that is not the program's, so
 * that no thread of the program is pinned, loses signals or becomes an lcore.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "port/port_priv.h"

static bool ours, ended;
static char runtime_dir[4096];

struct start {
	struct port_args args;
	int ret;
};

bool
port_eal_is_ours(void)
{
	return ours;
}

static void *
start_main(void *arg)
{
	struct start *start = arg;
	FILE *out = stdout;

	/*
	 * On an argument that it does not know, EAL prints its usage to the stream stdout. Only the
	 * stream is exchanged: what the program does with descriptor 1 stays untouched.
	 */
	stdout = stderr;
	start->ret = rte_eal_init(start->args.argc, start->args.argv) < 0 ? -rte_errno : 0;
	stdout = out;
	return NULL;
}

/* The thread inherits no signals, and leaves its creator's mask as it was. */
static int
run_start(struct start *start)
{
	sigset_t all, before;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&thread, NULL, start_main, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret != 0)
		return -ret;
	pthread_join(thread, NULL);
	return start->ret;
}

static const char *
cure_of(int ret)
{
	if (ret == -ENOMEM)
		return "there is too little memory: lower VMA_RX_BUFS and VMA_TX_BUFS, or give "
		       "more "
		       "huge pages";
	if (geteuid() != 0 &&
			(ret == -EACCES || ret == -EPERM || ret == -ENOTSUP || ret == -ENODEV))
		return "a device needs permissions: run as root, or with CAP_NET_RAW and "
		       "CAP_NET_ADMIN";
	if (ret == -EINVAL)
		return "an argument is wrong: correct the one that EAL names above";
	return "a device in them could not be started: correct its PMD's name, its arguments or "
	       "its "
	       "address, as EAL says above";
}

/* The directory of our own prefix is empty when the telemetry socket has gone. */
static void
remove_runtime_dir(void)
{
	char path[sizeof(runtime_dir) + 32];

	if (runtime_dir[0] == '\0' || strstr(runtime_dir, "/dpvma-") == NULL)
		return;
	snprintf(path, sizeof(path), "%s/dpdk_telemetry.v2", runtime_dir);
	unlink(path);
	rmdir(runtime_dir);
	runtime_dir[0] = '\0';
}

/* Directories that processes of ours left which could not end as they should. */
static void
remove_stale_dirs(void)
{
	char parent[sizeof(runtime_dir)], path[sizeof(runtime_dir) + 320];
	struct dirent *entry;
	DIR *dir;
	int pid;

	snprintf(parent, sizeof(parent), "%s", runtime_dir);
	if (strrchr(parent, '/') == NULL)
		return;
	*strrchr(parent, '/') = '\0';
	dir = opendir(parent);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "dpvma-%d", &pid) != 1 || kill(pid, 0) == 0 ||
				errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/%s/dpdk_telemetry.v2", parent, entry->d_name);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		rmdir(path);
	}
	closedir(dir);
}

int
port_eal_start(const char *program)
{
	struct start start = { 0 };
	char text[CONF_ARGS_SIZE + 1024];
	int ret;

	if (ended) {
		LOG_ERROR("EAL cannot be started a second time in one process: start the program "
			  "anew");
		return -ENOTSUP;
	}
	if (ours || rte_lcore_count() > 0)
		return -EALREADY;
	ret = port_args_addf(&start.args, "%s", program != NULL ? program : "dpvma");
	if (ret == 0)
		ret = port_args_split(conf()->eal_args, &start.args);
	if (ret == -EINVAL)
		LOG_ERROR("DPVMA_EAL_ARGS='%s' has an open quote: close it", conf()->eal_args);
	if (ret == 0)
		ret = port_args_complete(&start.args);
	if (ret != 0) {
		port_args_free(&start.args);
		return ret;
	}
	port_args_text(&start.args, text, sizeof(text));
	LOG_DEBUG("EAL arguments: %s", text);
	ret = run_start(&start);
	if (ret == 0 || ret != -EALREADY)
		snprintf(runtime_dir, sizeof(runtime_dir), "%s", rte_eal_get_runtime_dir());
	if (ret == 0) {
		/* EAL keeps pointers into its arguments: they stay */
		ours = true;
		remove_stale_dirs();
		ret = port_args_check_devices(&start.args);
		if (ret != 0)
			port_eal_stop();
		return ret;
	}
	if (ret != -EALREADY) {
		LOG_ERROR("EAL does not start (%s) with '%s': %s", rte_strerror(-ret), text,
				cure_of(ret));
		remove_runtime_dir();
	}
	return ret;
}

void
port_eal_stop(void)
{
	if (!ours)
		return;
	rte_eal_cleanup();
	remove_runtime_dir();
	ours = false;
	ended = true;
}
