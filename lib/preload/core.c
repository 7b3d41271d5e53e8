/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libdpvma.so, loaded when something first needs it. What it and DPDK call while they are loaded
 * comes by our own interposed calls, which then find no core and go on to libc.
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

#define SONAME "libdpvma.so.0"

static pthread_mutex_t attaching = PTHREAD_MUTEX_INITIALIZER;
static struct core calls;
static const struct core *loaded;
static bool failed;
static __thread bool loading __attribute__((tls_model("initial-exec")));

const struct core *
core_loaded(void)
{
	return __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);
}

/* One line, and once: whoever looks for the reason finds it, and the program goes on. */
static void
say_failed(const char *cause)
{
	fprintf(stderr,
			"dpvma: libdpvma.so cannot be used (%s); put it beside "
			"libdpvma-preload.so or into LD_LIBRARY_PATH. Until then every socket is "
			"the kernel's\n",
			cause);
}

/* Where this library lies itself: a build directory, or one that the loader does not search. */
static void *
beside_us(void)
{
	char path[PATH_MAX], self[PATH_MAX];
	Dl_info us;
	const char *slash;
	int n;

	/* by another name in another directory we may be a link, as libvma.so.9 is */
	if (dladdr(&calls, &us) == 0 || us.dli_fname == NULL ||
			realpath(us.dli_fname, self) == NULL ||
			(slash = strrchr(self, '/')) == NULL)
		return NULL;
	n = snprintf(path, sizeof(path), "%.*s/" SONAME, (int)(slash - self), self);
	return n < (int)sizeof(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

/* A second instance beside one that the program has would know nothing of the first's sockets. */
static void *
the_programs(void)
{
	if (dlsym(RTLD_DEFAULT, "dpvma_attach") != NULL)
		return dlopen(NULL, RTLD_NOW);
	return dlopen(SONAME, RTLD_NOW | RTLD_NOLOAD);
}

static void *
open_library(const char **cause)
{
	static bool begun;
	void *library = the_programs();
	bool first = library == NULL && !__atomic_exchange_n(&begun, true, __ATOMIC_ACQ_REL);

	if (first)
		caller_before();
	if (library == NULL)
		library = beside_us();
	if (library == NULL)
		library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL && (*cause = dlerror()) == NULL)
		*cause = "unknown cause";
	if (first)
		caller_after();
	return library;
}

static bool
resolve(void *library, struct core *to, const char **cause)
{
#define CORE_RESOLVE(ret, name, params)                                                            \
	to->name = (ret(*) params)dlsym(library, "dpvma_" #name);                                  \
	if (to->name == NULL) {                                                                    \
		*cause = "it is another version: dpvma_" #name " is missing";                      \
		return false;                                                                      \
	}
	CORE_CALLS(CORE_RESOLVE)
	return true;
}

/* First come: the others of the same moment have loaded the same library. */
static void
attach(const struct core *found, const char *cause)
{
	static struct sock_host host = {
		.os = &os,
		.marks = preload_marks,
		.epoll_waits = preload_waits,
		.signals = preload_signals,
		.adopt = candidate_adopt,
		.started = caller_after,
	};

	pthread_mutex_lock(&attaching);
	if (loaded == NULL && !failed) {
		host.faults = cause == NULL && preload_guard();
		if (cause == NULL && found->attach(&host) != 0)
			cause = "it has sockets already, opened before this library came";
		if (cause == NULL) {
			calls = *found;
			__atomic_store_n(&loaded, &calls, __ATOMIC_RELEASE);
		} else {
			say_failed(cause);
			__atomic_store_n(&failed, true, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&attaching);
}

/*
 * No lock is held over dlopen(), which has one of its own: a constructor, run under that, of
 * another library that another thread loads may need us.
 */
const struct core *
core(void)
{
	const char *cause = NULL;
	struct core found;
	void *library;
	int err = errno;

	if (likely(core_loaded() != NULL))
		return core_loaded();
	if (loading || __atomic_load_n(&failed, __ATOMIC_ACQUIRE))
		return NULL;
	loading = true;
	library = open_library(&cause);
	if (library != NULL)
		resolve(library, &found, &cause);
	attach(&found, cause);
	loading = false;
	errno = err;
	return core_loaded();
}

/* A thread of the parent may have been in attach(). */
static void
in_child(void)
{
	pthread_mutex_init(&attaching, NULL);
	loading = false;
}

/* A program that is linked with libdpvma.so opens sockets by it that we must know of. */
static void __attribute__((constructor)) begin(void)
{
	pthread_atfork(NULL, NULL, in_child);
	if (dlsym(RTLD_DEFAULT, "dpvma_attach") != NULL)
		core();
}

static void __attribute__((destructor)) end(void)
{
	if (core_loaded() != NULL)
		core_loaded()->end_of_process();
}
