/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Puts the options together: defaults, then the side effects of VMA_SOCKETXTREME, then the profile,
 * then the variables one by one, of which the program's wins over the environment's and that over
 * the file's, then what options force on each other.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf_priv.h"

struct conf conf_values;
int conf_loaded;

/* Recursive: a log callback may ask for an option. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int load_result;
static char *const *load_env;
/* What each source says, owned here; NULL nothing. */
static char *texts[CONF_OPTIONS_N][CONF_SOURCES_N];
static enum conf_source sources[CONF_OPTIONS_N];
/* The retired variable that stands in for this one; 0 none. */
static unsigned int stand_in[CONF_OPTIONS_N];

static void
forget(enum conf_source from)
{
	unsigned int o;

	for (o = 0; o < CONF_OPTIONS_N; o++) {
		free(texts[o][from]);
		texts[o][from] = NULL;
	}
}

static int
remember(unsigned int o, enum conf_source from, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return -ENOMEM;
	free(texts[o][from]);
	texts[o][from] = copy;
	return 0;
}

static void
env_read(char *const env[])
{
	char name[64];

	forget(CONF_FROM_ENV);
	for (; env != NULL && *env != NULL; env++) {
		size_t len = strcspn(*env, "=");
		unsigned int o;

		if ((*env)[len] != '=' ||
				(strncmp(*env, "VMA_", 4) != 0 && strncmp(*env, "DPVMA_", 6) != 0))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len, *env);
		o = len < sizeof(name) ? conf_option_find(name) : CONF_OPTIONS_N;
		if (o == CONF_OPTIONS_N)
			/* nearly always a typing mistake */
			conf_say(LOG_LEVEL_WARNING, "%.*s is not a known variable: ignored",
					(int)RTE_MIN(len, sizeof(name)), *env);
		else if (texts[o][CONF_FROM_ENV] == NULL) /* the first one counts, as in getenv */
			remember(o, CONF_FROM_ENV, *env + len + 1);
	}
}

static void
file_option(const char *path, const char *name, const char *value)
{
	unsigned int o = conf_option_find(name);

	if (o == CONF_OPTIONS_N || conf_options[o].type == CONF_T_DERIVED)
		conf_say(LOG_LEVEL_WARNING,
				"%s: [options] %s is not a known variable: ignored, see --help",
				path, name);
	else if (o == CONF_O_config)
		conf_say(LOG_LEVEL_WARNING, "%s: [options] %s cannot name another file: ignored",
				path, name);
	else
		remember(o, CONF_FROM_FILE, value);
}

static const char *
text_of(unsigned int o, enum conf_source *from)
{
	enum conf_source s;

	for (s = CONF_SOURCES_N - 1; s >= CONF_FROM_FILE; s--)
		if (texts[o][s] != NULL) {
			*from = s;
			return texts[o][s];
		}
	return stand_in[o] != 0 ? text_of(stand_in[o], from) : NULL;
}

/* Take what the sources say about one option; what cannot be taken leaves the value as it is. */
static void
take(struct conf_build *b, unsigned int o)
{
	const struct conf_option *opt = &conf_options[o];
	char why[CONF_WHY_SIZE], used[CONF_VALUE_SIZE];
	enum conf_source from;
	const char *text = text_of(o, &from);
	int ret;

	if (text == NULL)
		return;
	ret = conf_value_parse(opt, text, b->c, why, sizeof(why));
	if (ret >= 0)
		b->source[o] = from;
	if (ret != 0)
		conf_say(LOG_LEVEL_WARNING, "%s=%.100s%s %s: using %.100s", opt->name, text,
				from == CONF_FROM_FILE ? " in the configuration file" : "", why,
				conf_value_format(opt, b->c, used, sizeof(used)));
	else if (opt->flags & CONF_F_NOP)
		conf_say(LOG_LEVEL_DEBUG, "%s has no meaning on DPDK: accepted, and ignored",
				opt->name);
}

/* A retired variable says what replaces it, and where the meaning is the same, sets that. */
static void
take_retired(unsigned int o)
{
	const struct conf_option *opt = &conf_options[o];
	enum conf_source from, other;
	const char *text = text_of(o, &from);
	unsigned int r;

	if (text == NULL)
		return;
	if ((opt->flags & CONF_F_TAKE) == 0) {
		conf_say(LOG_LEVEL_WARNING, "%s is retired and ignored: %s", opt->name, opt->help);
		return;
	}
	r = conf_option_find(opt->text);
	if (text_of(r, &other) != NULL) {
		conf_say(LOG_LEVEL_WARNING, "%s is retired and ignored: %s is set too", opt->name,
				opt->text);
		return;
	}
	conf_say(LOG_LEVEL_WARNING, "%s is retired: set %s=%.100s instead, as done now", opt->name,
			opt->text, text);
	stand_in[r] = o;
}

static void
set_defaults(struct conf *c)
{
	unsigned int o;

	memset(c, 0, sizeof(*c));
	for (o = 0; o < CONF_OPTIONS_N; o++) {
		const struct conf_option *opt = &conf_options[o];
		char *field = (char *)c + opt->offset;

		switch (opt->type) {
		case CONF_T_BOOL:
			*(bool *)field = opt->def != 0;
			break;
		case CONF_T_INT:
		case CONF_T_ENUM:
		case CONF_T_DERIVED:
			memcpy(field, &opt->def, sizeof(opt->def));
			break;
		case CONF_T_STR:
			snprintf(field, opt->size, "%s", opt->text);
			break;
		default:
			break; /* zero */
		}
	}
}

static void
set_mode(struct conf_build *b, unsigned int o, int *field, int value)
{
	*field = value;
	b->source[o] = CONF_FROM_MODE;
}

static void
compute(struct conf_build *b)
{
	struct conf *c = b->c;
	unsigned int o;

	set_defaults(c);
	memset(b->source, 0, sizeof(b->source));
	memset(stand_in, 0, sizeof(stand_in));
	for (o = 0; o < CONF_OPTIONS_N; o++)
		if (conf_options[o].type == CONF_T_RETIRED)
			take_retired(o);
	take(b, CONF_O_socketxtreme);
	if (c->socketxtreme) {
		set_mode(b, CONF_O_rx_wre, &c->rx_wre, 1024);
		set_mode(b, CONF_O_gro_streams_max, &c->gro_streams_max, 0);
		set_mode(b, CONF_O_progress_engine_interval, &c->progress_engine_interval, 0);
	}
	take(b, CONF_O_spec);
	conf_profile_apply(b);
	for (o = 0; o < CONF_OPTIONS_N; o++)
		if (conf_options[o].type != CONF_T_RETIRED && conf_options[o].type != CONF_T_GROUP)
			take(b, o);
	conf_rules(b);
}

const struct conf *
conf_defaults(void)
{
	static struct conf defaults;
	static bool made;

	pthread_mutex_lock(&lock);
	if (!made) {
		struct conf_build b = { .c = &defaults };

		set_defaults(&defaults);
		conf_rules(&b);
		made = true;
	}
	pthread_mutex_unlock(&lock);
	return &defaults;
}

static void
log_apply(const struct conf *c)
{
	static bool ours;
	void (*cb)(int, const char *);

	memcpy(&cb, &c->log_cb_func_ptr, sizeof(cb));
	if (cb != NULL || ours) /* one that the program set itself stays */
		log_set_callback(cb);
	ours = cb != NULL;
	log_setup(c->tracelevel, c->log_details, c->log_colors,
			c->log_file[0] == '\0' ? NULL : c->log_file);
}

/* From texts to values, the file read again. */
static int
rebuild(void)
{
	struct conf_build b = { .c = malloc(sizeof(struct conf)) };
	enum conf_source from;
	int ret = 0, bad;

	if (b.c == NULL)
		return -ENOMEM;
	forget(CONF_FROM_FILE);
	conf_ports_reset();
	set_defaults(b.c);
	memset(b.source, 0, sizeof(b.source));
	take(&b, CONF_O_config);
	if (b.c->config[0] != '\0')
		ret = conf_file_read(b.c->config, file_option);
	compute(&b);
	bad = conf_ports_parse(b.c->ports);
	/* no default can stand in for addresses, so that one too long to be taken is an error */
	if (text_of(CONF_O_ports, &from) != NULL && !conf_build_is_set(&b, CONF_O_ports))
		bad = -EINVAL;
	conf_offload_load(b.c->config_file, conf_build_is_set(&b, CONF_O_config_file),
			b.c->application_id);
	conf_values = *b.c;
	memcpy(sources, b.source, sizeof(sources));
	free(b.c);
	log_apply(&conf_values);
	conf_said();
	return ret != 0 ? ret : bad;
}

static int
load(void)
{
	env_read(load_env != NULL ? load_env : environ);
	load_result = rebuild();
	__atomic_store_n(&conf_loaded, 1, __ATOMIC_RELEASE);
	return load_result;
}

int
conf_load(void)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = __atomic_load_n(&conf_loaded, __ATOMIC_RELAXED) ? load_result : load();
	pthread_mutex_unlock(&lock);
	return ret;
}

int
conf_reload(char *const env[])
{
	int ret;

	pthread_mutex_lock(&lock);
	forget(CONF_FROM_PROGRAM);
	conf_say_forget();
	conf_offload_forget();
	load_env = env;
	ret = load();
	load_env = NULL;
	pthread_mutex_unlock(&lock);
	return ret;
}

static int
set_locked(unsigned int o, const char *value)
{
	const struct conf_option *opt = &conf_options[o];
	char why[CONF_WHY_SIZE], *before;
	struct conf *scratch;
	int ret = 0;

	if (opt->type != CONF_T_RETIRED) {
		scratch = malloc(sizeof(*scratch));
		if (scratch == NULL)
			return -ENOMEM;
		ret = conf_value_parse(opt, value, scratch, why, sizeof(why));
		free(scratch);
		if (ret != 0) {
			LOG_WARNING("%s=%.100s %s: left as it was", opt->name, value, why);
			return -EINVAL;
		}
	}
	before = texts[o][CONF_FROM_PROGRAM];
	texts[o][CONF_FROM_PROGRAM] = NULL;
	ret = remember(o, CONF_FROM_PROGRAM, value);
	if (ret == 0) {
		ret = rebuild();
		/* only these two can be at fault; anything else was wrong before */
		if (ret == 0 || (o != CONF_O_config && o != CONF_O_ports && ret != -ENOMEM)) {
			load_result = ret;
			free(before);
			return 0;
		}
	}
	free(texts[o][CONF_FROM_PROGRAM]);
	texts[o][CONF_FROM_PROGRAM] = before;
	rebuild();
	return ret;
}

int
conf_set(const char *name, const char *value)
{
	unsigned int o = conf_option_find(name);
	int ret;

	conf_load();
	if (o == CONF_OPTIONS_N || conf_options[o].type == CONF_T_DERIVED) {
		LOG_WARNING("%.64s is not a known variable: ignored", name);
		return -ENOENT;
	}
	pthread_mutex_lock(&lock);
	ret = set_locked(o, value);
	pthread_mutex_unlock(&lock);
	return ret;
}

bool
conf_is_set(const char *name)
{
	unsigned int o = conf_option_find(name);

	conf_load();
	return o != CONF_OPTIONS_N && sources[o] >= CONF_FROM_FILE;
}
