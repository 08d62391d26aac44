/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation has one answer, the password, and that once: who asks for more, or for something
 * else, is not answered. A stack that never asked for it has not looked at it, and lets nobody in.
 */
#include "pam/verify.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/account.h"
#include "base/cleanup.h"
#include "base/err.h"

#define NAME_MAX_SIZE 64
#define ENTRY_MAX 65536 /* of the user database */
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static const char *const system_folders[] = {"/etc/pam.d", "/usr/lib/pam.d"};

static int say(struct verify_result *result, int code, const char *reason)
{
	(void)snprintf(result->reason, sizeof(result->reason), "%s", reason);
	return code;
}

/* ---- names ---- */

bool verify_is_service(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < NAME_MAX_SIZE && text[0] != '.' &&
	       strspn(text, LOWER DIGITS "._-") == length;
}

static bool consists_of(const char *name, const char *alphabet)
{
	size_t length = strlen(name);

	return length > 0 && length < NAME_MAX_SIZE && !strchr(".-+@", name[0]) &&
	       strspn(name, alphabet) == length;
}

/* libpam would take "other", in which anything may stand, for a service that is not there. */
static int service_check(const struct verify *verify, struct verify_result *result)
{
	const char *const *folders = verify->folder ? &verify->folder : system_folders;
	size_t n_folders = verify->folder ? 1 : ARRAY_SIZE(system_folders);
	char path[PATH_MAX];

	if (!verify_is_service(verify->service))
		return say(result, ERR_NOT_FOUND, "the service's name is none");
	for (size_t i = 0; i < n_folders; i++) {
		int n = snprintf(path, sizeof(path), "%s/%s", folders[i], verify->service);

		if (n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0)
			return 0;
	}
	return say(result, ERR_NOT_FOUND, "there is no readable /etc/pam.d file of this service");
}

/* True: the name is one that has no other spelling. False: the reason is said. */
static bool name_check(const char *name, struct verify_result *result, int *ret_code)
{
	struct passwd entry, *found = NULL;
	_cleanup_free_ char *bytes = malloc(ENTRY_MAX);
	int r;

	*ret_code = 0;
	if (!consists_of(name, LOWER UPPER DIGITS "._-@+")) {
		(void)say(result, 0, "a name that no user has");
		return false;
	}
	if (!bytes) {
		*ret_code = say(result, -ENOMEM, "not enough memory");
		return false;
	}
	r = getpwnam_r(name, &entry, bytes, ENTRY_MAX, &found);
	if (!found && !account_is_absent(r)) {
		*ret_code = say(result, ERR_NOT_READY, "the user database cannot be asked");
		/* Of how many log in at a time that is; it will pass. */
		if (r == ENOMEM || r == EMFILE || r == ENFILE)
			*ret_code = -r;
		return false;
	}
	result->is_known = found != NULL;
	if (found ? strcmp(found->pw_name, name) == 0 : consists_of(name, LOWER DIGITS "._-"))
		return true;
	(void)say(result, 0,
		  found ? "another spelling of a user's name"
			: "a name of nobody in the user database, with capitals, @ or +");
	return false;
}

/* ---- the conversation ---- */

struct talk {
	const char *password;
	bool is_answered, is_refused;
};

static void responses_free(struct pam_response *responses, int n)
{
	for (int i = 0; i < n; i++) {
		if (responses[i].resp)
			explicit_bzero(responses[i].resp, strlen(responses[i].resp));
		free(responses[i].resp);
	}
	free(responses);
}

static int reply(struct talk *talk, int style, struct pam_response *response)
{
	if (style == PAM_TEXT_INFO || style == PAM_ERROR_MSG)
		return PAM_SUCCESS;
	talk->is_refused = style != PAM_PROMPT_ECHO_OFF || talk->is_answered;
	if (talk->is_refused)
		return PAM_CONV_ERR;
	talk->is_answered = true;
	response->resp = strdup(talk->password);
	return response->resp ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret_responses,
		    void *userdata)
{
	struct pam_response *responses;
	int r = PAM_SUCCESS;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	responses = calloc((size_t)n, sizeof(*responses));
	if (!responses)
		return PAM_BUF_ERR;
	for (int i = 0; i < n && r == PAM_SUCCESS; i++)
		r = reply(userdata, messages[i]->msg_style, &responses[i]);
	if (r != PAM_SUCCESS)
		responses_free(responses, n);
	else
		*ret_responses = responses;
	return r;
}

/* The lock-out slows guessing down, and holds no process meanwhile. */
static void no_delay(int code, unsigned usec, void *userdata)
{
	(void)code;
	(void)usec;
	(void)userdata;
}

/* ---- the transaction ---- */

/* What PAM's CODE means. 0: decided. */
static int code_take(pam_handle_t *pam, int code, const struct talk *talk,
		     struct verify_result *result)
{
	if (talk->is_refused)
		return say(result, 0, "PAM asks for more than a password");
	switch (code) {
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
		return say(result, 0, "Invalid password");
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
		return say(result, 0, "Password expired");
	case PAM_ACCT_EXPIRED:
		return say(result, 0, "Account expired");
	case PAM_PERM_DENIED:
	case PAM_CRED_INSUFFICIENT:
	case PAM_MAXTRIES:
		return say(result, 0, pam_strerror(pam, code));
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_SYSTEM_ERR:
	case PAM_SERVICE_ERR:
	case PAM_OPEN_ERR:
	case PAM_SYMBOL_ERR:
	case PAM_ABORT:
	case PAM_MODULE_UNKNOWN:
		return say(result, ERR_NOT_READY, pam_strerror(pam, code));
	case PAM_BUF_ERR: /* many logins at a time make it */
		return say(result, -ENOMEM, pam_strerror(pam, code));
	default: /* modules say of a wrong password what they like */
		return say(result, 0, pam_strerror(pam, code));
	}
}

static int ask(pam_handle_t *pam, const struct verify *verify, const struct talk *talk,
	       struct verify_result *result)
{
	const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
	const void *name = NULL;
	int code = pam_authenticate(pam, flags);

	if (code != PAM_SUCCESS)
		return code_take(pam, code, talk, result);
	if (!talk->is_answered)
		return say(result, 0, "no module of the PAM service asked for the password");
	code = pam_acct_mgmt(pam, flags);
	/* A stack that ends in pam_deny says so of every account that is no good. */
	if (code == PAM_AUTH_ERR && !talk->is_refused)
		return say(result, 0, "Account refused");
	if (code != PAM_SUCCESS || talk->is_refused)
		return code_take(pam, code, talk, result);
	/* A module may have made another user of him, whose attributes are not looked at. */
	if (pam_get_item(pam, PAM_USER, &name) != PAM_SUCCESS || !name ||
	    strcmp(name, verify->user) != 0)
		return say(result, 0, "PAM calls the user by another name");
	result->is_right = true;
	return 0;
}

static int prepare(pam_handle_t *pam, const struct verify *verify)
{
	int code = pam_set_item(pam, PAM_FAIL_DELAY, (const void *)no_delay);

	if (code == PAM_SUCCESS)
		code = pam_set_item(pam, PAM_TTY, "asafo");
	if (code == PAM_SUCCESS && verify->client[0])
		code = pam_set_item(pam, PAM_RHOST, verify->client);
	return code;
}

int verify_login(const struct verify *verify, struct verify_result *ret_result)
{
	struct talk talk = {.password = verify->password};
	struct pam_conv conversation = {converse, &talk};
	pam_handle_t *pam = NULL;
	int r, code;

	*ret_result = (struct verify_result){.is_right = false};
	r = service_check(verify, ret_result);
	if (r < 0 || !name_check(verify->user, ret_result, &r))
		return r;
	/* What directories take for an anonymous bind is nobody's password. */
	if (!verify->password[0])
		return say(ret_result, 0, "Invalid password");
	code = pam_start_confdir(verify->service, verify->user, &conversation, verify->folder,
				 &pam);
	if (code == PAM_SUCCESS)
		code = prepare(pam, verify);
	r = code == PAM_SUCCESS ? ask(pam, verify, &talk, ret_result)
				: code_take(pam, code, &talk, ret_result);
	if (pam)
		(void)pam_end(pam, code);
	return r;
}
