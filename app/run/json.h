/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As much of JSON as an answer of telemetry needs. A value is a pointer to its first character
 * inside the answer; nothing is copied, nothing is believed beyond its end.
 */
#ifndef RUN_JSON_H
#define RUN_JSON_H

#include <stdbool.h>
#include <stdio.h>

/** Behind the value that begins here, and behind blanks; NULL where it has no end. */
const char *json_skip(const char *p);
/** The first name of an object or item of an array; NULL: none, or neither. */
const char *json_first(const char *p);
/** The next item, or the next name when @p p is a value of an object; NULL at the end. */
const char *json_next(const char *p);
/** The value of a member; NULL: none of that name. */
const char *json_member(const char *object, const char *name);
/** Whether a whole number begins here. @p p may be NULL. */
bool json_number(const char *p, long *value);
/** As lines for people. */
void json_print(const char *p, FILE *f);

#endif
