/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * What does here what WORDS, of which the command table understood the first N_UNDERSTOOD, do on an
 * ASA; NULL: nothing is known. Static.
 */
const char *elsewhere_find(int n, char **words, size_t n_understood);
