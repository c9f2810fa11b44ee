"""What an experiment costs against what it asks for: last-token states of all layers for queries behind a shared prefix.

    python Benchmarks/engine/cost.py --model tiny-Q8_0.gguf [--threads 2] [--precision int8] [--svg docs/cost.svg]

Three series, one quantity varied in each: queries, tokens of a query, tokens of the prefix once that is cached. Prints
the least squares line of each with the greatest distance from it, and draws them. Seconds are medians of --repeat runs.
"""

import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", ROOT / ".build/release/icl-kernel"))
USUAL = {"queries": 20, "tokens": 32, "prefix": 256}
SERIES = {"queries": (5, 10, 20, 40), "tokens": (8, 16, 32, 64), "prefix": (64, 128, 256, 512)}
WIDTH, HEIGHT, LEFT, BOTTOM = 250, 200, 50, 40


def seconds(arguments, **sizes):
    options = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
    text = subprocess.run(
        [ENGINE, "bench", "states", "--cached", "--model", arguments.model, "--threads", str(arguments.threads),
         "--precision", arguments.precision, "--repeat", str(arguments.repeat), "--json", *options],
        check=True, text=True, stdout=subprocess.PIPE).stdout
    return json.loads(text)["seconds"]["median"]


def line(points):
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    slope = sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)
    return slope, my - slope * mx


def panel(name, points, most, left):
    slope, start = line(points)
    x = lambda value: left + LEFT + value / (points[-1][0] * 1.05) * (WIDTH - LEFT - 10)
    y = lambda value: HEIGHT - BOTTOM - value / (most * 1.1) * (HEIGHT - BOTTOM - 20)
    last = points[-1][0]
    parts = [
        f'<path d="M{x(0):.1f} 20V{y(0):.1f}H{left + WIDTH - 10}" fill="none" stroke="#888"/>',
        f'<line x1="{x(0):.1f}" y1="{y(start):.1f}" x2="{x(last):.1f}" y2="{y(start + slope * last):.1f}" '
        'stroke="#0072b2" stroke-dasharray="4 3"/>',
        f'<text x="{left + WIDTH / 2 + 15:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{name}</text>',
    ]
    for value, time in points:
        parts.append(f'<circle cx="{x(value):.1f}" cy="{y(time):.1f}" r="3.5" fill="#d55e00"/>')
        parts.append(f'<text x="{x(value):.1f}" y="{y(0) + 14:.1f}" text-anchor="middle">{value}</text>')
    for tick in (0, most / 2, most):
        parts.append(f'<text x="{left + LEFT - 5}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f} s</text>')
    return "".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--svg", type=pathlib.Path)
    arguments = parser.parse_args()
    series = {}
    for name, values in SERIES.items():
        series[name] = [(value, seconds(arguments, **{**USUAL, name: value})) for value in values]
        slope, start = line(series[name])
        worst = max(abs(time / (start + slope * value) - 1) for value, time in series[name])
        print(f"{name}: {start:.3f} s + {slope * 1000:.3f} ms each, at most {worst:.0%} from the line; "
              + ", ".join(f"{value}: {time:.3f} s" for value, time in series[name]), flush=True)
    if arguments.svg:
        titles = {"queries": "queries", "tokens": "tokens of a query", "prefix": "tokens of the cached prefix"}
        most = max(time for points in series.values() for _, time in points)
        body = "".join(panel(titles[name], points, most, WIDTH * i) for i, (name, points) in enumerate(series.items()))
        arguments.svg.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="10"><rect width="100%" height="100%" fill="white"/>{body}</svg>\n')


if __name__ == "__main__":
    main()
