/* The texts of /proc and /sys that `fastsock doctor` reads: as kernels write them, cut short, and as processes may forge them. */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <errno.h>
#include <fcntl.h>

#include "cli/doctor/doctor_parse.h"

START_TEST(masks)
{
	struct fs_cpus set;
	char list[64];

	ck_assert_int_eq(fs_text_mask("3\n", &set), 0);
	fs_cpus_format(&set, list, sizeof(list));
	ck_assert_str_eq(list, "0-1");
	ck_assert_int_eq(fs_text_mask("80000000,00000001", &set), 0);
	fs_cpus_format(&set, list, sizeof(list));
	ck_assert_str_eq(list, "0,63");
	ck_assert_int_eq(fs_text_mask("00\n", &set), 0);
	ck_assert_uint_eq(fs_cpus_count(&set), 0);
	ck_assert_int_eq(fs_text_mask("0-1\n", &set), -EINVAL);
	ck_assert_int_eq(fs_text_mask("\n", &set), -EINVAL);
	ck_assert_int_eq(fs_text_mask("", &set), -EINVAL);
}
END_TEST

/* More digits than there are CPUs. */
START_TEST(long_mask)
{
	char text[FS_CPUS_MAX];
	struct fs_cpus set;

	memset(text, 'f', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(fs_text_mask(text, &set), 0);
	ck_assert_uint_eq(fs_cpus_count(&set), FS_CPUS_MAX);
}
END_TEST

START_TEST(versions)
{
	unsigned major, minor;

	ck_assert(fs_text_version("6.18.44-generic", &major, &minor));
	ck_assert_uint_eq(major, 6);
	ck_assert_uint_eq(minor, 18);
	ck_assert(fs_text_version("4.5", &major, &minor));
	ck_assert(!fs_text_version("6", &major, &minor));
	ck_assert(!fs_text_version("next", &major, &minor));
}
END_TEST

START_TEST(limits)
{
	uint64_t soft, hard;

	ck_assert(fs_text_nofile("Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 524288               files     \n",
				 &soft, &hard));
	ck_assert_uint_eq(soft, 1024);
	ck_assert_uint_eq(hard, 524288);
	ck_assert(fs_text_nofile("Max open files 64 unlimited files\n", &soft, &hard));
	ck_assert_uint_eq(hard, UINT64_MAX);
	ck_assert(!fs_text_nofile("Max open files 64\n", &soft, &hard));
	ck_assert(!fs_text_nofile("Max processes 64 64\n", &soft, &hard));
	ck_assert(!fs_text_nofile("", &soft, &hard));
}
END_TEST

START_TEST(environments)
{
	static const char environment[] = "A=1\0LD_PRELOAD=/x.so\0LD_PRELOADED=y\0EMPTY=\0NOTHING";
	size_t len = sizeof(environment);

	ck_assert_str_eq(fs_text_environ(environment, len, "LD_PRELOAD"), "/x.so");
	ck_assert_str_eq(fs_text_environ(environment, len, "LD_PRELOADED"), "y");
	ck_assert_str_eq(fs_text_environ(environment, len, "EMPTY"), "");
	ck_assert_ptr_null(fs_text_environ(environment, len, "NOTHING"));
	ck_assert_ptr_null(fs_text_environ(environment, len, "PRELOAD"));
	ck_assert_ptr_null(fs_text_environ("", 0, "A"));
	/* What a program has written its title over. */
	ck_assert_ptr_null(fs_text_environ("\0\0\0\0", 4, "A"));
}
END_TEST

START_TEST(lines)
{
	char value[16];

	ck_assert(fs_text_line("0::/a/b\n", "0::", value, sizeof(value)));
	ck_assert_str_eq(value, "/a/b");
	ck_assert(fs_text_line("Name:\tx\nPPid:\t12\n", "PPid:", value, sizeof(value)));
	ck_assert_str_eq(value, "12");
	ck_assert(fs_text_line("A: 0123456789012345678\n", "A:", value, sizeof(value)));
	ck_assert_str_eq(value, "012345678901234");
	ck_assert(!fs_text_line("Name:\tPPid:\n", "PPid:", value, sizeof(value)));
}
END_TEST

START_TEST(counters)
{
	static const char text[] = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: InNoRoutes\nIpExt: 4\n";

	ck_assert_int_eq(fs_text_counter(text, "TcpExt:", "ListenOverflows"), 22);
	ck_assert_int_eq(fs_text_counter(text, "TcpExt:", "ListenDrops"), 333);
	ck_assert_int_eq(fs_text_counter(text, "IpExt:", "InNoRoutes"), 4);
	ck_assert_int_eq(fs_text_counter(text, "TcpExt:", "Listen"), -1);
	ck_assert_int_eq(fs_text_counter("TcpExt: A B\nTcpExt: 1\n", "TcpExt:", "B"), -1);
	ck_assert_int_eq(fs_text_counter("TcpExt: A", "TcpExt:", "A"), -1);
	ck_assert_int_eq(fs_text_counter("", "TcpExt:", "A"), -1);
}
END_TEST

START_TEST(mappings)
{
	char path[64];
	bool deleted;

	ck_assert(fs_text_mapping("7f0-7f1 r-xp 0 fe:00 1   /usr/lib/libc.so.6\n7f2-7f3 r-xp 0 fe:00 2   /opt/libfastsock.so.0.0.0\n",
				  "libfastsock.so", path, sizeof(path), &deleted));
	ck_assert_str_eq(path, "/opt/libfastsock.so.0.0.0");
	ck_assert(!deleted);
	ck_assert(fs_text_mapping("7f2-7f3 r-xp 0 fe:00 2   /opt/libfastsock.so.0 (deleted)\n", "libfastsock.so", path, sizeof(path), &deleted));
	ck_assert_str_eq(path, "/opt/libfastsock.so.0");
	ck_assert(deleted);
	ck_assert(!fs_text_mapping("7f2-7f3 r-xp 0 fe:00 2   /libfastsock.so/x\n", "libfastsock.so", path, sizeof(path), &deleted));
	ck_assert(!fs_text_mapping("7f2-7f3 rw-p 0 00:00 0\n", "libfastsock.so", path, sizeof(path), &deleted));
	ck_assert(!fs_text_mapping("", "libfastsock.so", path, sizeof(path), &deleted));
}
END_TEST

START_TEST(preloads)
{
	char entry[32];

	ck_assert(fs_text_preloads("a.so:/x/libfastsock.so.0 b", " :", "libfastsock.so", entry, sizeof(entry)));
	ck_assert_str_eq(entry, "/x/libfastsock.so.0");
	ck_assert(fs_text_preloads("::libfastsock.so", " :", "libfastsock.so", entry, sizeof(entry)));
	ck_assert(!fs_text_preloads("/libfastsock.so/a.so", " :", "libfastsock.so", entry, sizeof(entry)));
	ck_assert(!fs_text_preloads("", " :", "libfastsock.so", entry, sizeof(entry)));
}
END_TEST

START_TEST(listeners)
{
	struct fs_text_listener l;

	ck_assert(fs_text_listener("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 123456 1 0 100 0 0 10 0", &l));
	ck_assert_str_eq(l.address, "127.0.0.1:8080");
	ck_assert_uint_eq(l.queue, 3);
	ck_assert_uint_eq(l.inode, 123456);
	ck_assert(!l.v6);
	ck_assert(fs_text_listener("  12: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1", &l));
	ck_assert_str_eq(l.address, "[::1]:80");
	/* Established, the heading, and lines that end early. */
	ck_assert(!fs_text_listener("   0: 0100007F:1F90 0100007F:1F91 01 00000000:00000000 00:00000000 00000000  0 0 1 1", &l));
	ck_assert(!fs_text_listener("  sl  local_address rem_address   st", &l));
	ck_assert(!fs_text_listener("   0: 0100007F:1F90 00000000:0000 0A", &l));
	ck_assert(!fs_text_listener("   0: 7F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  0 0 1 1", &l));
	ck_assert(!fs_text_listener("", &l));
}
END_TEST

START_TEST(files)
{
	char name[] = "/tmp/fs-doctor-XXXXXX";
	int fd = mkstemp(name);
	size_t len;
	char *text;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "42\n", 3), 3);
	ck_assert_int_eq(fs_text_number(-1, "%s", name), 42);
	ck_assert_int_eq(pwrite(fd, "42 43", 5, 0), 5);
	ck_assert_int_eq(fs_text_number(-1, "%s", name), -1);
	/* Longer than one reading, with a NUL in it. */
	ck_assert_int_eq(pwrite(fd, "", 1, 20000), 1);
	ck_assert_int_eq(pwrite(fd, "end", 3, 20001), 3);
	text = fs_text_read(&len, "%s", name);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(len, 20004);
	ck_assert_str_eq(text + 20001, "end");
	free(text);
	close(fd);
	unlink(name);
	ck_assert_ptr_null(fs_text_read(&len, "%s", name));
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(fs_text_number(-7, "%s", name), -7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doctor_parse");
	TCase *tc = tcase_create("doctor_parse");

	tcase_add_test(tc, masks);
	tcase_add_test(tc, long_mask);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, environments);
	tcase_add_test(tc, lines);
	tcase_add_test(tc, counters);
	tcase_add_test(tc, mappings);
	tcase_add_test(tc, preloads);
	tcase_add_test(tc, listeners);
	tcase_add_test(tc, files);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
