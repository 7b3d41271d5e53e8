/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One option's value from text and back. Stricter than atoi: what is not wholly a value is none.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf_priv.h"

char *
conf_trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

int
conf_number_parse(const char *text, int *value)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (end == text)
		return -EINVAL;
	while (isspace((unsigned char)*end))
		end++;
	if (*end != '\0')
		return -EINVAL;
	if (errno == ERANGE || v < INT_MIN || v > INT_MAX) {
		*value = v < 0 ? INT_MIN : INT_MAX;
		return -ERANGE;
	}
	*value = (int)v;
	return 0;
}

static void
range_text(const struct conf_option *o, char *why, size_t size)
{
	const char *zero = o->flags & CONF_F_ZERO ? "0 or " : "";

	if (o->max == INT_MAX)
		snprintf(why, size, "is not %sat least %d", zero, o->min);
	else
		snprintf(why, size, "is outside %s%d..%d", zero, o->min, o->max);
}

static int
int_parse(const struct conf_option *o, const char *text, int *field, char *why, size_t size)
{
	int v, ret = conf_number_parse(text, &v);

	if (ret == -EINVAL) {
		snprintf(why, size, "is not a whole decimal number");
		return -EINVAL;
	}
	if (ret == 0 && ((v >= o->min && v <= o->max) || (v == 0 && (o->flags & CONF_F_ZERO)))) {
		if ((o->flags & CONF_F_POW2) && (v & (v - 1)) != 0) {
			snprintf(why, size, "is not a power of two");
			return -EINVAL;
		}
		*field = v;
		return 0;
	}
	range_text(o, why, size);
	if ((o->flags & CONF_F_CLAMP) == 0)
		return -EINVAL;
	*field = v < o->min ? o->min : o->max;
	return 1;
}

static bool
word_matches(const char *words, const char *text, size_t len)
{
	while (*words != '\0') {
		size_t n = strcspn(words, " ");

		if (n == len && strncasecmp(words, text, len) == 0)
			return true;
		words += n + strspn(words + n, " ");
	}
	return false;
}

static int
enum_parse(const struct conf_option *o, const char *text, int *field, char *why, size_t size)
{
	const struct conf_word *w;
	char digits[16];
	size_t len, at;
	int v;

	/* 01 and +1 are 1 */
	if (conf_number_parse(text, &v) == 0) {
		snprintf(digits, sizeof(digits), "%d", v);
		text = digits;
	}
	text += strspn(text, " \t\n");
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	for (w = o->words; w->words != NULL; w++)
		if (word_matches(w->words, text, len)) {
			*field = w->value;
			return 0;
		}
	at = snprintf(why, size, "is none of");
	for (w = o->words; w->words != NULL && at < size; w++)
		at += snprintf(why + at, size - at, "%s %.*s", w == o->words ? "" : ",",
				(int)strcspn(w->words, " "), w->words);
	return -EINVAL;
}

static int
str_parse(const struct conf_option *o, const char *text, char *field, char *why, size_t size)
{
	const char *pid = o->flags & CONF_F_PID ? strstr(text, "%d") : NULL;
	char buf[CONF_ARGS_SIZE + 16];
	int n;

	if (pid == NULL)
		n = snprintf(buf, sizeof(buf), "%s", text);
	else
		n = snprintf(buf, sizeof(buf), "%.*s%d%s", (int)(pid - text), text, (int)getpid(),
				pid + 2);
	if ((size_t)n >= o->size) {
		snprintf(why, size, "is longer than %zu characters", o->size - 1);
		return -EINVAL;
	}
	memcpy(field, buf, (size_t)n + 1);
	return 0;
}

static int
mask_parse(const char *text, size_t len, cpu_set_t *set)
{
	unsigned int cpu = 0, bit;

	if (len == 0)
		return -EINVAL;
	while (len-- > 0) {
		unsigned char ch = (unsigned char)text[len];
		unsigned int v;

		if (!isxdigit(ch))
			return -EINVAL;
		v = isdigit(ch) ? ch - '0' : (tolower(ch) - 'a' + 10);
		for (bit = 0; bit < 4; bit++, cpu++)
			if (v & (1u << bit)) {
				if (cpu >= CPU_SETSIZE)
					return -EINVAL;
				CPU_SET(cpu, set);
			}
	}
	return CPU_COUNT(set) == 0 ? -EINVAL : 0;
}

static int
list_parse(const char *p, cpu_set_t *set)
{
	do {
		unsigned long from, to;
		char *end;

		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		from = to = strtoul(p, &end, 10);
		p = end;
		if (*p == '-') {
			if (!isdigit((unsigned char)*++p))
				return -EINVAL;
			to = strtoul(p, &end, 10);
			p = end;
		}
		if (to < from || to >= CPU_SETSIZE)
			return -EINVAL;
		for (; from <= to; from++)
			CPU_SET(from, set);
	} while (*p++ == ',');
	return p[-1] == '\0' ? 0 : -EINVAL;
}

static int
cpus_parse(const char *text, cpu_set_t *field, char *why, size_t size)
{
	cpu_set_t set;
	int ret;

	CPU_ZERO(&set);
	if (strcmp(text, "-1") == 0)
		ret = 0;
	else if (strncasecmp(text, "0x", 2) == 0)
		ret = mask_parse(text + 2, strlen(text + 2), &set);
	else
		ret = list_parse(text, &set);
	if (ret != 0) {
		snprintf(why, size,
				"is neither a list of CPUs as 0,1,7-10 nor a mask as 0x3 nor -1");
		return ret;
	}
	*field = set;
	return 0;
}

static int
ptr_parse(const char *text, void **field, char *why, size_t size)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 16);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || v > UINTPTR_MAX) {
		snprintf(why, size, "is not an address in hexadecimal");
		return -EINVAL;
	}
	*field = (void *)(uintptr_t)v;
	return 0;
}

int
conf_value_parse(const struct conf_option *o, const char *text, struct conf *c, char *why,
		size_t why_size)
{
	void *field = (char *)c + o->offset;
	int v = 0;

	switch (o->type) {
	case CONF_T_BOOL:
		/* any number but 0 is true, also one that does not fit */
		if (conf_number_parse(text, &v) == -EINVAL) {
			snprintf(why, why_size, "is neither 0 nor 1");
			return -EINVAL;
		}
		*(bool *)field = v != 0;
		return 0;
	case CONF_T_INT:
	case CONF_T_DERIVED:
		return int_parse(o, text, field, why, why_size);
	case CONF_T_ENUM:
		return enum_parse(o, text, field, why, why_size);
	case CONF_T_STR:
		return str_parse(o, text, field, why, why_size);
	case CONF_T_CPUS:
		return cpus_parse(text, field, why, why_size);
	case CONF_T_PTR:
		return ptr_parse(text, field, why, why_size);
	case CONF_T_GROUP:
	case CONF_T_RETIRED:
		break;
	}
	snprintf(why, why_size, "is no option");
	return -EINVAL;
}

static char *
cpus_format(const cpu_set_t *set, char *buf, size_t size)
{
	size_t at = 0;
	int cpu, last;

	for (cpu = 0; cpu < CPU_SETSIZE && at < size; cpu = last + 1) {
		last = cpu;
		if (!CPU_ISSET(cpu, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		at += snprintf(buf + at, size - at, "%s%d", at > 0 ? "," : "", cpu);
		if (last > cpu && at < size)
			at += snprintf(buf + at, size - at, "-%d", last);
	}
	if (at == 0)
		snprintf(buf, size, "-1");
	return buf;
}

char *
conf_value_format(const struct conf_option *o, const struct conf *c, char *buf, size_t size)
{
	const void *field = (const char *)c + o->offset;
	const struct conf_word *w;

	switch (o->type) {
	case CONF_T_BOOL:
		snprintf(buf, size, "%d", *(const bool *)field);
		break;
	case CONF_T_INT:
	case CONF_T_DERIVED:
		snprintf(buf, size, "%d", *(const int *)field);
		break;
	case CONF_T_ENUM:
		snprintf(buf, size, "%d", *(const int *)field);
		for (w = o->words; w->words != NULL; w++)
			if (w->value == *(const int *)field)
				snprintf(buf, size, "%.*s", (int)strcspn(w->words, " "), w->words);
		break;
	case CONF_T_STR:
		snprintf(buf, size, "%s", (const char *)field);
		break;
	case CONF_T_CPUS:
		return cpus_format(field, buf, size);
	case CONF_T_PTR:
		snprintf(buf, size, "%#llx",
				(unsigned long long)(uintptr_t) * (void *const *)field);
		break;
	case CONF_T_GROUP:
	case CONF_T_RETIRED:
		buf[0] = '\0';
		break;
	}
	return buf;
}

bool
conf_value_equal(const struct conf_option *o, const struct conf *a, const struct conf *b)
{
	const char *fa = (const char *)a + o->offset, *fb = (const char *)b + o->offset;

	if (o->type == CONF_T_STR)
		return strcmp(fa, fb) == 0;
	return memcmp(fa, fb, o->size) == 0;
}
