"""From samples to medians, ratios, bars, a table and JSON.

A sample is a line of five fields: scenario, mode, round, metric, value. A
ratio is formed within each round, where both modes ran side by side, and the
median over the rounds is what counts; the spread is the least and the
greatest of them.

A metric that ends in _per_worker has a number for each worker (3,4); one that
ends in _series has points (x:y,x:y), in the results {"x": [...], "y": [...]}:
latency_series microseconds over percentiles, queue_series connections over
milliseconds.
"""

import argparse
import collections
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

# What the table shows of each scenario, in this order: metric, heading, decimals.
COLUMNS = [
    ("rate", "conn/s", 0),
    ("nginx_rate", "nginx conn/s", 0),
    ("p50_us", "p50 us", 0),
    ("p95_us", "p95 us", 0),
    ("p99_us", "p99 us", 0),
    ("p999_us", "p99.9 us", 0),
    ("nginx_p99_us", "nginx p99 us", 0),
    ("cpu_us", "CPU us/conn", 2),
    ("nginx_local_percent", "nginx local %", 2),
    ("local_percent", "local %", 2),
    ("close_ns", "close ns", 1),
    ("epoll_ctl_ns", "epoll_ctl ns", 1),
    ("fcntl_ns", "fcntl ns", 1),
    ("accept_ns", "accept4 ns", 0),
    ("accepted_local_percent", "from local %", 2),
    ("syscalls_per_accept", "syscalls/accept", 3),
    ("exec_ms", "fork to exit ms", 3),
    ("listen_ms", "with a listener ms", 3),
    ("idle_rss_kib", "idle Rss KiB", 0),
    ("idle_pss_kib", "idle Pss KiB", 0),
    ("nginx_worker_rss_kib", "nginx worker Rss KiB", 0),
    ("errors", "errors", 0),
    ("nginx_errors", "errors", 0),
]

# Metrics whose ratio to another mode says something.
RATIOS = ["rate", "nginx_rate", "p50_us", "p99_us", "cpu_us", "accept_ns"]

# A bar: name, scenario, metric, mode, what it is compared with (ratio or difference to a mode, or the value itself),
# at least or at most, the bar, unit.
BARS = [
    ("nginx, connection per request: rate against stock", "nginx-close", "rate", "fastsock", ("ratio", "stock"), ">=", 1.45, "x"),
    ("nginx, connection per request: rate against reuseport", "nginx-close", "rate", "fastsock", ("ratio", "reuseport"), ">=", 1.35, "x"),
    ("server CPU per connection against stock", "nginx-close", "cpu_us", "fastsock", ("ratio", "stock"), "<=", 0.60, "x"),
    ("HAProxy and nginx against both stock: rate", "proxy", "rate", "fastsock", ("ratio", "stock"), ">=", 1.30, "x"),
    ("the same with `shards by-thread`: rate", "proxy", "rate", "fastsock-by-thread", ("ratio", "stock"), ">=", 1.30, "x"),
    ("accepted where the packets arrive, C server", "locality", "local_percent", "fastsock", ("value", None), ">=", 99, "%"),
    ("accepted where the packets arrive, nginx (own counters)", "locality", "nginx_local_percent", "fastsock", ("value", None), ">=", 99, "%"),
    ("keep-alive: rate against stock", "nginx-keepalive", "rate", "fastsock", ("ratio", "stock"), ">=", 0.99, "x"),
    ("`fastsock stat --watch 1` looks on: rate", "watched", "rate", "fastsock-stat", ("ratio", "fastsock"), ">=", 0.99, "x"),
    ("`fastsock top` looks on: rate", "watched", "rate", "fastsock-top", ("ratio", "fastsock"), ">=", 0.99, "x"),
    ("a hook on another descriptor: close", "hooks", "close_ns", "fastsock", ("difference", "stock"), "<=", 5, "ns"),
    ("a hook on another descriptor: epoll_ctl", "hooks", "epoll_ctl_ns", "fastsock", ("difference", "stock"), "<=", 5, "ns"),
    ("a hook on another descriptor: fcntl", "hooks", "fcntl_ns", "fastsock", ("difference", "stock"), "<=", 5, "ns"),
    ("accept through the library: more than accept4", "accept", "accept_ns", "fastsock", ("difference", "stock"), "<=", 150, "ns"),
    # "None in the common case": what is looked at every so many accepts may cost one, most accepts may not.
    ("accept through the library: more system calls per accept", "accept", "syscalls_per_accept", "fastsock", ("difference", "stock"), "<=", 0.05, "calls"),
    ("start-up: more time", "startup", "exec_ms", "fastsock", ("difference", "stock"), "<=", 2, "ms"),
    ("start-up with a listener: more time", "startup", "listen_ms", "fastsock", ("difference", "stock"), "<=", 2, "ms"),
    ("start-up: more resident memory, idle process", "startup", "idle_rss_kib", "fastsock", ("difference", "stock"), "<=", 1024, "KiB"),
    ("start-up: more resident memory, nginx worker", "startup", "nginx_worker_rss_kib", "fastsock", ("difference", "stock"), "<=", 1024, "KiB"),
]


def read_samples(path):
    """{scenario: {mode: {metric: {round: value}}}}, and apart, one for each round, lists and series."""
    numbers = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(dict)))
    lists = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    with open(path, encoding="ascii") as samples:
        for line in samples:
            scenario, mode, turn, metric, value = line.rstrip("\n").split("\t")
            if metric.endswith("_per_worker"):
                lists[scenario][mode][metric].append([int(part) for part in value.split(",") if part])
            elif value and metric.endswith("_series"):
                points = [[float(number) for number in point.split(":")] for point in value.split(",") if point]
                lists[scenario][mode][metric].append({"x": [x for x, _ in points], "y": [y for _, y in points]})
            elif value and not math.isnan(float(value)):
                numbers[scenario][mode][metric][int(turn)] = float(value)
    return numbers, lists


def summary(values):
    values = list(values)
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "samples": values,
    }


def compare(modes, metric, mode, kind, base):
    """Per round, then summarised; None without a round that has both.

    The median of "medians" is the ratio of both modes' medians: what differs widely from round to round, such as a
    tail that few requests make, has no meaningful ratio within one.
    """
    ours = modes.get(mode, {}).get(metric, {})
    if kind in ("value", "worst"):
        return summary(ours.values()) if ours else None
    theirs = modes.get(base, {}).get(metric, {})
    if kind in ("ratio", "medians"):
        values = [ours[turn] / theirs[turn] for turn in sorted(ours) if theirs.get(turn)]
    else:
        values = [ours[turn] - theirs[turn] for turn in sorted(ours) if turn in theirs]
    out = summary(values) if values else None
    if out and kind == "medians":
        out["median"] = statistics.median(ours.values()) / statistics.median(theirs.values())
    return out


def bars(table, numbers, scenarios):
    """Every bar of the scenarios that ran; `reached` is None for what was not measured."""
    out = []
    for name, scenario, metric, mode, (kind, base), sense, bar, unit in table:
        if scenario not in scenarios:
            continue
        figure = compare(numbers.get(scenario, {}), metric, mode, kind, base)
        reached = None
        if figure:
            what = figure["median"]
            if kind == "worst":
                what = figure["min"] if sense == ">=" else figure["max"]
            reached = what >= bar if sense == ">=" else what <= bar
        out.append({"name": name, "scenario": scenario, "metric": metric, "figure": figure,
                    "comparison": sense, "bar": bar, "unit": unit, "reached": reached})
    return out


def version(*command):
    """The first line that a program says about itself, wherever it says it."""
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return None
    return said.stdout.splitlines()[0] if said.stdout else None


def machine():
    model = None
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    return {"kernel": platform.release(), "architecture": platform.machine(), "cpu": model,
            "cpus": len(os.sched_getaffinity(0)), "nginx": version("nginx", "-v"), "haproxy": version("haproxy", "-v"), "wrk": version("wrk", "-v")}


def show_table(headings, rows):
    widths = [max(len(row[i]) for row in [headings] + rows) for i in range(len(headings))]
    for row in [headings] + rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def show_scenario(name, modes, lists, table):
    print(f"\n{name}")
    columns = [c for c in table if any(c[0] in metrics for metrics in modes.values())]
    rows = []
    for mode, metrics in modes.items():
        row = [mode]
        for metric, _, decimals in columns:
            if metrics.get(metric):
                row.append(f"{statistics.median(metrics[metric].values()):,.{decimals}f}")
            else:
                row.append("-")
        accepts = lists.get(mode, {}).get("accepts_per_worker")
        row.append(shares(accepts) if accepts else "")
        rows.append(row)
    headings = ["mode"] + [c[1] for c in columns] + ["accepts per worker"]
    if not any(row[-1] for row in rows):
        headings.pop()
        rows = [row[:-1] for row in rows]
    show_table(headings, rows)
    for mode in modes:
        if not mode.startswith("fastsock"):
            continue
        for base in modes:
            if base.startswith("fastsock"):
                continue
            parts = []
            for metric in RATIOS:
                ratio = compare(modes, metric, mode, "ratio", base)
                if ratio:
                    parts.append(f"{metric} {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})")
            if parts:
                print(f"  {mode} / {base}: " + ", ".join(parts))


def shares(accepts):
    """Mean share of each worker, largest first, over the rounds."""
    totals = [sum(turn) for turn in accepts if turn and sum(turn)]
    turns = [sorted(turn, reverse=True) for turn in accepts if turn and sum(turn)]
    if not turns:
        return ""
    width = max(len(turn) for turn in turns)
    means = []
    for i in range(width):
        means.append(statistics.mean(turn[i] / total if i < len(turn) else 0 for turn, total in zip(turns, totals)))
    return " ".join(f"{100 * mean:.0f}%" for mean in means)


def show_bars(results, _numbers):
    if not results:
        return
    print("\nbars")
    rows = []
    for bar in results:
        figure = bar["figure"]
        if figure:
            value = f"{figure['median']:.2f}"
            spread = f"{figure['min']:.2f} to {figure['max']:.2f}"
        else:
            value, spread = "-", "-"
        verdict = {True: "reached", False: "NOT reached", None: "not measured"}[bar["reached"]]
        rows.append([bar["name"], value, spread, f"{bar['comparison']} {bar['bar']:g}", bar["unit"], verdict])
    show_table(["what", "median", "spread", "bar", "unit", "verdict"], rows)


def main(columns, bar_table, show):
    """Reads samples, prints each scenario's `columns` and what `show` makes of the bars, and writes everything as JSON."""
    parser = argparse.ArgumentParser(description="From samples to a table and JSON.")
    parser.add_argument("--samples", required=True)
    parser.add_argument("--json", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--busy", type=int, required=True)
    parser.add_argument("--scenarios", nargs="+", required=True)
    args = parser.parse_args()

    numbers, lists = read_samples(args.samples)
    results = bars(bar_table, numbers, args.scenarios)
    scenarios = {}
    for name in args.scenarios:
        modes = numbers.get(name, {})
        if not modes:
            continue
        # In the order of the modes' names in the first round, whoever failed later.
        show_scenario(name, modes, lists.get(name, {}), columns)
        entry = {"modes": {}, "ratios": {}}
        for mode, metrics in modes.items():
            entry["modes"][mode] = {metric: summary(turns.values()) for metric, turns in metrics.items()}
            entry["modes"][mode].update(lists.get(name, {}).get(mode, {}))
            for base in modes:
                ratios = {metric: compare(modes, metric, mode, "ratio", base) for metric in RATIOS}
                if base != mode and mode.startswith("fastsock") and not base.startswith("fastsock"):
                    entry["ratios"][f"{mode}/{base}"] = {metric: r for metric, r in ratios.items() if r}
        scenarios[name] = entry
    show(results, numbers)
    document = {"version": 1, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rounds": args.rounds,
                "seconds": args.seconds, "workers": args.workers, "busy_percent_before": args.busy,
                "machine": machine(), "scenarios": scenarios, "bars": results}
    try:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(document, out, indent=1)
            out.write("\n")
    except OSError as error:
        sys.exit(f"report.py: {args.json}: {error.strerror}")


if __name__ == "__main__":
    main(COLUMNS, BARS, show_bars)
