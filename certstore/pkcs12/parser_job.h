/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "certstore/x509/crl.h"
#include "certstore/x509/identity.h"
#include "certstore/x509/staple.h"

#define PARSER_CPU_SECONDS 5
#define PARSER_WALL_SECONDS 10
#define PARSER_READ_SECONDS 8 /* for pipes, the file and its passphrase together */
#define PARSER_MEMORY_MAX (256u * 1024 * 1024)

struct parser_job {
	int answer_fd;
	int file_fd;
	int passphrase_fd; /* -1: none */
	struct identity_policy policy;
	const struct staple_question
		*staple;		/* not NULL: the file is an OCSP response about this */
	const struct crl_question *crl; /* not NULL: the file is a CRL of this */
	bool is_sandboxed;
};

/* One parse in a process of its own: limits, sandbox, read, check, answer. Ends the process. */
void parser_job_run(const struct parser_job *job) __attribute__((noreturn));
