# nginx's part of lib.sh: a configuration as it comes, but for directories, port and `daemon off`.
# shellcheck shell=sh

need nginx

# nginx_conf DIRECTORY PORT WORKERS [LISTEN-PARAMETERS [EVENTS-DIRECTIVES]]
nginx_conf() {
	cat >"$1/nginx.conf" <<END
daemon off;
worker_processes $3;
pid $1/nginx.pid;
error_log $1/error.log;
events {
	worker_connections 768;
	${5:-}
}
http {
	access_log off;
	client_body_temp_path $1/body;
	proxy_temp_path $1/proxy;
	fastcgi_temp_path $1/fastcgi;
	uwsgi_temp_path $1/uwsgi;
	scgi_temp_path $1/scgi;
	server {
		listen 127.0.0.1:$2${4:+ $4};
		location / { return 200 "ok\n"; }
	}
}
END
}

# nginx_start NAME USER MODE WORKERS [LISTEN-PARAMETERS [EVENTS-DIRECTIVES]]: sets pid, port and conf.
nginx_start() {
	d=$(workdir "$1" "$2")
	port=$(free_port)
	nginx_conf "$d" "$port" "$4" "${5:-}" "${6:-}"
	conf=$d/nginx.conf
	start "$1" "$2" "$3" nginx -e "$d/error.log" -p "$d" -c "$conf"
	wait_port "$port" "$pid"
}

# nginx_try NAME USER MODE ARGUMENTS...: another nginx on the same configuration; sets status, output in $dir/NAME.err.
nginx_try() {
	name=$1
	user=$2
	mode=$3
	shift 3
	start "$name" "$user" "$mode" nginx -e "$(workdir "$name" "$user")/error.log" -c "$conf" "$@"
	wait "$pid"
	status=$?
	pids=$(echo " $pids " | sed "s/ $pid / /")
}
