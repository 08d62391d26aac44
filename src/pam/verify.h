/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * One login by PAM (pam(3)): is this user's password right, and may he log in? The modules run in
 * the calling process, for as long as they like and with whatever they like to do to it: for a
 * child that ends with the answer. There is no session of PAM's: no pam_setcred, no
 * pam_open_session.
 */
#define VERIFY_PASSWORD_MAX 513 /* crypt(3)'s, with the NUL */

struct verify {
	const char *service; /* a file of FOLDER */
	const char *user, *password;
	const char *client; /* its address, as text */
	const char *folder; /* NULL: where the system has its services, /etc/pam.d */
};

struct verify_result {
	bool is_right;
	bool is_known;	  /* the name is a user's: it may be logged, it is no password */
	char reason[128]; /* why not, for the log; nothing in it is the client's or a module's */
};

/* Whether TEXT can be a service: libpam opens its file by the name in lower case. */
bool verify_is_service(const char *text);
/*
 * 0: it was decided. A name is taken only as the user database spells it, and where that does not
 * know it, in lower case without a domain: what is bound to a user is bound to one spelling. Errors
 * (it could not be decided, RET_RESULT's reason says why): ERR_NOT_FOUND (there is no such
 * service), ERR_NOT_READY (what the modules ask is not there), -ENOMEM.
 */
int verify_login(const struct verify *verify, struct verify_result *ret_result);
