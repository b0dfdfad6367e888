/* The stories' clients, and what they see of a server: part of the harness. See harness.h. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Rounds of connections that a group may take to get going; one is enough when no worker is slow. */
#define WARM_ROUNDS 400
#define WARM_ROUNDS_STOCK 4
#define WARM_CONNECTIONS 8
#define MEASURED 200
#define BATCH_MAX 32

struct client {
	sem_t go;
	sem_t done;
	int family;
	uint16_t port;
	unsigned n;
	unsigned batch;
	unsigned answered;
	unsigned here;
	unsigned by_worker[H_WORKERS_MAX];
};

static struct client *clients; /* shared */
static pid_t client_pid[H_CPUS];

static int connect_to(int family, uint16_t port)
{
	struct timeval patience = { .tv_sec = H_PATIENCE };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger abort_on_close = { .l_onoff = 1 };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	sin.sin_port = sin6.sin6_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	/* Thousands of connections in a row must not leave as many ports in TIME_WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
	if (connect(fd, family == AF_INET ? (void *)&sin : (void *)&sin6,
		    family == AF_INET ? sizeof(sin) : sizeof(sin6)) == 0)
		return fd;
	int err = errno;

	close(fd);
	errno = err;
	return -1;
}

int h_connect(uint16_t port)
{
	return connect_to(AF_INET, port);
}

void h_answer(int conn, unsigned worker)
{
	struct h_reply r = { .cpu = (uint32_t)sched_getcpu(), .worker = worker };

	H_CHECK(write(conn, &r, sizeof(r)) == sizeof(r));
	H_OK(close(conn));
}

/*
 * One batch: all are opened before the first answer is read. A connection counts
 * when it was answered and ended properly.
 */
static void client_batch(struct client *c, unsigned n)
{
	int fd[BATCH_MAX];

	for (unsigned i = 0; i < n; i++)
		fd[i] = connect_to(c->family, c->port);
	for (unsigned i = 0; i < n; i++) {
		struct h_reply r;
		char end;

		if (fd[i] < 0)
			continue;
		if (recv(fd[i], &r, sizeof(r), MSG_WAITALL) == sizeof(r) && recv(fd[i], &end, 1, 0) == 0) {
			c->answered++;
			c->here += r.cpu == (uint32_t)sched_getcpu();
			c->by_worker[r.worker % H_WORKERS_MAX]++;
		}
		close(fd[i]);
	}
}

static void client_main(struct client *c, unsigned cpu)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	h_pin(cpu);
	for (;;) {
		while (sem_wait(&c->go) != 0)
			;
		c->answered = c->here = 0;
		memset(c->by_worker, 0, sizeof(c->by_worker));
		for (unsigned left = c->n; left > 0;) {
			unsigned n = left < c->batch ? left : c->batch;
			unsigned before = c->answered;

			client_batch(c, n);
			left -= n;
			/* Nobody serves: one wait is enough to know. */
			if (c->answered == before)
				break;
		}
		sem_post(&c->done);
	}
}

void h_clients_start(void)
{
	clients = mmap(NULL, H_CPUS * sizeof(*clients), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(clients != MAP_FAILED);
	for (unsigned i = 0; i < H_CPUS; i++) {
		H_OK(sem_init(&clients[i].go, 1, 0));
		H_OK(sem_init(&clients[i].done, 1, 0));
		client_pid[i] = H_OK(fork());
		if (client_pid[i] == 0)
			client_main(&clients[i], h_cpu[i]);
	}
}

void h_clients_end(void)
{
	for (unsigned i = 0; i < H_CPUS; i++) {
		kill(client_pid[i], SIGKILL);
		waitpid(client_pid[i], NULL, 0);
	}
}

void h_load_on(int family, uint16_t port, unsigned n, unsigned batch, struct h_result *res)
{
	memset(res, 0, sizeof(*res));
	res->asked = n;
	for (unsigned i = 0; i < H_CPUS; i++) {
		clients[i].family = family;
		clients[i].port = port;
		clients[i].n = n;
		clients[i].batch = batch;
		H_OK(sem_post(&clients[i].go));
	}
	for (unsigned i = 0; i < H_CPUS; i++) {
		while (sem_wait(&clients[i].done) != 0)
			H_CHECK(errno == EINTR);
		res->answered[i] = clients[i].answered;
		res->here[i] = clients[i].here;
		memcpy(res->by_worker[i], clients[i].by_worker, sizeof(res->by_worker[i]));
	}
}

void h_load(uint16_t port, unsigned n, struct h_result *res)
{
	h_load_on(AF_INET, port, n, 1, res);
}

static bool local_everywhere(int lfd)
{
	for (unsigned i = 0; i < H_CPUS; i++)
		if (h_local_accepts(lfd, h_cpu[i], NULL) == 0)
			return false;
	return true;
}

void h_warm_up(int lfd)
{
	unsigned rounds = h_present() ? WARM_ROUNDS : WARM_ROUNDS_STOCK;
	struct h_result res;

	for (unsigned i = 0; i < rounds; i++) {
		h_load(h_port(lfd), WARM_CONNECTIONS, &res);
		for (unsigned c = 0; c < H_CPUS; c++)
			H_CHECK(res.answered[c] == res.asked);
		/* A story that is left alone never gets there: a few rounds show it. */
		if (local_everywhere(lfd) || (i >= WARM_ROUNDS_STOCK && strcmp(h_story.expect, H_ALONE) == 0))
			return;
	}
}

void h_report_state(int lfd)
{
	bool any = false;

	for (unsigned i = 0; i < H_CPUS; i++)
		any |= h_local_accepts(lfd, h_cpu[i], NULL) != 0;
	h_report(h_active() ? "active" : "inactive");
	if (!any)
		h_report("no local accepts");
}

/* 99 of 100: what the project promises for pinned clients. */
static bool nearly_all(uint64_t part, unsigned whole)
{
	return part * 100 >= (uint64_t)whole * 99;
}

void h_shape(int lfd)
{
	uint64_t before[H_CPUS];
	struct h_result one, many;
	bool local = true, here = true;

	h_warm_up(lfd);
	for (unsigned i = 0; i < H_CPUS; i++)
		before[i] = h_local_accepts(lfd, h_cpu[i], NULL);
	h_load(h_port(lfd), MEASURED, &one);
	for (unsigned i = 0; i < H_CPUS; i++) {
		h_say("client %u, one at a time: %u of %u answered", i, one.answered[i], one.asked);
		local &= nearly_all(h_local_accepts(lfd, h_cpu[i], NULL) - before[i], MEASURED);
		here &= nearly_all(one.here[i], MEASURED);
	}
	h_load_on(AF_INET, h_port(lfd), MEASURED, 16, &many);
	for (unsigned i = 0; i < H_CPUS; i++)
		h_say("client %u, 16 at a time: %u of %u answered", i, many.answered[i], many.asked);
	h_report_state(lfd);
	if (!h_active())
		return;
	if (local_everywhere(lfd))
		h_report("local listener on every CPU");
	if (local)
		h_report("accepted where it arrived");
	if (here)
		h_report("answered from that CPU");
	if (!local || !here)
		for (unsigned i = 0; i < H_CPUS; i++)
			h_report("client %u: %u answered, %u from its CPU; CPU accepted %llu of them locally", i,
				 one.answered[i], one.here[i],
				 (unsigned long long)(h_local_accepts(lfd, h_cpu[i], NULL) - before[i]));
}
