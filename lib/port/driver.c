/* SPDX-License-Identifier: BSD-3-Clause */
/* The drivers known, by the name that their PMD reports. */
#include "port/port_priv.h"

static TAILQ_HEAD(, port_driver) drivers = TAILQ_HEAD_INITIALIZER(drivers);

void
port_driver_register(struct port_driver *driver)
{
	TAILQ_INSERT_TAIL(&drivers, driver, next);
}

const struct port_driver *
port_driver_find(const char *name)
{
	static const struct port_driver nothing = { .name = "generic" };
	const struct port_driver *driver, *generic = &nothing;

	TAILQ_FOREACH (driver, &drivers, next) {
		if (name != NULL && strcmp(driver->name, name) == 0)
			return driver;
		if (strcmp(driver->name, "generic") == 0)
			generic = driver;
	}
	return generic;
}

const struct port_driver *
port_driver_of_pci(uint16_t vendor, uint16_t device)
{
	const struct port_driver *driver;

	TAILQ_FOREACH (driver, &drivers, next)
		if (driver->pci != NULL && driver->pci(vendor, device))
			return driver;
	return NULL;
}

void
port_isolate(struct port *port)
{
	struct rte_flow_error error = { 0 };

	if (!port_may_use_rules()) {
		/* the PMD's own rules take what is for the port's MAC, and what is for everyone */
		port->kernel = KERNEL_BLIND;
		LOG_DETAILS("port %s: not isolated (DPVMA_STEERING): frames for the kernel come to "
			    "this program instead",
				port->name);
		return;
	}
	if (rte_flow_isolate(port->id, 1, &error) == 0) {
		port->caps.isolated = true;
		return;
	}
	port->kernel = KERNEL_BLIND;
	LOG_WARNING("port %s cannot be isolated (%s): frames for the kernel come to this program "
		    "instead",
			port->name, error.message != NULL ? error.message : "no reason given");
}
