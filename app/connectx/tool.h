/* SPDX-License-Identifier: BSD-3-Clause */
/* dpvma-connectx: asks the software ConnectX of running processes. */
#ifndef TOOL_H
#define TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process {
	long pid;
	char path[PATH_MAX]; /* of its control socket */
};

/* ask.c */
/*
 * Finds the processes with a model that answer; pid 0: all of them. Returns how many there are,
 * *list is to be freed; or 0 after one line that says why.
 */
size_t find_processes(struct process **list, long pid);
/* The answer to one request, to be freed; NULL with errno. */
char *ask(const struct process *p, const char *request);
/* Tells that ask() failed, by errno. */
void no_answer(const struct process *p);
/* One line on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Whether the answer is a refusal, which is told. */
bool refused(const struct process *p, const char *answer);
void show_process(const struct process *p);

/* rates.c: asks again and again, and shows what changed. Returns the status to exit with. */
int watch(const struct process *list, size_t n, const char *request, double seconds, long count);

#endif
