/* The simulated cores: queues, workers, and the order of events. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
/* As in the library: queues that a worker looks at before it waits, and own connections for each stolen one. */
#define LOOKS_MAX 4
#define RATIO 5
#define PLOT_US 50000

struct event {
	uint64_t at;
	uint32_t stamp;
	uint16_t core;
};

/* Binary heap; events of a core whose stamp is old are void. */
static struct event heap[1 << 20];
static unsigned heap_size;

static bool before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->core < b->core);
}

static void push(struct sim_world *w, uint64_t at, unsigned core)
{
	struct event e = { at, ++w->core[core].stamp, (uint16_t)core };
	unsigned i = heap_size++;

	if (heap_size == FS_COUNT(heap)) {
		fprintf(stderr, "too many events\n");
		exit(2);
	}
	for (; i && before(&e, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = e;
}

static struct event pop(void)
{
	struct event top = heap[0], e = heap[--heap_size];
	unsigned i = 0;

	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= heap_size)
			break;
		if (child + 1 < heap_size && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &e))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = e;
	return top;
}

/* --- how long some core was idle --- */

static uint64_t idle_us(const struct sim_world *w)
{
	return w->idle_us + (w->idle ? w->now - w->idle_since : 0);
}

static void note_idle(struct sim_world *w, unsigned c)
{
	struct sim_core *core = &w->core[c];
	bool idle = core->state == SIM_WAITS && !core->stopped && !core->queued;

	if (idle == core->idle)
		return;
	core->idle = idle;
	if (idle && !w->idle++)
		w->idle_since = w->now;
	if (!idle && !--w->idle)
		w->idle_us += w->now - w->idle_since;
}

/* --- workers --- */

static void set_state(struct sim_world *w, unsigned c, enum sim_state state)
{
	struct sim_core *core = &w->core[c];
	bool was = core->state == SIM_COMPUTES || core->state == SIM_SLEEPS;
	bool is = state == SIM_COMPUTES || state == SIM_SLEEPS;

	if (was && !is)
		core->busy_us += w->now - core->busy_since;
	if (is && !was)
		core->busy_since = w->now;
	core->state = state;
	note_idle(w, c);
}

void sim_wake(struct sim_world *w, unsigned c)
{
	if (w->core[c].state != SIM_WAITS || w->core[c].stopped) {
		w->core[c].due |= w->core[c].state == SIM_WAITS;
		return;
	}
	set_state(w, c, SIM_WAKES);
	push(w, w->now + SIM_WAKE_US, c);
}

uint32_t sim_take(struct sim_world *w, unsigned c)
{
	struct sim_core *core = &w->core[c];
	uint32_t conn = core->first;

	core->first = w->next[conn];
	core->queued--;
	core->taken++;
	return conn;
}

static unsigned bucket_of(uint64_t us)
{
	unsigned octave = 0;

	while (us >> octave >= 2 * SIM_STEPS)
		octave++;
	return octave * SIM_STEPS + (unsigned)(us >> octave);
}

static void serve(struct sim_world *w, unsigned c, uint32_t conn)
{
	const struct sim_entry *e = &w->trace->at[conn];
	uint64_t waited = w->now - e->at, idle = idle_us(w) - w->idle_before[conn];
	struct sim_core *core = &w->core[c];

	core->accepts++;
	core->open += e->kind == SIM_LONG;
	w->result.served++;
	w->result.histogram[bucket_of(waited)]++;
	if (waited > w->result.wait_max)
		w->result.wait_max = waited;
	if (idle > w->result.wait_idle_max)
		w->result.wait_idle_max = idle;
	set_state(w, c, e->kind == SIM_BLOCK ? SIM_SLEEPS : SIM_COMPUTES);
	push(w, w->now + e->service, c);
}

/* The queue of a core that needs help, which this worker may give. */
static unsigned find_victim(struct sim_world *w, unsigned c)
{
	unsigned n = w->options->ncores, looks = 0;

	for (unsigned i = 0; w->helpless && i < n && looks < LOOKS_MAX; i++) {
		unsigned v = (w->victim + i) % n;

		if (v == c || !fs_policy_may_steal(w->core[c].policy.help, w->core[v].policy.help))
			continue;
		looks++;
		if (!w->core[v].queued)
			continue;
		w->victim = (v + 1) % n;
		return v;
	}
	return NONE;
}

/* Its wait is over, or it has served one: the next, from its own queue or another one, or it waits. */
static void work(struct sim_world *w, unsigned c)
{
	struct sim_core *core = &w->core[c];
	unsigned victim = NONE;

	core->beat++;
	if (core->policy.out) {
		w->helpless -= core->policy.help != FS_HELP_NONE;
		fs_policy_back(&core->policy);
		w->helpless += core->policy.help != FS_HELP_NONE;
		sim_steer(w);
	}
	if (core->kick && !core->queued) {
		victim = core->kick - 1;
		core->kick = 0;
		if (!w->core[victim].queued) {
			w->result.kicks_empty++;
			victim = NONE;
		}
	}
	if (victim == NONE && (!core->queued || fs_policy_steal_turn(core->accepts, RATIO)))
		victim = find_victim(w, c);
	if (victim != NONE) {
		w->result.stolen++;
		serve(w, c, sim_take(w, victim));
	} else if (core->queued) {
		serve(w, c, sim_take(w, c));
	} else {
		set_state(w, c, SIM_WAITS);
	}
}

static void happen(struct sim_world *w, const struct event *e)
{
	struct sim_core *core = &w->core[e->core];

	if (e->stamp != core->stamp || core->state == SIM_DEAD)
		return;
	if (core->stopped)
		core->due = true;
	else
		work(w, e->core);
}

/* --- what the trace says --- */

static unsigned steered_to(const struct sim_world *w, const struct sim_entry *e)
{
	const struct fs_steer_seg *seg = &w->table.seg[w->table.row[e->cpu].first];

	while (e->group >= seg->end)
		seg++;
	return seg->listener;
}

static void arrive(struct sim_world *w, uint32_t conn)
{
	const struct sim_entry *e = &w->trace->at[conn];
	unsigned c = steered_to(w, e);
	struct sim_core *core = &w->core[c];

	w->result.connections++;
	core->steered++;
	if (core->queued > SIM_QUEUE_LIMIT) {
		w->result.refused++;
		return;
	}
	w->idle_before[conn] = idle_us(w);
	if (core->queued++)
		w->next[core->last] = conn;
	else
		core->first = conn;
	core->last = conn;
	note_idle(w, c);
	if (core->state != SIM_DEAD)
		sim_wake(w, c);
	if (w->options->thread && !w->awake) {
		w->awake = w->first = true;
		w->tick_at = w->now + SIM_WAKE_US;
		w->result.wakes++;
	}
}

/* A stopped worker goes on at an event of its own; the entry's other half. */
static void stop(struct sim_world *w, unsigned c, bool stopped)
{
	struct sim_core *core = &w->core[c];

	core->stopped = stopped;
	note_idle(w, c);
	if (stopped || core->state == SIM_DEAD)
		return;
	if (core->state == SIM_WAITS && (core->due || core->queued || core->kick))
		sim_wake(w, c);
	else if (core->due)
		push(w, w->now, c);
	core->due = false;
}

static void kill_worker(struct sim_world *w, unsigned c)
{
	w->result.lost += w->core[c].state == SIM_COMPUTES || w->core[c].state == SIM_SLEEPS;
	set_state(w, c, SIM_DEAD);
}

/* --- the run --- */

static void plot(struct sim_world *w, FILE *f)
{
	for (unsigned c = 0; c < w->options->ncores; c++) {
		struct sim_core *core = &w->core[c];
		bool runs = core->state == SIM_COMPUTES || core->state == SIM_SLEEPS;
		uint64_t busy = core->busy_us + (runs ? w->now - core->busy_since : 0);

		fprintf(f, "%.3f %u %u %.1f\n", (double)w->now / 1e6, c, core->queued,
			100.0 * (double)busy / PLOT_US);
		core->busy_us = 0;
		core->busy_since = w->now;
	}
	fputc('\n', f);
}

static struct sim_world *make(const struct sim_trace *trace, const struct sim_options *options)
{
	struct sim_world *w = calloc(1, sizeof(*w));

	if (!w || !(w->next = calloc(trace->count + 1, sizeof(w->next[0]))) ||
	    !(w->idle_before = calloc(trace->count + 1, sizeof(w->idle_before[0])))) {
		fprintf(stderr, "no memory for %u connections\n", trace->count);
		exit(2);
	}
	w->trace = trace;
	w->options = options;
	/* The defaults of the options (options.def) in ticks. */
	w->params = (struct fs_policy_params){
		.high = 75, .low = 10, .compute = SIM_COMPUTE, .steal = true,
		.target = options->target ? options->target : SIM_TARGET,
		.window = options->window ? options->window : SIM_WINDOW,
	};
	heap_size = 0;
	for (unsigned c = 0; c < options->ncores; c++)
		note_idle(w, c);
	sim_steer(w);
	w->result.steered = 0;
	return w;
}

/* The next of the workers that go on after a stop. */
struct stops {
	uint64_t at[FS_CORES_MAX];
	uint64_t next; /* UINT64_MAX: none */
	unsigned core;
};

static void find_next(struct stops *stops)
{
	stops->next = UINT64_MAX;
	for (unsigned c = 0; c < FS_CORES_MAX; c++) {
		if (stops->at[c] && stops->at[c] < stops->next) {
			stops->next = stops->at[c];
			stops->core = c;
		}
	}
}

static void trace_event(struct sim_world *w, struct stops *stops, uint32_t i)
{
	const struct sim_entry *e = &w->trace->at[i];

	if (e->kind == SIM_STOP) {
		stop(w, e->cpu, true);
		stops->at[e->cpu] = w->now + e->service;
		find_next(stops);
	} else if (e->kind == SIM_KILL) {
		kill_worker(w, e->cpu);
	} else {
		arrive(w, i);
	}
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Until the trace is at its end and nothing is under way; what is left in a queue then is never served. */
static void run(struct sim_world *w, FILE *f)
{
	struct stops stops = { .next = UINT64_MAX };
	uint64_t plot_at = PLOT_US;

	for (uint32_t i = 0; i < w->trace->count || heap_size || stops.next != UINT64_MAX;) {
		uint64_t arrival = i < w->trace->count ? w->trace->at[i].at : UINT64_MAX;
		uint64_t worker = heap_size ? heap[0].at : UINT64_MAX;
		uint64_t next = earliest(earliest(arrival, worker), stops.next);

		if (w->awake)
			next = earliest(next, w->tick_at);
		for (; f && plot_at <= next; plot_at += PLOT_US) {
			w->now = plot_at;
			plot(w, f);
		}
		w->now = next;
		if (next == worker) {
			struct event e = pop();

			happen(w, &e);
		} else if (next == stops.next) {
			stop(w, stops.core, false);
			stops.at[stops.core] = 0;
			find_next(&stops);
		} else if (next == arrival) {
			trace_event(w, &stops, i++);
		} else {
			sim_tick(w);
		}
	}
}

struct sim_result sim_run(const struct sim_trace *trace, const struct sim_options *options)
{
	struct sim_world *w = make(trace, options);
	FILE *f = options->plot ? fopen(options->plot, "w") : NULL;
	struct sim_result r;

	if (options->plot && !f) {
		perror(options->plot);
		exit(2);
	}
	run(w, f);
	if (f)
		fclose(f);
	r = w->result;
	r.ended = w->now;
	for (unsigned c = 0; c < options->ncores; c++) {
		r.never += w->core[c].queued;
		r.open_total += w->core[c].open;
		if (w->core[c].open > r.open_most)
			r.open_most = w->core[c].open;
	}
	free(w->next);
	free(w->idle_before);
	free(w);
	return r;
}

uint64_t sim_percentile(const struct sim_result *r, unsigned permille)
{
	uint64_t seen = 0, want = (r->served * permille + 999) / 1000, us;
	unsigned b = 0;

	while (b < SIM_BUCKETS - 1 && seen + r->histogram[b] < want)
		seen += r->histogram[b++];
	/* The end of the bucket, but not more than there was. */
	us = b < 2 * SIM_STEPS ? b : (uint64_t)(b % SIM_STEPS + SIM_STEPS + 1) << (b / SIM_STEPS - 1);
	return us < r->wait_max ? us : r->wait_max;
}
