"""README and documentation keep their word: snippets compile, commands, files and links exist."""

import functools
import re
import shlex
from pathlib import Path

import pytest

from adabert_nni import cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
RESULTS = [page for page in sorted((ROOT / "results").rglob("*.md")) if page.stem != "paper"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
NNICTL = {"create", "resume", "view", "stop", "experiment", "log", "trial", "update"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROOMS = r"(adabert_nni|docs|examples|experiments|results|search_spaces|tests)/[\w./*-]*"


def snippets(page, language):
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def inline(page):
    """What stands in code font in the page's sentences."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def links(page):
    """Links and pictures of a page that are no addresses."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    return [link for link in found if not re.match(r"https?:", link)]


def commands(page):
    """Each bash command as words, without comments, variables and ``<what to fill in>``."""
    for text in snippets(page, "bash"):
        for line in re.sub(r"<[^>]*>", "FILLED", text.replace("\\\n", " ")).splitlines():
            words = shlex.split(line, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                yield words


def cases(find, pages=PAGES):
    """A test's case for all that ``find`` finds on each page."""
    found = [(page, one) for page in pages for one in find(page)]
    names = [one if isinstance(one, str) else " ".join(one) for _, one in found]
    ids = [f"{page.stem}: {name}"[:90] for (page, _), name in zip(found, names, strict=True)]
    return [pytest.param(*case, id=name) for case, name in zip(found, ids, strict=True)]


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


def check_python(script, *_):
    assert (ROOT / script).is_file()


def check_curl(option, body, address):
    assert address.startswith("127.0.0.1:")  # nothing else is asked for


CHECKS = {"adabert": check_adabert, "nnictl": check_nnictl, "make": check_make}
CHECKS |= {"source": check_source, "python": check_python, "curl": check_curl}


@pytest.mark.parametrize(("page", "text"), cases(lambda page: snippets(page, "python")))
def test_a_python_snippet_compiles(page, text):
    compile(text, page.name, "exec")


@pytest.mark.parametrize(("page", "words"), cases(commands))
def test_a_command_can_be_given_as_it_stands(page, words):
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
        ["python", "examples/gone.py"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_caught(words, capsys):
    with pytest.raises((SystemExit, AssertionError)):
        CHECKS[words[0]](*words[1:])


def test_there_are_snippets_of_both_kinds():
    assert snippets(README, "python")
    assert list(commands(README))


def named(start):
    return lambda page: [code for code in inline(page) if code.startswith(start)]


@pytest.mark.parametrize(("page", "code"), cases(named("adabert ")))
def test_a_command_in_a_sentence_has_a_verb_that_exists(page, code):
    assert code.split()[1] in {*cli.VERBS, "VERB"}


@functools.cache
def options():
    """The long options of every parser there is."""
    left, found = [cli.parser()], set()
    while left:
        for action in left.pop()._actions:
            found.update(action.option_strings)
            left += action.choices.values() if isinstance(action.choices, dict) else []
    return found


@pytest.mark.parametrize(("page", "code"), cases(named("--")))
def test_an_option_in_a_sentence_exists(page, code):
    assert code.split()[0] in options()


@pytest.mark.parametrize(("page", "code"), cases(named("make ")))
def test_a_target_in_a_sentence_exists(page, code):
    check_make(*shlex.split(code)[1:])


@pytest.mark.parametrize(
    ("page", "code"), cases(lambda page: [c for c in inline(page) if re.fullmatch(ROOMS, c)])
)
def test_a_path_in_a_sentence_exists(page, code):
    assert list(ROOT.glob(code.rstrip("/")))


def anchors(page):
    """What a link to a heading of the page ends in, as GitHub makes it of the heading."""
    found = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize(("page", "link"), cases(links, [*PAGES, *RESULTS]))
def test_a_relative_link_or_picture_exists(page, link):
    name, _, anchor = link.partition("#")
    file = page.parent / name if name else page
    assert file.exists()
    assert not anchor or anchor in anchors(file)


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_a_path_in_a_command_of_the_results_exists(page):
    named = re.findall(r"results/[\w./-]*\w", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "page", [*PAGES, *RESULTS], ids=lambda page: f"{page.parent.name}/{page.stem}"
)
def test_a_page_can_be_read_in_one_go(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) < 250


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_number_is_left_to_be_filled_in(page):
    assert "@@" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_code_fits_the_width_of_the_site(page):
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    assert max((len(line) for _, text in found for line in text.splitlines()), default=0) <= 100
