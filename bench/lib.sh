# shellcheck shell=bash disable=SC2034 # what is set here is read by whoever sources this
#
# Servers and load for the benchmark and the demonstration: starts a server in
# one of its modes on a free port of the loopback interface, loads it, reads
# what it cost, and ends it. Sourced; needs bash and awk.
#
# The caller may set BENCH_NAME (who complains) and WORKERS, sets LIBRARY (libfastsock.so) and
# FASTSOCK (the command) for the modes that use them, and HELPERS (where the benchmark's programs
# are) for the server of ours. It calls bench_begin once, and may rely on everything being stopped
# and removed when it exits, on Ctrl-C too.

# Servers live in sbin, which is not in everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# Decimal points and sorting as the parsers below expect them.
export LC_ALL=C

WORKERS=${WORKERS:-$(nproc)}
BENCH_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
# How long a server may take to come up or to go, in steps of 50 ms.
BENCH_PATIENCE=200

bench_say()
{
	printf '%s\n' "$*" >&2
}

bench_die()
{
	bench_say "${BENCH_NAME:-${0##*/}}: $*"
	exit 1
}

bench_begin()
{
	BENCH_TMP=$(mktemp -d "${TMPDIR:-/tmp}/fastsock-bench.XXXXXX") || exit 1
	BENCH_SERVERS=()
	BENCH_LOAD=
	BENCH_TICKS=$(getconf CLK_TCK)
	trap bench_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

bench_end()
{
	local pid i

	trap '' INT TERM HUP
	[ -z "$BENCH_LOAD" ] || kill -TERM -- "-$BENCH_LOAD" 2>/dev/null
	for pid in "${BENCH_SERVERS[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	# Time for a master to end its workers; then nobody is asked any more.
	for pid in "${BENCH_SERVERS[@]}"; do
		for ((i = 0; i < 40; i++)); do
			bench_alive "$pid" || break
			sleep 0.05
		done
		kill -KILL -- "-$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$BENCH_TMP"
}

# Runs a load generator so that a signal to this script is heard at once: bash defers traps while
# a foreground command runs.
bench_load()
{
	bench_load_begin "$@"
	bench_load_wait
}

# Job control gives it a process group of its own, all of which can be ended when this script ends.
bench_load_begin()
{
	set -m
	"$@" </dev/null &
	BENCH_LOAD=$!
	set +m
}

bench_load_wait()
{
	local status=0

	wait "$BENCH_LOAD" || status=$?
	BENCH_LOAD=
	return $status
}

# Sets PORT: below the ports that connect() takes, and nobody listens there now.
bench_port()
{
	local hex

	while :; do
		PORT=$((20000 + RANDOM % 12000))
		hex=$(printf '%04X' $PORT)
		awk -v p=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == p { taken = 1 } END { exit taken }' \
			/proc/net/tcp /proc/net/tcp6 2>/dev/null && return
	done
}

# Children of a process, one a line.
bench_children()
{
	local stat line rest

	if [ -r "/proc/$1/task/$1/children" ]; then
		tr ' ' '\n' <"/proc/$1/task/$1/children" | grep .
		return
	fi
	for stat in /proc/[0-9]*/stat; do
		read -r line 2>/dev/null <"$stat" || continue
		# shellcheck disable=SC2086 # the fields are words
		set -- "$1" ${line##*) }
		[ "$3" = "$1" ] && echo "${line%% *}"
	done
}

# Sets CPU_MS: user and system time of the processes and their children so far.
bench_cpu_ms()
{
	local pid parent line ticks=0
	local -a f

	for pid in "$@" $(for parent in "$@"; do bench_children "$parent"; done); do
		read -r line 2>/dev/null <"/proc/$pid/stat" || continue
		# The name may hold blanks: what follows it starts with field 3, so 14 and 15 are at 11 and 12.
		read -r -a f <<<"${line##*) }"
		ticks=$((ticks + f[11] + f[12]))
	done
	CPU_MS=$((ticks * 1000 / BENCH_TICKS))
}

# Whether a process still runs. One that has ended but that its parent, which need not be this
# script, has not asked about yet does not.
bench_alive()
{
	local line

	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	case ${line##*) } in
	Z* | X*) return 1 ;;
	esac
}

# bench_server LOG COMMAND...: starts it in a process group of its own; sets SERVER to its pid, which is the group's too.
bench_server()
{
	local log=$1

	shift
	setsid "$@" >"$log" 2>&1 </dev/null &
	SERVER=$!
	BENCH_SERVERS+=("$SERVER")
}

# Whether a server answers on PORT, and has as many children as it should. A server that died is reported with its words.
bench_ready()
{
	local pid=$1 children=$2 log=$3 i

	for ((i = 0; i < BENCH_PATIENCE; i++)); do
		if ! bench_alive "$pid"; then
			sed 's/^/    /' "$log" >&2
			return 1
		fi
		if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null &&
			[ "$(bench_children "$pid" | wc -l)" -ge "$children" ]; then
			return 0
		fi
		sleep 0.05
	done
	bench_say "a server did not come up:"
	sed 's/^/    /' "$log" >&2
	return 1
}

# Ends a server: as it wishes to be asked, then, if it does not listen, for good.
bench_stop()
{
	local pid=$1 signal=${2:-TERM} i other
	local -a rest=()

	kill "-$signal" "$pid" 2>/dev/null
	for ((i = 0; i < BENCH_PATIENCE; i++)); do
		bench_alive "$pid" || break
		sleep 0.05
	done
	kill -KILL -- "-$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	for other in "${BENCH_SERVERS[@]}"; do
		[ "$other" = "$pid" ] || rest+=("$other")
	done
	BENCH_SERVERS=("${rest[@]}")
	return 0
}

# The words that put a command under the library, for a mode that is named so.
bench_under()
{
	case $1 in
	fastsock-nosteal) UNDER=(env "LD_PRELOAD=$LIBRARY" FASTSOCK_STEAL=off) ;;
	fastsock*) UNDER=(env "LD_PRELOAD=$LIBRARY") ;;
	*) UNDER=(env) ;;
	esac
}

# Waits until a program that was started under the library has a group that is active; without it the figures would mean nothing.
# A worker may need to be woken once before it takes part, so a connection is made each time.
bench_wait_active()
{
	local pid=$1 log=$2 i

	for ((i = 0; i < BENCH_PATIENCE; i++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
		"$FASTSOCK" stat --json "$pid" 2>"$BENCH_TMP/stat.err" | grep -Eq '"active": *true' && return 0
		sleep 0.05
	done
	bench_say "the library is not active in process $pid:"
	sed 's/^/    /' "$log" "$BENCH_TMP/stat.err" >&2
	return 1
}

# nginx_configure WORKERS: nginx's stock configuration but for NGINX_LISTEN, words at `listen`, and
# NGINX_WORDS. Requests with ?count are logged by the worker's pid alone, which costs the others next to nothing.
nginx_configure()
{
	cat >"$NGINX_DIR/nginx.conf" <<-END
		worker_processes $1;
		$NGINX_WORDS
		pid $NGINX_DIR/pid;
		error_log stderr;
		events { worker_connections 1024; }
		http {
		    log_format pid '\$pid';
		    access_log $NGINX_PIDS pid buffer=64k if=\$arg_count;
		    client_body_temp_path $NGINX_DIR/body;
		    proxy_temp_path $NGINX_DIR/proxy;
		    fastcgi_temp_path $NGINX_DIR/fastcgi;
		    uwsgi_temp_path $NGINX_DIR/uwsgi;
		    scgi_temp_path $NGINX_DIR/scgi;
		    server {
		        listen 127.0.0.1:$PORT$NGINX_LISTEN;
		        location / { return 200 "ok\n"; }
		    }
		}
	END
}

# nginx_start MODE [DAEMON]: sets NGINX and PORT, and NGINX_DIR where nginx_configure writes.
# DAEMON `on`: for scenarios that replace the binary, which nginx refuses while its first parent
# lives.
nginx_start()
{
	local mode=$1 daemon=${2:-off} try i

	NGINX_LISTEN='' NGINX_WORDS=''
	case $mode in
	reuseport) NGINX_LISTEN=' reuseport' ;;
	steered) NGINX_LISTEN=' reuseport' NGINX_WORDS='worker_cpu_affinity auto;' ;;
	esac
	bench_under "$mode"
	for try in 1 2 3; do
		NGINX_DIR=$(mktemp -d "$BENCH_TMP/nginx.XXXXXX") || return 1
		NGINX_PIDS=$NGINX_DIR/pids.log
		NGINX_LOG=$NGINX_DIR/out
		bench_port
		nginx_configure "$WORKERS"
		bench_server "$NGINX_LOG" "${UNDER[@]}" "$(type -P nginx)" -p "$NGINX_DIR" -c "$NGINX_DIR/nginx.conf" -g "daemon $daemon;"
		NGINX=$SERVER
		if [ "$daemon" = on ] && wait "$SERVER"; then
			for ((i = 0; i < BENCH_PATIENCE; i++)); do
				[ ! -s "$NGINX_DIR/pid" ] || break
				sleep 0.05
			done
			NGINX=$(cat "$NGINX_DIR/pid") || return 1
			BENCH_SERVERS[-1]=$NGINX
		fi
		if bench_ready "$NGINX" "$WORKERS" "$NGINX_LOG"; then
			case $mode in
			fastsock*) bench_wait_active "$NGINX" "$NGINX_LOG" || return 1 ;;
			esac
			return 0
		fi
		bench_stop "$NGINX"
		# Somebody may have taken the port in between; nothing else gets better by trying again.
		grep -q 'Address already in use' "$NGINX_LOG" || return 1
		bench_say "port $PORT was taken, trying another one (attempt $try)"
	done
	return 1
}

# Sets ACCEPTS to the connections that each worker took of those that were counted, largest first. The log is complete once nginx is gone.
nginx_accepts()
{
	ACCEPTS=$(awk '{ n[$1]++ } END { for (p in n) print n[p] }' "$NGINX_PIDS" | sort -rn |
		head -n "$WORKERS" | tr '\n' ',')
	ACCEPTS=${ACCEPTS%,}
}

# epoll_server_start MODE [OPTION]...: the server of ours. Sets C_SERVER, C_SERVER_LOG and PORT.
epoll_server_start()
{
	local mode=$1
	local -a how=()

	shift
	C_SERVER_LOG=$BENCH_TMP/server.out
	bench_under "$mode"
	[ "$mode" != reuseport ] || how=(--reuseport)
	bench_port
	bench_server "$C_SERVER_LOG" "${UNDER[@]}" "$HELPERS/epoll_server" \
		--port "$PORT" --workers "$WORKERS" "${how[@]}" "$@"
	C_SERVER=$SERVER
	bench_ready "$C_SERVER" "$WORKERS" "$C_SERVER_LOG" || return 1
	case $mode in
	fastsock*) bench_wait_active "$C_SERVER" "$C_SERVER_LOG" || return 1 ;;
	esac
}

# haproxy_start MODE TARGET_PORT: a proxy that opens a connection per request on both sides. Sets HAPROXY and PORT.
haproxy_start()
{
	local mode=$1 target=$2 dir word='' try

	case $mode in
	*by-thread) word=' shards by-thread' ;;
	esac
	bench_under "$mode"
	for try in 1 2 3; do
		dir=$(mktemp -d "$BENCH_TMP/haproxy.XXXXXX") || return 1
		HAPROXY_LOG=$dir/out
		bench_port
		cat >"$dir/haproxy.cfg" <<-END
			global
			    nbthread $WORKERS
			    maxconn 4096
			defaults
			    mode http
			    option httpclose
			    http-reuse never
			    timeout connect 5s
			    timeout client 10s
			    timeout server 10s
			frontend front
			    bind 127.0.0.1:$PORT$word
			    default_backend back
			backend back
			    server nginx 127.0.0.1:$target
		END
		bench_server "$HAPROXY_LOG" "${UNDER[@]}" haproxy -db -f "$dir/haproxy.cfg"
		HAPROXY=$SERVER
		if bench_ready "$HAPROXY" 0 "$HAPROXY_LOG"; then
			case $mode in
			fastsock*) bench_wait_active "$HAPROXY" "$HAPROXY_LOG" || return 1 ;;
			esac
			return 0
		fi
		bench_stop "$HAPROXY"
		grep -q 'in use' "$HAPROXY_LOG" || return 1
		bench_say "port $PORT was taken, trying another one (attempt $try)"
	done
	return 1
}

# wrk_load SECONDS PATH [HEADER]: 32 connections a CPU, a thread each, as `wrk -t2 -c64` on two.
# Sets REQUESTS, RATE, P50_US, P99_US, ERRORS, and DISTRIBUTION, latencies in us at percentiles.
wrk_load()
{
	local seconds=$1 path=$2 out=$BENCH_TMP/wrk.out
	local -a header=()

	[ $# -lt 3 ] || header=(-H "$3")
	bench_load wrk -t"$WORKERS" -c$((WORKERS * 32)) -d"${seconds}s" --latency -s "$BENCH_LIB/wrk_percentiles.lua" "${header[@]}" \
		"http://127.0.0.1:$PORT$path" >"$out" 2>&1 || {
		sed 's/^/    /' "$out" >&2
		return 1
	}
	read -r REQUESTS RATE P50_US P99_US ERRORS < <(awk '
		function us(t) {
			if (t ~ /us$/) return t + 0
			if (t ~ /ms$/) return t * 1000
			if (t ~ /m$/) return t * 60000000
			return t * 1000000
		}
		$1 == "50%" { p50 = us($2) }
		$1 == "99%" { p99 = us($2) }
		/requests in/ { requests = $1 }
		/^Requests\/sec:/ { rate = $2 }
		/Socket errors:/ { errors += $4 + $6 + $8 + $10 }
		/Non-2xx/ { errors += $NF }
		END { print requests + 0, rate + 0, p50 + 0, p99 + 0, errors + 0 }' "$out")
	DISTRIBUTION=$(awk '$1 == "latency_series" { print $2 }' "$out")
	[ "$REQUESTS" -gt 0 ] || {
		sed 's/^/    /' "$out" >&2
		return 1
	}
}

# What a division gives: bench_calc '1000 * 3 / 7' 2 is 428.57.
bench_calc()
{
	awk "BEGIN { printf \"%.${2:-2}f\", $1 }"
}
