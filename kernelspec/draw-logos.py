#!/usr/bin/env python3
"""Draws the kernel's logo: logo-svg.svg, logo-32x32.png and logo-64x64.png, beside this script.

A rounded square; three demonstrations (dots) on the left, each joined to the one answer on the right: what
in-context learning does. The same shapes are written as SVG and filled pixel by pixel for PNG, with nothing but zlib.
"""

import pathlib
import struct
import zlib

SIDE = 64.0
CORNER = 14.0
GROUND = (0xF0, 0x51, 0x38)
INK = (0xFF, 0xFF, 0xFF)
DEMONSTRATIONS = [(17.0, 16.0), (17.0, 32.0), (17.0, 48.0)]
ANSWER = (45.0, 32.0)
SMALL, LARGE, STROKE = 5.0, 9.0, 3.0
SAMPLES = 8  # per pixel and axis


def svg() -> str:
    ground, ink = ("#%02X%02X%02X" % colour for colour in (GROUND, INK))
    lines = "".join(
        f'<line x1="{x:g}" y1="{y:g}" x2="{ANSWER[0]:g}" y2="{ANSWER[1]:g}"/>' for x, y in DEMONSTRATIONS
    )
    dots = "".join(f'<circle cx="{x:g}" cy="{y:g}" r="{SMALL:g}"/>' for x, y in DEMONSTRATIONS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE:g} {SIDE:g}" width="64" height="64">\n'
        f'  <rect width="{SIDE:g}" height="{SIDE:g}" rx="{CORNER:g}" fill="{ground}"/>\n'
        f'  <g stroke="{ink}" stroke-width="{STROKE:g}">{lines}</g>\n'
        f'  <g fill="{ink}">{dots}<circle cx="{ANSWER[0]:g}" cy="{ANSWER[1]:g}" r="{LARGE:g}"/></g>\n'
        "</svg>\n"
    )


def in_ground(x: float, y: float) -> bool:
    dx = max(CORNER - x, 0.0, x - (SIDE - CORNER))
    dy = max(CORNER - y, 0.0, y - (SIDE - CORNER))
    return dx * dx + dy * dy <= CORNER * CORNER


def near_line(x: float, y: float, a: tuple, b: tuple) -> bool:
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = max(0.0, min(1.0, ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy)))
    ex, ey = x - a[0] - t * dx, y - a[1] - t * dy
    return ex * ex + ey * ey <= (STROKE / 2) ** 2


def in_ink(x: float, y: float) -> bool:
    if (x - ANSWER[0]) ** 2 + (y - ANSWER[1]) ** 2 <= LARGE**2:
        return True
    return any(
        (x - a[0]) ** 2 + (y - a[1]) ** 2 <= SMALL**2 or near_line(x, y, a, ANSWER) for a in DEMONSTRATIONS
    )


def png(pixels: int) -> bytes:
    step = SIDE / pixels / SAMPLES
    rows = bytearray()
    for row in range(pixels):
        rows.append(0)  # no filter
        for column in range(pixels):
            covered = inked = 0
            for sample in range(SAMPLES * SAMPLES):
                x = (column * SAMPLES + sample % SAMPLES + 0.5) * step
                y = (row * SAMPLES + sample // SAMPLES + 0.5) * step
                if in_ground(x, y):
                    covered += 1
                    inked += in_ink(x, y)
            share = inked / covered if covered else 0.0
            rows += bytes(round(g + (i - g) * share) for g, i in zip(GROUND, INK))
            rows.append(round(255 * covered / SAMPLES**2))

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 6, 0, 0, 0)  # 8 bits, RGBA
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + chunk(b"IEND", b"")
    )


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    (here / "logo-svg.svg").write_text(svg())
    for pixels in (32, 64):
        (here / f"logo-{pixels}x{pixels}.png").write_bytes(png(pixels))
