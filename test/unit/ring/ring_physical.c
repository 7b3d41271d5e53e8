/* SPDX-License-Identifier: BSD-3-Clause */
/* Plays rte_eal_iova_mode() and rte_bus_name(); the program is linked with --wrap for both. */
#include <rte_bus.h>
#include <rte_eal.h>

#include "ring_physical.h"

bool ring_test_physical;

enum rte_iova_mode __wrap_rte_eal_iova_mode(void);
enum rte_iova_mode __real_rte_eal_iova_mode(void);
enum rte_iova_mode
__wrap_rte_eal_iova_mode(void)
{
	return ring_test_physical ? RTE_IOVA_PA : __real_rte_eal_iova_mode();
}

const char *__wrap_rte_bus_name(const struct rte_bus *bus);
const char *__real_rte_bus_name(const struct rte_bus *bus);
const char *
__wrap_rte_bus_name(const struct rte_bus *bus)
{
	return ring_test_physical ? "pci" : __real_rte_bus_name(bus);
}
