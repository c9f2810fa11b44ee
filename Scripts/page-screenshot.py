#!/usr/bin/env python3
"""Takes pictures of pages (reports, SVGs) in headless Chromium, light and dark, wide and on a phone.

  page-screenshot.py report.html … --output out/pages [--width 1000 390] [--theme light dark]
"""

import argparse
import pathlib
import time

from lab import browser, prefer_scheme


def shoot(driver, page: pathlib.Path, output: pathlib.Path, theme: str, width: int):
    prefer_scheme(driver, theme)
    # A window is never narrower than 500: a phone has to be emulated.
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.resolve().as_uri())
    size["height"] = min(driver.execute_script("return document.documentElement.scrollHeight"), 14000)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    time.sleep(0.5)
    wide = driver.execute_script("return document.documentElement.scrollWidth")
    path = output / f"{page.stem}-{width}-{theme}.png"
    driver.save_screenshot(str(path))
    print(f"{path}: {width} × {size['height']}" + (f", scrolls sideways ({wide})" if wide > width else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=pathlib.Path, nargs="+")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--width", type=int, nargs="+", default=[1000, 390])
    parser.add_argument("--theme", nargs="+", choices=["light", "dark"], default=["light", "dark"])
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with browser(1000, 1000) as driver:
        for page in arguments.pages:
            for width in arguments.width:
                for theme in arguments.theme:
                    shoot(driver, page, arguments.output, theme, width)


if __name__ == "__main__":
    main()
