/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults and shaping of a NIC: checked, set up from the configuration, and added to. */
#include "stage.h"

#define TOO_MANY "more than %u entries in one direction"

static struct cx_stage *
stage(struct cx_dev *d, unsigned int dir)
{
	struct cx_stage *s = d->stage[dir];

	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->late = malloc(LATE_MAX * sizeof(*s->late));
	if (s->late == NULL) {
		free(s);
		return NULL;
	}
	s->dev = d;
	s->dir = dir;
	s->seed = d->impair->seed;
	s->crossing.tail = &s->crossing.head;
	s->held.tail = &s->held.head;
	d->stage[dir] = s;
	return s;
}

static bool
made(struct cx_dev *d)
{
	if (d->impair == NULL) {
		d->impair = calloc(1, sizeof(*d->impair));
		if (d->impair != NULL)
			d->impair->seed = 1;
	}
	return d->impair != NULL;
}

static bool
at_a_time(const struct cx_fault *f)
{
	return f->action >= FAULT_LINK && f->when == WHEN_TIME;
}

static bool
fits(const struct cx_dev *d, const struct cx_script *s)
{
	unsigned int i, dir, timed = d != NULL && d->impair != NULL ? d->impair->timed.n : 0;
	unsigned int n[CX_DIRS];

	for (dir = 0; dir < CX_DIRS; dir++)
		n[dir] = d != NULL && d->stage[dir] != NULL ? d->stage[dir]->faults.n : 0;
	for (i = 0; i < s->n; i++) {
		if (at_a_time(&s->at[i]))
			timed++;
		for (dir = 0; dir < CX_DIRS && !at_a_time(&s->at[i]); dir++)
			n[dir] += s->at[i].dir[dir];
	}
	return timed <= CX_FAULTS_MAX && n[CX_RX] <= CX_FAULTS_MAX && n[CX_TX] <= CX_FAULTS_MAX;
}

static void
add_to(struct cx_stage *s, const struct cx_fault *f)
{
	struct cx_fault *to = &s->faults.at[s->faults.n++];

	*to = *f;
	if (f->relative && f->when == WHEN_PACKET) {
		to->from += s->frames;
		to->to = f->to > UINT64_MAX - s->frames ? UINT64_MAX : f->to + s->frames;
	}
}

/* 0, or -1 and one line in error. */
static int
add(struct cx_dev *d, const struct cx_script *s, char *error, size_t size)
{
	unsigned int i, dir;

	if (!fits(d, s)) {
		snprintf(error, size, TOO_MANY, CX_FAULTS_MAX);
		return -1;
	}
	if (!made(d))
		goto no_memory;
	if (s->seeded)
		d->impair->seed = s->seed;
	for (i = 0; i < s->n; i++) {
		const struct cx_fault *f = &s->at[i];

		if (at_a_time(f)) {
			d->impair->timed.at[d->impair->timed.n++] = *f;
			continue;
		}
		for (dir = 0; dir < CX_DIRS; dir++) {
			if (!f->dir[dir])
				continue;
			if (stage(d, dir) == NULL)
				goto no_memory;
			add_to(d->stage[dir], f);
		}
	}
	for (dir = 0; dir < CX_DIRS; dir++)
		if (d->stage[dir] != NULL)
			d->stage[dir]->seed = d->impair->seed;
	return 0;
no_memory:
	snprintf(error, size, "no memory");
	return -1;
}

int
cx_faults_add(struct cx_dev *d, const char *text, char *error, size_t size)
{
	uint64_t now = cx_clock();
	struct cx_script s;
	int ret;

	cx_lock(d);
	ret = cx_script_parse(text, &s, d->epoch != 0 ? now - d->epoch : 0, error, size);
	if (ret == 0)
		ret = add(d, &s, error, size);
	cx_unlock(d);
	return ret;
}

/* The same for a program that finds it with dlsym(). nic: NULL is the first. */
CX_EXPORT int
connectx_faults_add(const char *nic, const char *text, char *error, size_t size)
{
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++)
		if (nic == NULL || strcmp(cx_devs[i]->conf.name, nic) == 0)
			return cx_faults_add(cx_devs[i], text, error, size);
	snprintf(error, size, "no NIC %s", nic != NULL ? nic : "at all");
	return -1;
}

int
cx_impair_check(const struct cx_nic_conf *c)
{
	struct cx_link link[CX_DIRS];
	struct cx_script s;
	char error[400];

	if (cx_script_parse(c->faults, &s, 0, error, sizeof(error)) != 0) {
		cx_log(0, "%s: faults: %s", c->name, error);
		return -1;
	}
	if (!fits(NULL, &s)) {
		cx_log(0, "%s: faults: " TOO_MANY, c->name, CX_FAULTS_MAX);
		return -1;
	}
	if (cx_shape_parse(c->shape, link, error, sizeof(error)) != 0) {
		cx_log(0, "%s: shape: %s", c->name, error);
		return -1;
	}
	return 0;
}

int
cx_impair_init(struct cx_dev *d)
{
	struct cx_link link[CX_DIRS];
	char error[400];
	unsigned int dir;

	if (d->conf.faults[0] != '\0' &&
			cx_faults_add(d, d->conf.faults, error, sizeof(error)) != 0)
		return -1;
	if (cx_shape_parse(d->conf.shape, link, error, sizeof(error)) != 0)
		return -1;
	for (dir = 0; dir < CX_DIRS; dir++) {
		if (!link[dir].on)
			continue;
		if (!made(d) || stage(d, dir) == NULL)
			return -1;
		d->stage[dir]->link = link[dir];
		d->stage[dir]->link.seed = cx_mix(d->impair->seed, UINT64_MAX - dir);
	}
	return 0;
}

void
cx_impair_free(struct cx_dev *d)
{
	unsigned int dir;

	for (dir = 0; dir < CX_DIRS; dir++) {
		if (d->stage[dir] == NULL)
			continue;
		cx_keep_free(d->stage[dir]);
		free(d->stage[dir]);
		d->stage[dir] = NULL;
	}
	free(d->impair);
	d->impair = NULL;
}
