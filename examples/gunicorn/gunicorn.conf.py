# Gunicorn under libfastsock: a process for each CPU. The master calls listen()
# before it forks, so each worker gets a listener of its own; reuse_port stays off.
import os

bind = "0.0.0.0:8082"
workers = len(os.sched_getaffinity(0))
worker_class = "gthread"
threads = 4
backlog = 2048
reuse_port = False
