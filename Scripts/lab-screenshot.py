#!/usr/bin/env python3
"""Opens a notebook in real JupyterLab in headless Chromium and takes its picture.

  lab-screenshot.py notebooks/00-tour.ipynb --output out/tour.png [--run] [--theme dark] [--width 1280]

With --run every cell is run first, as a person would with Run → Run All Cells; without, it shows the outputs that it has
as to whoever made them (trusted).
"""

import argparse
import pathlib
import re
import shutil
import tempfile
import time

import nbformat
from nbformat.sign import NotebookNotary
from lab import browser, command, lab, open_notebook, picture
from selenium.webdriver.common.by import By


def shoot(notebook: pathlib.Path, output: pathlib.Path, theme: str, width: int, run: bool, timeout: int):
    # A copy: the picture must not change the notebook on disk.
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(shutil.copy(notebook, folder))
        if not run:
            NotebookNotary().sign(nbformat.read(copy, as_version=4))
        with lab(pathlib.Path(folder), theme) as (address, token), browser(width, 1000) as driver:
            open_notebook(driver, address, token, notebook.name, theme)
            if run:
                command(driver, "notebook:run-all-cells")
                deadline = time.monotonic() + timeout
                while time.monotonic() < deadline:
                    time.sleep(1)
                    prompts = [e.text for e in driver.find_elements(
                        By.CSS_SELECTOR, ".jp-CodeCell .jp-InputPrompt")]
                    if prompts and all(re.match(r"\[\d+\]:", p) for p in prompts if p.strip() != ""):
                        break
            time.sleep(2)
            picture(driver, output, width)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--timeout", type=int, default=300)
    arguments = parser.parse_args()
    shoot(arguments.notebook, arguments.output, arguments.theme, arguments.width, arguments.run, arguments.timeout)


if __name__ == "__main__":
    main()
