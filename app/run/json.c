/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON as telemetry sends it, as text for people: a member a line, what is inside indented. And the
 * two things that a client must find in it: a member, and a number.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define DEPTH_MAX 32

static const char *
blank(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Behind the string that begins here; NULL when it has no end. */
static const char *
skip_string(const char *p)
{
	for (p++; *p != '\0' && *p != '"'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return *p == '"' ? p + 1 : NULL;
}

const char *
json_skip(const char *p)
{
	unsigned int depth = 0;

	p = blank(p);
	do {
		if (*p == '"') {
			p = skip_string(p);
			if (p == NULL)
				return NULL;
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			if (depth-- == 0)
				return NULL;
			p++;
		} else if (*p == '\0') {
			return NULL;
		} else if (depth > 0 && strchr(",: \t\r\n", *p) != NULL) {
			p++;
		} else {
			p += strcspn(p, ",:{}[]\" \t\r\n");
		}
	} while (depth > 0);
	return blank(p);
}

const char *
json_first(const char *p)
{
	p = blank(p);
	if (*p != '{' && *p != '[')
		return NULL;
	p = blank(p + 1);
	return strchr("}]", *p) != NULL ? NULL : p; /* also at the end of the text */
}

const char *
json_next(const char *p)
{
	p = json_skip(p);
	p = p != NULL && *p == ',' ? blank(p + 1) : NULL;
	return p != NULL && *p != '\0' ? p : NULL;
}

/* The value of the member whose name begins here. */
static const char *
value_of(const char *name)
{
	const char *p = json_skip(name);

	return p != NULL && *p == ':' ? blank(p + 1) : NULL;
}

const char *
json_member(const char *object, const char *name)
{
	const char *p, *value;
	size_t len = strlen(name);

	for (p = json_first(object); p != NULL; p = json_next(value)) {
		value = *p == '"' ? value_of(p) : NULL;
		if (value == NULL)
			return NULL;
		if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '"')
			return value;
	}
	return NULL;
}

bool
json_number(const char *p, long *value)
{
	char *end;

	if (p == NULL || (*p != '-' && !isdigit((unsigned char)*p)))
		return false;
	*value = strtol(p, &end, 10);
	return end != p && strchr(",]} \t\r\n", *end) != NULL;
}

/* One without its quotes; what is escaped as a code stays as it is. */
static void
print_string(const char *p, FILE *f)
{
	for (p++; *p != '\0' && *p != '"'; p++) {
		if (*p == '\\' && (p[1] == 'n' || p[1] == 't' || p[1] == 'r')) {
			fputc(' ', f);
			p++;
			continue;
		}
		if (*p == '\\' && p[1] != '\0' && p[1] != 'u')
			p++;
		/* what comes from another process moves no cursor */
		fputc((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p, f);
	}
}

static void
print_scalar(const char *p, FILE *f)
{
	if (*p == '"')
		print_string(p, f);
	else
		fprintf(f, "%.*s", (int)strcspn(p, ",]} \t\r\n"), p);
}

static void
print(const char *p, FILE *f, unsigned int depth)
{
	const char *item, *value;
	bool object = *p == '{';

	for (item = json_first(p); item != NULL && depth < DEPTH_MAX; item = json_next(value)) {
		fprintf(f, "%*s", (int)depth * 2, "");
		value = item;
		if (object) {
			value = *item == '"' ? value_of(item) : NULL;
			if (value == NULL)
				return;
			print_string(item, f);
			fputs(": ", f);
		}
		if (*value == '{' || *value == '[') {
			fputs(object ? "\n" : "-\n", f);
			print(value, f, depth + 1);
		} else {
			print_scalar(value, f);
			fputc('\n', f);
		}
	}
}

void
json_print(const char *p, FILE *f)
{
	p = blank(p);
	if (*p == '{' || *p == '[') {
		print(p, f, 0);
		return;
	}
	print_scalar(p, f);
	fputc('\n', f);
}
