"""Every wrong input gives one sentence, a non-zero exit code, and nothing half-written."""

import dataclasses
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from importlib import metadata

import pytest
import torch

from adabert_nni import cli
from adabert_nni.config import config_from_args
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.search import manager


@pytest.fixture
def run(monkeypatch, tmp_path, tiny_teacher_dir):
    """A function that runs the command line in an empty folder and returns (code, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    monkeypatch.delenv("ADABERT_DATA", raising=False)
    monkeypatch.setenv("ADABERT_TEACHER", str(tiny_teacher_dir))
    monkeypatch.setenv("ADABERT_CACHE", str(tmp_path / "cache"))

    def call(capsys, *arguments):
        try:
            code = cli.main([*arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        return code, capsys.readouterr().err

    return call


def refused(code, error, *words):
    """One sentence with all the words, and the code of a mistake that the user can mend."""
    assert code == cli.MISUSED, error
    assert "Traceback" not in error
    for word in words:
        assert word in error
    return True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task", "mini-review"], ["mini-review", "mini-reviews"]),
        (["--beta", "much"], ["beta", "'much'"]),
        (["--betta", "4"], ["--betta"]),
        (["--space", "papre"], ["papre", "paper"]),
        (["--estimator", "exakt"], ["exakt", "sampled"]),
        (["--train", "gone.csv", "--text", "t", "--label", "l"], ["gone.csv"]),
        (["--teacher", "./no/such/folder"], ["no/such/folder"]),
        (["--config", "gone.yml"], ["gone.yml"]),
        (["--task", "sst2", "--data-dir", "nowhere"], ["nowhere"]),
    ],
)
def test_a_wrong_option_is_one_sentence(run, capsys, tmp_path, options, words):
    assert refused(*run(capsys, "compress", "--output", "out", *options), *words)
    assert not (tmp_path / "out" / "search").exists()
    assert not (tmp_path / "out" / "student").exists()


def test_a_wrong_column_names_the_columns_there_are(run, capsys, tmp_path):
    (tmp_path / "rows.csv").write_text("review,stars\ngood,1\nbad,0\n")
    options = ["--train", "rows.csv", "--text", "reviw", "--label", "stars"]
    assert refused(*run(capsys, "compress", *options), "rows.csv", "reviw", "review")


def test_an_unknown_op_in_a_space_names_the_known_ones(run, capsys, tmp_path):
    (tmp_path / "mine.yml").write_text("ops: [conv9]\n")
    assert refused(*run(capsys, "compress", "--space", "mine.yml"), "conv9", "std_conv_3")


def test_an_unknown_key_in_yaml_names_the_closest(run, capsys, tmp_path):
    (tmp_path / "mine.yml").write_text("search_epoch: 3\n")
    assert refused(
        *run(capsys, "compress", "--config", "mine.yml"), "search_epoch", "search_epochs"
    )


@pytest.mark.parametrize("text", ["{", '{"depth": 0}'])
def test_a_wrong_architecture_names_its_file(run, capsys, tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert refused(*run(capsys, "train", "--architecture", "a.json"), "a.json")


def test_an_architecture_with_an_unknown_op_is_refused_before_any_work(run, capsys, tmp_path):
    Architecture(1, 1, dict.fromkeys(edge_names(1), "conv9")).save(tmp_path / "a.json")
    assert refused(*run(capsys, "train", "--architecture", "a.json"), "a.json", "conv9")
    assert not (tmp_path / "cache").exists()


def test_a_missing_experiment_and_one_that_nni_refuses(run, capsys, tmp_path):
    assert refused(*run(capsys, "experiment", "gone.yml", "--output", "out"), "gone.yml")
    (tmp_path / "wrong.yml").write_text("trialCommand: x\nnoSuchField: 1\n")
    assert refused(
        *run(capsys, "experiment", "wrong.yml", "--output", "out"), "wrong.yml", "NNI refuses"
    )
    assert not (tmp_path / "out").exists()


def test_a_taken_output_folder_is_refused_before_the_experiment_starts(run, capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    (tmp_path / "ok.yml").write_text(
        "searchSpace: {beta: {_type: choice, _value: [4]}}\ntrialCommand: 'true'\ntrialConcurrency: 1\n"
        "maxTrialNumber: 1\ntuner: {name: GridSearch}\ntrainingService: {platform: local}\n"
    )
    assert refused(*run(capsys, "experiment", "ok.yml", "--output", "out"), "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([verb, "--help"])
    assert stop.value.code == 0
    assert f"example: adabert {verb} " in capsys.readouterr().out + " "


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_example_can_be_given_as_it_stands(verb):
    command = cli.VERBS[verb].example.split("   ")[0]  # words in brackets stand behind three spaces
    program, *words = shlex.split(command)
    assert program == "adabert"
    args = cli.parser().parse_args(words)
    assert args.verb == verb
    if "config" in args:  # takes all settings, which must have values that they may have
        config_from_args(args)


def test_the_help_documents_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = capsys.readouterr().out
    codes = {int(line.split()[0]) for line in told.splitlines() if line.strip()[:1].isdecimal()}
    assert codes == {cli.OK, cli.FAILED, cli.MISUSED, cli.INTERRUPTED} == {0, 1, 2, 130}


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"adabert {metadata.version('adabert_nni')}\n"


@pytest.mark.parametrize(
    ("word", "closest"), [("compres", "compress"), ("evalute", "evaluate"), ("derve", "derive")]
)
def test_an_unknown_verb_names_the_closest(run, capsys, word, closest):
    assert refused(*run(capsys, word, "--task", "sst2"), repr(word), f"did you mean '{closest}'?")


def interrupt(args):
    raise KeyboardInterrupt


def fail_in_tidying_up(args):
    try:
        interrupt(args)
    finally:
        os.close(-1)


def fail_in_tidying_up_and_tell(args):
    try:
        fail_in_tidying_up(args)
    except OSError as error:
        raise AdaBertError("cannot tidy up") from error


@pytest.mark.parametrize("work", [interrupt, fail_in_tidying_up, fail_in_tidying_up_and_tell])
def test_an_interrupted_verb_says_how_to_go_on(run, capsys, monkeypatch, work):
    verb = dataclasses.replace(cli.VERBS["compress"], run=work)
    monkeypatch.setitem(cli.VERBS, "compress", verb)
    code, error = run(capsys, "compress")
    assert (code, "the same command goes on" in error) == (cli.INTERRUPTED, True)


def test_a_killed_experiment_is_tidied_up_as_an_interrupted_one(run, capsys, monkeypatch, tmp_path):
    tidied, before = [], signal.getsignal(signal.SIGTERM)

    def work(*_, **__):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            tidied.append(True)

    monkeypatch.setattr(manager, "run_experiment", work)
    code, error = run(capsys, "experiment", "any.yml", "--output", str(tmp_path / "out"))
    assert (code, "interrupted" in error, tidied) == (cli.INTERRUPTED, True, [True])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_goes_away_is_no_failure(tmp_path):
    script = (
        "import sys; from adabert_nni import cli, commands;"
        "cli.VERBS = {'x': commands.Verb(commands.shown(lambda a: (str(i) for i in range(10**6))), '',"
        " lambda p: None)}; code = cli.main(['x']); sys.stderr.write(f'code {code}')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        error = process.stderr.read()
    assert error == f"code {cli.OK}"
    assert process.returncode == 0


def test_a_mistake_is_told_within_ten_seconds(tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "adabert_nni", "compress", "--task", "sst3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == cli.MISUSED
    assert "sst3" in done.stderr
    assert "Traceback" not in done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of the processor: others may be at work
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["benchmark", "inference", "--student", "nowhere"], ["nowhere", "student"]),
        (["benchmark", "inference", "--student", "reference", "--threads", "0"], ["'0'", ">= 1"]),
        (["benchmark", "inference", "--student", "x", "--output", "b.txt"], ["b.txt", ".json"]),
        (["benchmark", "inferense"], ["inferense", "inference"]),
        (["export", "nowhere", "--format", "onnx"], ["nowhere", "config.json"]),
        (["export", "nowhere", "--format", "onxx"], ["onxx", "onnx-int8"]),
        (["export", "nowhere", "--format", "onnx", "--train-rows", "x"], ["train_rows", "'x'"]),
    ],
)
def test_a_wrong_benchmark_or_export_is_one_sentence(run, capsys, tmp_path, words, told):
    assert refused(*run(capsys, *words), *told)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_too_small_is_told_with_what_to_do(run, capsys, monkeypatch):
    def work(args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    verb = dataclasses.replace(cli.VERBS["compress"], run=work)
    monkeypatch.setitem(cli.VERBS, "compress", verb)
    assert refused(*run(capsys, "compress"), "--search-batch", "CUDA_VISIBLE_DEVICES")
