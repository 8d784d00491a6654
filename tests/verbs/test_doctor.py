"""The doctor tells what is wrong and what to do, and its exit code whether a run can work."""

import socket
from pathlib import Path

import pytest

from adabert_nni import cli, ports, precision
from adabert_nni.settings import RunConfig
from adabert_nni.verbs import checks, doctor
from adabert_nni.verbs.checks import NOTE, OK, PROBLEM, Finding

ROOT = Path(__file__).parents[2]


def test_the_tested_versions_are_those_of_the_constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    for name, version in checks.TESTED.items():
        if name != "python":
            assert ".".join(pins[name].split(".")[:2]) == version


@pytest.mark.parametrize(
    ("found", "state"), [("2.13.0+cpu", OK), ("2.9.1", OK), ("3.0.0", NOTE), (None, PROBLEM)]
)
def test_a_version_of_another_major_number_is_told_and_a_missing_one_is_a_problem(
    monkeypatch, found, state
):
    monkeypatch.setattr(checks, "TESTED", {"torch": "2.13"})
    monkeypatch.setattr(checks, "OPTIONAL", {})
    monkeypatch.setattr(checks, "_version", lambda name: found)
    (finding,) = checks.versions(RunConfig())
    assert finding.state == state
    assert bool(finding.remedy) == (state != OK)


@pytest.mark.parametrize("state", [OK, NOTE, PROBLEM])
def test_only_a_problem_fails(monkeypatch, capsys, state):
    found = [Finding(state, "disk", "make room"), Finding(OK, "hub")]
    monkeypatch.setattr(doctor, "CHECKS", (lambda run: iter(found),))
    assert cli.main(["doctor"]) == (cli.FAILED if state == PROBLEM else cli.OK)
    assert capsys.readouterr().out.splitlines() == [f"{state:<8} disk; make room", "ok       hub"]


def test_ports_that_are_all_taken_are_a_problem(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(ports, "FIRST_PORT", taken.getsockname()[1])
        monkeypatch.setattr(ports, "PORTS", 1)
        assert [finding.state for finding in checks.ports(RunConfig())] == [PROBLEM]


def test_a_cache_that_cannot_be_written_is_a_problem_and_one_yet_to_be_made_is_not(tmp_path):
    (tmp_path / "file").write_text("x")
    assert checks._writable("cache", tmp_path / "new" / "deep", "").state == OK
    assert not (tmp_path / "new").exists()
    assert checks._writable("cache", Path("/proc/none"), "").state == PROBLEM


def test_a_silent_hub_costs_seconds_and_is_no_problem(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(checks, "HUB_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        (finding,) = checks.hub(RunConfig())
    assert finding.state == NOTE
    assert "minilm-l6" in finding.remedy


def test_nni_starts_here():
    found = list(checks.nni_starts(RunConfig()))
    assert [finding.state for finding in found] == [OK] * 3, found


def test_a_command_that_fails_or_is_missing_is_told():
    assert checks._run(["false"]) == "exit code 1"
    assert "No such file" in checks._run(["/no/such/program"])


@pytest.mark.parametrize(("native", "found"), [(True, "bf16"), (False, "float32")])
def test_it_tells_what_models_train_in_here(monkeypatch, native, found):
    monkeypatch.setattr(precision, "native_bf16", lambda device="cpu": native)
    told = [str(finding) for finding in checks.processors(RunConfig())]
    assert [line for line in told if f"precision of training: {found} " in line]
