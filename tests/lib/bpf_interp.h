/*
 * Classic BPF as the kernel understands it: a checker with the rules of
 * bpf_check_classic() and an interpreter of the whole instruction set, written
 * from Documentation/networking/filter.rst and apart from the compiler under
 * test, so that both cannot share a mistake. No system call.
 */
#ifndef FS_TESTS_BPF_INTERP_H
#define FS_TESTS_BPF_INTERP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/* A packet as a program on a SO_REUSEPORT group sees it: offset 0 is behind the TCP header. */
struct bpf_packet {
	const uint8_t *net; /* network header and all behind it */
	size_t net_len;
	size_t data;        /* offset of the TCP payload in `net` */
	/* Ancillary data. */
	uint32_t cpu, protocol, pkttype, ifindex, mark, queue, hatype, rxhash;
};

/* What a run did besides its result. */
struct bpf_trace {
	size_t steps;       /* instructions executed */
	size_t packet_reads; /* loads from the packet itself */
};

/* NULL when the kernel would take the program, else what is wrong with it. */
const char *bpf_interp_check(const struct sock_filter *prog, size_t len);

/*
 * Runs a program that passed the check. A load beyond the packet ends it with 0, as
 * in the kernel. `trace` may be NULL.
 */
uint32_t bpf_interp_run(const struct sock_filter *prog, size_t len, const struct bpf_packet *packet, struct bpf_trace *trace);

/*
 * Upper bound of the eBPF instructions that the kernel makes of it
 * (bpf_convert_filter()), which is what optmem_max is charged for.
 */
size_t bpf_interp_ebpf_len(const struct sock_filter *prog, size_t len);

#endif
