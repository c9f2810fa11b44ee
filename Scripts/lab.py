"""JupyterLab and a headless Chromium to look at it with, for the scripts and tests that drive both.

Needs Debian's `chromium` and `chromium-driver` (`Scripts/setup packages browser`), and `selenium` in .venv.
"""

import contextlib
import json
import pathlib
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
def lab(folder: pathlib.Path, theme: str = "light"):
    """A JupyterLab server of its own on a free loopback port; yields its address and the token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as scratch:
        settings = pathlib.Path(scratch, "user-settings/@jupyterlab/apputils-extension")
        settings.mkdir(parents=True)
        name = "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
        (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": name}))
        (settings / "notification.jupyterlab-settings").write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False}))
        log = pathlib.Path(scratch, "server.log")
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}",
             "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
             f"--LabApp.user_settings_dir={scratch}/user-settings", f"--LabApp.workspaces_dir={scratch}/workspaces",
             "--expose-app-in-browser"],
            stdout=subprocess.DEVNULL, stderr=log.open("w"))
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(f"{address}/api?token={token}", timeout=5)
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"JupyterLab did not answer:\n{log.read_text()[-3000:]}") from None
                    time.sleep(0.2)
            yield address, token
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()


@contextlib.contextmanager
def browser(width: int, height: int):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars",
                 f"--window-size={width},{height}", "--force-color-profile=srgb"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def open_notebook(driver, address: str, token: str, name: str, theme: str = "light"):
    """Opens a notebook of the server's folder and returns once its kernel is idle."""
    prefer_scheme(driver, theme)
    driver.get(f"{address}/doc/tree/{name}?token={token}")
    WebDriverWait(driver, 120).until(lambda d: d.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell"))
    # The round indicator says idle even before there is a kernel: a cell run then would never run.
    WebDriverWait(driver, 120).until(lambda d: d.execute_script(
        "const context = (window.jupyterapp || window.jupyterlab).shell.currentWidget?.sessionContext;"
        "const kernel = context?.session?.kernel;"
        "return context?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';"))


def prefer_scheme(driver, theme: str):
    """What `prefers-color-scheme` says to pictures that follow it."""
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})


def command(driver, name: str, arguments: dict | None = None):
    """Carries out one of JupyterLab's commands, as a menu does, without waiting for its end."""
    driver.execute_script(
        "(window.jupyterapp || window.jupyterlab).commands.execute(arguments[0], arguments[1]);", name,
        arguments or {})


def picture(driver, path: pathlib.Path, width: int):
    """The whole notebook in one picture: the window is made as tall as it, so that windowed rendering shows all."""
    for _ in range(4):
        height = driver.execute_script(
            "let h = 0; for (const c of document.querySelectorAll('.jp-Notebook .jp-Cell'))"
            " h += c.getBoundingClientRect().height; return h || 2000;")
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": int(min(height + 320, 14000)), "deviceScaleFactor": 1, "mobile": False})
        driver.execute_script("for (const n of document.querySelectorAll('.jp-WindowedPanel-outer')) n.scrollTop = 0;")
        time.sleep(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(path))
