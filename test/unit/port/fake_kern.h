/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's part, played: links that a test makes up, and the room's subscription to call. */
#ifndef FAKE_KERN_H
#define FAKE_KERN_H

#include "kern/kern.h"
#include "port_test.h"

#define FAKE_LINKS 8

/** Those without an ifindex do not exist. */
extern struct kern_link fake_links[FAKE_LINKS];
extern struct kern_events fake_events;

#endif
