/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

/*
 * When connections are taken, and when they wait in the kernel's queue: while there are as many as
 * there may be, for a moment after something ran out, and, for two seconds at most, while the
 * keeper has not said yet what there is to serve.
 */
struct gate;

typedef void (*gate_fn)(bool is_paused, void *userdata);

/* ON_CHANGE is told at each look, also where nothing changed. Errors: -ENOMEM, -errno. */
int gate_new(sd_event *event, gate_fn on_change, void *userdata, struct gate **ret_gate);
void gate_free(struct gate *gate);
/* How it stands. The keeper's two seconds begin when IS_LOADING does, however often this is said.
 */
void gate_update(struct gate *gate, bool is_full, bool is_loading);
/* Descriptors or memory have run out: nobody is taken for a moment. */
void gate_starve(struct gate *gate);
/* Somebody has gone: there may be enough again. */
void gate_relieve(struct gate *gate);
bool gate_is_starved(const struct gate *gate);
/* The keeper is not waited for any longer. */
bool gate_is_patience_over(const struct gate *gate);
