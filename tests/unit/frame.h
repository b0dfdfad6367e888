/*
 * Building Ethernet frames header by header, good ones and bad ones. Checksums are left 0: nothing here looks at them.
 * Headers are written in place: for files that are compiled with -fno-strict-aliasing.
 */
#ifndef FS_TESTS_FRAME_H
#define FS_TESTS_FRAME_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MAX 1514

/* The headers behind the Ethernet header are aligned, as in the kernel. */
struct frame {
	uint32_t len;
	unsigned char pad[2];
	unsigned char data[FRAME_MAX];
};

/* Appends `len` bytes, zeroed when there are none to copy. */
__attribute__((unused)) static void *frame_add(struct frame *f, const void *bytes, size_t len)
{
	void *at = f->data + f->len;

	if (len > FRAME_MAX - f->len)
		abort();
	if (bytes)
		memcpy(at, bytes, len);
	else
		memset(at, 0, len);
	f->len += (uint32_t)len;
	return at;
}

__attribute__((unused)) static struct frame frame_ethernet(uint16_t type)
{
	struct frame f = {0};
	struct ethhdr *eth = frame_add(&f, NULL, sizeof(*eth));

	memcpy(eth->h_dest, "\x02\x00\x00\x00\x00\x01", 6);
	memcpy(eth->h_source, "\x02\x00\x00\x00\x00\x02", 6);
	eth->h_proto = htons(type);
	return f;
}

/* A VLAN tag whose content is of this type. */
__attribute__((unused)) static void frame_tag(struct frame *f, uint16_t type)
{
	const uint16_t tag[2] = {htons(100), htons(type)};

	frame_add(f, tag, sizeof(tag));
}

/* 192.0.2.2 to 192.0.2.1, for a payload of `len` bytes that is still to come. */
__attribute__((unused)) static struct iphdr *frame_ipv4(struct frame *f, uint8_t protocol, unsigned options, unsigned len)
{
	struct iphdr *ip = frame_add(f, NULL, sizeof(*ip) + options);

	ip->version = 4;
	ip->ihl = (sizeof(*ip) + options) / 4 & 15;
	ip->tot_len = htons((uint16_t)(sizeof(*ip) + options + len));
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->saddr = htonl(0xc0000202);
	ip->daddr = htonl(0xc0000201);
	memset(ip + 1, 1, options); /* "no operation" */
	return ip;
}

/* 2001:db8::2 to 2001:db8::1, likewise. */
__attribute__((unused)) static struct ipv6hdr *frame_ipv6(struct frame *f, uint8_t next, unsigned len)
{
	struct ipv6hdr *ip = frame_add(f, NULL, sizeof(*ip));

	ip->version = 6;
	ip->payload_len = htons((uint16_t)len);
	ip->nexthdr = next;
	ip->hop_limit = 64;
	inet_pton(AF_INET6, "2001:db8::2", &ip->saddr);
	inet_pton(AF_INET6, "2001:db8::1", &ip->daddr);
	return ip;
}

/* An extension header of (units + 1) * 8 bytes. */
__attribute__((unused)) static unsigned char *frame_extension(struct frame *f, uint8_t next, uint8_t units)
{
	unsigned char *at = frame_add(f, NULL, (units + 1u) * 8);

	at[0] = next;
	at[1] = units;
	return at;
}

/* offset in units of 8 bytes. */
__attribute__((unused)) static void frame_fragment(struct frame *f, uint8_t next, uint16_t offset, int more)
{
	unsigned char *at = frame_add(f, NULL, 8);
	const uint16_t field = htons((uint16_t)(offset << 3 | more));

	at[0] = next;
	memcpy(at + 2, &field, sizeof(field));
}

__attribute__((unused)) static struct tcphdr *frame_tcp(struct frame *f, uint16_t source, uint16_t dest)
{
	struct tcphdr *tcp = frame_add(f, NULL, sizeof(*tcp));

	tcp->source = htons(source);
	tcp->dest = htons(dest);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->ack = 1;
	return tcp;
}

/* Whole packets. */
__attribute__((unused)) static struct frame frame_tcp4(uint16_t source, uint16_t dest)
{
	struct frame f = frame_ethernet(ETH_P_IP);

	frame_ipv4(&f, IPPROTO_TCP, 0, sizeof(struct tcphdr));
	frame_tcp(&f, source, dest);
	return f;
}

__attribute__((unused)) static struct frame frame_tcp6(uint16_t source, uint16_t dest)
{
	struct frame f = frame_ethernet(ETH_P_IPV6);

	frame_ipv6(&f, IPPROTO_TCP, sizeof(struct tcphdr));
	frame_tcp(&f, source, dest);
	return f;
}

#endif
