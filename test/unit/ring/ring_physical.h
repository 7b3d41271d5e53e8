/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of PCI in a process with physical addresses, where there is none. */
#ifndef RING_PHYSICAL_H
#define RING_PHYSICAL_H

#include <stdbool.h>

/** While it is set every device is one. */
extern bool ring_test_physical;

#endif
