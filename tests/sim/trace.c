#include "trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/steer.h"

static const char *const kind_name[SIM_KINDS] = { "short", "block", "long", "stop", "kill" };

/* splitmix64 (Steele, Lea, Flood 2014), as in tests/lib/unit.h. */
static uint64_t next_random(struct sim_trace *t)
{
	uint64_t z = t->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Exponentially distributed, 1 on the mean. */
static double exponential(struct sim_trace *t)
{
	return -log(((double)(next_random(t) >> 11) + 1) / 9007199254740993.0);
}

void sim_trace_start(struct sim_trace *t, uint64_t seed)
{
	*t = (struct sim_trace){ .random = seed };
}

void sim_trace_free(struct sim_trace *t)
{
	free(t->at);
	t->at = NULL;
}

void sim_trace_add(struct sim_trace *t, uint64_t at, unsigned cpu, uint32_t service, enum sim_kind kind)
{
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 4096;
		t->at = realloc(t->at, t->room * sizeof(t->at[0]));
		if (!t->at) {
			fprintf(stderr, "no memory for %u connections\n", t->room);
			exit(2);
		}
	}
	t->at[t->count++] = (struct sim_entry){ at, service, (uint16_t)cpu, (uint16_t)(next_random(t) % FS_FLOW_GROUPS), kind };
}

void sim_trace_poisson(struct sim_trace *t, uint64_t from, uint64_t to, double rate, unsigned ncpus, uint32_t service,
		       unsigned every, uint32_t block)
{
	double at = (double)from;

	for (;;) {
		unsigned cpu;

		at += exponential(t) * 1e6 / rate;
		if (at >= (double)to)
			break;
		cpu = (unsigned)(next_random(t) % ncpus);
		if (every && next_random(t) % every == 0)
			sim_trace_add(t, (uint64_t)at, cpu, block, SIM_BLOCK);
		else
			sim_trace_add(t, (uint64_t)at, cpu, 1 + (uint32_t)(exponential(t) * service), SIM_SHORT);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct sim_entry *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

void sim_trace_sort(struct sim_trace *t)
{
	if (t->count)
		qsort(t->at, t->count, sizeof(t->at[0]), by_time);
}

void sim_trace_read(struct sim_trace *t, const char *path, unsigned ncpus)
{
	FILE *f = fopen(path, "r");
	char line[256], word[16];

	if (!f) {
		perror(path);
		exit(2);
	}
	sim_trace_start(t, 1);
	for (unsigned n = 1; fgets(line, sizeof(line), f); n++) {
		unsigned long long at;
		unsigned cpu, service, kind = 0;
		int got;

		line[strcspn(line, "#\n")] = '\0';
		got = sscanf(line, "%llu %u %u %15s", &at, &cpu, &service, word);
		if (got <= 0)
			continue;
		while (got == 4 && kind < SIM_KINDS && strcmp(word, kind_name[kind]))
			kind++;
		if (got < 4 || kind == SIM_KINDS || cpu >= ncpus) {
			fprintf(stderr, "%s:%u: not TIME_US CPU SERVICE_US short|block|long|stop|kill with a CPU below %u\n", path, n, ncpus);
			exit(2);
		}
		sim_trace_add(t, at, cpu, service, (enum sim_kind)kind);
	}
	fclose(f);
	sim_trace_sort(t);
}
