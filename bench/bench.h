/*
 * What the benchmark's programs share: clock, pinning, arguments, and giving
 * up with a line that says why. They print their results as "name value"
 * lines, which bench/run collects.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BENCH_CPUS_MAX 1024

__attribute__((format(printf, 1, 2), noreturn)) static inline void bench_die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The CPUs that this process may run on, lowest first. */
static inline unsigned bench_cpus(unsigned *cpus, unsigned max)
{
	cpu_set_t *set = CPU_ALLOC(BENCH_CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(BENCH_CPUS_MAX);
	unsigned n = 0;

	if (!set || sched_getaffinity(0, size, set) != 0)
		bench_die("sched_getaffinity: %s", strerror(errno));
	for (unsigned cpu = 0; cpu < BENCH_CPUS_MAX && n < max; cpu++)
		if (CPU_ISSET_S(cpu, size, set))
			cpus[n++] = cpu;
	CPU_FREE(set);
	return n;
}

static inline void bench_pin(unsigned cpu)
{
	cpu_set_t *set = CPU_ALLOC(BENCH_CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(BENCH_CPUS_MAX);

	if (!set)
		bench_die("out of memory");
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	if (sched_setaffinity(0, size, set) != 0)
		bench_die("cannot run on CPU %u: %s", cpu, strerror(errno));
	CPU_FREE(set);
}

/* Sockets take descriptors: as many as may be had. Gives back how many. */
static inline rlim_t bench_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

/* A number between low and high, or the end with a line that names the option. */
static inline unsigned long bench_number(const char *option, const char *text, unsigned long low, unsigned long high)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < low || value > high)
		bench_die("--%s %s: a number from %lu to %lu is accepted", option, text, low, high);
	return value;
}

static inline int bench_compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), bench_compare_doubles);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

#endif
