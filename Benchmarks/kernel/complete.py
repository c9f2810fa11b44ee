#!/usr/bin/env python3
"""How long completion takes: the first answer after the start, and 100 answers after 100 cells.

    .venv/bin/python Benchmarks/kernel/complete.py [--cells 100] [--answers 100] [--pause 1]

Times are wall-clock milliseconds from complete_request to complete_reply, seen by a `jupyter_client`. Questions come five
in a row for one text, as somebody types on, then for another text: what sourcekitd has loaded for the one often doesn't
serve the other (a function's body after top-level code), so the first of each five is told apart.
"""

import argparse
import statistics
import time

from jupyter_client.manager import KernelManager

ENDINGS = ["valu", "treasure12.coun", "print(va", "[1, 2].ma", "Tre", '"text".upper', "func f(n: Int) { n.desc"]


def ask(client, code):
    began = time.perf_counter()
    client.complete(code, len(code))
    reply = client.get_shell_msg(timeout=60)
    assert reply["content"]["matches"], code
    return 1000 * (time.perf_counter() - began)


def run(client, code):
    client.execute(code)
    reply = client.get_shell_msg(timeout=120)
    assert reply["content"]["status"] == "ok", reply["content"].get("evalue")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--answers", type=int, default=100)
    parser.add_argument("--pause", type=float, default=1, help="seconds in which a user reads a cell's result")
    parser.add_argument("--kernel", default="swift-icl")
    arguments = parser.parse_args()

    manager = KernelManager(kernel_name=arguments.kernel)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    try:
        print(f"the first answer, asked at once after the start: {ask(client, '[1].ma'):.0f} ms")
        for i in range(arguments.cells):
            function = f"func value{i}(_ n: Int) -> Int {{ n + {i} }}"
            run(client, f"let treasure{i} = [{i}]\n{function}\nstruct Tree{i} {{ var n = {i} }}")
        print(f"the first answer after a cell: {ask(client, ENDINGS[0]):.0f} ms")
        times = [ask(client, ENDINGS[i // 5 % len(ENDINGS)]) for i in range(arguments.answers)]
        jumps = times[::5]
        print(
            f"{arguments.answers} answers after {arguments.cells} cells: median {statistics.median(times):.1f} ms, "
            f"{min(times):.1f} to {max(times):.1f} ms; of those for another text than the last: "
            f"{statistics.median(jumps):.1f} ms"
        )
        between = []
        for i in range(10):
            run(client, f"let other{i} = {i}")
            between.append(ask(client, ENDINGS[i % len(ENDINGS)]))
        median = statistics.median(between)
        print(f"right behind a new cell, 10 times: median {median:.0f} ms, at most {max(between):.0f} ms")
        between = []
        for i in range(20):
            run(client, f"let another{i} = {i}")
            time.sleep(arguments.pause)
            between.append(ask(client, ENDINGS[i % len(ENDINGS)]))
        print(
            f"{arguments.pause} s behind a new cell, 20 times: median {statistics.median(between):.0f} ms, "
            f"at most {max(between):.0f} ms"
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
