/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

/*
 * Asks OCSP responders for the engine, one at a time, each in a child that ends with the answer:
 * what a responder sends is taken in where nothing else is. The answer is not read here; the keeper
 * judges it, as one of a file.
 */
struct fetch;

/* Errors: -ENOMEM. */
int fetch_new(sd_event *event, struct fetch **ret_fetch);
/* Kills who asks. Takes NULL. */
void fetch_free(struct fetch *fetch);
/* The engine's channel, taken over; an older one's question is dropped. Errors: -errno. */
int fetch_engine_attach(struct fetch *fetch, int fd);
