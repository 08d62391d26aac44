/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "front/http/http_head.h"

/*
 * What AnyConnect asks for beside the login: whether there is a newer client here (there is none),
 * translations (none), and its profile.
 */
#define CLIENTFILE_PROFILE "/profiles/asafo.xml"

struct clientfile {
	const char *content_type;
	const char *extra; /* header lines; NULL: none */
	struct buf body;   /* the caller's to free */
};

/* Errors: ERR_NOT_FOUND (the path is none of these), ERR_MALFORMED (a Host that is none), -ENOMEM.
 */
int clientfile_get(const struct http_head *head, const char *hostname, struct clientfile *ret_file);
#define CLIENTFILE_SHA1_MAX 41
/* The profile's SHA-1, upper-case hex, as the client that asks with this head would get it. */
int clientfile_profile_sha1(const struct http_head *head, const char *hostname,
			    char ret_text[static CLIENTFILE_SHA1_MAX]);
