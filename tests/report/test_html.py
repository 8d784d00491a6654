"""Facts of the page of a run: it shows what the run has left, escaped, and asks nothing of a network."""

import re
from html.parser import HTMLParser

import pytest

from adabert_nni import cli
from adabert_nni.data.tasks import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, write_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.report.evaluation import compare
from adabert_nni.report.html import page, redraw, write_html
from adabert_nni.report.runs import read_run

EVIL = '<script>alert("x")</script> & <img src=https://example.org/x.png onerror=y>'
OPS = ("std_conv_3", "max_pool_3", "skip_connect", "zero")
METRICS = {
    "task": "own",
    "teacher_accuracy": 0.9,
    "student_accuracy": 0.81,
    "teacher_params": 22_700_000,
    "student_params": 5_200_000,
    "teacher_bytes": 90_000_000,
    "student_bytes": 20_000_000,
    "depth": 2,
    "speedup_vs_teacher": 8.0,
    "speedup_vs_bert_base": 40.0,
    "student_ms": 10.0,
    "teacher_ms": 80.0,
    "bert_base_ms": 400.0,
    "batch": 32,
    "length": 128,
    "threads": 2,
    "device": "cpu",
    "dtype": "float32",
    "selection_accuracy": 0.83,
    "run_seconds": 240.0,
    "peak_bytes": 2_000_000_000,
}


@pytest.fixture
def run(tmp_path):
    """The folder of a run with every artefact; texts and names try to break out."""
    folder = tmp_path / "run"
    architecture = Architecture(2, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"})
    write_json(folder / "architecture.json", architecture.to_dict())
    write_json(folder / "metrics.json", METRICS)
    write_json(
        folder / "settings.json",
        {"settings": {"task": "own", "text": EVIL, "train": None}, "versions": {"torch": "2"}},
    )
    labels = ["edge_0_2", "edge_1_2"]
    probs = {label: {op: 0.25 for op in OPS} for label in labels}
    epochs = [
        {
            "epoch": number,
            "default": 0.7 + number / 100,
            "loss_ce": 0.5,
            "loss_kd": 0.4,
            "loss_e": 1e-4,
            "expected_depth": 3.0,
            "entropy": 1.2,
            "tau": 0.5,
            "free_share": 0.4,
        }
        for number in (1, 2, 3)
    ]
    found = {"epochs": epochs, "probs": {**probs, "depth": {"0": 0.25, "1": 0.75}}, "targets": {}}
    write_json(folder / "search" / "search.json", found)
    by_epoch = {label: {op: [0.25] * 3 for op in OPS} for label in labels}
    write_json(folder / "search" / "p_alpha.json", {**by_epoch, "depth": {"0": [0.5], "1": [0.5]}})
    history = [{"epoch": 0, "selection_accuracy": 0.7}]
    history += [{"epoch": 1, "selection_accuracy": 0.83, "loss": 0.3, "seconds": 2.0}]
    write_json(folder / "student" / "scores.json", {"history": history, "seconds": 4.0})
    rows = Rows([("good",), (EVIL,)], [0, 1], [0, 1])
    answers = {
        "teacher": {"classes": [0, 1], "confidence": [0.9, 0.8]},
        "student": {"classes": [0, 0], "confidence": [0.9, 0.7]},
    }
    knowledge = {
        "metric": "accuracy",
        "probes": [0.7, 0.8, 0.9],
        "teacher": 0.91,
        "matched": [2, 3],
        "weights": [0.4, 0.6],
    }
    told = {"split": "validation", "labels": ["bad", "good"], **compare(rows, 2, answers)}
    write_json(folder / "evaluation.json", {**told, "knowledge": knowledge})
    return folder


VOID = {"meta", "link", "br", "img"}


class Tags(HTMLParser):
    """Every tag with its attributes; tags must close in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def shown(text):
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.S))


def test_every_text_is_escaped(run):
    text = page(read_run(run))
    assert EVIL not in text
    tags = Tags(text).found
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert text.count("&lt;script&gt;") == 2  # the disagreement and the setting


def test_the_page_names_no_address_but_a_link_for_the_reader(run):
    text = page(read_run(run))
    told = {
        attrs[name] for _, attrs in Tags(text).found for name in ("src", "href") if name in attrs
    }
    assert told == {"data:,", "https://arxiv.org/abs/2001.04246"}
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text


def test_the_claim_is_worked_out_from_the_metrics(run):
    # 0.81 / 0.9 = 90 %
    assert (
        "A student of 5.20 M parameters that is 40.0x faster than BERT-base, 8.0x faster than its "
        "teacher and keeps 90.0 % of the teacher's accuracy."
    ) in page(read_run(run)).replace("&#39;", "'")


def test_the_page_shows_each_part_of_the_run(run):
    text = shown(page(read_run(run)))
    for part in (
        *(
            "The cell that was found",
            "Losses",
            "Entropy",
            "Expected depth",
            "P_alpha of every edge",
        ),
        *("Accuracy of the probe on each teacher layer", "Weight of each student layer"),
        *("Training the student", "Where student and teacher disagree", "Settings", "Versions"),
        *("node 2 = std_conv_3(c_{k-2}) + skip_connect(c_{k-1})", "4.0 minutes", "2.0 GB"),
        "They answer alike on 50.00 % of the rows",
    ):
        assert part in text, part
    assert "Beside other students" not in text


def test_what_a_run_has_not_left_is_not_shown(run):
    for name in ("search", "student"):
        for file in (run / name).iterdir():
            file.unlink()
    (run / "evaluation.json").unlink()
    (run / "settings.json").unlink()
    text = shown(page(read_run(run)))
    assert "What was gained" in text
    for part in ("The search", "Training the student", "Right and wrong", "Settings"):
        assert part not in text


def test_a_search_of_one_epoch_can_be_drawn(run):
    found = read_run(run)
    found.search["epochs"][:] = found.search["epochs"][:1]
    for shares in found.p_alpha.values():
        for line in shares.values():
            line[:] = line[:1]
    assert "nan" not in re.findall(r'd="[^"]*"', page(found))
    Tags(page(found))


def test_a_task_of_values_is_told_in_its_own_score(run):
    values = {"metric": "r2", "teacher_r2": 0.8, "student_r2": 0.6, "selection_r2": 0.7}
    kept = {key: value for key, value in METRICS.items() if "accuracy" not in key}
    write_json(run / "metrics.json", {**kept, **values})
    history = [{"epoch": n, "selection_r2": 0.5, "loss": 0.1} for n in (0, 1)]
    write_json(run / "student" / "scores.json", {"history": history})
    write_json(run / "evaluation.json", {"split": "validation", "labels": ["score"], "rows": 9})
    text = shown(page(read_run(run)))
    assert "keeps 75.0 % of the teacher&#39;s r2" in text  # 0.6 / 0.8
    assert "Selection r2" in text and "0.6000" in text
    assert "Right and wrong" not in text and "accuracy" not in text


def test_a_baseline_without_a_cell_is_shown_and_has_none_to_draw(run):
    (run / "architecture.json").unlink()
    assert "The cell that was found" not in page(read_run(run))
    with pytest.raises(AdaBertError, match=r"holds no architecture.json"):
        redraw(run)


def test_trials_are_ranked_by_what_was_not_reported(run):
    numbers = {
        name: METRICS[name]
        for name in ("student_accuracy", "student_params", "student_ms", "speedup_vs_bert_base")
    }
    here = {"trial": "a", "parameters": {"beta": 4}, "numbers": {**numbers, "default": 0.83}}
    worse = {**numbers, "default": 0.80, "speedup_vs_bert_base": 30.0, "student_accuracy": 0.99}
    other = {"trial": "b", "parameters": {"beta": 8}, "numbers": {**worse, "student_ms": 13.0}}
    write_json(run / "trials.json", {"trials": [here, other]})
    text = shown(page(read_run(run)))
    assert "a (beta 4) 83.00 % 81.00 % 40.0 5.20 M 10.0 ms yes" in text
    assert "b (beta 8) 80.00 % 99.00 % 30.0 5.20 M 13.0 ms " in text
    assert text.count(" yes ") == 1


@pytest.mark.parametrize("name", ["metrics.json", "evaluation.json", "search/search.json"])
def test_an_altered_file_is_one_sentence_and_leaves_the_old_page(run, name):
    (run / "report.html").write_text("old")
    empty = {"confusion": {"student": 1}, "epochs": [{}], "knowledge": {"weights": 1}}
    write_json(run / name, empty)
    with pytest.raises(AdaBertError, match="lacks what a report shows"):
        write_html(run)
    assert (run / "report.html").read_text() == "old"


def test_runs_of_two_tasks_are_not_compared(run, tmp_path):
    (tmp_path / "other").mkdir()
    write_json(tmp_path / "other" / "metrics.json", {**METRICS, "task": "sst2"})
    Architecture(2, 1, {"0_2": "zero", "1_2": "zero"}).save(tmp_path / "other/architecture.json")
    with pytest.raises(
        AdaBertError, match=r"of other tasks or rows \(own and sst2\); give runs of one task"
    ):
        write_html(run, [tmp_path / "other"])
    assert not (run / "report.html").exists()


def test_own_rows_of_another_file_are_not_compared(run, tmp_path):
    told = read_json(run / "settings.json")
    (tmp_path / "other").mkdir()
    write_json(tmp_path / "other" / "metrics.json", METRICS)
    write_json(
        tmp_path / "other" / "settings.json",
        {**told, "settings": {**told["settings"], "train": "there/other.csv"}},
    )
    with pytest.raises(AdaBertError, match=r"of other tasks or rows \(.* and other.csv\)"):
        write_html(run, [tmp_path / "other"])


def test_the_verbs_write_page_and_drawing_and_refuse_a_folder_without_a_run(
    run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    assert cli.main(["report", str(run)]) == cli.OK
    assert cli.main(["plot", str(run)]) == cli.OK
    assert (run / "report.html").is_file() and (run / "cell.svg").is_file()
    assert cli.main(["report", str(tmp_path)]) == cli.MISUSED
    assert "holds no metrics.json; give the folder of a finished run" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desktop"])
def test_a_browser_shows_the_page_without_errors_requests_or_overflow(run, chromium, size, scheme):
    seen = chromium.see(write_html(run), size, scheme)
    assert [url for url in seen.requests if not url.startswith("data:")] == [
        (run / "report.html").as_uri()
    ]
    assert seen.errors == []
    assert seen.width <= seen.window
    assert chromium.background() == {"light": "rgb(246, 248, 250)", "dark": "rgb(1, 4, 9)"}[scheme]
