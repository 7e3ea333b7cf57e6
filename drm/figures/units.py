"""Numbers as people read them."""

from __future__ import annotations

import math

from drm.model import UNITS

LABELS = {"cpu": "CPU", "memory": "Memory", "gpu": "GPU", "gpu_memory": "GPU memory"}
"""Resources as headings."""

NOUNS = {**LABELS, "memory": "memory"}
"""Resources within a sentence."""

BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
UNKNOWN = "unknown"


def scale_of(resource: str, largest: float) -> tuple[float, str]:
    """(divisor, unit) in which amounts of a resource up to `largest` are short to read."""
    if UNITS[resource] != "bytes":
        return 1.0, UNITS[resource]
    power = min(len(BYTES) - 1, int(math.log(largest, 1024))) if largest >= 1 else 0
    return 1024.0**power, BYTES[power]


def number(value: float) -> str:
    """Up to three significant digits, without an exponent or trailing zeros."""
    if not math.isfinite(value):
        return UNKNOWN
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(resource: str, value: float) -> str:
    """An amount with its unit, as in `1.5 cores` or `3.2 GiB`."""
    if not math.isfinite(value):
        return UNKNOWN
    divisor, unit = scale_of(resource, value)
    shown = number(value / divisor)
    return f"{shown} {unit.removesuffix('s') if shown == '1' and unit.endswith('s') else unit}"


def part(resource: str, some: float, whole: float) -> str:
    """An amount and what it is a part of, as in `0.5 of 2 cores` or `3 of 8 GiB of memory`."""
    divisor, unit = scale_of(resource, whole)
    of = f" of {NOUNS[resource]}" if UNITS[resource] == "bytes" else ""
    return f"{number(some / divisor)} of {number(whole / divisor)} {unit}{of}"


def percent(fraction: float) -> str:
    """A fraction as a whole percentage."""
    return f"{fraction * 100:.0f} %" if math.isfinite(fraction) else UNKNOWN


EXACT_CENTS = 2**53 / 100
"""From this amount on (90 million millions) a float does not hold each cent."""


def money(amount: float, currency: str) -> str:
    """An amount of money, as in `12.30 USD`; below one, up to four decimals; from `EXACT_CENTS` on in six digits."""
    if not math.isfinite(amount):
        return UNKNOWN
    if abs(amount) >= EXACT_CENTS:
        text = f"{amount:.5e}".replace("e+", " x 10^")
    elif 0 < amount < 0.00005:
        text = "less than 0.0001"
    elif 0 < amount < 1:
        text = f"{amount:.4f}".rstrip("0").ljust(4, "0")
    else:
        text = f"{amount:,.2f}".replace(",", " ")
    return f"{text} {plain(currency, 8)}".rstrip()


def duration(seconds: float) -> str:
    """A length of time in one or two units, as in `45 s`, `3 min 20 s`, `2 h 5 min`."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if 0 < seconds < 10:
        return f"{number(seconds)} s"
    whole = max(0, round(seconds))
    for size, name, below, below_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{whole} s"


def count(amount: int, noun: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{amount:,} {noun}".replace(",", " ") + ("" if amount == 1 else "s")


def plain(text: str, limit: int = 80) -> str:
    """A text from outside on one line: without control characters, cut to a length."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def escaped(text: str, limit: int = 80) -> str:
    """A text from outside for a figure, in which Plotly reads some HTML."""
    return plain(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unique(labels: list[str]) -> list[str]:
    """Labels of rows, of which no two are alike: cut ones may coincide, and rows of one label would be drawn as one."""
    seen: dict[str, int] = {}
    distinct = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return distinct
