/* The compiled XDP program, as clang wrote it. */
#ifndef FS_BPF_OBJECT_H
#define FS_BPF_OBJECT_H

extern const unsigned char fs_bpf_object[], fs_bpf_object_end[];

#endif
