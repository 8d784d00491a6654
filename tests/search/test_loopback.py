"""A node server that names no host listens on 127.0.0.1 only; without the patch on every interface."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import nni_node
import pytest

from adabert_nni.search.loopback import loopback_environment, run_nnictl

NODE = Path(nni_node.__file__).with_name("node")
ALL_INTERFACES = [  # port 0: node takes a free one
    "net.createServer().listen(0)",
    "net.createServer().listen({ port: 0 })",
    "net.createServer().listen(0, () => {})",
    "net.createServer().listen(0, 511, () => {})",
    "net.createServer().listen(0, undefined, 511)",
    "net.createServer().listen(0, '')",
    "net.createServer().listen('0')",
    "net.createServer().listen({ port: 0, host: '' })",
    "net.createServer().listen({ port: undefined })",
    "net.createServer().listen(null)",
    "net.createServer().listen()",
    "net.createServer().listen(() => {})",
    "http.createServer().listen(0, () => {})",
]


@contextmanager
def served(server, environment):
    """The port of a node process that runs ``server``."""
    code = (
        'const net = require("net"), http = require("http");'
        f"const server = {server};"
        'server.on("listening", () => console.log(server.address().port));'
    )
    process = subprocess.Popen(
        [NODE, "-e", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def answers(host, port):
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((host, port)) == 0


@pytest.mark.parametrize("server", ALL_INTERFACES)
def test_a_server_without_a_host_is_reachable_on_127_0_0_1_only(server):
    with served(server, loopback_environment()) as port:
        assert answers("127.0.0.1", port)
        assert not answers("127.0.0.2", port)


@pytest.mark.parametrize("server", [ALL_INTERFACES[0], ALL_INTERFACES[1], ALL_INTERFACES[-1]])
def test_without_the_patch_the_same_server_is_reachable_elsewhere(server):
    unpatched = {key: value for key, value in os.environ.items() if key != "NODE_OPTIONS"}
    with served(server, unpatched) as port:
        assert answers("127.0.0.2", port)


@pytest.mark.parametrize("arguments", ["0, '127.0.0.2'", "{ port: 0, host: '127.0.0.2' }"])
def test_a_host_that_is_named_is_kept(arguments):
    with served(f"net.createServer().listen({arguments})", loopback_environment()) as port:
        assert answers("127.0.0.2", port)
        assert not answers("127.0.0.1", port)


@pytest.mark.parametrize("form", ["'{}'", "{{ path: '{}' }}"])
def test_a_pipe_is_left_alone(form, tmp_path):
    code = (
        f"const server = require('net').createServer().listen({form.format(tmp_path / 'pipe')});"
        "server.on('listening', () => { console.log(server.address()); server.close(); });"
    )
    done = subprocess.run(
        [NODE, "-e", code],
        env=loopback_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "pipe")


def test_options_of_node_that_were_set_are_kept(monkeypatch):
    monkeypatch.setenv("NODE_OPTIONS", "--no-deprecation")
    assert loopback_environment()["NODE_OPTIONS"].startswith("--no-deprecation --require ")


def test_commands_of_this_python_come_first():
    first, *_ = loopback_environment()["PATH"].split(os.pathsep)
    assert first == str(Path(sys.executable).parent)


def test_the_exit_code_of_nnictl_is_passed_on(capfd):
    assert run_nnictl(["no-such-verb"]) == 2  # argparse's
    assert "no-such-verb" in capfd.readouterr().err
