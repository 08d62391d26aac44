/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/session/session.h"

/*
 * Whose connection is given up when places run out, NULL: nobody's. OLDEST begins the list of all,
 * in the order in which they came; the newest of them is never given up.
 *
 * First who only keeps a place for later. Then who has been at a handshake, a request or an answer
 * for longest: one who means it is through in a moment, so that this is somebody who is slow on
 * purpose, or as good as lost. Never a tunnel, nor who waits for an answer of ours.
 */
struct session *eviction_pick(struct session *oldest);
