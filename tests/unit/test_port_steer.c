/*
 * The XDP program of `fastsock steer` on packets of every kind. Promised is that
 * each packet of an active connection goes to the CPU of its destination port,
 * that every other one passes, that each is counted exactly once and that none is
 * changed.
 */
#define _GNU_SOURCE
#include "unit/port_steer_check.h"

/* A frame whose destination port is even, then the same with an odd one: the TCP header is where it should be. */
static void expect_steered(struct frame f, size_t tcp_at, const char *what)
{
	struct tcphdr *tcp = (struct tcphdr *)(f.data + tcp_at);

	tcp->dest = htons(EVEN);
	expect(&f, HERE, what);
	tcp->dest = htons(ODD);
	expect(&f, AWAY, what);
}

/* Cut at each length, the frame is an error from `from` on, until it is whole. TEST_RUN wants an Ethernet header. */
static void expect_cut(struct frame f, uint32_t from, const char *what)
{
	uint32_t whole = f.len;

	for (f.len = from; f.len < whole; f.len++)
		expect(&f, ERROR, what);
}

START_TEST(ports)
{
	static const struct {
		uint16_t source, dest;
		enum outcome expected;
	} rule[] = {
		{80, EVEN, HERE}, {80, ODD, AWAY}, {1023, ODD, AWAY}, {1, ODD, AWAY}, {0, ODD, AWAY},
		/* The source port counts first. */
		{1023, 1023, AWAY}, {443, 80, HERE},
		{1024, 80, PASSIVE}, {1024, 1023, PASSIVE}, {65535, 0, PASSIVE}, {REMOTE, 443, PASSIVE},
		{1024, 1024, HERE}, {1024, 1025, AWAY}, {REMOTE, ODD, AWAY}, {REMOTE, EVEN, HERE}, {65535, 65535, AWAY},
	};

	for (size_t i = 0; i < sizeof(rule) / sizeof(*rule); i++) {
		struct frame f4 = frame_tcp4(rule[i].source, rule[i].dest), f6 = frame_tcp6(rule[i].source, rule[i].dest);
		char what[64];

		snprintf(what, sizeof(what), "IPv4, port %u to %u", rule[i].source, rule[i].dest);
		expect(&f4, rule[i].expected, what);
		snprintf(what, sizeof(what), "IPv6, port %u to %u", rule[i].source, rule[i].dest);
		expect(&f6, rule[i].expected, what);
	}
}
END_TEST

/* Below, at both ends of and above the range, whoever sends. */
START_TEST(range)
{
	static const struct port_steer_range ranges[] = {
		{32768, 60999}, {EVEN, EVEN}, {ODD, ODD}, {EVEN, ODD}, {1024, 1025}, {1, 32768}, {32768, 65535}, {65535, 65535},
	};
	static const uint16_t sources[] = {0, 80, 1023, 1024, REMOTE, 65535};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		unsigned low = ranges[i].low, high = ranges[i].high;
		unsigned port[] = {0, 1, 80, low - 1, low, low + 1, high - 1, high, high + 1, 65535};

		fs_steer_close(program);
		load((uint16_t[]){cpu_here, cpu_away}, 2, ranges[i]);
		for (size_t t = 0; t < sizeof(port) / sizeof(*port) * (sizeof(sources) / sizeof(*sources)); t++) {
			unsigned source = sources[t / (sizeof(port) / sizeof(*port))], dest = port[t % (sizeof(port) / sizeof(*port))];
			struct frame f4 = frame_tcp4((uint16_t)source, (uint16_t)dest), f6 = frame_tcp6((uint16_t)source, (uint16_t)dest);
			bool active = dest >= low && dest <= high && (source < 1024 || dest >= 1024);
			enum outcome expected = !active ? PASSIVE : dest % 2 ? AWAY : HERE;
			char what[96];

			if (dest > 65535)
				continue;
			snprintf(what, sizeof(what), "range %u-%u, port %u to %u", low, high, source, dest);
			expect(&f4, expected, what);
			expect(&f6, expected, what);
		}
	}
}
END_TEST

/* A listener makes its port passive inside the range; outside, none has to be there. */
START_TEST(range_and_listeners)
{
	struct frame inside = frame_tcp4(REMOTE, ODD), outside = frame_tcp4(REMOTE, 8081), low = frame_tcp4(80, 8081);
	int in, out;

	fs_steer_close(program);
	load((uint16_t[]){cpu_here, cpu_away}, 2, (struct port_steer_range){32768, 60999});
	expect(&inside, AWAY, "inside, no listener");
	expect(&outside, PASSIVE, "outside, no listener");
	expect(&low, PASSIVE, "outside, from a service's port");
	in = listener(AF_INET, "0.0.0.0", ODD);
	out = listener(AF_INET, "0.0.0.0", 8081);
	expect(&inside, PASSIVE, "inside, a listener");
	expect(&outside, PASSIVE, "outside, a listener");
	close(in);
	close(out);
}
END_TEST

START_TEST(listeners)
{
	struct frame f4 = frame_tcp4(REMOTE, ODD), f6 = frame_tcp6(REMOTE, ODD), low = frame_tcp4(80, ODD);
	int fd;

	fd = listener(AF_INET, "0.0.0.0", ODD);
	expect(&f4, PASSIVE, "IPv4 listener");
	expect(&f6, AWAY, "IPv4 listener, IPv6 packet");
	expect(&low, AWAY, "a port below 1024 is no client's, whoever listens");
	close(fd);
	expect(&f4, AWAY, "the listener was closed");
	fd = listener(AF_INET6, "::", ODD);
	expect(&f6, PASSIVE, "IPv6 listener");
	expect(&f4, AWAY, "IPv6 listener, IPv4 packet");
	close(fd);
	fd = listener(AF_INET, "127.0.0.1", ODD);
	expect(&f4, AWAY, "listener on another address");
	close(fd);
	fd = listener(AF_INET, "0.0.0.0", EVEN);
	expect(&f4, AWAY, "listener on another port");
	close(fd);
}
END_TEST

START_TEST(connections)
{
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(ODD)}, client;
	socklen_t len = sizeof(client);
	int listening = listener(AF_INET, "127.0.0.1", ODD);
	int connected = socket(AF_INET, SOCK_STREAM, 0), accepted;
	struct frame in = frame_tcp4(0, ODD), out = frame_tcp4(ODD, 0);
	struct iphdr *ip[] = {(struct iphdr *)(in.data + ETH_HLEN), (struct iphdr *)(out.data + ETH_HLEN)};
	struct tcphdr *tcp[] = {(struct tcphdr *)(ip[0] + 1), (struct tcphdr *)(ip[1] + 1)};
	enum outcome steered;

	inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
	ck_assert_int_eq(connect(connected, (struct sockaddr *)&server, sizeof(server)), 0);
	accepted = accept(listening, NULL, NULL);
	ck_assert_int_eq(getsockname(connected, (struct sockaddr *)&client, &len), 0);
	for (int i = 0; i < 2; i++)
		ip[i]->saddr = ip[i]->daddr = server.sin_addr.s_addr;
	tcp[0]->source = tcp[1]->dest = client.sin_port;
	/* What is looked for is the listener, not the connection that the packet belongs to. */
	expect(&in, PASSIVE, "towards an accepted connection");
	steered = ntohs(client.sin_port) % 2 ? AWAY : HERE;
	expect(&out, steered, "towards a connection that was opened");
	close(listening);
	expect(&in, AWAY, "towards an accepted connection whose listener is gone");
	close(accepted);
	close(connected);
}
END_TEST

START_TEST(other_protocols)
{
	static const uint16_t type[] = {ETH_P_ARP, ETH_P_PPP_SES, 46 /* a length */, ETH_P_MPLS_UC, 0, 0xffff};
	static const uint8_t protocol[] = {IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_IPIP, IPPROTO_GRE, IPPROTO_ESP, IPPROTO_AH, 255};
	struct frame f;

	for (size_t i = 0; i < sizeof(type) / sizeof(*type); i++) {
		f = frame_ethernet(type[i]);
		expect(&f, NOT_TCP, "nothing behind the Ethernet header");
		frame_add(&f, NULL, 46);
		expect(&f, NOT_TCP, "not IP");
	}
	for (size_t i = 0; i < sizeof(protocol); i++) {
		f = frame_ethernet(ETH_P_IP);
		frame_ipv4(&f, protocol[i], 0, 20);
		frame_tcp(&f, 80, ODD);
		expect(&f, NOT_TCP, "not TCP, over IPv4");
		f = frame_ethernet(ETH_P_IPV6);
		frame_ipv6(&f, protocol[i], 20);
		frame_tcp(&f, 80, ODD);
		expect(&f, NOT_TCP, "not TCP, over IPv6");
	}
}
END_TEST

START_TEST(vlans)
{
	static const uint16_t tag[] = {ETH_P_8021Q, ETH_P_8021AD};

	for (unsigned outer = 0; outer < 2; outer++) {
		struct frame f = frame_ethernet(tag[outer]);

		frame_tag(&f, ETH_P_IP);
		frame_ipv4(&f, IPPROTO_TCP, 0, 20);
		frame_tcp(&f, 80, ODD);
		expect_steered(f, f.len - 20, "one tag, IPv4");
		expect_cut(f, ETH_HLEN, "one tag, IPv4, cut");
		for (unsigned inner = 0; inner < 2; inner++) {
			f = frame_ethernet(tag[outer]);
			frame_tag(&f, tag[inner]);
			frame_tag(&f, ETH_P_IPV6);
			frame_ipv6(&f, IPPROTO_TCP, 20);
			frame_tcp(&f, 80, ODD);
			expect_steered(f, f.len - 20, "two tags, IPv6");
			expect_cut(f, ETH_HLEN, "two tags, IPv6, cut");
		}
		f = frame_ethernet(tag[outer]);
		frame_tag(&f, tag[outer]);
		frame_tag(&f, ETH_P_8021Q);
		frame_tag(&f, ETH_P_IP);
		frame_ipv4(&f, IPPROTO_TCP, 0, 20);
		frame_tcp(&f, 80, ODD);
		expect(&f, NOT_TCP, "three tags");
		f = frame_ethernet(tag[outer]);
		frame_tag(&f, ETH_P_ARP);
		expect(&f, NOT_TCP, "ARP behind a tag");
	}
}
END_TEST

START_TEST(ipv4)
{
	struct frame f, good = frame_tcp4(80, ODD);
	struct iphdr *ip = (struct iphdr *)(f.data + ETH_HLEN);

	expect_steered(good, good.len - 20, "plain");
	expect_cut(good, ETH_HLEN, "plain, cut");
	for (unsigned options = 4; options <= 40; options += 4) {
		f = frame_ethernet(ETH_P_IP);
		frame_ipv4(&f, IPPROTO_TCP, options, 20);
		frame_tcp(&f, 80, ODD);
		expect_steered(f, f.len - 20, "options");
		expect_cut(f, ETH_HLEN, "options, cut");
	}
	f = good;
	ip->frag_off = htons(0x4000);
	expect(&f, AWAY, "may not be fragmented");
	ip->frag_off = htons(0x2000);
	expect(&f, NOT_TCP, "the first fragment");
	ip->frag_off = htons(0x2001);
	expect(&f, NOT_TCP, "a fragment");
	ip->frag_off = htons(1);
	expect(&f, NOT_TCP, "the last fragment");
	ip->frag_off = htons(0x1000);
	expect(&f, NOT_TCP, "the last fragment, with the highest bit of the offset alone");
	f = good;
	ip->version = 6;
	expect(&f, ERROR, "another version");
	f = good;
	for (ip->ihl = 0; ip->ihl < 5; ip->ihl++)
		expect(&f, ERROR, "a header shorter than its minimum");
	f = good;
	ip->tot_len = htons(39);
	expect(&f, ERROR, "a length that ends in the TCP header");
	f = good;
	frame_add(&f, NULL, 6);
	expect(&f, AWAY, "padded as Ethernet wants it");
}
END_TEST

START_TEST(tcp_header)
{
	struct frame f4 = frame_tcp4(80, ODD), f6 = frame_tcp6(80, ODD);
	struct tcphdr *tcp4 = (struct tcphdr *)(f4.data + f4.len - 20), *tcp6 = (struct tcphdr *)(f6.data + f6.len - 20);

	for (unsigned doff = 0; doff < 16; doff++) {
		tcp4->doff = tcp6->doff = doff & 15;
		expect(&f4, doff < 5 ? ERROR : AWAY, "IPv4, length of the TCP header");
		expect(&f6, doff < 5 ? ERROR : AWAY, "IPv6, length of the TCP header");
	}
}
END_TEST

START_TEST(ipv6)
{
	static const uint8_t extension[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS};
	struct frame f, good = frame_tcp6(80, ODD);
	struct ipv6hdr *ip = (struct ipv6hdr *)(f.data + ETH_HLEN);

	expect_steered(good, good.len - 20, "plain");
	expect_cut(good, ETH_HLEN, "plain, cut");
	for (size_t i = 0; i < sizeof(extension); i++) {
		for (unsigned units = 0; units < 160; units += 53) {
			f = frame_ethernet(ETH_P_IPV6);
			frame_ipv6(&f, extension[i], (units + 1) * 8 + 20);
			frame_extension(&f, IPPROTO_TCP, (uint8_t)units);
			frame_tcp(&f, 80, ODD);
			expect_steered(f, f.len - 20, "an extension header");
			expect_cut(f, f.len - 28, "an extension header, cut");
		}
		f = frame_ethernet(ETH_P_IPV6);
		frame_ipv6(&f, extension[i], 16);
		frame_extension(&f, IPPROTO_UDP, 0);
		frame_add(&f, NULL, 8);
		expect(&f, NOT_TCP, "UDP behind an extension header");
	}
	for (unsigned n = 2; n <= 9; n++) {
		f = frame_ethernet(ETH_P_IPV6);
		frame_ipv6(&f, IPPROTO_HOPOPTS, n * 8 + 20);
		for (unsigned i = 1; i < n; i++)
			frame_extension(&f, IPPROTO_DSTOPTS, 0);
		frame_extension(&f, IPPROTO_TCP, 0);
		frame_tcp(&f, 80, ODD);
		if (n <= 8)
			expect_steered(f, f.len - 20, "a chain of extension headers");
		else
			expect(&f, ERROR, "a chain that is longer than any of use");
	}
	f = good;
	ip->version = 4;
	expect(&f, ERROR, "another version");
	f = good;
	ip->payload_len = htons(19);
	expect(&f, ERROR, "a length that ends in the TCP header");
	ip->payload_len = 0;
	expect(&f, AWAY, "a jumbogram");
	f = good;
	ip->nexthdr = IPPROTO_NONE;
	expect(&f, NOT_TCP, "no next header");
}
END_TEST

START_TEST(ipv6_fragments)
{
	static const struct {
		uint16_t offset;
		int more;
	} fragment[] = {{0, 1}, {1, 0}, {1, 1}, {0x1000, 0}};
	struct frame f = frame_ethernet(ETH_P_IPV6);

	frame_ipv6(&f, IPPROTO_FRAGMENT, 28);
	frame_fragment(&f, IPPROTO_TCP, 0, 0);
	frame_tcp(&f, 80, ODD);
	expect_steered(f, f.len - 20, "the one fragment of its packet");
	expect_cut(f, ETH_HLEN, "the one fragment of its packet, cut");
	for (size_t i = 0; i < sizeof(fragment) / sizeof(*fragment); i++) {
		f = frame_ethernet(ETH_P_IPV6);
		frame_ipv6(&f, IPPROTO_FRAGMENT, 28);
		frame_fragment(&f, IPPROTO_TCP, fragment[i].offset, fragment[i].more);
		frame_tcp(&f, 80, ODD);
		expect(&f, NOT_TCP, "a fragment");
	}
	/* The field that is a length in the others is reserved in this one. */
	f = frame_ethernet(ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_FRAGMENT, 28);
	frame_fragment(&f, IPPROTO_TCP, 0, 0);
	f.data[f.len - 7] = 1;
	frame_tcp(&f, 80, ODD);
	expect_steered(f, f.len - 20, "a fragment header is always as long");
}
END_TEST

/*
 * Who looks at an interface and then acts can be overtaken. So attaching takes
 * nobody's place, and detaching takes off what was seen and nothing else.
 */
START_TEST(overtaken)
{
	struct fs_steer_program *other;
	struct fs_steer_found seen, found;
	struct fs_steer_why why;
	unsigned lo = if_nametoindex("lo");

	ck_assert_int_eq(fs_steer_load(&cpu_away, 1, (struct port_steer_range){2000, 3000}, &other, &why), 0);
	ck_assert_int_eq(fs_steer_find(lo, &found, &why), 0);
	ck_assert_int_eq(found.mode, FS_STEER_NONE);
	ck_assert_int_eq(fs_steer_attach(program, lo, true, &why), 0);
	ck_assert_int_eq(fs_steer_attach(other, lo, true, &why), -EBUSY);
	ck_assert_int_eq(fs_steer_find(lo, &seen, &why), 0);
	ck_assert(seen.mode == FS_STEER_GENERIC && seen.ours && seen.prog_id == fs_steer_id(program));
	ck_assert(seen.ncpus == 2 && seen.cpu[0] == cpu_here && seen.cpu[1] == cpu_away);

	ck_assert_int_eq(fs_steer_detach(lo, &seen, &why), 0);
	ck_assert_int_eq(fs_steer_attach(other, lo, true, &why), 0);
	ck_assert_int_eq(fs_steer_detach(lo, &seen, &why), -EEXIST);
	ck_assert_int_eq(fs_steer_find(lo, &found, &why), 0);
	ck_assert(found.ours && found.prog_id == fs_steer_id(other) && found.ncpus == 1);
	ck_assert(found.ports.low == 2000 && found.ports.high == 3000);
	ck_assert_int_eq(fs_steer_exists(found.prog_id), 0);
	ck_assert_int_eq(fs_steer_detach(lo, &found, &why), 0);
	fs_steer_close(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("port_steer");
	TCase *tc = tcase_create("program");
	int status = prepare();

	if (status)
		return status;
	tcase_add_checked_fixture(tc, setup, teardown);
	/* Thousands of runs; loading the program alone takes the verifier tens of milliseconds. */
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, ports);
	tcase_add_test(tc, range);
	tcase_add_test(tc, range_and_listeners);
	tcase_add_test(tc, listeners);
	tcase_add_test(tc, connections);
	tcase_add_test(tc, other_protocols);
	tcase_add_test(tc, vlans);
	tcase_add_test(tc, ipv4);
	tcase_add_test(tc, tcp_header);
	tcase_add_test(tc, ipv6);
	tcase_add_test(tc, ipv6_fragments);
	tcase_add_test(tc, overtaken);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
