/* SPDX-License-Identifier: Apache-2.0 */
/* A request to the desk, from three kinds of speakers, as one struct. Pure. */
#include "front/desk/desk_read.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/http/form.h"

/* Also where clients are sent by their own habits. */
static const char *const login_paths[] = {"/", "/auth", "/VPN", "/+webvpn+/index.html",
					  "/+CSCOE+/logon.html"};

static bool contains_nocase(struct http_text text, const char *wanted)
{
	size_t length = strlen(wanted);

	for (size_t i = 0; i + length <= text.size; i++) {
		if (strncasecmp(text.data + i, wanted, length) == 0)
			return true;
	}
	return false;
}

bool desk_is_client(const struct http_head *head)
{
	const struct http_header *agent = http_head_find(head, "User-Agent");

	return http_head_find(head, "X-Transcend-Version") ||
	       http_head_find(head, "X-Aggregate-Auth") ||
	       (agent && (contains_nocase(agent->value, "AnyConnect") ||
			  contains_nocase(agent->value, "OpenConnect")));
}

bool desk_may_be_group(struct http_text path)
{
	return path.size >= 2 && path.size - 1 < LOGIN_GROUP_MAX && path.data[0] == '/';
}

const struct vpn_group *desk_group_of_path(struct http_text path, const struct vpn_config *config)
{
	char name[LOGIN_GROUP_MAX];

	if (!desk_may_be_group(path))
		return NULL;
	memcpy(name, path.data + 1, path.size - 1);
	name[path.size - 1] = '\0';
	return vpn_group_find(config, name);
}

bool desk_is_login_path(struct http_text path, const struct vpn_config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(login_paths); i++) {
		if (http_text_is(path, login_paths[i]))
			return true;
	}
	return desk_group_of_path(path, config) != NULL;
}

/* Of one header of the request; one that says nothing of the kind is no reason to refuse. */
static bool is_of_own_page(const struct http_header *header, struct http_text host,
			   bool *ret_is_fetch)
{
	static const char scheme[] = "https://";
	size_t length = sizeof(scheme) - 1;

	if (http_text_is_nocase(header->name, "Sec-Fetch-Site")) {
		*ret_is_fetch = true;
		return http_text_is(header->value, "same-origin") ||
		       http_text_is(header->value, "none");
	}
	if (!http_text_is_nocase(header->name, "Origin"))
		return true;
	return header->value.size == length + host.size &&
	       strncasecmp(header->value.data, scheme, length) == 0 &&
	       strncasecmp(header->value.data + length, host.data, host.size) == 0;
}

bool desk_is_own_page(const struct http_head *head)
{
	bool is_fetch = false, is_own = true, is_fetch_own = true;

	/* Said twice, both have to be right. */
	for (size_t i = 0; i < head->n_headers; i++) {
		bool is_this_fetch = false;
		bool is_good = is_of_own_page(&head->headers[i], head->host, &is_this_fetch);

		is_fetch |= is_this_fetch;
		is_own &= is_good;
		is_fetch_own &= is_good || !is_this_fetch;
	}
	/* A page whose referrer is withheld has "null" for an origin, also its own. */
	return is_fetch ? is_fetch_own : is_own;
}

/* https://vpn.example.org/staff -> /staff */
static struct http_text path_of_url(const char *url)
{
	const char *start = strstr(url, "://");
	const char *path = strchr(start ? start + 3 : url, '/');
	struct http_text text = {path ? path : "", 0};

	text.size = strcspn(text.data, "?#");
	return text;
}

static void group_take(struct desk_said *said, const char *url, struct http_text path,
		       const struct vpn_config *config)
{
	const struct vpn_group *group = desk_group_of_path(path_of_url(url), config);

	if (!group)
		group = desk_group_of_path(path, config);
	if (!group)
		return;
	/* A client sends back the one group that it was offered. */
	said->is_by_url = !said->group[0] || vpn_group_find(config, said->group) == group;
	if (!said->group[0])
		(void)snprintf(said->group, sizeof(said->group), "%s", group->name);
}

static int xml_read(const struct buf *body, struct desk_said *said, char url[static LOGIN_URL_MAX])
{
	struct configauth xml;
	int r = configauth_read(body->data, body->size, &xml, NULL);

	if (r < 0)
		return r;
	said->wish = xml.type == CONFIGAUTH_LOGOUT				    ? WISH_LOGOUT
		     : xml.type == CONFIGAUTH_REPLY && xml.state[0] && xml.has_code ? WISH_CODE
		     : xml.type == CONFIGAUTH_REPLY && xml.has_user && xml.has_password ? WISH_LOGIN
											: WISH_FORM;
	memcpy(said->user, xml.user, sizeof(said->user));
	memcpy(said->password, xml.password, sizeof(said->password));
	memcpy(said->group, xml.group, sizeof(said->group));
	memcpy(said->token, xml.token, sizeof(said->token));
	memcpy(said->code, xml.code, sizeof(said->code));
	/* OpenConnect sends the last one it got along with all that follows. */
	if (said->wish == WISH_CODE)
		memcpy(said->state, xml.state, sizeof(said->state));
	said->is_reply = xml.type == CONFIGAUTH_REPLY;
	said->has_no_certificate = xml.has_no_certificate;
	memcpy(url, xml.group_access, sizeof(xml.group_access));
	configauth_wipe(&xml);
	return 0;
}

/* A field that is not there is empty. */
static int field(const struct buf *body, const char *name, char *ret_text, size_t size)
{
	int r = form_find(body->data, body->size, name, ret_text, size);

	return r == ERR_NOT_FOUND ? 0 : r;
}

static int form_read(const struct buf *body, struct desk_said *said)
{
	int r = form_find(body->data, body->size, "username", said->user, sizeof(said->user));
	bool has_user = r != ERR_NOT_FOUND;
	char certificate[8];

	if (r == ERR_NOT_FOUND)
		r = 0;
	if (r == 0)
		r = field(body, "password", said->password, sizeof(said->password));
	if (r == 0)
		r = field(body, "group_list", said->group, sizeof(said->group));
	if (r == 0)
		r = field(body, "proof", said->proof, sizeof(said->proof));
	if (r == 0)
		r = field(body, "secondary_password", said->code, sizeof(said->code));
	if (r == 0)
		r = field(body, "state", said->state, sizeof(said->state));
	if (r == 0)
		r = form_find(body->data, body->size, "certificate", certificate,
			      sizeof(certificate));
	said->is_reply = r == 0;
	if (r == ERR_NOT_FOUND)
		r = 0;
	said->wish = said->state[0] ? WISH_CODE : has_user ? WISH_LOGIN : WISH_FORM;
	return r;
}

/* XML may begin with a mark of its encoding (XML 1.0 section 4.3.3), which no form does. */
static bool is_xml(const struct buf *body)
{
	static const char *const marks[] = {"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"};
	size_t i = 0;

	for (size_t m = 0; m < ARRAY_SIZE(marks); m++) {
		if (body->size >= strlen(marks[m]) &&
		    memcmp(body->data, marks[m], strlen(marks[m])) == 0)
			return true;
	}
	while (i < body->size && isspace(body->data[i]))
		i++;
	return i < body->size && body->data[i] == '<';
}

int desk_read(const struct http_head *head, const struct buf *body, const struct vpn_config *config,
	      struct desk_said *ret_said)
{
	struct desk_said said = {.wish = WISH_FORM};
	char url[LOGIN_URL_MAX] = "";
	int r;

	/* What is sent decides, not what it is called: no form begins with '<', and clients differ
	 * in the content type. */
	if (is_xml(body)) {
		said.speaker = SPEAKER_AGGREGATE;
		r = xml_read(body, &said, url);
	} else {
		said.speaker = desk_is_client(head) ? SPEAKER_LEGACY : SPEAKER_PERSON;
		r = form_read(body, &said);
	}
	if (http_text_is(head->path, "/logout"))
		said.wish = WISH_LOGOUT;
	if (r == 0) {
		group_take(&said, url, head->path, config);
		*ret_said = said;
	}
	desk_said_wipe(&said);
	return r;
}

void desk_said_wipe(struct desk_said *said)
{
	explicit_bzero(said, sizeof(*said));
}
