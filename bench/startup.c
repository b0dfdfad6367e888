/*
 * How long a program takes from fork() to its end, with and without the
 * library: both in turn, many times, so that whatever else the machine does
 * falls on both. The command should do nothing, as true(1) does, or make one
 * listener and no more, as `startup --listen` does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define COUNT_MAX 100000

/* Milliseconds. A program's environment is what it starts with, so the two differ in it alone. */
static double run(char **command, char **environment)
{
	uint64_t from = bench_now();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execve(command[0], command, environment);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bench_die("fork: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bench_die("%s failed", command[0]);
	return (double)(bench_now() - from) / 1e6;
}

static int make_a_listener(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 16) < 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "library", required_argument, NULL, 'l' },
		{ "count", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	static double plain[COUNT_MAX], loaded[COUNT_MAX];
	const char *library = NULL;
	char *preload, *without[] = { "PATH=/usr/bin:/bin", NULL }, *with[] = { "PATH=/usr/bin:/bin", NULL, NULL };
	unsigned long count = 200;
	int opt;

	if (argc == 2 && strcmp(argv[1], "--listen") == 0)
		return make_a_listener();
	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (opt == 'l')
			library = optarg;
		else if (opt == 'c')
			count = bench_number("count", optarg, 1, COUNT_MAX);
		else
			return 2;
	}
	if (!library || optind == argc)
		bench_die("--library FILE and a command are needed");
	/*
	 * The dynamic linker only warns about a library that is not there, and then nothing
	 * would be measured.
	 */
	if (access(library, R_OK) != 0)
		bench_die("%s: %s", library, strerror(errno));
	if (asprintf(&preload, "LD_PRELOAD=%s", library) < 0)
		bench_die("out of memory");
	with[1] = preload;
	for (unsigned long i = 0; i < count; i++) {
		/* Whoever comes second finds the caches warm: take turns at that too. */
		if (i % 2)
			loaded[i] = run(argv + optind, with);
		plain[i] = run(argv + optind, without);
		if (i % 2 == 0)
			loaded[i] = run(argv + optind, with);
	}
	free(preload);
	printf("plain_ms %.4f\nloaded_ms %.4f\n", bench_median(plain, count), bench_median(loaded, count));
	return 0;
}
