/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/port_priv.h"
bool
port_eal_is_ours(void)
{
	return false;
}
