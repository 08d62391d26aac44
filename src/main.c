/* SPDX-License-Identifier: Apache-2.0 */
/* asafod(8): reads the command line, gives up what it does not need, and runs the supervisor's
 * loop. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "launch.h"
#include "sandbox/sandbox.h"
#include "supervisor.h"

#define EXIT_USAGE 2
#define DESCRIPTORS 65536

enum option_code {
	OPTION_CONFIG = 'c',
	OPTION_STATE_DIR = 's',
	OPTION_RUN_DIR = 'r',
	OPTION_VERBOSE = 'v',
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
	OPTION_LIBEXEC_DIR = 256,
	OPTION_HOOKS_DIR,
	OPTION_TRACK_DIR,
	OPTION_UID_BASE,
	OPTION_FRONTS,
	OPTION_WATCHDOG,
	OPTION_NO_SANDBOX,
};

static const struct option known_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"run-dir", required_argument, NULL, OPTION_RUN_DIR},
	{"libexec-dir", required_argument, NULL, OPTION_LIBEXEC_DIR},
	{"hooks-dir", required_argument, NULL, OPTION_HOOKS_DIR},
	{"track-dir", required_argument, NULL, OPTION_TRACK_DIR},
	{"uid-base", required_argument, NULL, OPTION_UID_BASE},
	{"fronts", required_argument, NULL, OPTION_FRONTS},
	{"watchdog", required_argument, NULL, OPTION_WATCHDOG},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"no-sandbox", no_argument, NULL, OPTION_NO_SANDBOX},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

CLEANUP_DEFINE(struct supervisor *, supervisor_free)

static void usage(void)
{
	(void)printf("asafod: certificate replication and failover for a pair of firewalls\n\n"
		     "Usage: asafod [OPTION]...\n\n"
		     "  -c, --config FILE      the startup-config (" ASAFO_SYSCONFDIR
		     "/startup-config)\n"
		     "  -s, --state-dir DIR    where the store is (" ASAFO_STATEDIR ")\n"
		     "  -r, --run-dir DIR      where the control socket is (" ASAFO_RUNDIR ")\n"
		     "      --libexec-dir DIR  where asafo's own programs are (" ASAFO_LIBEXECDIR
		     ")\n"
		     "      --hooks-dir DIR    executables that run on a change of role "
		     "(" ASAFO_SYSCONFDIR "/hooks.d)\n"
		     "      --track-dir DIR    executables that `track` asks "
		     "(" ASAFO_SYSCONFDIR "/track.d)\n"
		     "      --uid-base N       run the keeper, engine, fronts and auth as users N, "
		     "N+1, N+2, N+4 instead of by name\n"
		     "      --fronts N         number of listener processes (one a processor, at "
		     "most 8)\n"
		     "      --watchdog SECONDS kill a child that gives no sign of life for so long "
		     "(5; 0: never)\n"
		     "  -v, --verbose          log more\n"
		     "      --no-sandbox       without system call filters and Landlock; for "
		     "debuggers only\n"
		     "  -h, --help             this text\n"
		     "      --version          the version\n\n"
		     "asafod runs in the foreground and logs to the journal or to stderr. See "
		     "asafod(8).\n");
}

static int number_read(const char *name, const char *text, unsigned long least, unsigned long most,
		       unsigned long *ret_number)
{
	char *end = NULL;
	unsigned long number = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || number < least || number > most) {
		(void)fprintf(stderr, "asafod: --%s: \"%s\" is not a number from %lu to %lu\n",
			      name, text, least, most);
		return ERR_SYNTAX;
	}
	*ret_number = number;
	return 0;
}

static unsigned default_fronts(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 8 ? 8 : (unsigned)n;
}

static int option_number(int option, const char *text, struct supervisor_options *options)
{
	unsigned long number = 0;
	int r;

	if (option == OPTION_UID_BASE) {
		r = number_read("uid-base", text, 1, INT32_MAX - 16, &number);
		options->uid_base = (uid_t)number;
	} else if (option == OPTION_FRONTS) {
		r = number_read("fronts", text, 1, SUPERVISOR_FRONTS_MAX, &number);
		options->n_fronts = (unsigned)number;
	} else {
		r = number_read("watchdog", text, 0, 3600, &number);
		options->watchdog_ms = (unsigned)number * 1000;
	}
	return r;
}

/* 0: go on; 1: all is said; negative: usage error, said. */
static int options_parse(int argc, char **argv, struct supervisor_options *options)
{
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "c:s:r:vh", known_options, NULL)) >= 0) {
		if (c == OPTION_CONFIG) {
			options->folders.config = optarg;
		} else if (c == OPTION_STATE_DIR) {
			options->folders.state_dir = optarg;
		} else if (c == OPTION_RUN_DIR) {
			options->folders.run_dir = optarg;
		} else if (c == OPTION_LIBEXEC_DIR) {
			options->libexec_dir = optarg;
		} else if (c == OPTION_HOOKS_DIR) {
			options->folders.hooks_dir = optarg;
		} else if (c == OPTION_TRACK_DIR) {
			options->folders.track_dir = optarg;
		} else if (c == OPTION_VERBOSE) {
			options->is_verbose = true;
		} else if (c == OPTION_NO_SANDBOX) {
			options->is_unsandboxed = true;
		} else if (c == OPTION_HELP) {
			usage();
			r = 1;
		} else if (c == OPTION_VERSION) {
			(void)printf("asafod %s\n", PACKAGE_VERSION);
			r = 1;
		} else if (c == '?') {
			r = ERR_SYNTAX;
		} else {
			r = option_number(c, optarg, options);
		}
	}
	if (r == 0 && optind < argc) {
		(void)fprintf(stderr, "asafod: unexpected argument \"%s\"\n", argv[optind]);
		r = ERR_SYNTAX;
	}
	if (r < 0)
		(void)fprintf(stderr, "Try \"asafod --help\".\n");
	return r;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	if (info->ssi_signo == SIGHUP)
		log_line(LOG_NOTICE,
			 "SIGHUP: nothing to do; `asafo` changes the configuration while it runs");
	else
		supervisor_stop(userdata);
	return 0;
}

static int signals_block(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A front has one descriptor a client. */
static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int loop_run(sd_event *event, struct supervisor *supervisor)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int r = sd_event_add_signal(event, NULL, signals[i], on_signal, supervisor);

		if (r < 0)
			return r;
	}
	(void)supervisor_start(supervisor);
	return sd_event_loop(event);
}

static int run(const struct supervisor_options *options)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(supervisor_free_p) struct supervisor *supervisor = NULL;
	struct why why = {""};
	int r = sd_event_new(&event);

	if (r < 0) {
		log_line(LOG_ERR, "cannot make an event loop: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	r = launch_drop_capabilities(&why);
	if (r == 0)
		r = sandbox_enter(SANDBOX_SUPERVISOR, NULL, &why);
	if (r == 0)
		r = supervisor_new(event, options, &supervisor, &why);
	if (r < 0) {
		log_line(LOG_ERR, "%s", why.text);
		return EXIT_FAILURE;
	}
	r = loop_run(event, supervisor);
	if (r < 0)
		log_line(LOG_ERR, "the event loop failed: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : r;
}

/*
 * The same process, so that systemd sees no end; the program is looked up by its name again: after
 * an upgrade of the package it is the new one. Every descriptor is closed on exec.
 */
static int begin_again(char **argv)
{
	const char *program = strchr(argv[0], '/') ? argv[0] : "/proc/self/exe";

	(void)execv(program, argv);
	log_line(LOG_CRIT, "cannot begin again: %s: %s", program, strerror(errno));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct supervisor_options options = {
		.folders = {.config = ASAFO_SYSCONFDIR "/startup-config",
			    .state_dir = ASAFO_STATEDIR,
			    .run_dir = ASAFO_RUNDIR,
			    .hooks_dir = ASAFO_SYSCONFDIR "/hooks.d",
			    .track_dir = ASAFO_SYSCONFDIR "/track.d"},
		.libexec_dir = ASAFO_LIBEXECDIR,
		.n_fronts = default_fronts(),
		.watchdog_ms = SUPERVISOR_WATCHDOG_MS,
	};
	int r = options_parse(argc, argv, &options);

	if (r != 0)
		return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	log_open("supervisor", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	log_never_wait();
	(void)umask(022);
	descriptors_allow();
	if (signals_block() < 0) {
		log_line(LOG_ERR, "cannot block signals");
		return EXIT_FAILURE;
	}
	if (options.is_unsandboxed)
		log_line(LOG_WARNING, "--no-sandbox: the processes run WITHOUT their walls");
	r = run(&options);
	return r == SUPERVISOR_EXIT_RELOAD ? begin_again(argv) : r;
}
