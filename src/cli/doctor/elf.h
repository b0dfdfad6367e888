/*
 * What an ELF file says of itself, of either class and byte order: as much as the dynamic linker's
 * treatment of it depends on. The file may be hostile, or change while it is read: whatever does
 * not make sense is left out, and nothing is read but what lies within the file and within bounds.
 *
 * Knows nothing of the rest of the command, so that a unit test can feed it anything.
 */
#ifndef FS_CLI_ELF_H
#define FS_CLI_ELF_H

#include <stdbool.h>
#include <stdint.h>

#define FS_ELF_NEEDED_MAX 64
#define FS_ELF_NAME_MAX 256

struct fs_elf {
	bool wide;        /* 64 bits */
	bool big;         /* most significant byte first */
	uint16_t type;    /* ET_EXEC and the like */
	uint16_t machine; /* EM_X86_64 and the like */
	bool go;          /* made by the Go toolchain: its note, or the section of its build information */
	bool dynamic;     /* has a dynamic section */
	char interpreter[FS_ELF_NAME_MAX]; /* the dynamic linker; empty for a static binary or a library */
	char runpath[FS_ELF_NAME_MAX];     /* DT_RUNPATH or DT_RPATH; empty without */
	unsigned nneeded;
	char needed[FS_ELF_NEEDED_MAX][FS_ELF_NAME_MAX];
};

/* Fills in *out from the file. 0; -ENOEXEC when it is no ELF file, or its header makes no sense; another -errno. */
int fs_elf_read(int fd, struct fs_elf *out);
/* "x86-64", "AArch64"; "machine 243" in `text` for those without a name here. */
const char *fs_elf_machine(const struct fs_elf *elf, char text[32]);

#endif
