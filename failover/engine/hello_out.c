/* SPDX-License-Identifier: Apache-2.0 */
/* What this unit says of itself to the mate. */
#include <config.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

void engine_send_hello(struct engine *engine)
{
	struct hello hello = {.unit = engine->config->failover.unit,
			      .view = fo_fsm_view(&engine->fsm),
			      .sent_realtime_ns = realtime_ns(),
			      .gap_us = engine->switchover.gap_us,
			      .gap_term = engine->switchover.term,
			      .active_s = engine_active_s(engine) + 1,
			      .software = PACKAGE_VERSION};
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;
	int r;

	if (!engine->pair.codec || !engine->pair.paths)
		return;
	memcpy(hello.digest, engine->store.position.digest, sizeof(hello.digest));
	clockwatch_fill(engine, &hello);
	hello.n_reports = path_set_report(engine->pair.paths, hello.reports);
	engine_health_fill_hello(engine->health, &hello);
	r = hello_seal(engine->pair.codec, &hello, data, &size);
	clockwatch_sent(engine, hello_codec_counter(engine->pair.codec));
	if (r < 0)
		log_line(LOG_ERR, "cannot seal a hello: %s", err_text(r));
	else
		(void)path_set_send(engine->pair.paths, hello_codec_counter(engine->pair.codec),
				    data, size);
}
