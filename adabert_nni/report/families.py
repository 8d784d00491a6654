"""Families of ops and their colours on light pages and dark ones, the same in the drawn cell and in all charts."""

from dataclasses import dataclass

MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
SCOPE = "adabert-cell"  # the class of the drawing


@dataclass(frozen=True)
class Family:
    """Ops that share a colour: those whose name starts with one of ``prefixes``."""

    legend: str
    prefixes: tuple[str, ...]
    light: tuple[str, str]  # line and label background on a light page
    dark: tuple[str, str]


FAMILIES: dict[str, Family] = {  # the first that fits; the last fits every name
    "std": Family("convolution", ("std_",), ("#1f6fb5", "#e3f0fb"), ("#6cb6ff", "#12304d")),
    "dil": Family("dilated conv.", ("dil_",), ("#c2500a", "#fdebdd"), ("#ffa35c", "#472508")),
    "pool": Family("pooling", ("avg_", "max_"), ("#0b8063", "#ddf4ed"), ("#4fd1ab", "#0b3a2e")),
    "skip": Family("skip", ("skip",), ("#6b5aa8", "#eeeaf9"), ("#b7a6f5", "#2d2550")),
    "other": Family("other", ("",), ("#5b6470", "#eceff2"), ("#a9b4c0", "#2a3038")),
}


def family_of(op: str) -> str:
    """The key of ``FAMILIES`` that gives an op its colour."""
    return next(name for name, family in FAMILIES.items() if op.startswith(family.prefixes))


def _colours(ink: str, page: str, faint: str, dark: bool) -> dict[str, str]:
    rules = {"text": f"fill:{ink}", ".page": f"fill:{page}", ".node": f"fill:{page};stroke:{ink}"}
    rules[".out"] = f"stroke:{faint}"
    for name, family in FAMILIES.items():
        line, back = family.dark if dark else family.light
        rules[f".{name}"] = f"stroke:{line}"
        rules |= {f"polygon.{name}": f"fill:{line}", f"rect.{name}": f"fill:{back}"}
    return rules


def _css(rules: dict[str, str]) -> str:
    """Rules that hold inside this drawing only, since a page may hold it beside others."""
    return " ".join(f".{SCOPE} {selector}{{{rule}}}" for selector, rule in rules.items())


SHAPES = {
    "text": f"font-family:{MONO}",
    "path": "fill:none;stroke-width:1.8",
    ".node": "stroke-width:1.6",
    ".faint": "opacity:.35;stroke-dasharray:3 3",
}
LIGHT = _colours("#1b1f24", "#ffffff", "#8b949e", dark=False)
DARK = _colours("#e6edf3", "#0d1117", "#7d8590", dark=True)
STYLE = (
    f"<style>{_css(SHAPES)} {_css(LIGHT)} "
    f"@media (prefers-color-scheme:dark){{{_css(DARK)}}}</style>"
)
