# Tests with real servers, and of what is installed.

SYSTEM_TESTS = \
	tests/system/completion.test \
	tests/system/examples.test \
	tests/system/examples_units.test \
	tests/system/haproxy_by_thread.test \
	tests/system/haproxy_nbthread.test \
	tests/system/haproxy_outcomes.test \
	tests/system/haproxy_user.test \
	tests/system/install.test \
	tests/system/lighttpd.test \
	tests/system/memcached.test \
	tests/system/nginx_accept_mutex.test \
	tests/system/nginx_counts.test \
	tests/system/nginx_outcomes.test \
	tests/system/nginx_reload.test \
	tests/system/nginx_reuseport.test \
	tests/system/nginx_stock.test \
	tests/system/nginx_upgrade.test \
	tests/system/nginx_workers.test \
	tests/system/plots.test \
	tests/system/redis.test

check_PROGRAMS += tests/lib/pinned_client bench/pinned_client
tests_lib_pinned_client_SOURCES = tests/lib/pinned_client.c

TESTS += $(SYSTEM_TESTS)
EXTRA_DIST += $(SYSTEM_TESTS) \
	tests/system/environment.sh \
	tests/system/haproxy.sh \
	tests/system/lib.sh \
	tests/system/nginx.sh \
	tests/system/outcomes.sh \
	tests/system/untouched.sh
