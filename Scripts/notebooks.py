#!/usr/bin/env python3
"""Runs notebooks from top to bottom in a fresh kernel.

  notebooks.py run NOTEBOOK --output DIR     executes a copy; writes DIR/NAME.ipynb and DIR/NAME.html
  notebooks.py run NOTEBOOK --in-place       executes and keeps the outputs in the notebook itself
  notebooks.py check FOLDER                  re-runs every notebook found; each output must equal the committed one

Outputs that cannot repeat (a duration, a path of this machine) belong in cells tagged `volatile`; progress displays
carry `"volatile": true` in their metadata. Everything else is compared to the last character.
"""

import argparse
import difflib
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

KERNEL = "swift-icl"


def execute(path: pathlib.Path, timeout: int):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name=KERNEL, resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    for cell in notebook.cells:
        # When a cell ran is of no use to a reader and would change the file at every run.
        cell.metadata.pop("execution", None)
    return notebook


def comparable(cell):
    """What of a cell's outputs must be the same in every run, as text."""
    if "volatile" in cell.metadata.get("tags", []):
        return ""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(f"[{output.name}]\n{output.text}")
        elif output.output_type in ("display_data", "execute_result"):
            if output.get("metadata", {}).get("volatile"):
                continue
            for kind in sorted(output.data):
                content = output.data[kind]
                parts.append(f"[{kind}]\n{content if isinstance(content, str) else repr(content)}")
        else:
            parts.append(f"[{output.output_type}] {output.get('ename')}: {output.get('evalue')}")
    return "\n".join(parts)


def run(path: pathlib.Path, output: pathlib.Path | None, timeout: int) -> int:
    print(f"running {path} …", flush=True)
    began = time.monotonic()
    try:
        notebook = execute(path, timeout)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"  {sum(c.cell_type == 'code' for c in notebook.cells)} cells in {time.monotonic() - began:.1f} s")
    if output is None:
        nbformat.write(notebook, path)
        return 0
    from nbconvert import HTMLExporter

    output.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output / path.name)
    html, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    (output / f"{path.stem}.html").write_text(html)
    return 0


def check(folder: pathlib.Path, timeout: int) -> int:
    passed = failed = 0
    for path in sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts):
        committed = nbformat.read(path, as_version=4)
        try:
            fresh = execute(path, timeout)
        except CellExecutionError as error:
            print(f"FAILED {path}\n{error}")
            failed += 1
            continue
        differences = []
        for number, (old, new) in enumerate(zip(committed.cells, fresh.cells)):
            if old.cell_type != "code" or comparable(old) == comparable(new):
                continue
            diff = difflib.unified_diff(
                comparable(old).splitlines(), comparable(new).splitlines(), "committed", "now", lineterm="", n=1
            )
            differences.append(f"  cell {number}:\n" + "\n".join("    " + line[:200] for line in list(diff)[:24]))
        if differences:
            print(f"FAILED {path}: outputs differ from the committed ones\n" + "\n".join(differences))
            failed += 1
        else:
            print(f"ok     {path}")
            passed += 1
    if passed + failed == 0:
        print(f"no notebook found below {folder}")
        return 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("notebook", type=pathlib.Path)
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--output", type=pathlib.Path)
    where.add_argument("--in-place", action="store_true")
    every = commands.add_parser("check")
    every.add_argument("folder", type=pathlib.Path)
    for command in (one, every):
        command.add_argument("--timeout", type=int, default=600, help="seconds a cell may take")
    arguments = parser.parse_args()
    if arguments.command == "run":
        return run(arguments.notebook, arguments.output, arguments.timeout)
    return check(arguments.folder, arguments.timeout)


if __name__ == "__main__":
    sys.exit(main())
