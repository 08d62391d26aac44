/* SPDX-License-Identifier: Apache-2.0 */
/* The packed form is what is compared: without the times of tests, which are never the same twice.
 */
#include "front/tls/served_log.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

static int served_line(const Asafo__Ipc__FrontServed *served, char *ret_text, size_t size)
{
	const char *domain = served->domain[0] ? served->domain : "any name";
	const char *kind = served->is_fallback ? "the self-signed certificate" : served->trustpoint;

	if (served->is_idle) {
		(void)snprintf(ret_text, size, "interface %s, %s: does not serve %s: %s",
			       served->interface, domain, served->trustpoint, served->why);
		return LOG_WARNING;
	}
	if (served->fingerprint.len == 0) {
		(void)snprintf(ret_text, size, "interface %s, %s: no certificate to serve: %s",
			       served->interface, domain, served->why);
		return LOG_ERR;
	}
	(void)snprintf(ret_text, size, "interface %s, %s: serves %s: %s", served->interface, domain,
		       kind, served->why);
	return served->is_fallback ? LOG_WARNING : LOG_INFO;
}

void served_log(const Asafo__Ipc__FrontReport *report, struct buf *before,
		void (*on_line)(int priority, const char *text, void *userdata), void *userdata)
{
	Asafo__Ipc__FrontReport served = ASAFO__IPC__FRONT_REPORT__INIT;
	struct buf packed = {0};
	size_t size;

	served.served = report->served;
	served.n_served = report->n_served;
	size = asafo__ipc__front_report__get_packed_size(&served);
	if (buf_reserve(&packed, size) < 0)
		return;
	packed.size = asafo__ipc__front_report__pack(&served, packed.data);
	if (packed.size != before->size ||
	    (size > 0 && memcmp(packed.data, before->data, size) != 0)) {
		for (size_t i = 0; i < report->n_served; i++) {
			char text[700];
			int priority = served_line(report->served[i], text, sizeof(text));

			on_line(priority, text, userdata);
		}
	}
	buf_done(before);
	*before = packed;
}
