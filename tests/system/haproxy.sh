# HAProxy's part of lib.sh: HAProxy in front of an nginx, both under the library.
# shellcheck shell=sh

need haproxy
. "${srcdir:-.}/tests/system/nginx.sh"

# haproxy_start NAME USER BIND-PARAMETERS: sets pid and port, and nginx_pid and nginx_port.
haproxy_start() {
	nginx_start "$1-nginx" "$2" fastsock 2
	nginx_pid=$pid nginx_port=$port
	d=$(workdir "$1" "$2")
	port=$(free_port)
	cat >"$d/haproxy.cfg" <<END
global
	nbthread 2
	maxconn 2000
defaults
	mode http
	timeout connect 20s
	timeout client 20s
	timeout server 20s
frontend in
	bind 127.0.0.1:$port${3:+ $3}
	default_backend out
backend out
	server nginx 127.0.0.1:$nginx_port
END
	start "$1" "$2" fastsock haproxy -db -f "$d/haproxy.cfg"
	wait_port "$port" "$pid"
}
