/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One script of calls, run on the kernel's sockets and on ours: what each call returned is written
 * down, and must be the same.
 */
#ifndef TWICE_H
#define TWICE_H

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** A call that returns a number, or -1 with errno. */
void result(const char *what, long ret);
#define DO(call) result(#call, (long)(call))

/** @param choose whose calls the script makes from now on: 0 the kernel's, 1 ours */
void twice(void (*choose)(unsigned int whose), void (*script)(void));

#endif
