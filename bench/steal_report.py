"""The report of bench/steal: bars, and one line for each with all modes side by side."""

import statistics

import report

# What the tables show of each scenario, in this order: metric, heading, decimals.
COLUMNS = [
    ("rate", "conn/s", 0),
    ("marked_rate", "conn/s meanwhile", 0),
    ("p50_us", "p50 us", 0),
    ("p95_us", "p95 us", 0),
    ("p99_us", "p99 us", 0),
    ("blocked", "blocked", 0),
    ("errors", "failed", 0),
    ("refused", "refused", 0),
    ("reset", "reset", 0),
    ("cut", "cut", 0),
    ("timed_out", "timed out", 0),
    ("other", "other", 0),
    ("open", "open", 0),
    ("beyond", "beyond open", 0),
    ("nginx_errors", "nginx failed", 0),
    ("nginx_refused", "refused", 0),
    ("nginx_timed_out", "timed out", 0),
    ("library_kept", "library kept", 0),
    ("held", "held", 0),
    ("imbalance", "most/mean", 2),
    ("wakeups", "wake-ups", 0),
    ("library_wakeups", "of the library", 0),
    ("thread_percent", "steal thread %", 2),
    ("percent_2", "% of a CPU, 2 cores", 2),
    ("percent_64", "64", 2),
    ("percent_256", "256", 2),
    ("every_tick_percent_2", "looking every ms, 2 cores", 2),
    ("every_tick_percent_64", "64", 2),
    ("every_tick_percent_256", "256", 2),
]

VALUE, WORST = ("value", None), ("worst", None)


def against(mode):
    return ("medians", mode)


# As in report.py. "worst": every single round has to reach the bar.
BARS = [
    ("failed, workers 2 -> 1 -> 2", "reload-workers", "errors", "fastsock", WORST, "<=", 0, ""),
    ("failed, reload", "reload", "errors", "fastsock", WORST, "<=", 0, ""),
    ("failed, binary upgrade", "upgrade", "errors", "fastsock", WORST, "<=", 0, ""),
    ("failed beyond what the killed had accepted", "kill", "beyond", "fastsock", WORST, "<=", 0, ""),
    ("refused", "kill", "refused", "fastsock", WORST, "<=", 0, ""),
    ("timed out", "kill", "timed_out", "fastsock", WORST, "<=", 0, ""),
    ("nginx: refused", "kill", "nginx_refused", "fastsock", WORST, "<=", 0, ""),
    ("nginx: timed out", "kill", "nginx_timed_out", "fastsock", WORST, "<=", 0, ""),
    ("failed beyond what the stopped had accepted", "stop", "beyond", "fastsock", WORST, "<=", 0, ""),
    ("rate during the stop against stock", "stop", "marked_rate", "fastsock", against("stock"), ">=", 1, "x"),
    ("p95 of the others", "stall-300", "p95_us", "fastsock", VALUE, "<=", 500, "us"),
    ("p99 of the others against stock", "stall-300", "p99_us", "fastsock", against("stock"), "<=", 1, "x"),
    ("p99 of the others against reuseport", "stall-300", "p99_us", "fastsock", against("reuseport"), "<=", 0.1, "x"),
    ("p99 of the others against stock", "stall-1000", "p99_us", "fastsock", against("stock"), "<=", 1.1, "x"),
    ("p99 against stock", "even", "p99_us", "fastsock", against("stock"), "<=", 0.35, "x"),
    ("p99 against reuseport", "even", "p99_us", "fastsock", against("reuseport"), "<=", 0.75, "x"),
    ("rate against stock", "even", "rate", "fastsock", against("stock"), ">=", 1.3, "x"),
    ("rate against stealing off", "even", "rate", "fastsock", against("fastsock-nosteal"), ">=", 0.98, "x"),
    ("stealing thread, percent of a CPU", "even", "thread_percent", "fastsock", VALUE, "<=", 0.5, "%"),
    ("rate against stock", "one-cpu", "rate", "fastsock", against("stock"), ">=", 1, "x"),
    ("rate against reuseport", "one-cpu", "rate", "fastsock", against("reuseport"), ">=", 1, "x"),
    ("rate against stealing off", "one-cpu", "rate", "fastsock", against("fastsock-nosteal"), ">=", 0.98, "x"),
    ("most over mean open per worker", "long-lived", "imbalance", "fastsock", WORST, "<=", 1.2, "x"),
    ("thread, percent of a CPU, 2 cores", "thread-cost", "percent_2", "fastsock", VALUE, "<=", 0.5, "%"),
    ("thread, percent of a CPU, 64 cores", "thread-cost", "percent_64", "fastsock", VALUE, "<=", 2, "%"),
    ("wake-ups of the library's threads", "idle", "library_wakeups", "fastsock", WORST, "<=", 0, ""),
]

MODES = ["stock", "reuseport", "fastsock-nosteal", "fastsock"]


def show_summary(results, numbers):
    """The medians of all modes, and the worst of those where every round counts."""
    rows = []
    kinds = {(name, scenario): kind for name, scenario, _, _, (kind, _), _, _, _ in BARS}
    for bar in results:
        kind, figure = kinds[bar["name"], bar["scenario"]], bar["figure"]
        row = [bar["scenario"], bar["name"] + (" (worst)" if kind == "worst" else "")]
        for mode in MODES:
            values = numbers.get(bar["scenario"], {}).get(mode, {}).get(bar["metric"], {}).values()
            value = "-"
            if values:
                value = f"{(max if kind == 'worst' else statistics.median)(values):,.5g}"
            row.append(value)
        row.append(f"{figure['median']:.2f}" if figure and kind == "medians" else "")
        row.append(f"{bar['comparison']} {bar['bar']:g} {bar['unit']}".rstrip())
        row.append({True: "met", False: "MISSED", None: "not measured"}[bar["reached"]])
        rows.append(row)
    if rows:
        print("\nsummary")
        report.show_table(["scenario", "what", "stock", "reuseport", "stealing off", "fastsock", "ratio", "bar", ""], rows)


if __name__ == "__main__":
    report.main(COLUMNS, BARS, show_summary)
