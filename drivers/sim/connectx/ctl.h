/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: commands that somebody outside the process asks of the model while it runs.
 * ctl.c is the server, ctl_cmd.c has the table of commands.
 */
#ifndef CONNECTX_CTL_H
#define CONNECTX_CTL_H

#include <stdio.h>
#include "connectx.h"

#define CX_CTL_SOCKET "ctl" /* in the tree of the process */
#define CX_CTL_LINE 512	    /* bytes of a request */

struct cx_command {
	const char *name, *args, *help;
	/* Writes the answer; argv[0] is the name. What is wrong is told by cx_ctl_error(). Called
	 * by the control thread without any lock. */
	void (*run)(FILE *out, unsigned int argc, char **argv);
};

/* Carries out one request, whose line is taken apart. */
void cx_ctl_run(FILE *out, char *line);
/* The line that a client takes for a failure. */
void cx_ctl_error(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The NIC of that name, or NULL after an error line. */
struct cx_dev *cx_ctl_nic(FILE *out, const char *name);
/* A string of JSON, quotes and all. */
void cx_ctl_json_text(FILE *out, const char *text);

/* ctl_queue.c, ctl_rule.c: one NIC each */
void cx_ctl_queues(FILE *out, struct cx_dev *d);
void cx_ctl_queues_json(FILE *out, struct cx_dev *d);
void cx_ctl_objects(FILE *out, struct cx_dev *d);
void cx_ctl_rules(FILE *out, struct cx_dev *d, unsigned int limit);

#endif
