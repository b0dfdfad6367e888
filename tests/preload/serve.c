/* See serve.h. */
#define _GNU_SOURCE
#include "serve.h"

#include <semaphore.h>
#include <sys/mman.h>

#include "core/region.h"

/* A wait of a worker that is called after each. */
#define EACH_MS 5
/* Rounds in which connections may still go elsewhere: the machine is noisy, and then the library helps out. */
#define ROUNDS 400
#define ROUND 20

struct orders {
	struct h_worker worker[H_WORKERS_MAX];
	sem_t release[H_WORKERS_MAX];
	_Atomic int stick;      /* enum h_stick, for whoever accepts next */
	_Atomic unsigned taken; /* worker + 1 that took it */
};

struct h_worker *h_worker;
void (*h_serve_each)(int lfd, unsigned worker);
void (*h_serve_made)(int fd);

static struct orders *orders;
static enum h_loop how_to_wait;

void h_serve_as(enum h_loop loop)
{
	how_to_wait = loop;
	if (!orders) {
		orders = mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		H_CHECK(orders != MAP_FAILED);
	}
	memset(orders, 0, sizeof(*orders));
	h_worker = orders->worker;
	for (unsigned i = 0; i < H_WORKERS_MAX; i++)
		H_OK(sem_init(&orders->release[i], 1, 0));
}

int h_serve_listener(void)
{
	return h_listener(how_to_wait == H_LOOP_ACCEPT ? 0 : SOCK_NONBLOCK);
}

/* ---- workers ---- */

static void be_stuck(enum h_stick how, unsigned worker)
{
	orders->worker[worker].stuck++;
	orders->taken = worker + 1;
	if (how == H_STICK_BLOCK)
		while (sem_wait(&orders->release[worker]) != 0)
			;
	else
		while (sem_trywait(&orders->release[worker]) != 0)
			;
	orders->worker[worker].stuck--;
}

/* False when there was nothing to accept. */
static bool take(int lfd, unsigned worker)
{
	int conn = accept(lfd, NULL, NULL), how;

	if (conn < 0) {
		H_CHECK(errno == EAGAIN);
		return false;
	}
	how = atomic_exchange(&orders->stick, H_STICK_NOT);
	if (how != H_STICK_NOT)
		be_stuck((enum h_stick)how, worker);
	orders->worker[worker].served++;
	h_answer(conn, worker);
	return true;
}

static bool wait_in(int ep, int outer, struct epoll_event *ev)
{
	int limit = h_serve_each ? EACH_MS : -1;

	if (outer < 0)
		return epoll_wait(ep, ev, 1, limit) == 1;
	return epoll_wait(outer, ev, 1, limit) == 1 && epoll_wait(ep, ev, 1, 0) == 1;
}

static void serve_epoll(int ep, int outer, int lfd, unsigned worker)
{
	const bool until_empty = how_to_wait == H_LOOP_EDGE || how_to_wait == H_LOOP_ONESHOT;
	struct h_worker *w = &orders->worker[worker];

	for (;;) {
		struct epoll_event ev;

		if (wait_in(ep, outer, &ev)) {
			bool any = false;

			w->woken++;
			if (w->ignore) {
				h_sleep_ms(1);
				continue;
			}
			while (take(lfd, worker)) {
				any = true;
				if (!until_empty)
					break;
			}
			w->vain += !any;
			ev.events = EPOLLIN | EPOLLONESHOT;
			if (how_to_wait == H_LOOP_ONESHOT)
				H_OK(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, &ev));
		}
		if (h_serve_each)
			h_serve_each(lfd, worker);
	}
}

struct sharer {
	int ep;
	int lfd;
	unsigned worker;
};

static void *share(void *arg)
{
	struct sharer *s = arg;

	serve_epoll(s->ep, -1, s->lfd, s->worker);
	return NULL;
}

static int make_instance(void)
{
	int ep = H_OK(epoll_create1(EPOLL_CLOEXEC));

	if (h_serve_made)
		h_serve_made(ep);
	return ep;
}

static void start_epoll(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = make_instance(), outer = -1;
	struct sharer s = { ep, lfd, worker };
	pthread_t t;

	if (how_to_wait == H_LOOP_EDGE)
		ev.events |= EPOLLET;
	else if (how_to_wait == H_LOOP_ONESHOT)
		ev.events |= EPOLLONESHOT;
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	if (how_to_wait == H_LOOP_NESTED) {
		outer = make_instance();
		ev.events = EPOLLIN;
		H_OK(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev));
	}
	if (how_to_wait == H_LOOP_SHARED)
		H_CHECK(pthread_create(&t, NULL, share, &s) == 0);
	serve_epoll(ep, outer, lfd, worker);
}

void h_serve(int lfd, unsigned worker)
{
	struct h_worker *w = &orders->worker[worker];

	w->pid = getpid();
	w->tid = gettid();
	if (how_to_wait != H_LOOP_POLL && how_to_wait != H_LOOP_ACCEPT)
		start_epoll(lfd, worker);
	for (;;) {
		struct pollfd p = { .fd = lfd, .events = POLLIN };

		if (how_to_wait == H_LOOP_POLL && poll(&p, 1, h_serve_each ? EACH_MS : -1) != 1)
			continue;
		w->woken++;
		w->vain += !take(lfd, worker);
		if (h_serve_each)
			h_serve_each(lfd, worker);
	}
}

/* ---- the story's side ---- */

static bool waits(void *tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", *(int *)tid);
	f = fopen(path, "re");
	H_CHECK(f != NULL && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
	H_OK(fclose(f));
	return state == 'S';
}

void h_nudge(unsigned n)
{
	for (unsigned w = 0; w < n; w++) {
		int pid = h_worker[w].pid;

		/* Not said yet, it would be everybody's. */
		H_CHECK(pid > 0);
		H_OK(kill(pid, SIGSTOP));
		H_OK(kill(pid, SIGCONT));
		H_CHECK(h_until(waits, &pid));
	}
}

int h_connect_from(unsigned client, uint16_t port)
{
	int fd;

	h_pin(h_cpu[client]);
	fd = H_OK(h_connect(port));
	h_unpin();
	return fd;
}

unsigned h_answered_by(int fd)
{
	struct h_reply r;
	bool whole = recv(fd, &r, sizeof(r), MSG_WAITALL) == sizeof(r);

	H_OK(close(fd));
	return whole && r.worker < H_WORKERS_MAX ? r.worker : H_WORKERS_MAX;
}

static bool somebody_took_it(void *unused)
{
	(void)unused;
	return orders->taken != 0;
}

struct h_stuck h_stick(uint16_t port, unsigned client, enum h_stick how)
{
	struct h_stuck s;

	orders->taken = 0;
	orders->stick = how;
	s.fd = h_connect_from(client, port);
	H_CHECK(h_until(somebody_took_it, NULL));
	s.worker = orders->taken - 1;
	return s;
}

void h_release(unsigned worker)
{
	H_CHECK(orders->worker[worker].stuck > 0);
	H_OK(sem_post(&orders->release[worker]));
}

void h_unstick(struct h_stuck s)
{
	h_release(s.worker);
	H_CHECK(h_answered_by(s.fd) == s.worker);
}

bool h_all_by(uint16_t port, unsigned worker)
{
	struct h_result res;
	bool all = true;

	h_load(port, ROUND, &res);
	for (unsigned i = 0; i < H_CPUS; i++)
		all &= res.answered[i] == ROUND && res.by_worker[i][worker] == ROUND;
	return all;
}

bool h_all_local(int lfd)
{
	if (!h_present())
		return true;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t before[H_CPUS];
		struct h_result res;
		bool all = true;

		for (unsigned i = 0; i < H_CPUS; i++)
			before[i] = h_local_accepts(lfd, h_cpu[i], NULL);
		h_load(h_port(lfd), ROUND, &res);
		for (unsigned i = 0; i < H_CPUS; i++) {
			H_CHECK(res.answered[i] == ROUND);
			all &= h_local_accepts(lfd, h_cpu[i], NULL) - before[i] == ROUND;
		}
		if (all)
			return true;
		h_sleep_ms(5);
	}
	return false;
}

/* ---- the library's own figures ---- */

struct fs_region_head *h_region(void)
{
	static struct fs_region_head *found;
	char line[512];
	FILE *maps;

	if (found || !h_present())
		return found;
	maps = fopen("/proc/self/maps", "re");
	H_CHECK(maps != NULL);
	while (!found && fgets(line, sizeof(line), maps)) {
		void *from;

		if (strstr(line, "/memfd:" FS_REGION_NAME " ") && strstr(line, " 00000000 ") && sscanf(line, "%p-", &from) == 1)
			found = from;
	}
	H_OK(fclose(maps));
	H_CHECK(!found || (found->magic == FS_REGION_MAGIC && found->version == FS_REGION_VERSION));
	return found;
}

struct h_counts h_counts(void)
{
	const struct fs_region_head *head = h_region();
	struct h_counts sum = { 0 };

	if (!head)
		return sum;
	sum.helpless = head->helpless;
	sum.lease = (int)(head->lease >> 32);
	for (uint32_t w = 0; w < FS_WORKERS_MAX; w++) {
		const struct fs_worker_rec *rec = (const void *)((const char *)head + fs_region_workers_at());

		sum.workers += rec[w].state == FS_WORKER_LIVE;
	}
	for (uint32_t g = 0; g < FS_GROUPS_MAX; g++) {
		for (uint32_t c = 0; c < head->ncores; c++) {
			const struct fs_core_rec *rec =
				(const void *)((const char *)head + fs_region_core_at(head->ncores, g, c));

			sum.stolen += rec->stolen;
			sum.given += rec->given;
			sum.rescued += rec->rescued;
			sum.woken += rec->woken;
		}
	}
	return sum;
}
