/* See elf.h. Numbers are read through get(), places through read_at(), and both check. */
#define _GNU_SOURCE
#include "elf.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Real files have a dozen program headers, some forty sections, and few entries more in their dynamic section. */
#define HEADERS_MAX 512
#define SECTIONS_MAX 4096
#define DYNAMIC_MAX 1024
#define NOTES_MAX 4096

struct file {
	int fd;
	struct fs_elf *elf;
	uint64_t phoff, shoff;
	unsigned phentsize, phnum, shentsize, shnum, shstrndx;
};

/* A program header, or what a section header has of the same. */
struct part {
	uint32_t type;
	uint32_t name;
	uint64_t offset, address, size;
};

static uint64_t get(const struct file *f, const unsigned char *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[f->elf->big ? i : bytes - 1 - i];
	return value;
}

/* All `len` bytes at `offset`, or false. */
static bool read_at(const struct file *f, uint64_t offset, void *to, size_t len)
{
	size_t done = 0;

	if (offset > INT64_MAX - len)
		return false;
	while (done < len) {
		ssize_t n = pread(f->fd, (char *)to + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* The string at `offset` that ends within `room` bytes; false when it is too long or not there. */
static bool read_string(const struct file *f, uint64_t offset, uint64_t room, char to[FS_ELF_NAME_MAX])
{
	size_t len = 0;

	to[0] = '\0';
	while (len < FS_ELF_NAME_MAX && len < room) {
		if (!read_at(f, offset + len, to + len, 1))
			break;
		if (!to[len])
			return true;
		len++;
	}
	to[0] = '\0';
	return false;
}

/* Where a field of a header is: it differs by class. */
#define AT(type, field) (f->elf->wide ? offsetof(Elf64_##type, field) : offsetof(Elf32_##type, field))
#define WORD (f->elf->wide ? 8u : 4u)

static bool read_header(struct file *f)
{
	unsigned char h[sizeof(Elf64_Ehdr)];

	if (!read_at(f, 0, h, EI_NIDENT) || memcmp(h, ELFMAG, SELFMAG))
		return false;
	if ((h[EI_CLASS] != ELFCLASS32 && h[EI_CLASS] != ELFCLASS64) ||
	    (h[EI_DATA] != ELFDATA2LSB && h[EI_DATA] != ELFDATA2MSB))
		return false;
	f->elf->wide = h[EI_CLASS] == ELFCLASS64;
	f->elf->big = h[EI_DATA] == ELFDATA2MSB;
	if (!read_at(f, 0, h, f->elf->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return false;
	f->elf->type = (uint16_t)get(f, h + AT(Ehdr, e_type), 2);
	f->elf->machine = (uint16_t)get(f, h + AT(Ehdr, e_machine), 2);
	f->phoff = get(f, h + AT(Ehdr, e_phoff), WORD);
	f->shoff = get(f, h + AT(Ehdr, e_shoff), WORD);
	f->phentsize = (unsigned)get(f, h + AT(Ehdr, e_phentsize), 2);
	f->phnum = (unsigned)get(f, h + AT(Ehdr, e_phnum), 2);
	f->shentsize = (unsigned)get(f, h + AT(Ehdr, e_shentsize), 2);
	f->shnum = (unsigned)get(f, h + AT(Ehdr, e_shnum), 2);
	f->shstrndx = (unsigned)get(f, h + AT(Ehdr, e_shstrndx), 2);
	if (f->phnum > HEADERS_MAX || f->phentsize < (f->elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		f->phnum = 0;
	if (f->shnum > SECTIONS_MAX || f->shentsize < (f->elf->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		f->shnum = 0;
	return true;
}

static bool read_segment(const struct file *f, unsigned i, struct part *out)
{
	unsigned char h[sizeof(Elf64_Phdr)];

	if (f->phoff > INT64_MAX || !read_at(f, f->phoff + (uint64_t)i * f->phentsize, h,
					     f->elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return false;
	*out = (struct part){
		.type = (uint32_t)get(f, h + AT(Phdr, p_type), 4),
		.offset = get(f, h + AT(Phdr, p_offset), WORD),
		.address = get(f, h + AT(Phdr, p_vaddr), WORD),
		.size = get(f, h + AT(Phdr, p_filesz), WORD),
	};
	return true;
}

static bool read_section(const struct file *f, unsigned i, struct part *out)
{
	unsigned char h[sizeof(Elf64_Shdr)];

	if (f->shoff > INT64_MAX || !read_at(f, f->shoff + (uint64_t)i * f->shentsize, h,
					     f->elf->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		return false;
	*out = (struct part){
		.type = (uint32_t)get(f, h + AT(Shdr, sh_type), 4),
		.name = (uint32_t)get(f, h + AT(Shdr, sh_name), 4),
		.offset = get(f, h + AT(Shdr, sh_offset), WORD),
		.size = get(f, h + AT(Shdr, sh_size), WORD),
	};
	return true;
}

/* Where in the file the program's address is; false when it is loaded from nowhere. */
static bool place_of(const struct file *f, uint64_t address, uint64_t *offset)
{
	for (unsigned i = 0; i < f->phnum; i++) {
		struct part p;

		if (!read_segment(f, i, &p))
			return false;
		if (p.type == PT_LOAD && address >= p.address && address - p.address < p.size &&
		    p.offset <= INT64_MAX) {
			*offset = p.offset + (address - p.address);
			return true;
		}
	}
	return false;
}

/* The dynamic section: first where its strings are, then the strings. */
static void read_dynamic(const struct file *f, const struct part *p)
{
	unsigned size = 2 * WORD, count = p->size / size < DYNAMIC_MAX ? (unsigned)(p->size / size) : DYNAMIC_MAX;
	uint64_t strings = 0, room = 0;
	struct fs_elf *elf = f->elf;
	bool known = false;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < count; i++) {
			unsigned char entry[16];
			uint64_t tag, value;
			char *to = NULL;

			if (p->offset > INT64_MAX || !read_at(f, p->offset + (uint64_t)i * size, entry, size))
				return;
			tag = get(f, entry, WORD);
			value = get(f, entry + WORD, WORD);
			if (tag == DT_NULL)
				break;
			if (!pass) {
				if (tag == DT_STRTAB)
					known = place_of(f, value, &strings);
				else if (tag == DT_STRSZ)
					room = value;
				continue;
			}
			if (tag == DT_NEEDED && elf->nneeded < FS_ELF_NEEDED_MAX)
				to = elf->needed[elf->nneeded];
			else if (tag == DT_RUNPATH || tag == DT_RPATH)
				to = elf->runpath;
			if (to && value < room && read_string(f, strings + value, room - value, to) && tag == DT_NEEDED)
				elf->nneeded++;
		}
		if (!known || strings > INT64_MAX - FS_ELF_NAME_MAX || room > INT64_MAX - strings)
			return;
	}
}

/* The linker of Go names its build in a note of the owner "Go" (4 is its type for that). */
static void read_notes(const struct file *f, const struct part *p)
{
	uint64_t end = p->size < NOTES_MAX ? p->size : NOTES_MAX;
	unsigned char h[12 + 4];

	for (uint64_t at = 0; at + sizeof(h) <= end;) {
		uint64_t name, text;

		if (p->offset > INT64_MAX || !read_at(f, p->offset + at, h, sizeof(h)))
			return;
		name = get(f, h, 4);
		text = get(f, h + 4, 4);
		if (name == 4 && get(f, h + 8, 4) == 4 && !memcmp(h + 12, "Go\0", 4))
			f->elf->go = true;
		at += 12 + ((name + 3) & ~UINT64_C(3)) + ((text + 3) & ~UINT64_C(3));
	}
}

static void read_segments(struct file *f)
{
	for (unsigned i = 0; i < f->phnum; i++) {
		struct part p;

		if (!read_segment(f, i, &p))
			return;
		if (p.type == PT_INTERP) {
			read_string(f, p.offset <= INT64_MAX ? p.offset : INT64_MAX, p.size, f->elf->interpreter);
		} else if (p.type == PT_DYNAMIC) {
			f->elf->dynamic = true;
			read_dynamic(f, &p);
		} else if (p.type == PT_NOTE) {
			read_notes(f, &p);
		}
	}
}

static void read_sections(struct file *f)
{
	char name[FS_ELF_NAME_MAX];
	struct part names, p;

	if (f->shstrndx >= f->shnum || !read_section(f, f->shstrndx, &names) || names.offset > INT64_MAX / 2)
		return;
	for (unsigned i = 0; i < f->shnum && !f->elf->go; i++) {
		if (!read_section(f, i, &p))
			return;
		if (p.name < names.size && read_string(f, names.offset + p.name, names.size - p.name, name) &&
		    (!strcmp(name, ".go.buildinfo") || !strcmp(name, ".note.go.buildid")))
			f->elf->go = true;
	}
}

int fs_elf_read(int fd, struct fs_elf *out)
{
	struct file f = {.fd = fd, .elf = out};

	*out = (struct fs_elf){0};
	if (lseek(fd, 0, SEEK_CUR) < 0)
		return -errno;
	if (!read_header(&f))
		return -ENOEXEC;
	read_segments(&f);
	read_sections(&f);
	return 0;
}

const char *fs_elf_machine(const struct fs_elf *elf, char text[32])
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{EM_386, "i386"}, {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"}, {EM_AARCH64, "AArch64"},
		{EM_PPC64, "POWER"}, {EM_S390, "s390"}, {EM_RISCV, "RISC-V"},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].machine == elf->machine)
			return names[i].name;
	}
	snprintf(text, 32, "machine %u", elf->machine);
	return text;
}
