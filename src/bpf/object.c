/* Puts the compiled XDP program into the command, so that there is no file that could be missing or another version. */
#include "object.h"

/* libbpf reads it as an ELF file, whose structures want to be aligned. */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	".globl fs_bpf_object\n"
	".hidden fs_bpf_object\n"
	"fs_bpf_object:\n"
	".incbin \"src/bpf/port_steer.bpf.o\"\n"
	".globl fs_bpf_object_end\n"
	".hidden fs_bpf_object_end\n"
	"fs_bpf_object_end:\n"
	".byte 0\n"
	".popsection\n");
