/*
 * The reader of ELF files that `fastsock doctor` judges programs by: this very program is read right,
 * Go's note and section are known, other classes and byte orders are, and whatever is done to the headers,
 * it ends within its bounds (the sanitizers look on where they are built in).
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>

#include "cli/doctor/elf.h"

#define FILE_MAX (8u << 20)
#define MANGLINGS 4000

static unsigned char own[FILE_MAX];
static size_t own_len;

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

static int read_bytes(const void *bytes, size_t len, struct fs_elf *elf)
{
	int fd = file_of(bytes, len), rc;

	rc = fs_elf_read(fd, elf);
	close(fd);
	return rc;
}

static void read_own(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	/* Before the suite runs: nothing may be asserted yet. */
	while (fd >= 0 && own_len < sizeof(own) && (n = read(fd, own + own_len, sizeof(own) - own_len)) > 0)
		own_len += (size_t)n;
	if (fd >= 0)
		close(fd);
}

START_TEST(this_program)
{
	char text[32];
	struct fs_elf elf;
	bool libc = false;

	ck_assert_int_eq(read_bytes(own, own_len, &elf), 0);
	ck_assert_int_eq(elf.wide, sizeof(void *) == 8);
	ck_assert(elf.dynamic && !elf.go);
	ck_assert_int_eq(elf.interpreter[0], '/');
	for (unsigned i = 0; i < elf.nneeded; i++)
		libc |= !strncmp(elf.needed[i], "libc.so", 7);
	ck_assert(libc);
#ifdef __x86_64__
	ck_assert_str_eq(fs_elf_machine(&elf, text), "x86-64");
#endif
	elf.machine = 60000;
	ck_assert_str_eq(fs_elf_machine(&elf, text), "machine 60000");
}
END_TEST

START_TEST(no_elf)
{
	struct fs_elf elf;
	int pipes[2];

	ck_assert_int_eq(read_bytes("", 0, &elf), -ENOEXEC);
	ck_assert_int_eq(read_bytes("#!/bin/sh\n", 10, &elf), -ENOEXEC);
	for (size_t len = 0; len < sizeof(Elf32_Ehdr); len++)
		ck_assert_int_eq(read_bytes(own, len, &elf), -ENOEXEC);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(fs_elf_read(pipes[0], &elf), -ESPIPE);
}
END_TEST

/* Writes a number of the file's byte order. */
static void put(unsigned char *at, uint64_t value, unsigned bytes, bool big)
{
	for (unsigned i = 0; i < bytes; i++)
		at[big ? bytes - 1 - i : i] = (unsigned char)(value >> 8 * i);
}

/* A 32-bit file with one note, or none of the name that is wanted. */
static size_t small_file(unsigned char out[256], bool big, const char *note, unsigned type)
{
	unsigned char *p = out + sizeof(Elf32_Ehdr), *n = p + sizeof(Elf32_Phdr);

	memset(out, 0, 256);
	memcpy(out, ELFMAG, SELFMAG);
	out[EI_CLASS] = ELFCLASS32;
	out[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
	put(out + offsetof(Elf32_Ehdr, e_type), ET_EXEC, 2, big);
	put(out + offsetof(Elf32_Ehdr, e_machine), EM_ARM, 2, big);
	put(out + offsetof(Elf32_Ehdr, e_phoff), sizeof(Elf32_Ehdr), 4, big);
	put(out + offsetof(Elf32_Ehdr, e_phentsize), sizeof(Elf32_Phdr), 2, big);
	put(out + offsetof(Elf32_Ehdr, e_phnum), 1, 2, big);
	put(p + offsetof(Elf32_Phdr, p_type), PT_NOTE, 4, big);
	put(p + offsetof(Elf32_Phdr, p_offset), (uint64_t)(n - out), 4, big);
	put(p + offsetof(Elf32_Phdr, p_filesz), 20, 4, big);
	put(n, 4, 4, big);
	put(n + 4, 4, 4, big);
	put(n + 8, type, 4, big);
	memcpy(n + 12, note, 4);
	return (size_t)(n - out) + 20;
}

START_TEST(go_note)
{
	bool big = _i;
	unsigned char file[256];
	struct fs_elf elf;

	ck_assert_int_eq(read_bytes(file, small_file(file, big, "Go\0", 4), &elf), 0);
	ck_assert(elf.go && !elf.wide && !elf.dynamic);
	ck_assert_int_eq(elf.big, big);
	ck_assert_int_eq(elf.machine, EM_ARM);
	ck_assert_int_eq(elf.interpreter[0], 0);
	ck_assert_int_eq(read_bytes(file, small_file(file, big, "GNU", 4), &elf), 0);
	ck_assert(!elf.go);
	ck_assert_int_eq(read_bytes(file, small_file(file, big, "Go\0", 3), &elf), 0);
	ck_assert(!elf.go);
}
END_TEST

static uint32_t seed = 1;

static uint32_t chance(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Words of the headers, and of the dynamic section, become what they should not be. */
START_TEST(mangled)
{
	static const uint64_t odd[] = {0, 1, 0x7f, 0xffff, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX, UINT64_MAX - 64};
	static unsigned char file[FILE_MAX];
	size_t len = own_len < sizeof(file) ? own_len : sizeof(file), headers;
	struct fs_elf elf;
	Elf64_Ehdr head;
	int fd;

	memcpy(file, own, len);
	memcpy(&head, own, sizeof(head));
	headers = sizeof(void *) == 8 ? sizeof(head) + head.e_phnum * (size_t)head.e_phentsize : 512;
	fd = file_of(file, len);
	for (unsigned round = 0; round < MANGLINGS; round++) {
		size_t at[4];
		unsigned n = 1 + chance() % 4;

		for (unsigned i = 0; i < n; i++) {
			uint64_t value = odd[chance() % (sizeof(odd) / sizeof(odd[0]))];
			size_t bytes = (size_t)1 << chance() % 4;

			/* Every other time, anywhere in the first pages, where notes and names are as well. */
			at[i] = (chance() % 2 ? 4 + chance() % (headers - 4) : chance() % 16384) & ~(bytes - 1);
			ck_assert_int_eq(pwrite(fd, &value, bytes, (off_t)at[i]), (ssize_t)bytes);
		}
		fs_elf_read(fd, &elf);
		if (elf.nneeded > FS_ELF_NEEDED_MAX || memchr(elf.interpreter, 0, FS_ELF_NAME_MAX) == NULL ||
		    memchr(elf.runpath, 0, FS_ELF_NAME_MAX) == NULL)
			ck_abort_msg("round %u: out of bounds", round);
		for (unsigned i = 0; i < n; i++)
			if (pwrite(fd, own + at[i], 8, (off_t)at[i]) != 8)
				ck_abort_msg("round %u: cannot put it back", round);
	}
	/* Put back as it was, it reads as it was. */
	ck_assert_int_eq(fs_elf_read(fd, &elf), 0);
	ck_assert_int_eq(elf.interpreter[0], '/');
	close(fd);
}
END_TEST

START_TEST(cut_short)
{
	int fd = file_of(own, own_len < 65536 ? own_len : 65536);
	struct fs_elf elf;

	for (off_t len = 65536; len >= 0; len -= 251) {
		ck_assert_int_eq(ftruncate(fd, len), 0);
		fs_elf_read(fd, &elf);
		ck_assert_uint_le(elf.nneeded, FS_ELF_NEEDED_MAX);
	}
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("elf");
	TCase *tc = tcase_create("elf");

	read_own();
	tcase_add_test(tc, this_program);
	tcase_add_test(tc, no_elf);
	tcase_add_loop_test(tc, go_note, 0, 2);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, mangled);
	tcase_add_test(tc, cut_short);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
