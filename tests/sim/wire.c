/* SPDX-License-Identifier: Apache-2.0 */
/* The paths between the units, each with a fate of its own, and whoever sits on them. */
#include "sim.h"

#include <string.h>

static void send_on(struct sim_world *world, unsigned path, const struct sim_datagram *datagram)
{
	const struct sim_path *wire = &world->paths[path];
	struct sim_item item = {.type = SIM_ITEM_DATAGRAM,
				.unit = (enum fo_unit)(1 - datagram->from),
				.datagram = *datagram};
	unsigned n = 1;

	if (!wire->is_open[datagram->from])
		return;
	if (wire->loss_percent && sim_random(world, 100) < wire->loss_percent)
		n--;
	if (wire->duplicate_percent && sim_random(world, 100) < wire->duplicate_percent)
		n++;
	item.datagram.path = path;
	for (; n > 0; n--)
		sim_push(world, &item, sim_random(world, wire->delay_ns + 1));
}

void sim_send(struct sim_world *world, const struct sim_datagram *datagram)
{
	if (sim_random(world, 32) == 0)
		world->records[sim_random(world, SIM_RECORDS_MAX)] = *datagram;
	for (unsigned path = 0; path < SIM_PATHS; path++)
		send_on(world, path, datagram);
}

void sim_replay(struct sim_world *world, enum fo_unit unit)
{
	struct sim_item item = {.type = SIM_ITEM_DATAGRAM, .unit = unit};
	bool is_shuffled = sim_random(world, 2);

	for (size_t i = 0; i < SIM_RECORDS_MAX; i++) {
		const struct sim_datagram *record = &world->records[i];

		if (record->size == 0 || record->from == unit || sim_random(world, 4) == 0)
			continue;
		item.datagram = *record;
		item.datagram.path = (unsigned)sim_random(world, SIM_PATHS);
		sim_push(world, &item, is_shuffled ? sim_random(world, world->poll_ns) : 0);
	}
}

/* ---- forgeries ---- */

static const struct sim_datagram *find_record(struct sim_world *world, enum fo_unit from)
{
	size_t start = sim_random(world, SIM_RECORDS_MAX);

	for (size_t i = 0; i < SIM_RECORDS_MAX; i++) {
		const struct sim_datagram *record = &world->records[(start + i) % SIM_RECORDS_MAX];

		if (record->size != 0 && record->from == from)
			return record;
	}
	return NULL;
}

static void make_noise(struct sim_world *world, struct sim_datagram *ret_datagram)
{
	ret_datagram->size = sim_random(world, SIM_DATAGRAM_MAX + 1);
	for (size_t i = 0; i < ret_datagram->size; i++)
		ret_datagram->data[i] = (uint8_t)sim_random(world, 256);
	/* Some of it gets past the first look. */
	if (sim_random(world, 2) && ret_datagram->size > 6) {
		memcpy(ret_datagram->data, "AFHO", 4);
		ret_datagram->data[4] = (uint8_t)sim_random(world, 3);
		ret_datagram->data[5] = (uint8_t)sim_random(world, 2);
	}
}

/* Whole in every respect, but the key. */
static void make_foreign(struct sim_world *world, enum fo_unit from,
			 struct sim_datagram *ret_datagram)
{
	static const uint8_t KEY[HELLO_KEY_SIZE] = "the key of somebody altogether..";
	struct hello hello = {.view = {.state = FO_STATE_ACTIVE,
				       .term = sim_random(world, 0),
				       .may_activate = true,
				       .wants_mate_active = sim_random(world, 2),
				       .is_serving = sim_random(world, 2)}};
	uint8_t data[HELLO_SIZE_MAX];

	hello_codec_free(world->foreign);
	world->foreign = NULL;
	if (hello_codec_new(KEY, from, sim_random(world, 0), &world->foreign) < 0 ||
	    hello_seal(world->foreign, &hello, data, &ret_datagram->size) < 0 ||
	    ret_datagram->size > SIM_DATAGRAM_MAX)
		sim_fail(world, "the attacker's codec does not work");
	else
		memcpy(ret_datagram->data, data, ret_datagram->size);
}

static void spoil(struct sim_world *world, enum sim_forgery forgery,
		  const struct sim_datagram *record, struct sim_datagram *ret_datagram)
{
	*ret_datagram = *record;
	if (forgery == SIM_FORGERY_BIT)
		ret_datagram->data[sim_random(world, record->size)] ^=
			(uint8_t)(1u << sim_random(world, 8));
	else if (forgery == SIM_FORGERY_SHORT)
		ret_datagram->size = sim_random(world, record->size);
	else if (forgery == SIM_FORGERY_VERSION)
		ret_datagram->data[4] = (uint8_t)(HELLO_VERSION + 1 + sim_random(world, 250));
}

void sim_forge(struct sim_world *world, enum fo_unit unit, enum sim_forgery forgery)
{
	enum fo_unit mate = (enum fo_unit)(1 - unit);
	enum fo_unit from = forgery == SIM_FORGERY_REFLECTED ? unit : mate;
	const struct sim_datagram *record = find_record(world, from);
	struct sim_item item = {.type = SIM_ITEM_DATAGRAM, .unit = unit};

	if (forgery == SIM_FORGERY_NOISE)
		make_noise(world, &item.datagram);
	else if (forgery == SIM_FORGERY_KEY)
		make_foreign(world, mate, &item.datagram);
	else if (record)
		spoil(world, forgery, record, &item.datagram);
	else
		return;
	item.datagram.path = (unsigned)sim_random(world, SIM_PATHS);
	item.datagram.counter = 0;
	sim_push(world, &item, 0);
}

bool sim_link_is_up(const struct sim_world *world)
{
	return world->paths[0].is_open[0] && world->paths[0].is_open[1] && world->nodes[0].is_up &&
	       world->nodes[1].is_up;
}
