"""The gallery of `docs/CHARTS.md` in headless Chromium: wide and on a phone, on light and on dark pages.

Pictures of all go to out/clients, to be looked at.
"""

import base64
import itertools
import time

import pytest
from conftest import ROOT
from lab import browser, prefer_scheme

CHARTS = sorted((ROOT / "docs/images/charts").glob("*.svg"))

# What is measured of each picture: boxes of all texts, and its own.
MEASURE = """
return [...document.querySelectorAll('body > div > svg')].map(svg => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] };
  return {
    own: box(svg), ground: getComputedStyle(svg.querySelector('rect')).fill,
    texts: [...svg.querySelectorAll('text')].map(t => ({
      text: t.textContent, box: box(t), fill: getComputedStyle(t).fill, size: t.getBoundingClientRect().height })),
  };
});
"""


@pytest.fixture(scope="module")
def driver():
    with browser(1280, 1000) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("charts") / "charts.html"
    body = "".join(f"<div>{svg.read_text()}</div>" for svg in CHARTS)
    # Inline, as a notebook's page shows results.
    path.write_text(
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<style>:root{color-scheme:light dark}body{margin:0}div{margin:0 0 12px}</style>" + body
    )
    return path


def level(colour):
    """How light a colour is, 0…1."""
    red, green, blue = (int(part) for part in colour[4:-1].split(","))
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def meet(a, b):
    """Whether two boxes share more than a hair's breadth."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.3 and min(a[3], b[3]) - max(a[1], b[1]) > 0.3


def measure(driver, page, width, theme):
    prefer_scheme(driver, theme)
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.as_uri())
    time.sleep(0.3)
    return driver.execute_script(MEASURE)


def test_the_gallery_is_there():
    assert len(CHARTS) >= 24


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_two_texts_meet_and_nothing_is_cut_off(driver, page, pictures, width, theme):
    charts = measure(driver, page, width, theme)
    assert len(charts) == len(CHARTS)
    faults = []
    for path, chart in zip(CHARTS, charts):
        left, top, right, bottom = chart["own"]
        if left < 0 or right > width + 0.5:
            faults.append(f"{path.name}: wider than the page")
        for text in chart["texts"]:
            box = text["box"]
            if box[0] < left or box[1] < top or box[2] > right or box[3] > bottom:
                faults.append(f"{path.name}: {text['text']!r} is cut off: {box} in {chart['own']}")
        for one, other in itertools.combinations(chart["texts"], 2):
            if meet(one["box"], other["box"]):
                faults.append(f"{path.name}: {one['text']!r} meets {other['text']!r}")
        grounds = level(chart["ground"])
        assert grounds < 0.2 if theme == "dark" else grounds > 0.9
    full = driver.execute_script("return document.documentElement.scrollHeight")
    for part, start in enumerate(range(0, full, 4000)):
        picture = driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {"x": 0, "y": start, "width": width if width < 500 else 560,
                                                     "height": min(4000, full - start), "scale": 1}},
        )  # fmt: skip
        (pictures / f"charts-{width}-{theme}-{part}.png").write_bytes(base64.b64decode(picture["data"]))
    assert not faults, "\n".join(faults)


def test_the_check_finds_texts_that_meet(driver, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<!doctype html><body><div><svg width="100" height="50"><rect fill="#fff"/>'
        '<text x="5" y="20">one</text><text x="9" y="24">two</text></svg></div>'
    )
    [chart] = measure(driver, page, 1280, "light")
    assert meet(*(text["box"] for text in chart["texts"]))
