#include "balance.h"

#include <string.h>

/* A core's own CPU's flow groups (FS_FLOW_GROUPS of steer.h, which wants the kernel's headers). */
#define ALL 4096
/* Busy so much of the time, in 1/1000, a worker is overloaded: what arrives finds others in front of it. */
#define OVERLOADED 850
/*
 * ... and moves groups when it is so for the third period in a row: a request that blocks
 * for 200 ms is stolen from meanwhile, and moving would only come too late.
 */
#define OVERLOADED_PERIODS 3
/* A core with room is so much less busy than those that are overloaded. */
#define ROOM_APART 300
/*
 * ... or gets so few connections that it must be busy with stolen ones: those it may as
 * well get without being woken for. But near saturation only stealing is quick enough to
 * even out what comes, and groups stay where they are (the simulation, at 90 %).
 */
#define ROOM_MEAN 825
/* What is away comes back when its own core is less busy than this, */
#define HOME 600
/* and so much of it that the core will not be busier than this. */
#define HOME_FILL 700
/*
 * Connections that stay open: how many more than the mean start the moving. Together
 * with the mean's own noise (the count of a core is a sum of independent arrivals, so its
 * deviation is the root of the mean) it keeps short connections in flight out of it. On
 * large machines it shrinks, so that on all cores together never more than one for each
 * flow group are in the wrong place.
 */
#define OPEN_APART 64
#define OPEN_DEVIATIONS 4
/* Once started, nothing goes away up to 1.05 of the mean, everything from 1.15 on. */
#define OPEN_FROM 5
#define OPEN_TO 15
/* Groups that would change hands before steering is told: a 32nd of a CPU's. */
#define TELL (ALL / 32)

/* Deals out `more` groups by weight; nobody can gain more than a whole CPU's. */
static void grow(struct fs_balance *b, const uint32_t *weight, unsigned n, uint32_t more)
{
	/* Who is full drops out, so there may be several rounds; each fills somebody or is the last. */
	while (more) {
		uint64_t sum = 0, before = 0;
		uint32_t given = 0;

		for (unsigned i = 0; i < n; i++)
			if (b->share[i].gain < ALL)
				sum += weight[i];
		if (!sum)
			return;
		for (unsigned i = 0; i < n; i++) {
			uint32_t part;

			if (b->share[i].gain >= ALL || !weight[i])
				continue;
			part = (uint32_t)(more * (before + weight[i]) / sum - more * before / sum);
			before += weight[i];
			if (part > (uint32_t)ALL - b->share[i].gain)
				part = ALL - b->share[i].gain;
			b->share[i].gain = (uint16_t)(b->share[i].gain + part);
			given += part;
		}
		more -= given;
	}
}

/* The same parts of less: the sum of the gains becomes `want`. */
static void shrink(struct fs_balance *b, unsigned n, uint32_t have, uint32_t want)
{
	uint64_t before = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t gain = b->share[i].gain;

		b->share[i].gain = (uint16_t)((before + gain) * want / have - before * want / have);
		before += gain;
	}
}

/* Whether so many groups would change hands that steering has to know, or a core is whole again. */
static bool tell(struct fs_balance *b, unsigned n)
{
	unsigned moved = 0;
	bool home = false;

	for (unsigned i = 0; i < n; i++) {
		const struct fs_share *now = &b->share[i], *told = &b->told[i];

		moved += (unsigned)(now->away > told->away ? now->away - told->away : told->away - now->away);
		moved += (unsigned)(now->gain > told->gain ? now->gain - told->gain : told->gain - now->gain);
		home |= told->away && !now->away;
	}
	/* Each group is seen twice, where it goes from and where it goes to. */
	if (!home && moved <= 2 * TELL)
		return false;
	memcpy(b->told, b->share, sizeof(b->told));
	return true;
}

/*
 * From what has to go away, for either reason, to the shares. What is dealt out stays
 * where it is; more of it goes by weight. A core that gives does not take: its weight
 * does not count.
 */
static bool settle(struct fs_balance *b, const struct fs_balance_load *loads, uint32_t *weight, unsigned n)
{
	uint32_t want = 0, have = 0, receivers = 0, limit, before = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fs_share *share = &b->share[i];

		/* A new worker starts where the old one was. */
		share->away = !loads[i].able ? 0 : b->by_load[i] > b->by_open[i] ? b->by_load[i] : b->by_open[i];
		want += share->away;
		if (!loads[i].able || share->away) {
			share->gain = 0;
			weight[i] = 0;
		} else {
			receivers++;
		}
	}
	/* More than the receivers can take stays at home. */
	limit = receivers * ALL;
	if (want > limit) {
		for (unsigned i = 0; i < n; i++) {
			uint32_t away = b->share[i].away;

			b->share[i].away = (uint16_t)((uint64_t)(before + away) * limit / want - (uint64_t)before * limit / want);
			before += away;
		}
		want = limit;
	}
	for (unsigned i = 0; i < n; i++)
		have += b->share[i].gain;
	if (have > want)
		shrink(b, n, have, want);
	if (have < want)
		grow(b, weight, n, want - have);
	for (unsigned i = have = 0; i < n; i++)
		have += b->share[i].gain;
	/* Nobody has room, or those who have it are full: then everybody who can. */
	if (have < want) {
		for (unsigned i = 0; i < n; i++)
			weight[i] = loads[i].able && !b->share[i].away;
		grow(b, weight, n, want - have);
	}
	return tell(b, n);
}

/* What the cores are measured against in one step. */
struct means {
	unsigned able, over;
	uint64_t busy, accepted; /* means of all able cores */
	uint64_t over_busy;      /* of the overloaded ones */
	uint64_t open;           /* sum of all able cores */
};

static uint32_t busy_of(const struct fs_balance_load *load)
{
	uint32_t busy = load->busy < 1000 ? load->busy : 1000;

	return load->standing && busy < OVERLOADED ? OVERLOADED : busy;
}

static bool overloaded(const struct fs_balance_load *load)
{
	return load->able && !load->out && busy_of(load) >= OVERLOADED;
}

static struct means measure(const struct fs_balance_load *loads, unsigned n)
{
	struct means m = { 0 };

	for (unsigned i = 0; i < n; i++) {
		if (!loads[i].able || loads[i].out)
			continue;
		m.able++;
		m.busy += busy_of(&loads[i]);
		m.accepted += loads[i].accepted;
		m.open += loads[i].open;
		if (overloaded(&loads[i])) {
			m.over++;
			m.over_busy += busy_of(&loads[i]);
		}
	}
	if (m.able) {
		m.busy /= m.able;
		m.accepted /= m.able;
	}
	if (m.over)
		m.over_busy /= m.over;
	return m;
}

static bool has_room(const struct fs_balance_load *load, const struct means *m)
{
	uint32_t busy = busy_of(load);

	if (!load->able || load->out || !m->over || busy >= OVERLOADED)
		return false;
	return busy + ROOM_APART <= m->over_busy || (m->busy <= ROOM_MEAN && (uint64_t)load->accepted * 2 <= m->accepted);
}

/* The part of a core's load above the mean, in 1/1024: by time, or by connections, as time has an end. */
static uint32_t surplus(const struct fs_balance_load *load, const struct means *m)
{
	uint64_t busy = busy_of(load), by_busy = 0, by_accepted = 0;

	if (busy > m->busy)
		by_busy = (busy - m->busy) * 1024 / busy;
	if (load->accepted > m->accepted)
		by_accepted = (load->accepted - m->accepted) * 1024 / load->accepted;
	return (uint32_t)(by_busy > by_accepted ? by_busy : by_accepted);
}

/* How many groups may come home in this step. */
static uint32_t returning(const struct fs_balance_load *load, uint32_t away, uint32_t fill)
{
	uint32_t quarter = away / 4 + 16, kept = ALL - away, busy = busy_of(load), fits;

	if (busy >= fill)
		return 0;
	/* What it kept costs it `busy`: so what comes back costs as much a group. */
	fits = busy ? (fill - busy) * (kept + 1) / busy : ALL;
	return quarter < fits ? (quarter < away ? quarter : away) : (fits < away ? fits : away);
}

bool fs_balance_load(struct fs_balance *b, const struct fs_balance_load *loads, unsigned n)
{
	uint32_t weight[FS_CORES_MAX] = { 0 };
	bool room = false, taker_over = false;
	struct means m;

	if (n > FS_CORES_MAX)
		n = FS_CORES_MAX;
	m = measure(loads, n);
	for (unsigned i = 0; i < n; i++) {
		/* Who gave something away gets its own back instead. */
		if (has_room(&loads[i], &m) && !b->share[i].away) {
			weight[i] = 1000 - busy_of(&loads[i]);
			room = true;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		struct fs_share *share = &b->share[i];

		if (!overloaded(&loads[i])) {
			b->periods[i] = 0;
			continue;
		}
		b->periods[i] = b->periods[i] < OVERLOADED_PERIODS ? (uint8_t)(b->periods[i] + 1) : OVERLOADED_PERIODS;
		if (b->periods[i] < OVERLOADED_PERIODS)
			continue;
		/* What it took for others first: half of it goes to who has room, or home. */
		if (share->gain) {
			taker_over = true;
			if (room)
				share->gain /= 2;
			continue;
		}
		/* Three quarters of what is too much: it was measured in a moment's sample. */
		if (room)
			b->by_load[i] = (uint16_t)(b->by_load[i] + (ALL - b->by_load[i]) * surplus(&loads[i], &m) / 1024 * 3 / 4);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t away = b->by_load[i];

		if (!away || !loads[i].able || loads[i].out || overloaded(&loads[i]))
			continue;
		if (busy_of(&loads[i]) <= HOME)
			b->by_load[i] = (uint16_t)(away - returning(&loads[i], away, HOME_FILL));
		else if (taker_over && !room)
			b->by_load[i] = (uint16_t)(away - returning(&loads[i], away, OVERLOADED));
	}
	return settle(b, loads, weight, n);
}

bool fs_balance_open(struct fs_balance *b, const struct fs_balance_load *loads, unsigned n)
{
	uint32_t weight[FS_CORES_MAX] = { 0 };
	struct means m;
	uint64_t apart;
	bool moving = false;

	if (n > FS_CORES_MAX)
		n = FS_CORES_MAX;
	m = measure(loads, n);
	apart = m.able ? ALL / m.able : 0;
	if (apart > OPEN_APART)
		apart = OPEN_APART;
	for (unsigned i = 0; i < n; i++) {
		/* Against the mean without division: everything times the number of cores. */
		uint64_t open = (uint64_t)loads[i].open * m.able, excess = open > m.open ? open - m.open : 0;
		uint32_t old = b->by_open[i], now = 0, less = old / 8 + 32;

		moving |= old > 0;
		if (!loads[i].able || loads[i].out)
			continue;
		if (old || (excess >= apart * m.able &&
			    excess * excess >= (uint64_t)OPEN_DEVIATIONS * OPEN_DEVIATIONS * m.open * m.able)) {
			uint64_t from = m.open * OPEN_FROM / 100, to = m.open * OPEN_TO / 100;

			if (excess > to)
				now = ALL;
			else if (excess > from)
				now = (uint32_t)((excess - from) * ALL / (to - from));
		}
		/* At once away, slowly back: the count falls only as connections are closed. */
		if (now < old)
			now = now + less < old ? old - less : now;
		b->by_open[i] = (uint16_t)now;
		moving |= now > 0;
	}
	if (!moving)
		return settle(b, loads, weight, n);
	for (unsigned i = 0; i < n; i++) {
		/* A little above the mean, so that those who are at it get their part, too, and steering can rest. */
		uint64_t line = m.open + m.open / 10 + m.able, open = (uint64_t)loads[i].open * m.able;

		if (loads[i].able && !loads[i].out && open < line)
			weight[i] = (uint32_t)(line - open < UINT32_MAX ? line - open : UINT32_MAX);
		b->share[i].gain = 0;
	}
	return settle(b, loads, weight, n);
}
