/* SPDX-License-Identifier: Apache-2.0 */
/* The paths are the client's; the answers say "nothing newer here". */
#include "front/tls/clientfile.h"

#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "front/http/markup.h"

#define HOST_MAX 280

static const struct {
	const char *path;
	bool is_prefix;
	const char *content_type;
	const char *body;
} files[] = {
	{"/VPNManifest.xml", false, "text/xml",
	 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<vpn rev=\"1.0\">\n</vpn>\n"},
	{"/1/VPNManifest.xml", false, "text/xml",
	 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<vpn rev=\"1.0\">\n</vpn>\n"},
	{"/1/binaries/update.txt", false, "text/plain", "0,0,0000\n"},
	{"/1/binaries/vpndownloader.sh", false, "application/x-shellscript", "#!/bin/sh\nexit 0\n"},
	{"/1/index.html", false, "text/html; charset=utf-8", "<html></html>\n"},
	{"/1/Linux", false, "text/html; charset=utf-8", "<html></html>\n"},
	{"/1/Linux_64", false, "text/html; charset=utf-8", "<html></html>\n"},
	{"/1/Windows", false, "text/html; charset=utf-8", "<html></html>\n"},
	{"/1/Windows_ARM64", false, "text/html; charset=utf-8", "<html></html>\n"},
	{"/1/Darwin_i386", false, "text/html; charset=utf-8", "<html></html>\n"},
	{"/+CSCOT+/translation-table", true, "text/xml", ""},
	{"/+CSCOT+/oem-customization", true, "text/xml", ""},
};

/* A Host header's value is shown to a person as the server's name: only what can be one. */
static int host_take(const struct http_head *head, const char *hostname,
		     char ret_host[static HOST_MAX])
{
	struct http_text host = head->host;

	if (host.size == 0)
		host = (struct http_text){hostname, strlen(hostname)};
	if (host.size >= HOST_MAX)
		return ERR_MALFORMED;
	for (size_t i = 0; i < host.size; i++) {
		if (!isalnum((unsigned char)host.data[i]) && !strchr(".-_:[]", host.data[i]))
			return ERR_MALFORMED;
	}
	memcpy(ret_host, host.data, host.size);
	ret_host[host.size] = '\0';
	return 0;
}

static int profile_append(const struct http_head *head, const char *hostname, struct buf *xml)
{
	char host[HOST_MAX];
	int r = host_take(head, hostname, host);

	if (r == 0)
		r = markup_piece(
			xml,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<AnyConnectProfile xmlns=\"http://schemas.xmlsoap.org/encoding/\">\n"
			"<ClientInitialization>\n"
			"<AutoReconnect UserControllable=\"false\">true<AutoReconnectBehavior "
			"UserControllable=\"false\">ReconnectAfterResume</AutoReconnectBehavior>"
			"</AutoReconnect>\n"
			"<AutoUpdate UserControllable=\"false\">false</AutoUpdate>\n"
			"</ClientInitialization>\n<ServerList>\n<HostEntry>\n<HostName>",
			hostname[0] ? hostname : host, "</HostName>\n");
	return r == 0 ? markup_piece(xml, "<HostAddress>", host,
				     "</HostAddress>\n</HostEntry>\n</ServerList>\n"
				     "</AnyConnectProfile>\n")
		      : r;
}

static bool path_is(struct http_text path, const char *wanted, bool is_prefix)
{
	size_t length = strlen(wanted);

	if (!is_prefix)
		return http_text_is(path, wanted);
	return path.size >= length && memcmp(path.data, wanted, length) == 0;
}

int clientfile_get(const struct http_head *head, const char *hostname, struct clientfile *ret_file)
{
	struct clientfile file = {.content_type = "text/xml"};
	int r;

	if (http_text_is(head->path, CLIENTFILE_PROFILE)) {
		file.extra = "Content-Disposition: attachment; filename=\"asafo.xml\"\r\n";
		r = profile_append(head, hostname, &file.body);
		if (r < 0)
			buf_done(&file.body);
		else
			*ret_file = file;
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!path_is(head->path, files[i].path, files[i].is_prefix))
			continue;
		file.content_type = files[i].content_type;
		r = markup_raw(&file.body, files[i].body);
		if (r < 0)
			return r;
		*ret_file = file;
		return 0;
	}
	return ERR_NOT_FOUND;
}

int clientfile_profile_sha1(const struct http_head *head, const char *hostname,
			    char ret_text[static CLIENTFILE_SHA1_MAX])
{
	struct buf xml = {0};
	uint8_t digest[20];
	int r = profile_append(head, hostname, &xml);

	if (r == 0 && gnutls_hash_fast(GNUTLS_DIG_SHA1, xml.data, xml.size, digest) < 0)
		r = ERR_CRYPTO;
	buf_done(&xml);
	if (r < 0)
		return r;
	hex_encode(digest, sizeof(digest), ret_text);
	for (char *c = ret_text; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return 0;
}
