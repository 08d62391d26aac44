/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/monotime.h"
#include "base/pace.h"
#include "config/config.h"

/*
 * Things that come and go (a carrier, the hellos on a path, the connection of the replication), and
 * which of it the log is told: each change, as long as they are few; of one that goes and comes
 * without end the first ones (pace.h), then their number, with what became of it. Pure: time comes
 * in.
 */
enum change_topic {
	CHANGE_LINK_CARRIER, /* of a link to the mate, by its name */
	CHANGE_INTERFACE_CARRIER,
	CHANGE_HELLOS4, /* on a path, by its name */
	CHANGE_HELLOS6,
	CHANGE_REPLICATION, /* its connection; no name */
	CHANGE__MAX,
};

enum change_kind {
	CHANGE_STATE, /* worth a line where it is another state than the one before */
	CHANGE_NEWS,  /* worth one, although the state may be the same */
	CHANGE_QUIET, /* somebody else tells of it */
};

/* Three for each interface and each link to the mate, and the connection. */
#define CHANGES_MAX (3 * (CONFIG_INTERFACES_MAX + CONFIG_LINKS_MAX) + 1)

struct change {
	char name[CONFIG_NAME_MAX];
	enum change_topic topic;
	bool is_up;
	struct pace pace;
};

struct changes {
	struct change items[CHANGES_MAX];
	size_t n;
	bool is_any_counted;
};

/*
 * TOPIC of NAME, which IS_UP as of NOW: is it said? Then RET_MORE goes to the end of the line
 * (pace_take). What is counted instead, changes_due brings later.
 */
bool changes_take(struct changes *changes, enum change_topic topic, const char *name,
		  enum change_kind kind, bool is_up, struct monotime now,
		  char ret_more[static PACE_TEXT_MAX]);
/* One that was counted a while ago and is to be said now as it stands; NULL: there is none. */
const struct change *changes_due(struct changes *changes, struct monotime now,
				 char ret_more[static PACE_TEXT_MAX]);
