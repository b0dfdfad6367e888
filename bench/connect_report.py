"""The report of bench/connect: bars, and one line for each with both modes side by side."""

import report

# What the tables show of each scenario, in this order: metric, heading, decimals.
COLUMNS = [
    ("connect_hook_ns", "failing connect() ns", 1),
    ("local_percent", "local %", 1),
    ("mean_us", "mean us", 1),
    ("p50_us", "p50 us", 1),
    ("p99_us", "p99 us", 1),
    ("connections", "connections", 0),
    ("refused", "EADDRNOTAVAIL", 0),
    ("rate", "conn/s", 0),
    ("haproxy_us", "HAProxy CPU us", 1),
    ("nginx_us", "nginx CPU us", 1),
    ("errors", "failed", 0),
]

STOCK = ("medians", "stock")

BARS = [
    ("price where nothing can be steered", "hook", "connect_hook_ns", "fastsock", ("difference", "stock"), "<=", 100, "ns"),
    ("replies that arrive on the calling CPU", "steered", "local_percent", "fastsock", ("value", None), ">=", 99, "%"),
    ("price where it steers: median", "steered", "p50_us", "fastsock", STOCK, "<=", 1.03, "x"),
    ("price where it steers: mean", "steered", "mean_us", "fastsock", STOCK, "<=", 1.03, "x"),
    ("p99, 50 % of the range in use", "half", "p99_us", "fastsock", STOCK, "<=", 1.1, "x"),
    ("p99, 90 %", "ninety", "p99_us", "fastsock", STOCK, "<=", 1.1, "x"),
    ("p99, 99 %", "ninety-nine", "p99_us", "fastsock", STOCK, "<=", 1.1, "x"),
    ("p99, 25,000 in TIME_WAIT", "time-wait", "p99_us", "fastsock", STOCK, "<=", 1.1, "x"),
    ("EADDRNOTAVAIL, 99 %: more than stock", "ninety-nine", "refused", "fastsock", ("difference", "stock"), "<=", 0, ""),
    ("EADDRNOTAVAIL, TIME_WAIT: more than stock", "time-wait", "refused", "fastsock", ("difference", "stock"), "<=", 0, ""),
    ("HAProxy and nginx: rate", "proxy", "rate", "fastsock", STOCK, ">=", 1.3, "x"),
    ("HAProxy: CPU per request", "proxy", "haproxy_us", "fastsock", STOCK, "<=", 1, "x"),
    ("nginx: CPU per request", "proxy", "nginx_us", "fastsock", STOCK, "<=", 1, "x"),
]

if __name__ == "__main__":
    report.main(COLUMNS, BARS, report.show_bars)
