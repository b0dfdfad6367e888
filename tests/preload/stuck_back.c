/*
 * A worker was stuck, and steering passes it by; then it goes on, and nobody else in the
 * server has noticed it yet. Promised: it has its flows back as soon as it waits again,
 * by itself.
 */
#define _GNU_SOURCE
#include "freeze.h"

#include "core/region.h"

#define WORKERS 2

/* Cores that steering passes by. */
static unsigned passed_by(void)
{
	const struct fs_region_head *head = h_region();
	const struct fs_core_rec *rec;
	unsigned n = 0;

	for (uint32_t i = 0; head && i < FS_GROUPS_MAX * head->ncores; i++) {
		rec = (const void *)((const char *)head + fs_region_core_at(head->ncores, 0, i));
		n += rec->out != 0;
	}
	return n;
}

static bool one_passed_by(void *unused)
{
	(void)unused;
	return !h_present() || passed_by() == 1;
}

static bool none_passed_by(void *unused)
{
	(void)unused;
	return passed_by() == 0;
}

static bool once(int lfd, unsigned client)
{
	int tid[WORKERS] = { 0 }, fd;
	struct h_stuck s;
	unsigned by;
	bool back;

	H_CHECK(h_all_local(lfd));
	s = h_stick(h_port(lfd), client, H_STICK_BLOCK);
	fd = h_connect_from(client, h_port(lfd));
	H_CHECK(h_until(one_passed_by, NULL));
	h_say("stuck: %s", h_answered_by(fd) == !s.worker ? "the other one answers" : "not answered");
	for (unsigned i = 0; h_present() && i < WORKERS; i++) {
		tid[i] = fz_thread_of(h_worker[i].pid);
		H_CHECK(tid[i] != 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		if (tid[i])
			fz_hold(tid[i]);
	h_release(s.worker);
	by = h_answered_by(s.fd);
	back = h_until(none_passed_by, NULL);
	for (unsigned i = 0; i < WORKERS; i++)
		if (tid[i])
			fz_let_go(tid[i]);
	h_say("free again: %s", by == s.worker ? "it answers" : "not answered");
	h_report(back ? "back in steering" : "still passed by");
	return back;
}

static void story(enum h_loop loop)
{
	int lfd;

	h_serve_as(loop);
	lfd = h_serve_listener();
	h_prefork(WORKERS, lfd, h_serve);
	h_warm_up(lfd);
	for (unsigned round = 0; round < 2 * H_CPUS; round++)
		if (!once(lfd, round % H_CPUS))
			break;
	h_report(h_active() ? "active" : "inactive");
	h_end_workers();
	H_OK(close(lfd));
}

static void run(void)
{
	fz_need();
	story(H_LOOP_EPOLL);
	story(H_LOOP_POLL);
}

#define BACK "back in steering\n"
#define STORY BACK BACK BACK BACK "active\n"

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = STORY STORY, .run = run };
