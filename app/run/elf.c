/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that a preloaded library does not reach: linked statically, or run with rights of their
 * own. They run, on the kernel's sockets; somebody who measures should know.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

/* As execvp() finds it. */
static bool
find_program(const char *name, char *path, size_t size)
{
	const char *list = getenv("PATH");

	if (strchr(name, '/') != NULL) {
		snprintf(path, size, "%s", name);
		return true;
	}
	for (; list != NULL && *list != '\0'; list += strcspn(list, ":") + 1) {
		size_t len = strcspn(list, ":");

		snprintf(path, size, "%.*s/%s", (int)len, list, name);
		if (len > 0 && access(path, X_OK) == 0)
			return true;
		if (list[len] == '\0')
			return false;
	}
	return false;
}

/* Whether a 64-bit ELF file names an interpreter, without which nothing is preloaded. */
static bool
is_static(int fd)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	unsigned int i;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
			memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
			head.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (i = 0; i < head.e_phnum; i++) {
		off_t at = (off_t)(head.e_phoff + (uint64_t)i * head.e_phentsize);

		if (pread(fd, &part, sizeof(part), at) != sizeof(part) || part.p_type == PT_INTERP)
			return false;
	}
	return true;
}

void
elf_warn(const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!find_program(name, path, sizeof(path)))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (is_static(fd))
		run_error("%s is linked statically: nothing can be preloaded, its sockets stay the "
			  "kernel's",
				path);
	else if (fstat(fd, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) != 0 && geteuid() != 0)
		run_error("%s runs with another user's rights: nothing is preloaded then, its "
			  "sockets stay the kernel's",
				path);
	close(fd);
}
