/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_kern.h. */
#include "fake_kern.h"

struct kern_link fake_links[FAKE_LINKS];
struct kern_events fake_events;

int
kern_start(void)
{
	return 0;
}

void
kern_stop(void)
{
}

int
kern_subscribe(const struct kern_events *events)
{
	fake_events = *events;
	return 0;
}

void
kern_unsubscribe(void *ctx)
{
	/* the room leaves, too, when it found no port to follow the kernel for */
	assert_true(fake_events.ctx == NULL || fake_events.ctx == ctx);
	fake_events = (struct kern_events){ 0 };
}

const struct kern_link *
kern_link_by_index(uint32_t ifindex)
{
	unsigned int i;

	for (i = 0; i < FAKE_LINKS; i++)
		if (ifindex != 0 && fake_links[i].ifindex == ifindex)
			return &fake_links[i];
	return NULL;
}
