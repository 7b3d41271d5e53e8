/* SPDX-License-Identifier: BSD-3-Clause */
/* What the program finds in its environment, and where the libraries are that it names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define PRELOAD "libdpvma-preload.so"
#define CONNECTX "libdpvma-connectx.so"
#define CHANGED_MAX (RUN_SETS_MAX + 32)

static const char *changed[CHANGED_MAX]; /* names, in the order they came */
static unsigned int n_changed;
static char **kept;

/*
 * Where this program lies says where the libraries are: the build directory is as it was laid out,
 * and an installation may have been moved as a whole.
 */
static const struct {
	const char *own, *lib, *sim;
} places[] = {
	{ "/app/run", "/lib", "/drivers/sim/connectx" },
	{ RUN_BINDIR, RUN_LIBDIR, RUN_LIBDIR },
};

int
run_env_keep(void)
{
	size_t n, i;

	for (n = 0; environ[n] != NULL; n++)
		;
	kept = calloc(n + 1, sizeof(*kept));
	for (i = 0; kept != NULL && i < n; i++)
		kept[i] = strdup(environ[i]);
	if (kept != NULL)
		return 0;
	run_error("no memory");
	return -1;
}

char **
run_env_kept(void)
{
	return kept;
}

int
run_env_set(const char *name, const char *value)
{
	unsigned int i;

	if (setenv(name, value, 1) != 0) {
		run_error("%s cannot be set: %s", name, strerror(errno));
		return -1;
	}
	for (i = 0; i < n_changed; i++)
		if (strcmp(changed[i], name) == 0)
			return 0;
	if (n_changed == CHANGED_MAX) {
		run_error("%s: too many variables are set: give fewer", name);
		return -1;
	}
	changed[n_changed] = strdup(name);
	if (changed[n_changed] == NULL) {
		run_error("no memory");
		return -1;
	}
	n_changed++;
	return 0;
}

/* As a word of a shell. */
static void
print_word(FILE *f, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=./:,@%";

	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		fputs(word, f);
		return;
	}
	fputc('\'', f);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	}
	fputc('\'', f);
}

void
run_env_print(FILE *f, char *const program[])
{
	unsigned int i;

	for (i = 0; i < n_changed; i++) {
		fprintf(f, "%s=", changed[i]);
		print_word(f, getenv(changed[i]));
		fputs(" \\\n", f);
	}
	for (i = 0; program[i] != NULL; i++) {
		if (i > 0)
			fputc(' ', f);
		print_word(f, program[i]);
	}
	fputc('\n', f);
}

/* The directory of this program, without a slash at its end. */
static int
own_dir(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);

	if (n < 0) {
		run_error("/proc/self/exe: %s: /proc must be mounted", strerror(errno));
		return -1;
	}
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0';
	return 0;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* Directory of one of the two libraries. */
static void
library_dir(const char *own, bool sim, char *dir, size_t size)
{
	unsigned int i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (ends_with(own, places[i].own)) {
			snprintf(dir, size, "%.*s%s", (int)(strlen(own) - strlen(places[i].own)),
					own, sim ? places[i].sim : places[i].lib);
			return;
		}
	/* moved alone */
	snprintf(dir, size, "%s%s", RUN_PREFIX, RUN_LIBDIR);
}

static int
find_library(const char *name, bool sim, char *path, size_t size)
{
	char own[PATH_MAX], dir[PATH_MAX];

	if (own_dir(own, sizeof(own)) != 0)
		return -1;
	library_dir(own, sim, dir, sizeof(dir));
	if ((size_t)snprintf(path, size, "%s/%s", dir, name) >= size || access(path, R_OK) != 0) {
		run_error("%s is not in %s: build it (ninja -C build), or install all of dpvma "
			  "(meson install -C build)",
				name, dir);
		return -1;
	}
	if (path[strcspn(path, " :\t\n")] != '\0') {
		run_error("%s: LD_PRELOAD cannot name a path with a blank or a colon: move the "
			  "directory",
				path);
		return -1;
	}
	return 0;
}

int
run_env_preload(bool sim)
{
	char path[PATH_MAX], connectx[PATH_MAX], *text;
	const char *more = getenv("LD_PRELOAD");
	int ret;

	if (find_library(PRELOAD, false, path, sizeof(path)) != 0 ||
			(sim && find_library(CONNECTX, true, connectx, sizeof(connectx)) != 0))
		return -1;
	/* the library's calls come first: those of the model are libc's to it */
	if (asprintf(&text, "%s%s%s%s%s", path, sim ? " " : "", sim ? connectx : "",
			    more != NULL && *more != '\0' ? " " : "",
			    more != NULL ? more : "") < 0) {
		run_error("no memory");
		return -1;
	}
	ret = run_env_set("LD_PRELOAD", text);
	free(text);
	return ret;
}
