/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in, as a browser, an AnyConnect and an older client meet it, over TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/pace.h"
#include "front_office.h"

static struct harness harness;
static struct office office;
static char answer[65536];
static char notes[64]; /* a file: the front is another process */

static int start(void **state)
{
	(void)state;
	(void)snprintf(notes, sizeof(notes), "/tmp/asafo-test-desk-XXXXXX");
	assert_int_equal(close(mkstemp(notes)), 0);
	assert_int_equal(setenv("HARNESS_NOTES", notes, 1), 0);
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	harness_role(&harness, "active", 3);
	office_start(&office, &harness);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	office_stop(&office);
	harness_stop(&harness);
	(void)unlink(notes);
	return 0;
}

#define CLIENT "X-Transcend-Version: 1\r\nX-Aggregate-Auth: 1\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config-auth client=\"vpn\" type="
#define LOGIN_XML_BY(password, more)                                                               \
	XML "\"auth-reply\"><auth><username>anna</username><password>" password                    \
	    "</password></auth>" more "</config-auth>"
#define LOGIN_XML LOGIN_XML_BY("right", "")
#define CODE_XML(fields)                                                                           \
	XML "\"auth-reply\"><opaque is-for=\"sg\"><state>half/way+==</state></opaque>"             \
	    "<auth>" fields "</auth></config-auth>"

static int ask(const char *request)
{
	struct client client;
	int status;

	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(client.handshake, 0);
	client_say(&client, request);
	status = client_hear(&client, false, answer, sizeof(answer));
	client_close(&client);
	return status;
}

static int get(const char *path, const char *headers)
{
	static char request[4096];

	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: gate:8443\r\n%s\r\n",
		       path, headers);
	return ask(request);
}

static int post(const char *path, const char *headers, const char *body)
{
	static char request[65536];

	(void)snprintf(request, sizeof(request),
		       "POST %s HTTP/1.1\r\nHost: gate:8443\r\n%sContent-Length: %zu\r\n\r\n%s",
		       path, headers, strlen(body), body);
	return ask(request);
}

/* "Cookie: webvpn=...\r\n" of the answer. */
static const char *cookie_header(void)
{
	static char header[256];
	const char *set = strstr(answer, "Set-Cookie: webvpn=");

	assert_non_null(set);
	set += sizeof("Set-Cookie: ") - 1;
	(void)snprintf(header, sizeof(header), "Cookie: %.*s\r\n", (int)strcspn(set, ";"), set);
	assert_int_equal(strlen(header), sizeof("Cookie: webvpn=\r\n") - 1 + 64);
	return header;
}

/* "proof=..." of the page that shows the session of COOKIE. */
static const char *proof_of(const char *cookie)
{
	static const char name[] = "name=\"proof\" value=\"";
	static char field[128];
	const char *at;

	assert_int_equal(get("/", cookie), 200);
	at = strstr(answer, name);
	assert_non_null(at);
	(void)snprintf(field, sizeof(field), "proof=%.64s", at + sizeof(name) - 1);
	assert_int_equal(strcspn(field + 6, "\""), 64);
	return field;
}

static void a_person_logs_in_sees_the_session_and_ends_it(void **state)
{
	char cookie[256];
	unsigned before = office_ended(&office);

	(void)state;
	assert_int_equal(get("/", ""), 200);
	assert_non_null(strstr(answer, "<form method=\"post\" action=\"/auth\">"));
	assert_non_null(strstr(answer, "Guests &amp; friends</option>"));
	assert_non_null(strstr(answer, "form-action 'self'"));
	assert_null(strstr(answer, "<script"));
	assert_int_equal(post("/auth", FORM "Sec-Fetch-Site: same-origin\r\n",
			      "username=anna&password=right&group_list=Guests+%26+friends"),
			 303);
	assert_non_null(strstr(answer, "Location: /\r\n"));
	assert_non_null(strstr(answer, "; path=/; Secure; HttpOnly; SameSite=Lax\r\n"));
	assert_string_equal(office.asked, "anna LOCAL");
	assert_string_equal(office.opened, "anna Visitors Staff-Policy 4");
	(void)snprintf(cookie, sizeof(cookie), "%s", cookie_header());
	assert_int_equal(get("/", cookie), 200);
	assert_non_null(strstr(answer, "<dd>anna</dd>"));
	assert_non_null(strstr(answer, "<dd>Visitors</dd>"));
	assert_non_null(strstr(answer, "<dd>10.9.0.1</dd>"));
	assert_non_null(strstr(answer, "<dd>1 h 1 min</dd>"));
	assert_non_null(strstr(answer, "Be good &lt;to&gt; us"));
	assert_non_null(strstr(answer, "action=\"/logout\""));
	assert_int_equal(post("/logout", cookie, proof_of(cookie)), 303);
	assert_non_null(strstr(answer, "Set-Cookie: webvpn=; path=/; Max-Age=0"));
	assert_int_equal(office_ended(&office), before + 1);
	assert_int_equal(get("/", cookie), 200);
	assert_non_null(strstr(answer, "name=\"password\""));
}

static void a_wrong_password_gets_the_form_again_with_the_name_kept(void **state)
{
	(void)state;
	assert_int_equal(post("/auth", FORM, "username=%3Canna%3E&password=wrong"), 200);
	assert_non_null(strstr(answer, "Login failed: wrong username or password."));
	assert_non_null(strstr(answer, "value=\"&lt;anna&gt;\""));
	assert_null(strstr(answer, "wrong\""));
	assert_null(strstr(answer, "Set-Cookie"));
	assert_int_equal(post("/auth", FORM, "username=anna&password=locked"), 200);
	assert_non_null(strstr(answer, "Too many wrong passwords. Try again in 2 minutes."));
	assert_int_equal(post("/auth", FORM, "username=anna&password=right&group_list=none"), 200);
	assert_non_null(strstr(answer, "There is no such group."));
	assert_int_equal(post("/auth", FORM, "username=full&password=right"), 200);
	assert_non_null(strstr(answer, "no address left"));
	assert_int_equal(post("/auth", FORM, "username=anna&password=busy"), 503);
	assert_non_null(strstr(answer, "X-Reason: "));
}

static void the_aggregate_exchange_leads_to_the_cookies(void **state)
{
	char cookie[256], headers[512];
	const char *sha1;

	(void)state;
	assert_int_equal(post("/", CLIENT,
			      XML "\"init\" aggregate-auth-version=\"2\"><version who=\"vpn\">v9.01"
				  "</version><group-access>https://gate/Visitors</group-access>"
				  "</config-auth>"),
			 200);
	assert_non_null(strstr(answer, "Content-Type: text/xml"));
	assert_non_null(strstr(answer, "type=\"auth-request\""));
	assert_non_null(
		strstr(answer, "<option value=\"Guests &amp; friends\" selected=\"true\">"));
	/* Who came by a group's address is not asked which one. */
	assert_null(strstr(strstr(answer, "<option") + 1, "<option"));
	/* With a mark of its encoding it is XML all the same. */
	assert_int_equal(post("/", CLIENT, "\xef\xbb\xbf" XML "\"init\"></config-auth>"), 200);
	assert_non_null(strstr(answer, "type=\"auth-request\""));
	assert_int_equal(post("/auth", CLIENT, LOGIN_XML_BY("wrong", "")), 200);
	assert_non_null(strstr(answer, "<error id=\"13\""));
	assert_int_equal(post("/auth", CLIENT,
			      LOGIN_XML_BY("right", "<group-select>staff members</group-select>")),
			 200);
	assert_non_null(strstr(answer, "type=\"complete\""));
	assert_non_null(strstr(answer, "<auth id=\"success\">"));
	assert_non_null(strstr(answer, "Be good &lt;to&gt; us"));
	assert_string_equal(office.opened, "anna Staff Staff-Policy 4");
	sha1 = strstr(answer, "&sh:");
	assert_non_null(sha1);
	assert_non_null(strstr(answer, "<server-cert-hash>"));
	assert_memory_equal(sha1 + 4, strstr(answer, "<server-cert-hash>") + 18, 40);
	assert_non_null(strstr(answer, "&fu:profiles%2Fasafo.xml&fh:"));
	(void)snprintf(cookie, sizeof(cookie), "%s", cookie_header());
	sha1 = strstr(answer, "<session-token>");
	assert_non_null(sha1);
	assert_memory_equal(sha1 + 15, cookie + sizeof("Cookie: webvpn=") - 1, 64);
	(void)snprintf(headers, sizeof(headers), CLIENT "%s", cookie);
	assert_int_equal(post("/", headers, XML "\"logout\"></config-auth>"), 200);
	assert_non_null(strstr(answer, "<auth id=\"logout\">"));
	assert_int_equal(get("/", cookie), 200);
	assert_non_null(strstr(answer, "name=\"password\""));
}

static void an_older_client_gets_the_older_forms(void **state)
{
	(void)state;
	assert_int_equal(get("/", "X-Transcend-Version: 1\r\n"), 200);
	assert_non_null(strstr(answer, "<auth id=\"main\">"));
	assert_null(strstr(answer, "config-auth"));
	assert_int_equal(post("/auth", FORM "User-Agent: Open AnyConnect VPN Agent v8\r\n",
			      "username=anna&password=right&group_list=staff+members"),
			 200);
	assert_non_null(strstr(answer, "<auth id=\"success\">"));
	assert_null(strstr(answer, "config-auth"));
	(void)cookie_header();
}

#define STATE "state=half%2Fway%2B%3D%3D&secondary_password="

static void a_second_factor_is_a_second_form(void **state)
{
	(void)state;
	assert_int_equal(post("/auth", FORM, "username=anna&password=more&group_list=Visitors"),
			 200);
	assert_non_null(strstr(answer, "name=\"state\" value=\"half/way+==\""));
	assert_non_null(strstr(answer, "autocomplete=\"one-time-code\""));
	assert_null(strstr(answer, "name=\"password\""));
	assert_null(strstr(answer, "Set-Cookie"));
	assert_int_equal(post("/auth", FORM, STATE "123"), 200);
	assert_non_null(strstr(answer, "The code is wrong, or was used."));
	assert_non_null(strstr(answer, "name=\"state\" value=\"half/way+==\""));
	assert_int_equal(post("/auth", FORM, "state=other&secondary_password=456"), 200);
	assert_non_null(strstr(answer, "The login took too long. Begin again."));
	assert_non_null(strstr(answer, "name=\"password\""));
	/* Whose login it is, and for which group, no request says but the first. */
	assert_int_equal(post("/auth", FORM, "username=bert&group_list=Staff&" STATE "456"), 303);
	assert_string_equal(office.opened, "anna Visitors Staff-Policy 4");
	(void)cookie_header();
}

static void a_second_factor_is_a_second_round_of_the_exchange(void **state)
{
	(void)state;
	assert_int_equal(post("/auth", CLIENT, LOGIN_XML_BY("more", "")), 200);
	assert_non_null(strstr(answer, "type=\"auth-request\""));
	assert_non_null(strstr(answer, "<state>half/way+==</state>"));
	assert_int_equal(
		post("/auth", CLIENT, CODE_XML("<secondary_password>1</secondary_password>")), 200);
	assert_non_null(strstr(answer, "<error id=\"13\""));
	assert_non_null(strstr(answer, "<state>half/way+==</state>"));
	assert_int_equal(
		post("/auth", CLIENT, CODE_XML("<secondary_password>456</secondary_password>")),
		200);
	assert_non_null(strstr(answer, "type=\"complete\""));
	assert_string_equal(office.opened, "anna Visitors Staff-Policy 4");
	/* Beside a name and a password it counts for nothing: 456 is no password of bert's. */
	assert_int_equal(post("/auth", CLIENT,
			      CODE_XML("<username>bert</username><password>456</password>")),
			 200);
	assert_null(strstr(answer, "type=\"complete\""));
	assert_non_null(strstr(answer, "<error id=\"13\""));
	assert_string_equal(office.asked, "bert LOCAL");
	assert_int_equal(post("/auth", FORM "User-Agent: Open AnyConnect VPN Agent v8\r\n",
			      "username=anna&password=more"),
			 200);
	assert_non_null(
		strstr(answer, "<input type=\"hidden\" name=\"state\" value=\"half/way+==\""));
	assert_int_equal(
		post("/auth", FORM "User-Agent: Open AnyConnect VPN Agent v8\r\n", STATE "456"),
		200);
	assert_non_null(strstr(answer, "<auth id=\"success\">"));
}

static void another_sites_page_can_neither_log_in_nor_out(void **state)
{
	char cookie[256], headers[512];
	unsigned ended = office_ended(&office), asked = office_asked(&office);

	(void)state;
	assert_int_equal(post("/auth", FORM "Sec-Fetch-Site: cross-site\r\n",
			      "username=anna&password=right"),
			 403);
	assert_int_equal(post("/auth",
			      FORM "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
			      "username=anna&password=right"),
			 403);
	assert_int_equal(post("/auth", FORM "Origin: https://evil.example\r\n",
			      "username=anna&password=right"),
			 403);
	assert_int_equal(post("/auth", FORM "Origin: null\r\n", "username=anna&password=right"),
			 403);
	/* A form's body is XML where its author says so; the answer would log the browser in. */
	assert_int_equal(
		post("/", "Content-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\n", LOGIN_XML),
		403);
	assert_int_equal(post("/", "Content-Type: text/plain\r\nOrigin: https://evil.example\r\n",
			      LOGIN_XML),
			 403);
	assert_int_equal(post("/", CLIENT "Origin: null\r\n", LOGIN_XML), 403);
	assert_null(strstr(answer, "Set-Cookie: webvpn="));
	assert_int_equal(office_asked(&office), asked);
	assert_int_equal(
		post("/auth", FORM "Origin: https://gate:8443\r\n", "username=anna&password=right"),
		303);
	(void)snprintf(cookie, sizeof(cookie), "%s", cookie_header());
	(void)snprintf(headers, sizeof(headers), "%sSec-Fetch-Site: cross-site\r\n", cookie);
	assert_int_equal(post("/logout", headers, ""), 403);
	assert_int_equal(post("/", headers, XML "\"logout\"></config-auth>"), 403);
	assert_int_equal(get("/logout", headers), 303);
	assert_int_equal(office_ended(&office), ended);
	assert_int_equal(get("/", cookie), 200);
	assert_non_null(strstr(answer, "<dd>anna</dd>"));
}

/* One that says nothing of where a request comes from, as browsers once did. */
static void an_old_browser_ends_a_session_by_the_pages_button_only(void **state)
{
	char cookie[256], other[256], body[512];
	unsigned ended = office_ended(&office);

	(void)state;
	assert_int_equal(post("/auth", FORM, "username=anna&password=right"), 303);
	(void)snprintf(other, sizeof(other), "%s", cookie_header());
	assert_int_equal(post("/auth", FORM, "username=anna&password=right"), 303);
	(void)snprintf(cookie, sizeof(cookie), "%s", cookie_header());
	assert_int_equal(get("/logout", cookie), 303);
	assert_non_null(strstr(answer, "Location: /\r\n"));
	assert_null(strstr(answer, "Max-Age=0"));
	assert_int_equal(post("/logout", cookie, ""), 303);
	assert_null(strstr(answer, "Max-Age=0"));
	assert_int_equal(post("/logout", cookie, "proof=0123"), 303);
	assert_int_equal(post("/logout", cookie, proof_of(other)), 303);
	assert_int_equal(post("/", cookie, XML "\"logout\"></config-auth>"), 403);
	assert_int_equal(office_ended(&office), ended);
	assert_int_equal(post("/logout", cookie, proof_of(cookie)), 303);
	assert_non_null(strstr(answer, "Max-Age=0"));
	assert_int_equal(office_ended(&office), ended + 1);
	/* Who has the cookie itself needs no button, nor does a program. */
	(void)snprintf(body, sizeof(body),
		       XML "\"logout\"><session-token>%.64s</session-token></config-auth>",
		       other + sizeof("Cookie: webvpn=") - 1);
	assert_int_equal(post("/", "", body), 200);
	assert_int_equal(office_ended(&office), ended + 2);
	assert_int_equal(post("/auth", FORM, "username=anna&password=right"), 303);
	(void)snprintf(body, sizeof(body), CLIENT "%s", cookie_header());
	assert_int_equal(get("/logout", body), 200);
	assert_int_equal(office_ended(&office), ended + 3);
}

static void an_end_that_is_not_certain_is_not_said_to_be_one(void **state)
{
	char cookie[256];

	(void)state;
	assert_int_equal(post("/auth", FORM, "username=undying&password=right"), 303);
	(void)snprintf(cookie, sizeof(cookie), "%s", cookie_header());
	assert_int_equal(post("/logout", cookie, proof_of(cookie)), 503);
	assert_non_null(strstr(answer, "X-Reason: It is not certain yet"));
	assert_null(strstr(answer, "Max-Age=0"));
}

static void bad_bodies_are_refused_and_big_ones_at_once(void **state)
{
	static char big[10000];
	struct client client;

	(void)state;
	assert_int_equal(post("/", CLIENT, "<!DOCTYPE x><config-auth type=\"init\"/>"), 400);
	assert_int_equal(post("/", CLIENT, "<config-auth"), 400);
	assert_int_equal(post("/auth", FORM, "username=a&username=b"), 400);
	assert_int_equal(post("/auth", FORM, "username=%zz"), 400);
	assert_int_equal(ask("POST /auth HTTP/1.1\r\nHost: g\r\nContent-Length: 16385\r\n\r\n"),
			 413);
	memset(big, 'a', sizeof(big) - 1);
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "POST /auth HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "4001\r\n");
	client_say(&client, big);
	client_say(&client, big);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 413);
	client_close(&client);
	assert_int_equal(post("/nothing", FORM, "username=a"), 405);
	assert_int_equal(post("/auth", FORM "Transfer-Encoding: chunked\r\n", "x"), 400);
}

static void a_body_may_come_in_chunks_or_after_a_hundred_continue(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client,
		   "POST /auth HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n"
		   "9\r\nusername=\r\n4;x=y\r\nanna\r\n10\r\n&password=wrong&\r\n0\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 200);
	assert_non_null(strstr(answer, "value=\"anna\""));
	client_say(&client, "POST /auth HTTP/1.1\r\nHost: gate\r\nContent-Length: 28\r\n"
			    "Expect: 100-continue\r\n\r\n");
	assert_int_equal(client_hear(&client, true, answer, sizeof(answer)), 100);
	client_say(&client, "username=anna&password=wrong"
			    "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 200);
	assert_non_null(strstr(answer, "Login failed"));
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 200);
	assert_non_null(strstr(answer, "\"role\":\"active\""));
	client_close(&client);
}

static void who_hangs_up_leaves_nothing_behind_and_others_go_on(void **state)
{
	struct client client;
	unsigned before = office_asked(&office);

	(void)state;
	for (int i = 0; i < 20; i++) {
		client_open(&client, harness.port, NULL, NULL);
		client_say(&client,
			   "POST /auth HTTP/1.1\r\nHost: gate\r\nContent-Length: 27\r\n\r\n"
			   "username=anna&password=mute");
		office_wait_asked(&office, before + (unsigned)i + 1);
		client_close(&client);
	}
	assert_int_equal(post("/auth", FORM, "username=anna&password=right"), 303);
}

/* What the front said with TEXT in it, since the test began. */
static unsigned noted(const char *text)
{
	FILE *file = fopen(notes, "re");
	char line[512];
	unsigned n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, text) != NULL;
	if (file)
		(void)fclose(file);
	return n;
}

static void strangers_neither_fill_the_log_nor_have_what_they_typed_in_it(void **state)
{
	unsigned before = noted("could not be checked");
	struct monotime began = monotime_now();

	(void)state;
	for (int i = 0; i < 3 * (int)PACE_LINES; i++)
		assert_int_equal(post("/auth", FORM, "username=My-Passw0rd&password=busy"), 503);
	assert_in_range(
		noted("could not be checked") - before, 1,
		PACE_LINES *
			(monotime_since(monotime_now(), began) / MONOTIME_NS_PER_MS / PACE_MS + 2));
	assert_int_equal(noted("My-Passw0rd"), 0);
}

static void an_error_says_what_may_be_done_and_a_heads_has_no_page(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "DELETE /auth HTTP/1.1\r\nHost: g\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 405);
	assert_non_null(strstr(answer, "Allow: GET, HEAD, POST\r\n"));
	client_say(&client, "HEAD /profiles/asafo.xml HTTP/1.1\r\nHost: a~b\r\n\r\n"
			    "GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n");
	assert_int_equal(client_hear(&client, true, answer, sizeof(answer)), 400);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 200);
	assert_non_null(strstr(answer, "\"role\":\"active\""));
	client_close(&client);
}

static void the_clients_files_are_there(void **state)
{
	char first[8192];

	(void)state;
	assert_int_equal(get("/1/Linux_64", CLIENT), 200);
	assert_int_equal(get("/1/binaries/update.txt", CLIENT), 200);
	assert_non_null(strstr(answer, "0,0,0000"));
	assert_int_equal(get("/VPNManifest.xml", CLIENT), 200);
	assert_int_equal(get("/+CSCOT+/translation-table?a=b", CLIENT), 200);
	assert_int_equal(get("/profiles/asafo.xml", ""), 200);
	assert_non_null(strstr(answer, "<HostAddress>gate:8443</HostAddress>"));
	assert_non_null(strstr(answer, "Content-Disposition: attachment"));
	(void)snprintf(first, sizeof(first), "%s", strstr(answer, "\r\n\r\n"));
	assert_int_equal(get("/profiles/asafo.xml", CLIENT), 200);
	assert_string_equal(strstr(answer, "\r\n\r\n"), first);
	assert_int_equal(get("/profiles/other.xml", CLIENT), 404);
}

static void a_group_has_an_address_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(get("/visitors", ""), 200);
	assert_non_null(strstr(answer, "<option value=\"Guests &amp; friends\" selected>"));
	assert_int_equal(post("/visitors", FORM, "username=anna&password=right"), 303);
	assert_string_equal(office.opened, "anna Visitors Staff-Policy 4");
	assert_int_equal(get("/strangers", ""), 404);
}

/* Else a client that takes a list of one without asking would log into the group that is listed. */
static void who_came_by_a_groups_address_stays_with_it(void **state)
{
	(void)state;
	assert_int_equal(post("/Visitors", CLIENT, LOGIN_XML_BY("wrong", "")), 200);
	assert_null(strstr(strstr(answer, "<option") + 1, "<option"));
	assert_int_equal(
		post("/Visitors", CLIENT,
		     LOGIN_XML_BY("wrong", "<group-select>Guests &amp; friends</group-select>")),
		200);
	assert_non_null(strstr(answer, "<error id=\"13\""));
	assert_null(strstr(strstr(answer, "<option") + 1, "<option"));
	assert_int_equal(post("/hidden", CLIENT, LOGIN_XML_BY("wrong", "")), 200);
	assert_non_null(strstr(answer, "action=\"/Hidden\""));
	assert_null(strstr(answer, "<option"));
}

static void a_standby_takes_no_login(void **state)
{
	(void)state;
	harness_role(&harness, "standby", 3);
	assert_int_equal(post("/auth", FORM, "username=anna&password=right"), 503);
	assert_non_null(strstr(answer, "X-Reason: This unit is not the active one"));
	assert_int_equal(post("/", CLIENT, XML "\"init\"></config-auth>"), 503);
	/* A group's name and nobody's: it does not tell them apart. */
	assert_int_equal(post("/hidden", CLIENT, XML "\"init\"></config-auth>"), 503);
	assert_int_equal(post("/nobodys", CLIENT, XML "\"init\"></config-auth>"), 503);
	assert_int_equal(get("/", ""), 200);
	assert_null(strstr(answer, "<form"));
	assert_int_equal(ask("DELETE /visitors HTTP/1.1\r\nHost: gate\r\n\r\n"), 405);
	assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
	harness_role(&harness, "active", 4);
}

static void without_the_helper_nobody_waits(void **state)
{
	struct client client;
	unsigned before = office_asked(&office);

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "POST /auth HTTP/1.1\r\nHost: gate\r\nContent-Length: 27\r\n\r\n"
			    "username=anna&password=mute");
	office_wait_asked(&office, before + 1);
	office_helper_leave(&office);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	client_close(&client);
	assert_int_equal(post("/auth", FORM, "username=anna&password=right"), 503);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_logs_in_sees_the_session_and_ends_it),
		cmocka_unit_test(a_wrong_password_gets_the_form_again_with_the_name_kept),
		cmocka_unit_test(the_aggregate_exchange_leads_to_the_cookies),
		cmocka_unit_test(an_older_client_gets_the_older_forms),
		cmocka_unit_test(a_second_factor_is_a_second_form),
		cmocka_unit_test(a_second_factor_is_a_second_round_of_the_exchange),
		cmocka_unit_test(another_sites_page_can_neither_log_in_nor_out),
		cmocka_unit_test(an_old_browser_ends_a_session_by_the_pages_button_only),
		cmocka_unit_test(an_end_that_is_not_certain_is_not_said_to_be_one),
		cmocka_unit_test(bad_bodies_are_refused_and_big_ones_at_once),
		cmocka_unit_test(a_body_may_come_in_chunks_or_after_a_hundred_continue),
		cmocka_unit_test(who_hangs_up_leaves_nothing_behind_and_others_go_on),
		cmocka_unit_test(strangers_neither_fill_the_log_nor_have_what_they_typed_in_it),
		cmocka_unit_test(an_error_says_what_may_be_done_and_a_heads_has_no_page),
		cmocka_unit_test(the_clients_files_are_there),
		cmocka_unit_test(a_group_has_an_address_of_its_own),
		cmocka_unit_test(who_came_by_a_groups_address_stays_with_it),
		cmocka_unit_test(a_standby_takes_no_login),
		cmocka_unit_test(without_the_helper_nobody_waits),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
