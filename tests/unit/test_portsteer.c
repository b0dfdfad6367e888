/*
 * The note that `fastsock steer attach` leaves for the library: what was
 * formatted is read back as it was, whatever is no such note is refused, and so
 * is every file that somebody else than root could have written.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/portsteer.h"

#define ID 4294967295u

static char dir[64];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/fs-portsteer.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static const char *note_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%u", dir, ID);
	return path;
}

static void teardown(void)
{
	unlink(note_path());
	rmdir(note_path());
	rmdir(dir);
}

static void write_note(const char *text, size_t len)
{
	int fd = open(note_path(), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static int read_note(struct fs_portsteer_note *note)
{
	return fs_portsteer_read_from(dir, ID, note);
}

static void expect_cpus(const char *text, int err, uint32_t n, const uint16_t *cpus)
{
	uint16_t cpu[FS_CORES_MAX];
	uint32_t got = 0;

	ck_assert_msg(fs_portsteer_parse_cpus(text, cpu, &got) == err, "\"%s\"", text);
	ck_assert_uint_eq(got, n);
	if (n)
		ck_assert_mem_eq(cpu, cpus, n * sizeof(*cpu));
}

START_TEST(lists)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{"", -EINVAL}, {",", -EINVAL}, {"0,", -EINVAL}, {",0", -EINVAL}, {"0,,1", -EINVAL}, {"0 1", -EINVAL},
		{" 0", -EINVAL}, {"0\n", -EINVAL}, {"-1", -EINVAL}, {"1-", -EINVAL}, {"3-0", -EINVAL}, {"+1", -EINVAL},
		{"0x1", -EINVAL}, {"a", -EINVAL}, {"0-1-2", -EINVAL}, {"4096", -ERANGE}, {"0-4096", -ERANGE},
		{"18446744073709551616", -ERANGE}, {"18446744073709551617", -ERANGE}, {"0,0", -EEXIST},
		{"0-3,2", -EEXIST}, {"4095,00004095", -EEXIST}, {"0-256", -E2BIG}, {"0-4095", -E2BIG},
	};
	uint16_t all[FS_CORES_MAX];

	expect_cpus("0", 0, 1, (uint16_t[]){0});
	expect_cpus("0,2,3,1", 0, 4, (uint16_t[]){0, 2, 3, 1});
	expect_cpus("8-10,4095,0-1", 0, 6, (uint16_t[]){8, 9, 10, 4095, 0, 1});
	for (unsigned i = 0; i < FS_CORES_MAX; i++)
		all[i] = (uint16_t)(i + 7);
	expect_cpus("7-262", 0, FS_CORES_MAX, all);
	for (size_t i = 0; i < FS_COUNT(bad); i++)
		expect_cpus(bad[i].text, bad[i].err, 0, NULL);
}
END_TEST

static struct fs_portsteer_note random_note(struct unit_random *r)
{
	struct fs_portsteer_note note = {.ifindex = 1 + unit_random_below(r, INT32_MAX), .netns = unit_random_next(r)};
	unsigned first = unit_random_below(r, FS_CPUS_MAX);

	note.steer.prog_id = ID;
	note.steer.ncpus = 1 + unit_random_below(r, FS_CORES_MAX);
	for (uint32_t i = 0; i < note.steer.ncpus; i++)
		note.steer.cpu[i] = (uint16_t)((first + 3 * i) % FS_CPUS_MAX);
	return note;
}

START_TEST(round_trip)
{
	struct unit_random r = unit_random_from(1);

	for (int i = 0; i < 1000; i++) {
		struct fs_portsteer_note note = random_note(&r), back;
		char line[FS_PORTSTEER_LINE_MAX];
		size_t len;

		memset(&back, 0xff, sizeof(back));
		len = fs_portsteer_format(&note, line, sizeof(line));
		ck_assert_uint_eq(len, strlen(line));
		ck_assert_int_eq(fs_portsteer_parse(line, ID, &back), 0);
		ck_assert_msg(back.ifindex == note.ifindex && back.netns == note.netns && back.steer.prog_id == ID,
			      UNIT_SEED_FMT, r.seed);
		ck_assert_uint_eq(back.steer.ncpus, note.steer.ncpus);
		ck_assert_mem_eq(back.steer.cpu, note.steer.cpu, note.steer.ncpus * sizeof(note.steer.cpu[0]));
		/* One byte less, and there is no line at all, rather than one with half a number. */
		ck_assert_uint_eq(fs_portsteer_format(&note, line, len), 0);
		ck_assert_uint_eq(fs_portsteer_format(&note, line, len + 1), len);
	}
}
END_TEST

START_TEST(longest)
{
	struct fs_portsteer_note note = {.ifindex = INT32_MAX, .netns = UINT64_MAX};
	char line[FS_PORTSTEER_LINE_MAX];

	note.steer.ncpus = FS_CORES_MAX;
	for (unsigned i = 0; i < FS_CORES_MAX; i++)
		note.steer.cpu[i] = (uint16_t)(FS_CPUS_MAX - 1 - i);
	ck_assert_uint_gt(fs_portsteer_format(&note, line, sizeof(line)), 0);
}
END_TEST

START_TEST(example)
{
	/* The line of the header file and of the manual page. */
	static const char line[] = "fastsock-steer 1 ifindex=3 netns=4026531840 cpus=0,2,3,1\n";
	struct fs_portsteer_note note;
	char text[sizeof(line)];

	ck_assert_int_eq(fs_portsteer_parse(line, 9, &note), 0);
	ck_assert_uint_eq(note.ifindex, 3);
	ck_assert_uint_eq(note.netns, UINT64_C(4026531840));
	ck_assert_uint_eq(note.steer.prog_id, 9);
	ck_assert_uint_eq(note.steer.ncpus, 4);
	ck_assert_mem_eq(note.steer.cpu, ((uint16_t[]){0, 2, 3, 1}), 8);
	ck_assert_uint_eq(fs_portsteer_format(&note, text, sizeof(text)), sizeof(line) - 1);
	ck_assert_str_eq(text, line);
}
END_TEST

static const char *const refused[] = {
	"",
	"\n",
	"fastsock-steer 1\n",
	"fastsock-steer 2 ifindex=3 netns=1 cpus=0\n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=0",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=0\n\n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=0 \n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=\n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=0,\n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=0,0\n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=4096\n",
	"fastsock-steer 1 ifindex=3 netns=1 cpus=0-256\n",
	"fastsock-steer 1 ifindex=3 netns=1\n",
	"fastsock-steer 1 ifindex=3 cpus=0\n",
	"fastsock-steer 1 ifindex=3 netns=18446744073709551616 cpus=0\n",
	"fastsock-steer 1 ifindex=3 netns=-1 cpus=0\n",
	"fastsock-steer 1 ifindex=0 netns=1 cpus=0\n",
	"fastsock-steer 1 ifindex=2147483648 netns=1 cpus=0\n",
	"fastsock-steer 1 ifindex= netns=1 cpus=0\n",
	"fastsock-steer 1  ifindex=3 netns=1 cpus=0\n",
	" fastsock-steer 1 ifindex=3 netns=1 cpus=0\n",
};

START_TEST(garbage)
{
	struct fs_portsteer_note note, untouched;

	memset(&note, 0xa5, sizeof(note));
	untouched = note;
	ck_assert_int_eq(fs_portsteer_parse(refused[_i], ID, &note), -EINVAL);
	ck_assert_mem_eq(&note, &untouched, sizeof(note));
}
END_TEST

START_TEST(mutated)
{
	struct unit_random r = unit_random_from(2);

	for (int i = 0; i < 100000; i++) {
		struct fs_portsteer_note note = random_note(&r);
		char line[FS_PORTSTEER_LINE_MAX];
		size_t len;

		note.steer.ncpus = 1 + note.steer.ncpus % 8;
		len = fs_portsteer_format(&note, line, sizeof(line));
		for (unsigned n = 1 + unit_random_below(&r, 3); n; n--)
			line[unit_random_below(&r, (unsigned)len)] = (char)unit_random_next(&r);
		if (fs_portsteer_parse(line, ID, &note) != 0)
			continue;
		ck_assert_msg(note.steer.ncpus >= 1 && note.steer.ncpus <= FS_CORES_MAX && note.ifindex, UNIT_SEED_FMT, r.seed);
		for (uint32_t c = 0; c < note.steer.ncpus; c++)
			ck_assert_msg(note.steer.cpu[c] < FS_CPUS_MAX, UNIT_SEED_FMT, r.seed);
	}
}
END_TEST

static const char good[] = "fastsock-steer 1 ifindex=3 netns=1 cpus=1,0\n";

START_TEST(files)
{
	struct fs_portsteer_note note;
	char big[FS_PORTSTEER_LINE_MAX + 64];

	ck_assert_int_eq(read_note(&note), -ENOENT);
	write_note(good, strlen(good));
	if (geteuid() != 0) {
		/* All that can be seen by others: theirs does not count. */
		ck_assert_int_eq(read_note(&note), -EPERM);
		return;
	}
	ck_assert_int_eq(read_note(&note), 0);
	ck_assert_uint_eq(note.steer.ncpus, 2);
	ck_assert_uint_eq(note.steer.prog_id, ID);
	write_note(good, strlen(good) - 1);
	ck_assert_int_eq(read_note(&note), -EINVAL);
	write_note(good, sizeof(good)); /* with a NUL at the end */
	ck_assert_int_eq(read_note(&note), -EINVAL);
	write_note("", 0);
	ck_assert_int_eq(read_note(&note), -EINVAL);
	memset(big, '\n', sizeof(big));
	memcpy(big, good, strlen(good));
	write_note(big, sizeof(big));
	ck_assert_int_eq(read_note(&note), -EINVAL);
}
END_TEST

START_TEST(others_files)
{
	struct fs_portsteer_note note;
	char target[128];

	if (geteuid() != 0)
		return;
	write_note(good, strlen(good));
	ck_assert_int_eq(chmod(note_path(), 0664), 0);
	ck_assert_int_eq(read_note(&note), -EPERM);
	ck_assert_int_eq(chmod(note_path(), 0646), 0);
	ck_assert_int_eq(read_note(&note), -EPERM);
	ck_assert_int_eq(chmod(note_path(), 0644), 0);
	ck_assert_int_eq(chown(note_path(), 65534, 0), 0);
	ck_assert_int_eq(read_note(&note), -EPERM);
	ck_assert_int_eq(chown(note_path(), 0, 0), 0);
	ck_assert_int_eq(read_note(&note), 0);

	/* A link to a good one, which its owner could turn elsewhere. */
	snprintf(target, sizeof(target), "%s.target", dir);
	ck_assert_int_eq(rename(note_path(), target), 0);
	ck_assert_int_eq(symlink(target, note_path()), 0);
	ck_assert_int_eq(read_note(&note), -EPERM);
	unlink(note_path());
	unlink(target);
	/* Nobody writes to this FIFO: it must not be waited for. */
	ck_assert_int_eq(mkfifo(note_path(), 0644), 0);
	ck_assert_int_eq(read_note(&note), -EPERM);
	unlink(note_path());
	ck_assert_int_eq(mkdir(note_path(), 0755), 0);
	ck_assert_int_eq(read_note(&note), -EPERM);
}
END_TEST

START_TEST(edges)
{
	struct fs_portsteer_note note;
	struct fs_portsteer steer;
	char long_dir[300];

	memset(long_dir, 'd', sizeof(long_dir));
	long_dir[sizeof(long_dir) - 1] = '\0';
	ck_assert_int_eq(fs_portsteer_read_from(long_dir, ID, &note), -ENAMETOOLONG);
	/* Program ids count up from 1: nothing has the last one. */
	ck_assert_int_eq(fs_portsteer_read(ID, 1, &steer), -ENOENT);
	ck_assert(fs_portsteer_netns() != 0 || access("/proc/thread-self/ns/net", F_OK) != 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("portsteer");
	TCase *text = tcase_create("text"), *file = tcase_create("file");

	tcase_add_test(text, lists);
	tcase_add_test(text, round_trip);
	tcase_add_test(text, longest);
	tcase_add_test(text, example);
	tcase_add_loop_test(text, garbage, 0, (int)FS_COUNT(refused));
	tcase_add_test(text, mutated);
	suite_add_tcase(s, text);
	tcase_add_checked_fixture(file, setup, teardown);
	tcase_add_test(file, files);
	tcase_add_test(file, others_files);
	tcase_add_test(file, edges);
	suite_add_tcase(s, file);
	return unit_main(s);
}
