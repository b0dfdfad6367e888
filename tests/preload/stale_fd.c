/*
 * A listener that is closed behind the library's back (libc's own calls do not pass
 * an interposed close), and whose number then belongs to something else. Promised:
 * the number means what the kernel says it means, for every call that is hooked.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* A number that names an eventfd, or a pipe's end, now. */
static void not_a_listener(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ep = H_OK(epoll_create1(0)), off = 0, value, n;
	socklen_t len = sizeof(value);

	H_TELL(accept(fd, NULL, NULL));
	H_TELL(listen(fd, 5));
	H_TELL(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &len));
	H_TELL(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off)));
	H_TELL(shutdown(fd, SHUT_RDWR));
	H_TELL(ioctl(fd, FIONBIO, &off));
	h_say("F_GETFL %#x", fcntl(fd, F_GETFL));
	h_report("%zu cores", h_cores(fd));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	ev.data.u64 = 0;
	n = poll(&p, 1, 0);
	h_say("poll: %d, revents %#x", n, p.revents);
	n = epoll_wait(ep, &ev, 1, 0);
	h_say("epoll: %d, events %#x, data %llu", n, ev.events, (unsigned long long)ev.data.u64);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	H_OK(close(ep));
	H_TELL(close(fd));
	H_TELL(close(fd));
}

static void reuse(int lfd)
{
	int fd, p[2];

	H_OK(syscall(SYS_close, lfd));
	fd = H_OK(eventfd(3, 0));
	H_CHECK(fd == lfd);
	h_say("- an eventfd");
	not_a_listener(fd);

	H_OK(pipe(p));
	H_CHECK(p[0] == lfd);
	H_CHECK(write(p[1], "x", 1) == 1);
	h_say("- a pipe");
	not_a_listener(p[0]);
	H_OK(close(p[1]));
}

/* Another listener with the number of the lost one. */
static void again(int lfd)
{
	int fd, client;

	H_OK(syscall(SYS_close, lfd));
	fd = h_listener(SOCK_NONBLOCK);
	H_CHECK(fd == lfd);
	client = H_OK(h_connect(h_port(fd)));
	H_CHECK(h_wait_readable(fd));
	H_OK(close(H_OK(accept(fd, NULL, NULL))));
	H_OK(close(client));
	H_OK(close(fd));
}

/* A connection with the number of the lost listener: it must not be taken for one. */
static void connection(int lfd)
{
	int other, client, conn;
	char word[3];

	H_OK(syscall(SYS_close, lfd));
	client = H_OK(socket(AF_INET, SOCK_STREAM, 0));
	H_CHECK(client == lfd);
	H_OK(close(client));
	other = h_listener(0);
	client = H_OK(h_connect(h_port(other)));
	conn = H_OK(accept(other, NULL, NULL));
	H_TELL(accept(client, NULL, NULL));
	H_CHECK(write(conn, "abc", 3) == 3);
	H_CHECK(h_wait_readable(client));
	H_CHECK(read(client, word, 3) == 3);
	h_say("read %.3s", word);
	H_OK(close(conn));
	H_OK(close(client));
	H_OK(close(other));
}

static void run(void)
{
	void (*const stories[])(int lfd) = { reuse, again, connection };

	for (unsigned active = 0; active < 2; active++) {
		h_say(active ? "== two workers" : "== alone");
		for (unsigned i = 0; i < 3; i++) {
			int lfd = h_listener(SOCK_NONBLOCK);

			if (active) {
				h_activate(lfd);
				h_report(h_active() ? "active" : "inactive");
			}
			stories[i](lfd);
			h_end_workers();
		}
	}
}

const struct h_story h_story = {
	.expect = "0 cores\n0 cores\nactive\n0 cores\n0 cores\nactive\nactive\n",
	.run = run,
};
