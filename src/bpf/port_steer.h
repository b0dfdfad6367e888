/* What the XDP program and its loader share: the layout of its two maps. Included by both, so in the kernel's types. */
#ifndef FS_BPF_PORT_STEER_H
#define FS_BPF_PORT_STEER_H

#include <linux/types.h>

/* As many as FS_CORES_MAX: CPUs that one process tree fans out to. */
#define PORT_STEER_CPUS_MAX 256

/* The ports that connections which are opened here are given by the kernel. */
struct port_steer_range {
	__u16 low, high; /* both belong to it */
};

/* Set before the program is loaded, constant from then on: the verifier then knows the divisor. */
struct port_steer_config {
	__u32 ncpus; /* 1 .. PORT_STEER_CPUS_MAX */
	struct port_steer_range ports;
	__u16 cpu[PORT_STEER_CPUS_MAX];
};

/* Of one CPU: what became of the packets that arrived there. Each packet is counted in exactly one. */
struct port_steer_counts {
	__u64 here;    /* active, and on the right CPU already */
	__u64 away;    /* active, sent to another CPU */
	__u64 passive; /* of a connection that somebody accepts, or to a port that is given to none that is opened here */
	__u64 not_tcp; /* other protocols, fragments, what is wrapped in more than this program unwraps */
	__u64 error;   /* TCP or IP whose headers are malformed or cut off; the kernel decides what to do with it */
};

#endif
