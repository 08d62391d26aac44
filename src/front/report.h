/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tls/serving.h"
#include "src/ipc/ipc.pb-c.h"

#define REPORT_SERVED_MAX 512

/* A FRONT_REPORT in the making: owns every string that it points to. */
struct report;

int report_new(struct report **ret_report);
void report_free(struct report *report);
int report_add_listening(struct report *report, const char *endpoint);
int report_add_failed(struct report *report, const char *endpoint, const char *why);
/* One line for each interface that is listened on, and one for each domain that is bound there. */
int report_add_served(struct report *report, const struct snapshot *snapshot,
		      const struct trustcache *cache, int64_t now);
/* Counters are set by the caller. Borrowed. */
Asafo__Ipc__FrontReport *report_message(struct report *report);
