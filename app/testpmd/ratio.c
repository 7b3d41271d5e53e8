/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a mode costs next to another: medians over windows and rounds, which a few windows in which
 * the machine did something else do not move.
 */
#include <stdlib.h>

#include "testpmd.h"

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *values, unsigned int n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), by_size);
	return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double
tp_median(const struct tp *tp, unsigned int mode)
{
	static double values[TP_WINDOWS_MAX];
	unsigned int i, n = 0;

	for (i = 0; i < tp->windows[mode]; i++)
		if (tp->window[mode][i] > 0)
			values[n++] = (double)tp->window[mode][i];
	return median(values, n);
}

unsigned int
tp_base(const struct tp *tp)
{
	unsigned int i;

	for (i = 0; i < tp->modes; i++)
		if (tp->mode[i]->bare)
			return i;
	return tp->modes > 1 ? 1 : 0;
}

double
tp_ratio(const struct tp *tp, unsigned int mode)
{
	static double values[TP_WINDOWS_MAX];
	unsigned int base = tp_base(tp), i, n = 0;

	for (i = 0; i < RTE_MIN(tp->windows[mode], tp->windows[base]); i++)
		if (tp->window[mode][i] > 0 && tp->window[base][i] > 0)
			values[n++] = (double)tp->window[mode][i] / (double)tp->window[base][i];
	return median(values, n);
}
