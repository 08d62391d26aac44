/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module of PAM for tests: `pam_odd.so WHAT PASSWORD` asks for the password, does what WHAT says,
 * and takes PASSWORD for the right one; "any" is each.
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv);
int pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv);
int pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv);

static int prompt(pam_handle_t *pam, int style)
{
	char *answer = NULL;
	int r = pam_prompt(pam, style, &answer, "And now? ");

	free(answer);
	return r;
}

/* Writes where asafo-pam's child answers: a refusal whose reason is long, and two lines. */
static void forge(void)
{
	/* PamCheckReply.status, 203 bytes; in it Status.why, 200 bytes */
	unsigned char message[206] = {0x0a, 0xcb, 1, 0x12, 0xc8, 1};

	memset(message + 6, 'a', sizeof(message) - 6);
	message[8] = '\n';
	message[9] = 0x1b;
	(void)!write(3, message, sizeof(message));
	_exit(0);
}

static int act(pam_handle_t *pam, const char *what, const char *password)
{
	if (strcmp(what, "crash") == 0)
		(void)raise(SIGSEGV);
	while (strcmp(what, "hang") == 0)
		(void)pause();
	if (strcmp(what, "forge") == 0)
		forge();
	if (strcmp(what, "hide") == 0)
		return prompt(pam, PAM_PROMPT_ECHO_OFF);
	if (strcmp(what, "show") == 0)
		return prompt(pam, PAM_PROMPT_ECHO_ON);
	if (strcmp(what, "rename") == 0)
		return pam_set_item(pam, PAM_USER, "somebody");
	if (strcmp(what, "tell") == 0) {
		(void)fprintf(stderr, "the password is %s\n", password);
		(void)printf("the password is %s\n", password);
		(void)fflush(stdout);
		return pam_prompt(pam, PAM_TEXT_INFO, NULL, "the password is %s", password);
	}
	return PAM_SUCCESS;
}

int pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *password = NULL;
	int r;

	(void)flags;
	if (argc != 2)
		return PAM_SERVICE_ERR;
	r = pam_get_authtok(pam, PAM_AUTHTOK, &password, NULL);
	if (r == PAM_SUCCESS)
		r = act(pam, argv[0], password);
	if (r != PAM_SUCCESS)
		return r;
	if (strcmp(argv[1], "any") == 0)
		return PAM_SUCCESS;
	return strcmp(password, argv[1]) == 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
}

int pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)pam;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)pam;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}
