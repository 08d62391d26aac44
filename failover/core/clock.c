/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#define NS_PER_MS INT64_C(1000000)
/* No sum of a few of these overflows. */
#define FAR_NS FO_CLOCK_FAR_NS

/* A minus B; a mate's clock may say anything. */
static int64_t difference(uint64_t a, uint64_t b)
{
	uint64_t distance = a > b ? a - b : b - a;
	int64_t bounded = distance > (uint64_t)FAR_NS ? FAR_NS : (int64_t)distance;

	return a > b ? bounded : -bounded;
}

static int64_t span(uint64_t ns)
{
	return ns > (uint64_t)FAR_NS ? FAR_NS : (int64_t)ns;
}

static struct fo_clock_bounds bounds_of(const struct fo_clock_exchange *exchange)
{
	int64_t high = difference(exchange->mate_realtime_ns, exchange->realtime_ns);
	int64_t round = span(exchange->round_ns), held = span(exchange->mate_held_ns);

	if (held > round)
		held = 0;
	return (struct fo_clock_bounds){high, high + round - held};
}

static void settle(struct fo_clock *clock)
{
	struct fo_clock_bounds all = {-4 * FAR_NS, 4 * FAR_NS};
	size_t used = 0;

	while (used < clock->n) {
		const struct fo_clock_bounds *sample =
			&clock->samples[(clock->next + FO_CLOCK_SAMPLES - 1 - used) %
					FO_CLOCK_SAMPLES];
		int64_t low = sample->low_ns > all.low_ns ? sample->low_ns : all.low_ns;
		int64_t high = sample->high_ns < all.high_ns ? sample->high_ns : all.high_ns;

		if (low > high)
			break;
		all = (struct fo_clock_bounds){low, high};
		used++;
	}
	clock->n = used; /* what is older was said of a clock that was set since */
	clock->skew_ns = all.low_ns + (all.high_ns - all.low_ns) / 2;
	clock->uncertainty_ns = (all.high_ns - all.low_ns) / 2;
}

/* What is uncertain is no difference yet: a mate that is slow to answer has no wrong clock. */
static enum fo_clock_class classify(const struct fo_clock *clock)
{
	int64_t distance = clock->skew_ns < 0 ? -clock->skew_ns : clock->skew_ns;
	bool differs = clock->class == FO_CLOCK_AHEAD || clock->class == FO_CLOCK_BEHIND;
	int64_t limit = (differs ? FO_CLOCK_SAME_MS : FO_CLOCK_WARN_MS) * NS_PER_MS;

	if (distance - clock->uncertainty_ns < limit)
		return FO_CLOCK_SAME;
	return clock->skew_ns > 0 ? FO_CLOCK_AHEAD : FO_CLOCK_BEHIND;
}

bool fo_clock_take(struct fo_clock *clock, const struct fo_clock_exchange *exchange)
{
	enum fo_clock_class before = clock->class;

	clock->samples[clock->next] = bounds_of(exchange);
	clock->next = (clock->next + 1) % FO_CLOCK_SAMPLES;
	if (clock->n < FO_CLOCK_SAMPLES)
		clock->n++;
	settle(clock);
	clock->class = classify(clock);
	return clock->class != before;
}

const char *fo_clock_text(enum fo_clock_class class)
{
	static const char *const texts[FO_CLOCK__MAX] = {
		[FO_CLOCK_UNKNOWN] = "unknown",
		[FO_CLOCK_SAME] = "same",
		[FO_CLOCK_AHEAD] = "ahead",
		[FO_CLOCK_BEHIND] = "behind",
	};

	return (unsigned)class < FO_CLOCK__MAX ? texts[class] : "unknown";
}
