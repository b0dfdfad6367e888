/*
 * The XDP program behind `fastsock steer`: packets of active connections go to
 * the CPU that their destination port names, all others stay where they are.
 *
 * A packet to a port outside the range from which the kernel gives ports to
 * connections that are opened here is passive. Without that, all packets to a port
 * that is passed on to another network namespace or machine (DNAT, routing) would
 * go to one CPU, because nobody listens on it in this one. Inside the range,
 * whether a packet belongs to an active connection is told by the three rules of
 * Fastsocket's Receive Flow Deliver (Lin et al., ASPLOS 2016, section 3.3):
 *   1. from a port below 1024: active, for clients do not use those
 *   2. to a port below 1024: passive, likewise
 *   3. passive if somebody listens on the destination port, active otherwise
 * The CPU is cpu[port % ncpus]; who opens a connection chooses its port by that.
 *
 * Nothing is ever dropped: what cannot be read is the kernel's to judge. None of
 * the helpers asks for a GPL-compatible licence.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "port_steer.h"

/* IPPORT_RESERVED: below it are the ports of services, which only root may bind. */
#define RESERVED_PORTS 1024
/* A provider's tag around a customer's (802.1ad); nothing stacks more on an Ethernet to a server. */
#define VLAN_TAGS_MAX 2
/* RFC 8200 (section 4.1) has six kinds before the transport header, one of them twice. */
#define EXTENSIONS_MAX 8
#define IP_FRAGMENT 0x3fff  /* more fragments, or an offset */
#define IP6_FRAGMENT 0xfff9 /* likewise */

struct vlan_tag {
	__be16 tci;
	__be16 type; /* of what follows */
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

const volatile struct port_steer_config config SEC(".rodata");

/* One value a CPU. Its size and the key's are how the loader knows it again. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct port_steer_counts);
} steer_counts SEC(".maps");

/* The loader sets its size: the highest CPU of the list. */
struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} steer_cpus SEC(".maps");

enum kind { KIND_TCP, KIND_NOT_TCP, KIND_ERROR };

/* A TCP packet's ends; `source` and `dest` in host byte order. */
struct packet {
	struct bpf_sock_tuple tuple;
	__u32 tuple_len;
	__u16 source;
	__u16 dest;
};

/* With tuple.*.sport left 0 no connection can match that was opened here: nobody listens on port 0. */
static __always_inline enum kind read_tcp(void *at, void *end, struct packet *p)
{
	struct tcphdr *tcp = at;

	if ((void *)(tcp + 1) > end || tcp->doff < sizeof(*tcp) / 4)
		return KIND_ERROR;
	p->source = bpf_ntohs(tcp->source);
	p->dest = bpf_ntohs(tcp->dest);
	if (p->tuple_len == sizeof(p->tuple.ipv4))
		p->tuple.ipv4.dport = tcp->dest;
	else
		p->tuple.ipv6.dport = tcp->dest;
	return KIND_TCP;
}

static __always_inline enum kind read_ipv4(void *at, void *end, struct packet *p)
{
	struct iphdr *ip = at;
	__u32 len;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < sizeof(*ip) / 4)
		return KIND_ERROR;
	if (ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(IP_FRAGMENT))
		return KIND_NOT_TCP;
	len = ip->ihl * 4;
	/* What is behind the end of the packet is padding, not a header. */
	if (bpf_ntohs(ip->tot_len) < len + sizeof(struct tcphdr))
		return KIND_ERROR;
	p->tuple.ipv4.saddr = ip->saddr;
	p->tuple.ipv4.daddr = ip->daddr;
	p->tuple_len = sizeof(p->tuple.ipv4);
	return read_tcp(at + len, end, p);
}

static __always_inline enum kind read_ipv6(void *at, void *end, struct packet *p)
{
	struct ipv6hdr *ip = at;
	__u32 len = 0; /* of the extension headers */
	__u32 payload;
	__u8 next;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return KIND_ERROR;
	payload = bpf_ntohs(ip->payload_len);
	next = ip->nexthdr;
	__builtin_memcpy(p->tuple.ipv6.saddr, &ip->saddr, sizeof(p->tuple.ipv6.saddr));
	__builtin_memcpy(p->tuple.ipv6.daddr, &ip->daddr, sizeof(p->tuple.ipv6.daddr));
	p->tuple_len = sizeof(p->tuple.ipv6);
	at = ip + 1;
	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		struct fragment_header *h = at; /* the first two bytes are the same in all */
		__u32 size;

		if (next == IPPROTO_TCP) {
			/* 0 is a jumbogram's, which tells its length in an option. */
			if (payload && payload < len + sizeof(struct tcphdr))
				return KIND_ERROR;
			return read_tcp(at, end, p);
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			return KIND_NOT_TCP;
		if ((void *)(h + 1) > end)
			return KIND_ERROR;
		/* One that is all of its packet (RFC 6946) is no fragment. */
		if (next == IPPROTO_FRAGMENT && h->offset & bpf_htons(IP6_FRAGMENT))
			return KIND_NOT_TCP;
		size = next == IPPROTO_FRAGMENT ? sizeof(*h) : (h->reserved + 1) * 8;
		next = h->next;
		len += size;
		at += size;
	}
	return KIND_ERROR;
}

static __always_inline enum kind read_packet(struct xdp_md *ctx, struct packet *p)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = at;
	__be16 type;

	if ((void *)(eth + 1) > end)
		return KIND_ERROR;
	type = eth->h_proto;
	at = eth + 1;
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		struct vlan_tag *tag = at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return KIND_ERROR;
		type = tag->type;
		at = tag + 1;
	}
	if (type == bpf_htons(ETH_P_IP))
		return read_ipv4(at, end, p);
	if (type == bpf_htons(ETH_P_IPV6))
		return read_ipv6(at, end, p);
	return KIND_NOT_TCP;
}

/* What is found is a listener, or a connection that a listener accepted from port 0, which some do use. */
static __always_inline int is_listened_to(struct xdp_md *ctx, struct packet *p)
{
	struct bpf_sock *sk = bpf_skc_lookup_tcp(ctx, &p->tuple, p->tuple_len, BPF_F_CURRENT_NETNS, 0);

	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

static __always_inline int is_active(struct xdp_md *ctx, struct packet *p)
{
	if (p->dest < config.ports.low || p->dest > config.ports.high)
		return 0;
	if (p->source < RESERVED_PORTS)
		return 1;
	if (p->dest < RESERVED_PORTS)
		return 0;
	return !is_listened_to(ctx, p);
}

SEC("xdp")
int fastsock_steer(struct xdp_md *ctx)
{
	struct packet p = {};
	enum kind kind = read_packet(ctx, &p);
	struct port_steer_counts *counts;
	__u32 zero = 0, slot, cpu;

	counts = bpf_map_lookup_elem(&steer_counts, &zero);
	if (!counts) /* cannot be; the verifier wants it said */
		return XDP_PASS;
	if (kind == KIND_NOT_TCP) {
		counts->not_tcp++;
		return XDP_PASS;
	}
	if (kind == KIND_ERROR) {
		counts->error++;
		return XDP_PASS;
	}
	if (!is_active(ctx, &p)) {
		counts->passive++;
		return XDP_PASS;
	}
	slot = p.dest % config.ncpus;
	if (slot >= PORT_STEER_CPUS_MAX) { /* likewise */
		counts->error++;
		return XDP_PASS;
	}
	cpu = config.cpu[slot];
	if (cpu == bpf_get_smp_processor_id()) {
		counts->here++;
		return XDP_PASS;
	}
	/* The flags are what it returns if that CPU has no entry. */
	if (bpf_redirect_map(&steer_cpus, cpu, XDP_PASS) != XDP_REDIRECT) {
		counts->error++;
		return XDP_PASS;
	}
	counts->away++;
	return XDP_REDIRECT;
}

/* The licence of all of libfastsock. */
char LICENSE[] SEC("license") = "MIT";
