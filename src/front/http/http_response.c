/* SPDX-License-Identifier: Apache-2.0 */
/* The security headers are the same on every answer, errors included: there is no page without
 * them. */
#include "front/http/http_response.h"

#include <string.h>

#include "base/cleanup.h"

static const struct {
	unsigned status;
	const char *text;
} statuses[] = {
	{200, "OK"},
	{303, "See Other"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

const char *http_status_text(unsigned status)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i].status == status)
			return statuses[i].text;
	}
	return "Unknown";
}

/* IMF-fixdate (RFC 9110 section 5.6.7); strftime's names would follow the locale. */
int http_date_append(time_t now, struct buf *ret_bytes)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;

	if (!gmtime_r(&now, &tm) || tm.tm_year < 70)
		return 0;
	return buf_append_format(ret_bytes, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
				 days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
				 tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int http_response_append(const struct http_response *response, time_t now, struct buf *ret_bytes)
{
	int r = buf_append_format(ret_bytes,
				  "HTTP/1.1 %u %s\r\n"
				  "Content-Type: %s\r\n"
				  "Content-Length: %zu\r\n"
				  "Cache-Control: no-store\r\n"
				  "Content-Security-Policy: %s\r\n"
				  "Referrer-Policy: no-referrer\r\n"
				  "Strict-Transport-Security: max-age=63072000\r\n"
				  "X-Content-Type-Options: nosniff\r\n"
				  "X-Frame-Options: DENY\r\n",
				  response->status, http_status_text(response->status),
				  response->content_type, response->body_size, response->policy);

	if (r == 0)
		r = http_date_append(now, ret_bytes);
	if (r == 0 && response->allow)
		r = buf_append_format(ret_bytes, "Allow: %s\r\n", response->allow);
	if (r == 0 && response->extra)
		r = buf_append(ret_bytes, response->extra, strlen(response->extra));
	if (r == 0)
		r = buf_append_format(ret_bytes, "Connection: %s\r\n\r\n",
				      response->is_last ? "close" : "keep-alive");
	if (r == 0 && !response->has_no_body)
		r = buf_append(ret_bytes, response->body_view, response->body_size);
	return r;
}
