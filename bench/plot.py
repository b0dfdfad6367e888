"""Charts of what the benchmark measured: plot.py RESULTS.json DIRECTORY

Which charts there are depends on the scenarios in the results. Each is three
files: NAME.png, the figures in NAME.dat, and NAME.gp, which `gnuplot NAME.gp`
in that directory draws anew. Without gnuplot, the latter two are written.

The exit status is 0 when all charts were drawn, or there was nothing to draw.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

import charts

# A chart takes well under a second.
PATIENCE_SECONDS = 60

CLOSE = "a connection per request"
# What the panels are called. Everything else in these tables says which scenarios a chart is made of, if they were measured.
HEADINGS = {
    "nginx-close": f"nginx, {CLOSE} (wrk)",
    "nginx-keepalive": "nginx, connections kept alive (wrk)",
    "proxy": f"HAProxy in front of nginx, {CLOSE} (wrk)",
    "c-server": "a C server, a client pinned to each CPU",
    "even": "a C server, a client pinned to each CPU",
    "one-cpu": "a C server, all clients on one CPU",
    "stall-300": "one request in 100 blocks for 50 ms, 300 requests/s",
    "stall-1000": "one request in 100 blocks for 50 ms, 1,000 requests/s",
    "stop": "one of nginx's workers is stopped for 3 s, 64 connections at once",
    "steered": "connect() over a veth with `fastsock steer`",
    "half": "the same with 50 % of the source ports in use",
    "ninety": "the same with 90 %",
    "ninety-nine": "the same with 99 %",
    "time-wait": "the same with 25,000 connections in TIME_WAIT",
}

RATE = charts.Metric("connections/s", "higher", 1)
P99 = charts.Metric("p99 latency (ms)", "lower", 0.001)
# Where a word of the metric does not fit.
LABELS = {"nginx-keepalive": {"rate": "requests/s"}}

RATE_SCENARIOS = ["nginx-close", "nginx-keepalive", "proxy", "c-server", "even", "one-cpu"]
WAIT_SCENARIOS = ["stall-300", "stall-1000"]
CONNECT_SCENARIOS = ["steered", "half", "ninety", "ninety-nine", "time-wait"]
ACCEPT_SCENARIOS = ["nginx-close", "c-server", "even", "one-cpu"]
LATENCY_SCENARIOS = ["nginx-close", "c-server", "even"]
QUEUE_SCENARIOS = ["stall-300", "stall-1000", "stop"]


class Results:
    """The parts of the results that charts are made of."""

    def __init__(self, document):
        self.document = document
        self.modes = {name: entry["modes"] for name, entry in document["scenarios"].items()}

    def of(self, scenarios, metric):
        """[(heading, {mode: what that mode has under the metric})] of the scenarios that have it."""
        found = [(HEADINGS[name], {mode: metrics[metric] for mode, metrics in self.modes.get(name, {}).items() if metrics.get(metric)})
                 for name in scenarios]
        return [(heading, modes) for heading, modes in found if modes]

    def rows(self, scenarios):
        """As charts.bars wants them: only what has a median."""
        return [(HEADINGS[name], {mode: {metric: value for metric, value in metrics.items() if isinstance(value, dict)}
                                  for mode, metrics in self.modes[name].items()}, LABELS.get(name, {}))
                for name in scenarios if name in self.modes]

    def where(self):
        """The line below each chart: what it was measured on, and when."""
        document, machine = self.document, self.document["machine"]
        cpus, rounds = machine.get("cpus"), document["rounds"]
        words = [machine.get("cpu") or machine["architecture"]]
        if cpus:
            words.append(f"{cpus} CPU" + ("s" if cpus != 1 else ""))
        # Without what a distribution appends: the results have it.
        words += ["Linux " + machine["kernel"].split("-")[0], document["time"][:10],
                  f"{rounds} round" + ("s" if rounds != 1 else "") + f" of {document['seconds']} s"]
        busy = document.get("busy_percent_before") or 0
        if busy >= 10:
            words.append(f"other work took {busy} % of the CPUs")
        return ", ".join(words)


def make(results):
    """{file name: chart} of all that the results have figures for."""
    where = results.where()
    spread = ["bars: medians of the rounds; whiskers: the least and the greatest round", where]
    percentiles = ["medians of the rounds; percentiles as far as ten connections or more are above", where]
    out = {
        "rate": charts.bars("rate", "Rate (higher is better) and p99 latency (lower is better)", spread,
                            results.rows(RATE_SCENARIOS), {"rate": RATE, "p99_us": P99}),
        "waits": charts.bars("waits", "Latency while workers block, of the other requests: lower is better", spread,
                             results.rows(WAIT_SCENARIOS),
                             {"p95_us": charts.Metric("p95 latency (ms)", "lower", 0.001), "p99_us": P99}),
        "connect": charts.bars("connect", "connect(): share of replies on the calling CPU (higher is better), time (lower is better)",
                               spread, results.rows(CONNECT_SCENARIOS),
                               {"local_percent": charts.Metric("local replies (%)", "higher", 1),
                                "p50_us": charts.Metric("median (us)", "lower", 1),
                                "p99_us": charts.Metric("p99 (us)", "lower", 1)}),
        "accepts": charts.accepts("accepts", "Connections accepted by each worker: the more even, the better",
                                  ["means of the rounds, workers sorted in each round; whiskers: the least and the greatest round", where],
                                  results.of(ACCEPT_SCENARIOS, "accepts_per_worker")),
        "latency": charts.latency("latency", "Latency of the connections: lower is better",
                                  percentiles, results.of(LATENCY_SCENARIOS, "latency_series")),
        "latency-stall": charts.latency("latency-stall", "Latency of the requests that do not block: lower is better",
                                        percentiles, results.of(WAIT_SCENARIOS, "latency_series")),
    }
    for name in QUEUE_SCENARIOS:
        for heading, modes in results.of([name], "queue_series"):
            chart = f"queue-{name}"
            out[chart] = charts.queue(chart, "Connections that wait in the accept queues: lower is better", heading,
                                      ["the sum of all queues of the server, looked at every 4 ms, in the first round; "
                                       "time since the load began", where],
                                      {mode: rounds[0] for mode, rounds in modes.items()})
    return {name: chart for name, chart in out.items() if chart}


def write(directory, name, chart):
    """What gnuplot needs. An earlier run's picture would pass for this one's."""
    path = os.path.join(directory, name)
    for ending, text in (".gp", chart.script), (".dat", chart.data):
        with open(path + ending, "w", encoding="utf-8") as out:
            out.write(text)
    if os.path.exists(path + ".png"):
        os.remove(path + ".png")


def draw(gnuplot, directory, name):
    """Why it could not be drawn, or None."""
    try:
        said = subprocess.run([gnuplot, name + ".gp"], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"gnuplot did not end within {PATIENCE_SECONDS} s"
    if said.returncode or not os.path.exists(os.path.join(directory, name + ".png")):
        return "gnuplot says: " + " ".join(said.stdout.split())
    return None


def main():
    parser = argparse.ArgumentParser(description="Charts of what the benchmark measured.")
    parser.add_argument("results", help="a file that the benchmark's --json named")
    parser.add_argument("directory", help="where the charts go; is made")
    args = parser.parse_args()

    try:
        with open(args.results, encoding="utf-8") as document:
            made = make(Results(json.load(document)))
    except OSError as error:
        sys.exit(f"plot.py: {args.results}: {error.strerror}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"plot.py: {args.results} does not hold results of the benchmark: {type(error).__name__}: {error}")
    if not made:
        return 0
    try:
        os.makedirs(args.directory, exist_ok=True)
        for name, chart in made.items():
            write(args.directory, name, chart)
    except OSError as error:
        sys.exit(f"plot.py: no charts: {error.filename}: {error.strerror}")
    gnuplot = shutil.which("gnuplot")
    if not gnuplot:
        sys.exit(f"plot.py: no charts: gnuplot is missing (Debian: apt-get install gnuplot-nox); "
                 f"what it draws them from is in {args.directory}")
    status = 0
    for name in made:
        problem = draw(gnuplot, args.directory, name)
        if problem:
            print(f"plot.py: {name}.png: {problem}", file=sys.stderr)
            status = 1
        else:
            print(f"chart: {os.path.join(args.directory, name)}.png", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
