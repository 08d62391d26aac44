/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "tools/cli/identity.h"
#include "tools/cli/pages.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

int render_certificates(const struct screen *screen, struct json_object *result)
{
	for (size_t i = 0; i < view_count(result, "certificates"); i++) {
		struct json_object *certificate = view_item(result, "certificates", i);

		screen_style(screen, SCREEN_BOLD, "%sTrustpoint %s", i > 0 ? "\n" : "",
			     view_text(certificate, "name"));
		screen_print(screen, ", generation %" PRId64 ", %s\n",
			     view_number(certificate, "generation", 0),
			     identity_origin(certificate));
		identity_print(screen, certificate);
		screen_print(screen, "%s", view_text(certificate, "pem"));
	}
	if (view_count(result, "certificates") == 0)
		screen_print(screen, "No certificates: asafo import NAME FILE.p12 imports one\n");
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_certificates(struct cli *cli, const struct grammar_match *match)
{
	return pages_show(cli, match, "certificates", render_certificates);
}
