"""The README keeps its word: snippets compile, commands and files exist, no number is missing."""

import re
import shlex
from pathlib import Path

import pytest

from adabert_nni import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
INLINE = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", PROSE)]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
NNICTL = {"create", "resume", "view", "stop", "experiment", "log", "trial", "update"}


def snippets(language):
    return [text for name, text in BLOCKS if name == language]


def commands():
    """Each bash command as words, without comments, variables and ``<what to fill in>``."""
    for text in snippets("bash"):
        for line in re.sub(r"<[^>]*>", "FILLED", text.replace("\\\n", " ")).splitlines():
            words = shlex.split(line, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                yield words


def check_nnictl(verb, *options):
    assert verb in NNICTL
    if "--config" in options:
        assert (ROOT / options[options.index("--config") + 1]).is_file()


def check_adabert(*words):
    args = cli.parser().parse_args(words)
    if args.verb == "nnictl":
        check_nnictl(*args.rest)
    if args.verb == "experiment":
        assert (ROOT / args.file).is_file()


def check_make(*words):
    assert {word for word in words if "=" not in word and not word.startswith("-")} <= TARGETS


def check_source(script):
    assert script == ".venv/bin/activate"  # `make` builds it


CHECKS = {"adabert": check_adabert, "nnictl": check_nnictl, "make": check_make}
CHECKS["source"] = check_source


@pytest.mark.parametrize("text", snippets("python"))
def test_a_python_snippet_compiles(text):
    compile(text, "README.md", "exec")


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_a_command_can_be_given_as_it_stands(words):
    program, *arguments = words
    CHECKS[program](*arguments)


@pytest.mark.parametrize(
    "words",
    [
        ["adabert", "compres", "--task", "sst2"],
        ["adabert", "compress", "--taks", "sst2"],
        ["adabert", "experiment", "experiments/gone.yml", "--output", "x"],
        ["adabert", "nnictl", "create", "--config", "experiments/gone.yml"],
        ["nnictl", "crate"],
        ["make", "no-such-target"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_caught(words, capsys):
    with pytest.raises((SystemExit, AssertionError)):
        CHECKS[words[0]](*words[1:])


def test_there_are_snippets_of_both_kinds():
    assert snippets("python")
    assert list(commands())


@pytest.mark.parametrize("code", [c for c in INLINE if c.startswith("adabert ")])
def test_a_command_in_a_sentence_has_a_verb_that_exists(code):
    assert code.split()[1] in cli.VERBS


@pytest.mark.parametrize("code", [c for c in INLINE if c.startswith("make ")])
def test_a_target_in_a_sentence_exists(code):
    check_make(*shlex.split(code)[1:])


@pytest.mark.parametrize(
    "code",
    [
        c
        for c in INLINE
        if re.fullmatch(r"(adabert_nni|experiments|search_spaces|tests|results)/[\w./*-]*", c)
    ],
)
def test_a_path_in_a_sentence_exists(code):
    assert list(ROOT.glob(code.rstrip("/")))


LINKS = re.findall(r"\]\(([^)\s]+)\)", README) + re.findall(r'(?:src|href)="([^"]+)"', README)


@pytest.mark.parametrize("link", [link for link in LINKS if not re.match(r"https?:|#", link)])
def test_a_relative_link_or_picture_exists(link):
    assert (ROOT / link.split("#")[0]).exists()


def test_it_can_be_read_in_one_go():
    assert len(README.splitlines()) < 250


def test_no_number_is_left_to_be_filled_in():
    assert "@@" not in README
