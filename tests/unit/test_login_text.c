/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says at login, and how it is read: forms, cookies, the XML of config-auth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "front/desk/configauth.h"
#include "front/http/cookie.h"
#include "front/http/form.h"
#include "front/http/markup.h"

static int find(const char *form, const char *name, char *ret_value, size_t size)
{
	/* A block of its own: a sanitizer sees the first byte that is read behind it. */
	size_t length = strlen(form);
	char *exact = malloc(length ? length : 1);
	int r;

	assert_non_null(exact);
	memcpy(exact, form, length);
	r = form_find(exact, length, name, ret_value, size);
	free(exact);
	return r;
}

static void a_form_gives_each_value_decoded(void **state)
{
	static const char form[] =
		"username=an+na%40example.org&password=%26%3d%25+%c3%bc&empty=&x";
	char value[64];

	(void)state;
	assert_int_equal(find(form, "username", value, sizeof(value)), 0);
	assert_string_equal(value, "an na@example.org");
	assert_int_equal(find(form, "password", value, sizeof(value)), 0);
	assert_string_equal(value, "&=% \xc3\xbc");
	assert_int_equal(find(form, "empty", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(find(form, "x", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(find(form, "user", value, sizeof(value)), ERR_NOT_FOUND);
	assert_int_equal(find("", "user", value, sizeof(value)), ERR_NOT_FOUND);
}

static void a_form_that_can_be_read_in_two_ways_is_refused(void **state)
{
	char value[8];

	(void)state;
	assert_int_equal(find("a=1&a=2", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=1&%61=2", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=%0", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=%", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=%zz", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=x%00y", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=x%0ay", "a", value, sizeof(value)), ERR_MALFORMED);
	assert_int_equal(find("a=1234567", "a", value, sizeof(value)), 0);
	assert_int_equal(find("a=12345678", "a", value, sizeof(value)), ERR_TOO_LARGE);
	assert_string_equal(value, "");
}

static int cookie_in(const char *line, const char *name, char *ret_value)
{
	char request[512];
	struct http_head head;
	struct http_text value;
	int r;

	(void)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: g\r\n%s\r\n\r\n", line);
	assert_int_equal(http_head_parse(request, strlen(request), &head), 0);
	r = cookie_find(&head, name, &value);
	if (r == 0) {
		memcpy(ret_value, value.data, value.size);
		ret_value[value.size] = '\0';
	}
	return r;
}

static void a_cookie_is_found_among_others(void **state)
{
	char value[512];

	(void)state;
	assert_int_equal(cookie_in("Cookie: a=b; webvpn=x1;c=d", "webvpn", value), 0);
	assert_string_equal(value, "x1");
	assert_int_equal(cookie_in("Cookie: a=b\r\ncookie:webvpn=x2 ;", "webvpn", value), 0);
	assert_string_equal(value, "x2");
	assert_int_equal(cookie_in("Cookie: a=\"b\"; webvpn=\"x3\"", "webvpn", value), 0);
	assert_string_equal(value, "x3");
	assert_int_equal(cookie_in("Cookie: webvpn=\"", "webvpn", value), 0);
	assert_string_equal(value, "\"");
	assert_int_equal(cookie_in("Cookie: webvpn=\"\"", "webvpn", value), 0);
	assert_string_equal(value, "");
	assert_int_equal(cookie_in("Cookie: webvpn=s; webvpn=\"s\"", "webvpn", value), 0);
	assert_int_equal(cookie_in("Cookie: webvpn=s; webvpn=s", "webvpn", value), 0);
	assert_int_equal(cookie_in("Cookie: webvpn=s; webvpn=t", "webvpn", value), ERR_MALFORMED);
	assert_int_equal(cookie_in("Cookie: webvpn=s\r\nCookie: webvpn=t", "webvpn", value),
			 ERR_MALFORMED);
	assert_int_equal(cookie_in("Cookie: webvpncontext=s; xwebvpn=2", "webvpn", value),
			 ERR_NOT_FOUND);
	assert_int_equal(cookie_in("Cookie: webvpn", "webvpn", value), ERR_NOT_FOUND);
	assert_int_equal(cookie_in("X: webvpn=1", "webvpn", value), ERR_NOT_FOUND);
}

static void a_new_cookie_has_a_hash_that_is_found_again(void **state)
{
	char text[COOKIE_TEXT_MAX], other[COOKIE_TEXT_MAX];
	uint8_t hash[COOKIE_HASH_SIZE], again[COOKIE_HASH_SIZE];

	(void)state;
	assert_int_equal(cookie_new(text, hash), 0);
	assert_int_equal(cookie_new(other, again), 0);
	assert_string_not_equal(text, other);
	assert_int_equal(strlen(text), COOKIE_TEXT_MAX - 1);
	assert_int_equal(cookie_hash((struct http_text){text, strlen(text)}, again), 0);
	assert_memory_equal(hash, again, sizeof(hash));
	assert_int_equal(cookie_hash((struct http_text){text, strlen(text) - 1}, again),
			 ERR_MALFORMED);
	text[3] = 'g';
	assert_int_equal(cookie_hash((struct http_text){text, strlen(text)}, again), ERR_MALFORMED);
}

static int read_xml(const char *xml, struct configauth *ret_said)
{
	struct why why = {""};
	int r = configauth_read(xml, strlen(xml), ret_said, &why);

	assert_true(r == 0 || r == -ENOMEM || why.text[0] != '\0');
	return r;
}

static void the_first_word_of_openconnect_is_understood(void **state)
{
	static const char xml[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<config-auth client=\"vpn\" type=\"init\" aggregate-auth-version=\"2\">"
		"<version who=\"vpn\">v9.01</version><device-id>linux-64</device-id>"
		"<capabilities><auth-method>single-sign-on-v2</auth-method></capabilities>"
		"<group-access>https://vpn.example.org/staff</group-access></config-auth>";
	struct configauth said;

	(void)state;
	assert_int_equal(read_xml(xml, &said), 0);
	assert_int_equal(said.type, CONFIGAUTH_INIT);
	assert_string_equal(said.group_access, "https://vpn.example.org/staff");
	assert_false(said.has_user);
	assert_false(said.has_password);
}

static void a_reply_brings_user_password_and_group(void **state)
{
	static const char xml[] =
		"<config-auth client=\"vpn\" type=\"auth-reply\"><opaque is-for=\"sg\"><username>no"
		"</username></opaque><auth><username>anna</username><password>a&lt;b&amp;&#252;"
		"<![CDATA[<]]></password></auth><group-select>Staff</group-select>"
		"<session-token>t</session-token></config-auth>";
	struct configauth said;

	(void)state;
	assert_int_equal(read_xml(xml, &said), 0);
	assert_int_equal(said.type, CONFIGAUTH_REPLY);
	assert_string_equal(said.user, "anna");
	assert_string_equal(said.password, "a<b&\xc3\xbc<");
	assert_string_equal(said.group, "Staff");
	assert_string_equal(said.token, "t");
	assert_true(said.has_user && said.has_password);
	assert_int_equal(read_xml("<config-auth type='logout'/>", &said), 0);
	assert_int_equal(said.type, CONFIGAUTH_LOGOUT);
}

static void a_code_comes_with_what_was_said_before_it(void **state)
{
	static const char xml[] =
		"<config-auth client=\"vpn\" type=\"auth-reply\"><opaque "
		"is-for=\"sg\">\n<state>ab+/="
		"</state>\n</opaque><auth><secondary_password>123 456</secondary_password></auth>"
		"</config-auth>";
	struct configauth said;

	(void)state;
	assert_int_equal(read_xml(xml, &said), 0);
	assert_string_equal(said.state, "ab+/=");
	assert_string_equal(said.code, "123 456");
	assert_true(said.has_code && !said.has_user && !said.has_password);
	/* Elsewhere they mean nothing. */
	assert_int_equal(
		read_xml("<config-auth type='auth-reply'><state>a</state><auth><state>b"
			 "</state></auth><opaque><secondary_password>1</secondary_password>"
			 "</opaque></config-auth>",
			 &said),
		0);
	assert_string_equal(said.state, "");
	assert_false(said.has_code);
	assert_int_equal(read_xml("<config-auth type='auth-reply'><opaque><state>a</state><state>b"
				  "</state></opaque></config-auth>",
				  &said),
			 ERR_MALFORMED);
}

static void the_second_form_carries_the_login(void **state)
{
	struct login_prompt prompt = {.group = "", .user = "anna", .state = "a+b=\"<"};
	struct buf xml = {0};

	(void)state;
	assert_int_equal(configauth_form_append(&prompt, false, &xml), 0);
	assert_non_null(strstr(buf_text(&xml),
			       "<opaque is-for=\"sg\">\n<state>a+b=&quot;&lt;</state>\n</opaque>"));
	assert_non_null(strstr(buf_text(&xml), "name=\"secondary_password\""));
	assert_null(strstr(buf_text(&xml), "name=\"username\""));
	assert_null(strstr(buf_text(&xml), "type=\"hidden\""));
	buf_done(&xml);
	assert_int_equal(configauth_form_append(&prompt, true, &xml), 0);
	assert_null(strstr(buf_text(&xml), "<opaque"));
	assert_non_null(strstr(buf_text(&xml), "<input type=\"hidden\" name=\"state\" "
					       "value=\"a+b=&quot;&lt;\">"));
	buf_done(&xml);
}

#define AUTH(text) "<config-auth type='auth-reply'><auth>" text "</auth></config-auth>"

static void hostile_xml_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"hello",
		"<other type='init'/>",
		"<config-auth/>",
		"<config-auth type='other'/>",
		"<config-auth type='init'>",
		"<config-auth type='init'/><config-auth type='init'/>",
		"<!DOCTYPE config-auth><config-auth type='init'/>",
		"<!DOCTYPE x [<!ENTITY a 'b'>]>" AUTH("<username>&a;</username>"),
		"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" AUTH(
			"<username>&a;</username>"),
		"<!DOCTYPE x SYSTEM 'http://192.0.2.1/x.dtd'><config-auth type='init'/>",
		AUTH("<username>&a;</username>"),
		AUTH("<username>a</username><username>b</username>"),
		AUTH("<username>a<b>c</b></username>"),
		AUTH("<username>a&#10;b</username>"),
		AUTH("<username>a&#0;b</username>"),
		AUTH("<username>\xff\xfe</username>"),
		"<?xml version='1.0' encoding='UTF-7'?><config-auth type='init'/>",
		"<config-auth "
		"type='init'><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a>"
		"</a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></config-auth>",
	};
	struct configauth said;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_xml(bad[i], &said) == 0)
			fail_msg("taken: %s", bad[i]);
	}
}

static void a_value_is_bounded(void **state)
{
	struct configauth said;
	struct buf xml = {0};

	(void)state;
	for (size_t length = LOGIN_USER_MAX - 1; length <= LOGIN_USER_MAX; length++) {
		buf_clear(&xml);
		assert_int_equal(
			markup_raw(&xml, "<config-auth type='auth-reply'><auth><username>"), 0);
		for (size_t i = 0; i < length; i++)
			assert_int_equal(buf_append(&xml, "u", 1), 0);
		assert_int_equal(markup_raw(&xml, "</username></auth></config-auth>"), 0);
		assert_int_equal(configauth_read(xml.data, xml.size, &said, NULL),
				 length < LOGIN_USER_MAX ? 0 : ERR_TOO_LARGE);
	}
	buf_done(&xml);
}

static void the_form_shows_groups_and_errors_as_text(void **state)
{
	static const char *const groups[] = {"Staff", "\"><x>"};
	struct login_prompt prompt = {.groups = groups,
				      .n_groups = 2,
				      .group = "Staff",
				      .user = "<anna>",
				      .error = "Login failed & over"};
	struct buf xml = {0};
	const char *text;

	(void)state;
	assert_int_equal(configauth_form_append(&prompt, false, &xml), 0);
	text = buf_text(&xml);
	assert_non_null(strstr(text, "type=\"auth-request\""));
	assert_non_null(strstr(text, "<auth id=\"main\">"));
	assert_non_null(strstr(text, "<option value=\"Staff\" selected=\"true\">Staff</option>"));
	assert_non_null(strstr(text, "<option value=\"&quot;&gt;&lt;x&gt;\">"));
	assert_non_null(strstr(text, "value=\"&lt;anna&gt;\""));
	assert_non_null(strstr(text, "Login failed &amp; over"));
	buf_clear(&xml);
	assert_int_equal(configauth_form_append(&prompt, true, &xml), 0);
	assert_null(strstr(buf_text(&xml), "config-auth"));
	buf_done(&xml);
}

static void success_carries_the_cookie_and_the_certificate(void **state)
{
	struct login_success success = {.cookie = "c00c1e",
					.session_id = 7,
					.certificate_sha1 = "ABCD",
					.banner = "Be good & kind"};
	struct buf xml = {0};
	const char *text;

	(void)state;
	assert_int_equal(configauth_success_append(&success, false, &xml), 0);
	text = buf_text(&xml);
	assert_non_null(strstr(text, "type=\"complete\""));
	assert_non_null(strstr(text, "<auth id=\"success\">"));
	assert_non_null(strstr(text, "<session-token>c00c1e</session-token>"));
	assert_non_null(strstr(text, "<server-cert-hash>ABCD</server-cert-hash>"));
	assert_non_null(strstr(text, "Be good &amp; kind"));
	buf_done(&xml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_form_gives_each_value_decoded),
		cmocka_unit_test(a_form_that_can_be_read_in_two_ways_is_refused),
		cmocka_unit_test(a_cookie_is_found_among_others),
		cmocka_unit_test(a_new_cookie_has_a_hash_that_is_found_again),
		cmocka_unit_test(the_first_word_of_openconnect_is_understood),
		cmocka_unit_test(a_reply_brings_user_password_and_group),
		cmocka_unit_test(a_code_comes_with_what_was_said_before_it),
		cmocka_unit_test(the_second_form_carries_the_login),
		cmocka_unit_test(hostile_xml_is_refused),
		cmocka_unit_test(a_value_is_bounded),
		cmocka_unit_test(the_form_shows_groups_and_errors_as_text),
		cmocka_unit_test(success_carries_the_cookie_and_the_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
