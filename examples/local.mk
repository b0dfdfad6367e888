# Compiled with the tests, so that it stays true.
check_PROGRAMS += examples/counters
examples_counters_SOURCES = examples/counters.c
examples_counters_CFLAGS = $(AM_CFLAGS) -pthread
examples_counters_LDADD = libfastsock.la

EXTRA_DIST += examples/demo.sh

# Installed with their directories: $(docdir)/examples/nginx and so on. The demo builds the library, so it stays with the source.
EXAMPLES = \
	examples/README.md \
	examples/counters.c \
	examples/container/Containerfile \
	examples/container/README.md \
	examples/gunicorn/README.md \
	examples/gunicorn/app.py \
	examples/gunicorn/fastsock.conf \
	examples/gunicorn/gunicorn.conf.py \
	examples/gunicorn/gunicorn.service \
	examples/haproxy/README.md \
	examples/haproxy/fastsock.conf \
	examples/haproxy/haproxy.cfg \
	examples/nginx/README.md \
	examples/nginx/fastsock.conf \
	examples/nginx/nginx.conf \
	examples/node/README.md \
	examples/node/fastsock.conf \
	examples/node/node-server.service \
	examples/node/server.js \
	examples/systemd/hardened.conf
nobase_dist_doc_DATA = $(EXAMPLES)
