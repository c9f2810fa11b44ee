#!/usr/bin/env python3
"""Opens a notebook in real JupyterLab in headless Chromium and takes its picture.

  lab-screenshot.py notebooks/00-tour.ipynb --output out/tour.png [--run] [--theme dark] [--width 1280]

Needs Debian's `chromium` and `chromium-driver`, and `selenium` in .venv. With --run every cell is run first, as a
person would with Run → Run All Cells. The window is made as tall as the notebook, so the picture holds all of it.
"""

import argparse
import contextlib
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait


@contextlib.contextmanager
def lab(folder: pathlib.Path, theme: str):
    """A JupyterLab server of its own on a free loopback port; yields its address with the token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as scratch:
        settings = pathlib.Path(scratch, "lab/user-settings/@jupyterlab")
        (settings / "apputils-extension").mkdir(parents=True)
        name = "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
        (settings / "apputils-extension/themes.jupyterlab-settings").write_text(f'{{"theme": "{name}"}}')
        (settings / "apputils-extension/notification.jupyterlab-settings").write_text(
            '{"fetchNews": "false", "checkForUpdates": false}')
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}",
             "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
             f"--LabApp.user_settings_dir={scratch}/lab/user-settings",
             f"--LabApp.workspaces_dir={scratch}/lab/workspaces", "--expose-app-in-browser"],
            stdout=subprocess.DEVNULL, stderr=open(pathlib.Path(scratch, "server.log"), "w"))
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(150):
                try:
                    urllib.request.urlopen(f"{address}/api?token={token}", timeout=1)
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                raise SystemExit("JupyterLab did not answer within 30 s")
            yield address, token
        finally:
            server.terminate()
            server.wait(timeout=20)


def browser(width: int, height: int) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars",
                 f"--window-size={width},{height}", "--force-color-profile=srgb"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver") or "chromedriver")
    return webdriver.Chrome(options=options, service=service)


def shoot(notebook: pathlib.Path, output: pathlib.Path, theme: str, width: int, run: bool, timeout: int):
    # A copy: the picture must not change the notebook on disk.
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(notebook, folder)
        with lab(pathlib.Path(folder), theme) as (address, token):
            driver = browser(width, 1000)
            try:
                if theme == "dark":
                    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                           {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
                driver.get(f"{address}/doc/tree/{notebook.name}?token={token}")
                wait = WebDriverWait(driver, 60)
                wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell"))
                time.sleep(3)
                if run:
                    # The application object that JupyterLab keeps on the window for just such drivers.
                    driver.execute_script(
                        "const app = window.jupyterapp || window.jupyterlab;"
                        "app.commands.execute('notebook:run-all-cells');")
                    deadline = time.monotonic() + timeout
                    while time.monotonic() < deadline:
                        time.sleep(1)
                        prompts = [e.text for e in driver.find_elements(
                            By.CSS_SELECTOR, ".jp-CodeCell .jp-InputPrompt")]
                        if prompts and all(re.match(r"\[\d+\]:", p) for p in prompts if p.strip() != ""):
                            break
                time.sleep(2)
                # Grow the window to the notebook's height, so that windowed rendering shows every cell.
                for _ in range(4):
                    height = driver.execute_script(
                        "const n = document.querySelectorAll('.jp-Notebook .jp-Cell');"
                        "let h = 0; for (const c of n) h += c.getBoundingClientRect().height; return h || 2000;")
                    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                        "width": width, "height": int(min(height + 320, 14000)), "deviceScaleFactor": 1,
                        "mobile": False})
                    driver.execute_script(
                        "for (const n of document.querySelectorAll('.jp-WindowedPanel-outer')) n.scrollTop = 0;")
                    time.sleep(1.5)
                output.parent.mkdir(parents=True, exist_ok=True)
                driver.save_screenshot(str(output))
            finally:
                driver.quit()


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
