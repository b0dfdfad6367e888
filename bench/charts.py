"""What each kind of chart looks like, as a gnuplot script and the data it reads.

A chart is a Chart: its script refers to its data by the file's bare name, so
that `gnuplot NAME.gp` in the directory of both draws it anew. Pure: nothing
here reads or writes a file.

What is told apart by colour is told apart without it, too: by labels beside
bars, by patterns, dashes and kinds of points.
"""

import collections
import math
import statistics

WIDTH = 900
# Pixels: of the title, of the two lines below the panels, and of a panel's own labels.
TITLE, NOTES = 46, 44
# More workers than that are drawn as points, not as bars.
BARS_MAX = 8

Chart = collections.namedtuple("Chart", "script data")
# What the axis says, which way is better, what the figure is multiplied by.
Metric = collections.namedtuple("Metric", "label better scale")
Look = collections.namedtuple("Look", "name bar line dash point")

LOOKS = {
    "stock": Look("stock", "#ffffff", "#000000", 1, 4),
    "reuseport": Look("reuseport", "#d4d4d4", "#606060", "'-'", 8),
    "steered": Look("steered", "#a8a8a8", "#606060", "'. '", 6),
    "by-thread": Look("shards by-thread", "#d4d4d4", "#606060", "'-'", 8),
    "fastsock": Look("libfastsock", "#4f6f96", "#3a5a86", 1, 7),
    "fastsock-by-thread": Look("libfastsock, by-thread", "#8095b0", "#3a5a86", "'_.'", 5),
    "fastsock-nosteal": Look("libfastsock, not stealing", "#8095b0", "#3a5a86", "'_.'", 5),
}
# Of the bars of workers, which only a key tells apart.
FILLS = ["solid 1.0", "pattern 4", "pattern 1", "pattern 5", "pattern 2", "pattern 6", "pattern 7", "solid 0.3"]
# An error bar without a point, which would cover the end of a bar.
WHISKER = "with vectors heads size screen 0.004,90 lw 1.5 lc 'black' notitle"


def look(mode):
    return LOOKS.get(mode, Look(mode, "#c0c0c0", "#606060", 5, 2))


def quote(text):
    """As gnuplot reads it, and on one line."""
    return "'" + " ".join(str(text).split()).replace("'", "''") + "'"


class Script:
    """The lines of a page of panels, whose places are given in pixels from the upper left corner."""

    def __init__(self, name, height, title, notes, terminal="png"):
        """`terminal`: pngcairo knows dashes; png, for bars and areas, makes files of a third of the size."""
        self.height = height
        self.lines = [
            f"# Draws {name}.png from {name}.dat: gnuplot {name}.gp, in this directory.",
            f"set terminal {terminal} noenhanced size {WIDTH},{height} font 'Sans,10'",
            "set encoding utf8",
            f"set output '{name}.png'",
            "set multiplot",
            "# What stands above and below the panels, once.",
            "unset border",
            "unset tics",
            "unset key",
            f"set label {quote(title)} at screen 0.5,{1 - 18 / height:.4f} center font ',13'",
        ]
        for i, note in enumerate(notes):
            self.lines.append(f"set label {quote(note)} at screen 0.012,{(26 - 17 * i) / height:.4f} font ',9' "
                              "textcolor rgb '#303030'")
        self.lines += ["plot [0:1] [0:1] 2", "unset label", "set border 3", "set tics out nomirror font ',9'",
                       f"data = '{name}.dat'"]

    def panel(self, left, right, top, bottom):
        self.lines += [
            "",
            f"set lmargin at screen {left / WIDTH:.4f}",
            f"set rmargin at screen {right / WIDTH:.4f}",
            f"set tmargin at screen {1 - top / self.height:.4f}",
            f"set bmargin at screen {1 - bottom / self.height:.4f}",
        ]

    def add(self, *lines):
        self.lines += lines

    def plot(self, parts):
        self.lines.append("plot " + ", \\\n     ".join(parts))

    def text(self):
        return "\n".join(self.lines + ["unset multiplot", ""])


class Data:
    """The blocks of a data file, told apart by gnuplot as `index`."""

    def __init__(self):
        self.blocks = []

    def add(self, heading, rows):
        """Gives back the block's index."""
        self.blocks.append("\n".join([f"# {heading}"] + [" ".join(str(cell) for cell in row) for row in rows]))
        return len(self.blocks) - 1

    def text(self):
        return "\n\n\n".join(self.blocks) + "\n"


def columns(count):
    """(left, right) of so many panels side by side."""
    gap, left = 68, 72
    width = (WIDTH - left - 20 - gap * (count - 1)) / count
    return [(left + i * (width + gap), left + i * (width + gap) + width) for i in range(count)]


def show(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def tics(end, count, labels=True):
    """Not more than so many steps from 0 to `end`, of a round number each."""
    step = 10 ** math.floor(math.log10(end / count))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step * count >= end)
    places = [i * step for i in range(int(end / step) + 1)]
    return ", ".join(f"'{place:,.10g}' {place:.10g}" if labels else f"'' {place:.10g}" for place in places)


def bars(name, title, notes, rows, metrics):
    """A row for each of `rows` (heading, {mode: {metric: summary}}, {metric: label}), a column for each metric."""
    rows = [(heading, [m for m in modes if any(metric in modes[m] for metric in metrics)], modes, labels)
            for heading, modes, labels in rows]
    rows = [row for row in rows if row[1]]
    if not rows:
        return None
    metrics = {metric: about for metric, about in metrics.items()
               if any(metric in figures for _, _, modes, _ in rows for figures in modes.values())}
    heights = [24 * len(modes) + 76 for _, modes, _, _ in rows]
    script = Script(name, TITLE + sum(heights) + NOTES, title, notes)
    data = Data()
    first, gap = 172, 46
    width = (WIDTH - first - 26 - gap * (len(metrics) - 1)) / len(metrics)
    top = TITLE
    for (heading, order, modes, labels), height in zip(rows, heights):
        script.add("", f"# {heading}", f"set label 1 {quote(heading)} at screen 0.012,{1 - (top + 6) / script.height:.4f} font ',10'")
        named = False
        for i, (metric, about) in enumerate(metrics.items()):
            figures = {mode: [modes[mode][metric][part] * about.scale for part in ("median", "min", "max")]
                       for mode in order if metric in modes[mode]}
            if not figures:
                continue
            label = labels.get(metric, about.label)
            block = data.add(f"{heading}; {label}; row, mode, median, least and greatest round, median",
                             [[order.index(mode), f'"{look(mode).name}"'] + [f"{value:.6g}" for value in values] +
                              [f'"{show(values[0])}"'] for mode, values in figures.items()])
            left = first + i * (width + gap)
            script.panel(left, left + width, top + 20, top + 20 + 24 * len(order))
            names = ", ".join(f"{quote(look(mode).name)} {row}" for row, mode in enumerate(order))
            # Room for the figure at the right end of the longest bar.
            most = 1.25 * (max(max(values) for values in figures.values()) or 1)
            script.add(f"set yrange [{len(order) - 0.5}:-0.5]", f"set xrange [0:{most:.6g}]",
                       f"set ytics nomirror scale 0 ({names})" if not named else "unset ytics", f"set xtics nomirror ({tics(most, 5)})",
                       f"set xlabel {quote(f'{label}: {about.better} is better')} offset 0,0.4")
            script.plot([f"data index {block} every ::{j}::{j} using (0):1:(0):3:($1-0.34):($1+0.34) "
                         f"with boxxyerror fs solid 1.0 border lc 'black' lc rgb '{look(mode).bar}' notitle"
                         for j, mode in enumerate(figures)] +
                        [f"data index {block} using 4:1:($5-$4):(0) {WHISKER}",
                         f"data index {block} using 5:1:6 with labels left offset 0.7,0 font ',9' notitle"])
            script.add("unset label 1")
            named = True
        top += height
    return Chart(script.text(), data.text())


def shares(rounds):
    """Of the rounds' [accepted, ...]: for each worker, the busiest of each round first, (mean, least, greatest) percent."""
    rounds = [sorted(turn, reverse=True) for turn in rounds if sum(turn)]
    out = []
    for worker in range(max(map(len, rounds), default=0)):
        values = [100 * turn[worker] / sum(turn) if worker < len(turn) else 0 for turn in rounds]
        out.append((statistics.mean(values), min(values), max(values)))
    return out


def accept_bars(script, data, order, table, count):
    """A group of bars for each mode, a bar for each worker."""
    width = 0.8 / count
    parts = []
    for worker in range(count):
        at = (worker - (count - 1) / 2) * width
        block = data.add(f"worker {worker + 1}, the busiest of each round first: mode, mean, least and greatest percent",
                         [['"' + look(mode).name + '"'] + [f"{value:.3f}" for value in table[mode][worker]]
                          for mode in order if worker < len(table[mode])])
        name = "the busiest worker" if worker == 0 else f"worker {worker + 1}"
        parts.append(f"data index {block} using ($0{at:+.4f}):2:({0.9 * width:.4f}) with boxes fs {FILLS[worker]} border lc 'black' "
                     f"lc rgb '#707070' title {quote(name)}")
        parts.append(f"data index {block} using ($0{at:+.4f}):3:(0):($4-$3) {WHISKER}")
    names = ", ".join(f"{quote(look(mode).name)} {i}" for i, mode in enumerate(order))
    script.add(f"set xtics nomirror scale 0 ({names})", f"set xrange [-0.6:{len(order) - 0.4}]", "unset xlabel")
    return parts


def accept_points(script, data, order, table, count):
    """A line for each mode, a point for each worker."""
    parts = []
    for mode in order:
        block = data.add(f"{look(mode).name}: worker, the busiest first, mean, least and greatest percent",
                         [[i + 1] + [f"{value:.3f}" for value in values] for i, values in enumerate(table[mode])])
        parts.append(f"data index {block} using 1:2:3:4 with yerrorlines {line(mode)} title {quote(look(mode).name)}")
    script.add(f"set xtics nomirror ({tics(count + 1, 8)})", f"set xrange [0:{count + 1}]", "set xlabel 'worker, the busiest first'")
    return parts


def line(mode):
    style = look(mode)
    return f"lc rgb '{style.line}' dt {style.dash} lw 1.6 pt {style.point} ps 0.8"


def accepts(name, title, notes, rows):
    """A panel for each of `rows` (heading, {mode: [[accepted of each worker] of each round]})."""
    tables = [(heading, {mode: shares(rounds) for mode, rounds in modes.items()}) for heading, modes in rows]
    tables = [(heading, {mode: table for mode, table in modes.items() if table}) for heading, modes in tables]
    tables = [(heading, modes) for heading, modes in tables if modes]
    if not tables:
        return None
    script = Script(name, 420, title, notes, "pngcairo")
    data = Data()
    for (heading, table), (left, right) in zip(tables, columns(len(tables))):
        count = max(len(workers) for workers in table.values())
        most = max(values[2] for workers in table.values() for values in workers)
        script.panel(left, right, TITLE + 26, 420 - NOTES - 54)
        script.add(f"set title {quote(heading)} font ',10'", "set ylabel 'of all connections (%)'",
                   f"set yrange [0:{1.3 * most:.4g}]", f"set ytics nomirror ({tics(1.3 * most, 6)})", "set key top right samplen 2 font ',9'")
        draw = accept_bars if count <= BARS_MAX else accept_points
        parts = draw(script, data, list(table), table, count)
        script.plot(parts + [f"{100 / count:.4f} with lines dt 2 lc 'black' title 'an even share'"])
    return Chart(script.text(), data.text())


def by_percentile(rounds):
    """Of the rounds' series: (percentile, median, least, greatest) where all rounds have a figure."""
    at = collections.defaultdict(list)
    for series in rounds:
        for percentile, value in zip(series["x"], series["y"]):
            at[percentile].append(value)
    return [(percentile, statistics.median(values), min(values), max(values))
            for percentile, values in sorted(at.items()) if len(values) == len(rounds)]


def latency(name, title, notes, rows):
    """A panel for each of `rows` (heading, {mode: [series of each round]}): latency by percentile."""
    tables = [(heading, {mode: by_percentile(rounds) for mode, rounds in modes.items()}) for heading, modes in rows]
    tables = [(heading, {mode: table for mode, table in modes.items() if table}) for heading, modes in tables]
    tables = [(heading, modes) for heading, modes in tables if modes]
    if not tables:
        return None
    script = Script(name, 430, title, notes, "pngcairo")
    data = Data()
    for (heading, table), (left, right) in zip(tables, columns(len(tables))):
        last = max(points[-1][0] for points in table.values())
        script.panel(left, right, TITLE + 26, 430 - NOTES - 50)
        # What is above a percentile shrinks by ten from one label to the next.
        marks = [(percentile, 1 / (1 - percentile / 100)) for percentile in (0, 50, 90, 99, 99.9, 99.99, 99.999)
                 if percentile <= last + 0.001 * (100 - last)]
        script.add(f"set title {quote(heading)} font ',10'", "set logscale xy", "set ylabel 'latency (ms)' offset 1,0",
                   "set xlabel 'answered within it (% of the connections)'", "set format y '%g'",
                   "set grid xtics ytics lt 1 lc rgb '#d8d8d8' lw 0.5", "set key bottom right samplen 4 font ',9'",
                   f"set xrange [1:{1.15 / (1 - last / 100):.6g}]", "set yrange [*:*]",
                   "set xtics nomirror (" + ", ".join(f"'{percentile:g}' {x:.6g}" for percentile, x in marks) + ")",
                   "set ytics nomirror")
        parts = []
        for mode, points in table.items():
            block = data.add(f"{heading}; {look(mode).name}: percentile, latency in ms: median, least and greatest round",
                             [[f"{percentile:.6g}"] + [f"{value / 1000:.6g}" for value in values]
                              for percentile, *values in points])
            parts.append(f"data index {block} using (1/(1-$1/100)):2 with linespoints {line(mode)} pointinterval 5 "
                         f"title {quote(look(mode).name)}")
        script.plot(parts)
    return Chart(script.text(), data.text())


def queue(name, title, heading, notes, modes):
    """A panel for each of `modes` {mode: series}, one below the other, with the same axes."""
    modes = {mode: series for mode, series in modes.items() if series["x"]}
    if not modes:
        return None
    each, above = 130, TITLE + 20
    script = Script(name, above + each * len(modes) + 36 + NOTES, title, notes)
    data = Data()
    most = max(max(series["y"]) for series in modes.values())
    end = max(series["x"][-1] for series in modes.values()) / 1000
    high = max(1.25 * most, 4)
    script.add(f"set label 2 {quote(heading)} at screen 0.5,{1 - (TITLE - 4) / script.height:.4f} center font ',10'",
               f"set xrange [0:{end:.6g}]", f"set yrange [0:{high:.6g}]", f"set ytics nomirror ({tics(high, 4)})",
               "set style fill solid 1.0 noborder")
    for i, (mode, series) in enumerate(modes.items()):
        block = data.add(f"{look(mode).name}: seconds, connections that wait from then on",
                         [[f"{x / 1000:.4f}", f"{y:g}"] for x, y in zip(series["x"], series["y"])])
        top = above + each * i
        script.panel(72, WIDTH - 20, top, top + each - 22)
        last = i == len(modes) - 1
        script.add(f"set label 1 {quote(f'{look(mode).name}: at most ' + show(max(series['y'])))} at graph 0.01,0.9 font ',10'",
                   "set ylabel 'connections' offset 1,0 font ',9'",
                   f"set xtics nomirror ({tics(end, 10, labels=last)})",
                   "set xlabel 'time (s)' offset 0,0.4" if last else "unset xlabel")
        # Both: an area is seen from afar, and a line shows what lasts a millisecond.
        script.plot([f"data index {block} using 1:2 with fillsteps lc rgb '#909090' notitle",
                     f"data index {block} using 1:2 with steps lw 1 lc 'black' notitle"])
        script.add("unset label 2")
    return Chart(script.text(), data.text())
