/*
 * Connections that stay: opens many from one CPU, exchanges one request on
 * each, so that a worker is known to have accepted it, and keeps them all.
 */
#ifndef HOLD_H
#define HOLD_H

#include "client.h"

/*
 * Holds `wanted` connections until load->count_until, and tells when all are
 * open, and at the end, as "name value" lines. Connections start at load->rate
 * a second, or as fast as the server takes them.
 */
void hold_run(const struct load *load, unsigned cpu, unsigned wanted);

#endif
