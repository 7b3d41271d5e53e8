/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From files to one list of lines: comments go, `include "file"` and `repeat [NAME] COUNT ... end`
 * are expanded, `let NAME = EXPRESSION` is remembered, and $NAME and $(EXPRESSION) become numbers.
 * Nothing here knows what a line means.
 */
#include <ctype.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define DEPTH_MAX 8
#define LINES_MAX 20000u
#define LINE_LEN 1024

struct var {
	char name[24];
	int64_t value;
};
struct expander {
	struct source *src;
	struct var vars[64];
	unsigned int n_vars;
	unsigned int depth;
	const char *file; /* being expanded, for messages */
	unsigned int number;
};
struct raw {
	char **lines;
	unsigned int n;
};

static int expand(struct expander *x, const struct raw *raw, unsigned int from, unsigned int to);

static int __attribute__((format(printf, 2, 3))) fail(struct expander *x, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (x->src->error[0] == '\0')
		snprintf(x->src->error, sizeof(x->src->error), "%s:%u: %s", x->file, x->number,
				text);
	return -1;
}

/* A later one hides an earlier one of the same name. */
static int
var_set(struct expander *x, const char *name, int64_t value)
{
	unsigned int i;

	for (i = 0; i < x->n_vars && strcmp(x->vars[i].name, name) != 0; i++)
		;
	if (i == sizeof(x->vars) / sizeof(x->vars[0]))
		return fail(x, "too many names");
	if (i == x->n_vars) {
		snprintf(x->vars[i].name, sizeof(x->vars[i].name), "%s", name);
		x->n_vars++;
	}
	x->vars[i].value = value;
	return 0;
}

static void
skip_space(const char **p)
{
	while (**p == ' ' || **p == '\t')
		(*p)++;
}

static size_t
name_len(const char *p)
{
	size_t n = 0;

	if (isalpha((unsigned char)*p) || *p == '_')
		while (isalnum((unsigned char)p[n]) || p[n] == '_')
			n++;
	return n;
}

static int64_t sum(struct expander *x, const char **p);

static int64_t
named(struct expander *x, const char **p)
{
	size_t n = name_len(*p);
	const char *name = *p;
	unsigned int i;

	*p += n;
	for (i = 0; i < x->n_vars; i++)
		if (strlen(x->vars[i].name) == n && strncmp(x->vars[i].name, name, n) == 0)
			return x->vars[i].value;
	fail(x, "no such name: %.*s", (int)n, name);
	return 0;
}

static int64_t
factor(struct expander *x, const char **p)
{
	char *end;
	int64_t v;

	skip_space(p);
	if (**p == '-') {
		(*p)++;
		return -factor(x, p);
	}
	if (**p == '(') {
		(*p)++;
		v = sum(x, p);
		skip_space(p);
		if (**p != ')') {
			fail(x, "a ) is missing");
			return 0;
		}
		(*p)++;
		return v;
	}
	if (name_len(*p) > 0)
		return named(x, p);
	v = strtoll(*p, &end, 10);
	if (end == *p) {
		fail(x, "a number or a name should be at '%s'", *p);
		return 0;
	}
	*p = end;
	return v;
}

static int64_t
product(struct expander *x, const char **p)
{
	int64_t v = factor(x, p);

	for (;;) {
		char op;
		int64_t w;

		skip_space(p);
		op = **p;
		if (op != '*' && op != '/' && op != '%')
			return v;
		(*p)++;
		w = factor(x, p);
		if (op == '*') {
			v *= w;
		} else if (w == 0) {
			fail(x, "division by zero");
			return 0;
		} else {
			v = op == '/' ? v / w : v % w;
		}
	}
}

static int64_t
sum(struct expander *x, const char **p)
{
	int64_t v = product(x, p);

	for (;;) {
		skip_space(p);
		if (**p == '+') {
			(*p)++;
			v += product(x, p);
		} else if (**p == '-') {
			(*p)++;
			v -= product(x, p);
		} else {
			return v;
		}
	}
}

/* Replace every $NAME and $(EXPRESSION). */
static int
substitute(struct expander *x, const char *text, char *out, size_t len)
{
	size_t n = 0;

	while (*text != '\0') {
		int64_t v;

		if (*text != '$') {
			if (n + 1 >= len)
				return fail(x, "line too long");
			out[n++] = *text++;
			continue;
		}
		text++;
		if (*text == '(')
			v = factor(x, &text);
		else if (name_len(text) > 0)
			v = named(x, &text);
		else
			return fail(x, "a name or ( must follow $");
		if (x->src->error[0] != '\0')
			return -1;
		n += (size_t)snprintf(out + n, len - n, "%" PRId64, v);
		if (n >= len)
			return fail(x, "line too long");
	}
	out[n] = '\0';
	return 0;
}

static int
emit(struct expander *x, const char *text)
{
	struct source *src = x->src;
	char buf[LINE_LEN];

	if (substitute(x, text, buf, sizeof(buf)) < 0)
		return -1;
	if (src->n == LINES_MAX)
		return fail(x, "more than %u lines", LINES_MAX);
	if (src->n == src->cap) {
		src->cap = src->cap == 0 ? 128 : 2 * src->cap;
		src->lines = realloc(src->lines, src->cap * sizeof(*src->lines));
	}
	src->lines[src->n++] = (struct line){ x->file, x->number, strdup(buf) };
	return 0;
}

/* The text of a line without comment and surrounding space. */
static void
strip(const char *line, char *out, size_t len)
{
	size_t n;

	skip_space(&line);
	n = strcspn(line, "#\n");
	while (n > 0 && isspace((unsigned char)line[n - 1]))
		n--;
	snprintf(out, len, "%.*s", (int)n, line);
}

static bool
begins(const char *text, const char *word)
{
	size_t n = strlen(word);

	return strncmp(text, word, n) == 0 && (text[n] == '\0' || isspace((unsigned char)text[n]));
}

static int
expand_let(struct expander *x, const char *text)
{
	const char *p = text + strlen("let");
	char name[24];
	size_t n;
	int64_t v;

	skip_space(&p);
	n = name_len(p);
	if (n == 0 || n >= sizeof(name))
		return fail(x, "let NAME = EXPRESSION");
	snprintf(name, sizeof(name), "%.*s", (int)n, p);
	p += n;
	skip_space(&p);
	if (*p != '=')
		return fail(x, "let NAME = EXPRESSION");
	p++;
	v = sum(x, &p);
	if (x->src->error[0] == '\0' && *p != '\0')
		return fail(x, "what is '%s'?", p);
	return x->src->error[0] == '\0' ? var_set(x, name, v) : -1;
}

static int
expand_repeat(struct expander *x, const struct raw *raw, unsigned int at, unsigned int end,
		const char *text)
{
	const char *p = text + strlen("repeat");
	char name[24] = "";
	int64_t i, times;
	size_t n;

	skip_space(&p);
	n = name_len(p);
	if (n >= sizeof(name))
		return fail(x, "a long name");
	if (n > 0 && isspace((unsigned char)p[n])) {
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		p += n;
	}
	times = sum(x, &p);
	if (x->src->error[0] == '\0' && *p != '\0')
		return fail(x, "repeat [NAME] COUNT");
	for (i = 0; i < times && x->src->error[0] == '\0'; i++) {
		if (name[0] != '\0' && var_set(x, name, i) < 0)
			return -1;
		if (expand(x, raw, at + 1, end) < 0)
			return -1;
	}
	return x->src->error[0] == '\0' ? 0 : -1;
}

static int
expand_include(struct expander *x, const char *text)
{
	char name[256], dir[512], path[800];
	const char *file = x->file;
	unsigned int number = x->number;
	struct source *src = x->src;
	int rc;

	if (sscanf(text, "include \"%255[^\"]\"", name) != 1)
		return fail(x, "include \"FILE\"");
	if (x->depth == DEPTH_MAX)
		return fail(x, "includes go too deep");
	snprintf(dir, sizeof(dir), "%s", file);
	snprintf(path, sizeof(path), "%s/%s", dirname(dir), name);

	FILE *f = fopen(path, "r");
	struct raw raw = { 0 };
	char buf[LINE_LEN];
	if (f == NULL)
		return fail(x, "cannot open %s", path);
	while (fgets(buf, sizeof(buf), f) != NULL) {
		raw.lines = realloc(raw.lines, (raw.n + 1) * sizeof(*raw.lines));
		raw.lines[raw.n++] = strdup(buf);
	}
	fclose(f);
	src->files = realloc(src->files, (src->n_files + 1) * sizeof(*src->files));
	x->file = src->files[src->n_files++] = strdup(path);
	x->depth++;
	rc = expand(x, &raw, 0, raw.n);
	x->depth--;
	x->file = file;
	x->number = number;
	for (unsigned int i = 0; i < raw.n; i++)
		free(raw.lines[i]);
	free(raw.lines);
	return rc;
}

/* The line of the end that belongs to the repeat at @p at; @p to for none. */
static unsigned int
find_end(const struct raw *raw, unsigned int at, unsigned int to)
{
	unsigned int deep = 0, i;
	char text[LINE_LEN];

	for (i = at; i < to; i++) {
		strip(raw->lines[i], text, sizeof(text));
		if (begins(text, "repeat"))
			deep++;
		else if (strcmp(text, "end") == 0 && --deep == 0)
			break;
	}
	return i;
}

static int
expand(struct expander *x, const struct raw *raw, unsigned int from, unsigned int to)
{
	char text[LINE_LEN];
	unsigned int i, end;
	int rc = 0;

	for (i = from; i < to && rc == 0; i++) {
		x->number = i + 1;
		strip(raw->lines[i], text, sizeof(text));
		if (text[0] == '\0')
			continue;
		if (begins(text, "include")) {
			rc = expand_include(x, text);
		} else if (begins(text, "let")) {
			rc = expand_let(x, text);
		} else if (begins(text, "repeat")) {
			end = find_end(raw, i, to);
			if (end == to)
				return fail(x, "repeat without end");
			rc = expand_repeat(x, raw, i, end, text);
			i = end;
		} else if (strcmp(text, "end") == 0) {
			return fail(x, "end without repeat");
		} else {
			rc = emit(x, text);
		}
	}
	return rc;
}

int
source_file(struct source *src, const char *path)
{
	struct expander x = { .src = src, .file = path, .number = 0 };
	char name[600], include[700];
	char *copy = strdup(path);

	/* The file itself is the first include. */
	memset(src, 0, sizeof(*src));
	snprintf(name, sizeof(name), "%s", basename(copy));
	snprintf(include, sizeof(include), "include \"%s\"", name);
	free(copy);
	return expand_include(&x, include);
}

int
source_text(struct source *src, const char *name, const char *text)
{
	struct expander x = { .src = src, .file = name };
	struct raw raw = { 0 };
	int rc;

	memset(src, 0, sizeof(*src));
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		raw.lines = realloc(raw.lines, (raw.n + 1) * sizeof(*raw.lines));
		raw.lines[raw.n++] = strndup(text, n);
		text += n + (text[n] == '\n');
	}
	rc = expand(&x, &raw, 0, raw.n);
	for (unsigned int i = 0; i < raw.n; i++)
		free(raw.lines[i]);
	free(raw.lines);
	return rc;
}

void
source_free(struct source *src)
{
	unsigned int i;

	for (i = 0; i < src->n; i++)
		free(src->lines[i].text);
	for (i = 0; i < src->n_files; i++)
		free(src->files[i]);
	free(src->lines);
	free(src->files);
	memset(src, 0, sizeof(*src));
}
