"""Every package that we ask for is pinned, and none that we allow has a mended vulnerability, or we say why.

The table of advisories is what is known of the packages we ask for and the pins that are not the newest release;
``pip-audit`` knows more where its database is in reach (results/reliability.md).
"""

import configparser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# package, the first version without it, its name
ADVISORIES = (
    ("filelock", "3.20.1", "CVE-2025-68146"),
    ("filelock", "3.20.3", "CVE-2026-22701"),
    ("jinja2", "3.1.6", "CVE-2025-27516"),
    ("onnx", "1.21.0", "CVE-2026-28500"),
    ("onnx", "1.21.0", "CVE-2026-34446"),
    ("onnx", "1.21.0", "CVE-2026-34447"),
    ("pytorch-lightning", "2.6.1", "CVE-2026-31221"),
    ("scikit-learn", "1.5.0", "CVE-2024-5206"),
    ("setuptools", "78.1.1", "CVE-2025-47273"),
    ("torch", "2.10.0", "CVE-2026-24747"),
    ("tqdm", "4.66.3", "CVE-2024-34062"),
    ("transformers", "5.0.0", "CVE-2026-1839"),
    ("transformers", "5.3.0", "CVE-2026-4372"),
    ("transformers", "5.3.0", "CVE-2026-5241"),
    ("virtualenv", "20.26.6", "CVE-2024-53899"),
    ("virtualenv", "20.36.1", "CVE-2026-22702"),
)
# nni 3.0 allows no filelock that is new enough, nor what needs one
HELD_BACK = ("filelock", "virtualenv")


def allowed() -> dict[str, Requirement]:
    """What setup.cfg asks for, extras included, by canonical name."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"].values()
    lines = "\n".join([setup["options"]["install_requires"], *extras]).splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name): one for one in wanted}


def lowest(requirement: Requirement) -> Version:
    """The first version that a requirement with ``>=`` admits; version 0 if it has none."""
    floors = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
    return max(floors, default=Version("0"))


def pins() -> list[list[str]]:
    """The lines of constraints.txt, taken apart at ``==``."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("==") for line in lines if line and not line.startswith("#")]


def pinned() -> dict[str, Version]:
    """The one version of each package, by canonical name."""
    return {canonicalize_name(name): Version(version) for name, version in pins()}


def test_every_direct_requirement_has_one_exact_pin():
    assert all(len(pin) == 2 and "*" not in pin[1] and "+" not in pin[1] for pin in pins())
    assert len(pinned()) == len(pins())
    assert allowed().keys() - pinned().keys() == set()


def test_a_floor_is_read_off_a_requirement():
    assert lowest(Requirement("torch>=2.6,<3")) == Version("2.6")
    assert lowest(Requirement("torch<3")) == Version("0")


@pytest.mark.parametrize(("name", "fixed", "advisory"), ADVISORIES)
def test_no_version_with_a_known_fault_is_pinned_or_allowed(name, fixed, advisory):
    if name in HELD_BACK:
        told = (ROOT / "results" / "reliability.md").read_text(encoding="utf-8")
        assert pinned()[name] < Version(fixed), "free at last: take it off HELD_BACK"
        assert advisory in told
        return
    assert pinned()[name] >= Version(fixed)
    if name in allowed():
        assert lowest(allowed()[name]) >= Version(fixed)
