"""Memory of a variable that is declared again comes back."""

import pathlib

import pytest

from processes import descendants, program

MEGABYTES = 200
VALUES = {
    "array": f"[UInt8](repeating: 1, count: {MEGABYTES}_000_000)",
    "data": f"Data(repeating: 1, count: {MEGABYTES}_000_000)",
    "objects": f"(0..<{MEGABYTES * 10}).map {{ _ in Block() }}",
    "dictionary": f"Dictionary(uniqueKeysWithValues: (0..<{MEGABYTES // 10}).map {{ ($0, [UInt8](repeating: 1, count: 10_000_000)) }})",
}


def resident(kernel):
    """Of the process that runs cells, in bytes."""
    total = 0
    for pid in [each for each in descendants(kernel.pid) if program(each).endswith("/icl-cell-host")]:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) << 10
    return total


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("is_rerun", [True, False])
def test_six_runs_hold_one_value(own_kernel, value, is_rerun):
    kernel = own_kernel
    kernel.run("import Foundation\nfinal class Block { let bytes = [UInt8](repeating: 1, count: 100_000) }")
    kernel.run("1 + 1")
    before = resident(kernel)
    for number in range(6):
        kernel.run(f"var big = {VALUES[value]}", metadata={"cellId": "big" if is_rerun else f"big{number}"})
    assert resident(kernel) - before < 1.5 * MEGABYTES * 1e6
    assert kernel.run("big.count > 0").result == "true"
    kernel.run("%forget big")
    assert resident(kernel) - before < 0.5 * MEGABYTES * 1e6
