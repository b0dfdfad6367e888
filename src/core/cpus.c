/*
 * Sets of CPU numbers: the kernel's list format in and out, and a thread's
 * affinity. Nothing here allocates or takes a lock; callable from anywhere.
 */
#include "cpus.h"

#include <errno.h>
#include <string.h>

#include "sys/sys.h"

/*
 * x86-64's largest NR_CPUS. sched_getaffinity() refuses a mask shorter than the
 * machine's, so ask with this one and keep the part that has names here.
 */
#define KERNEL_CPUS_MAX 8192

unsigned fs_cpus_count(const struct fs_cpus *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FS_COUNT(s->bits); i++)
		n += (unsigned)__builtin_popcountll(s->bits[i]);
	return n;
}

unsigned fs_cpus_next(const struct fs_cpus *s, unsigned from)
{
	for (unsigned i = from / 64; i < FS_COUNT(s->bits); i++) {
		uint64_t word = s->bits[i];

		if (i == from / 64)
			word &= ~UINT64_C(0) << (from % 64);
		if (word)
			return i * 64 + (unsigned)__builtin_ctzll(word);
	}
	return FS_CPUS_MAX;
}

void fs_cpus_and(struct fs_cpus *s, const struct fs_cpus *other)
{
	for (unsigned i = 0; i < FS_COUNT(s->bits); i++)
		s->bits[i] &= other->bits[i];
}

/* Reads a CPU number at *at and moves *at behind it; false when there is none below FS_CPUS_MAX. */
static bool parse_number(const char **at, unsigned *out)
{
	const char *p = *at;
	unsigned n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned)(*p - '0');
		if (n >= FS_CPUS_MAX)
			return false;
	}
	*at = p;
	*out = n;
	return true;
}

int fs_cpus_parse(const char *text, struct fs_cpus *out)
{
	struct fs_cpus set;

	memset(&set, 0, sizeof(set));
	for (;;) {
		unsigned first, last;

		if (!parse_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (!parse_number(&text, &last) || last < first)
				return -EINVAL;
		}
		for (unsigned cpu = first; cpu <= last; cpu++)
			fs_cpus_add(&set, cpu);
		if (*text == '\0' || *text == '\n')
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	*out = set;
	return 0;
}

static size_t put_number(char *buf, unsigned n)
{
	char digits[10];
	size_t len = 0;

	do {
		digits[len++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	for (size_t i = 0; i < len; i++)
		buf[i] = digits[len - 1 - i];
	return len;
}

size_t fs_cpus_format(const struct fs_cpus *s, char *buf, size_t len)
{
	size_t used = 0;

	if (!len)
		return 0;
	for (unsigned first = fs_cpus_next(s, 0); first < FS_CPUS_MAX;) {
		char item[sizeof(",4095-4095")];
		unsigned last = first;
		size_t n = 0;

		while (fs_cpus_has(s, last + 1))
			last++;
		if (used)
			item[n++] = ',';
		n += put_number(item + n, first);
		if (last > first) {
			item[n++] = '-';
			n += put_number(item + n, last);
		}
		/* Cut between items: half a number would be another CPU's. */
		if (n >= len - used)
			break;
		memcpy(buf + used, item, n);
		used += n;
		first = fs_cpus_next(s, last + 1);
	}
	buf[used] = '\0';
	return used;
}

int fs_cpus_allowed(int tid, struct fs_cpus *out)
{
	enum { BITS = 8 * sizeof(unsigned long) };
	unsigned long mask[KERNEL_CPUS_MAX / BITS];
	int got = fs_sys_getaffinity(tid, mask, sizeof(mask));

	if (got < 0)
		return got;
	memset(out, 0, sizeof(*out));
	for (unsigned cpu = 0; cpu < FS_CPUS_MAX && cpu < 8 * (unsigned)got; cpu++)
		if (mask[cpu / BITS] >> (cpu % BITS) & 1)
			fs_cpus_add(out, cpu);
	return 0;
}
