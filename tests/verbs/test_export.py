"""What ``adabert export`` leaves behind and says."""

from adabert_nni import cli
from adabert_nni.files import read_json
from adabert_nni.model.modeling import AdaBertConfig


def test_an_export_goes_beside_the_student_and_tells_what_it_lost(run_folder, capsys):
    assert cli.main(["export", str(run_folder / "student"), "--format", "folded"]) == cli.OK
    told = capsys.readouterr().out
    assert "same class as the student: 100.00 % of the made-up rows" in told
    assert (run_folder / "student-folded" / "folded.safetensors").is_file()
    record = read_json(run_folder / "student-folded" / "export.json")
    assert record["largest_difference"] <= record["bound"]


def test_an_export_with_rows_tells_the_accuracy(run_folder, capsys):
    words = ["export", str(run_folder / "student"), "--format", "bf16", "--prune-vocabulary"]
    assert cli.main([*words, "--task", "mini-reviews"]) == cli.OK
    told = capsys.readouterr().out
    assert "accuracy: " in told and "% of the validation rows" in told
    record = read_json(run_folder / "student-bf16" / "export.json")
    assert record["vocabulary"] < AdaBertConfig.from_pretrained(run_folder / "student").vocab_size
    assert 0 <= record["accuracy"] <= 1


def test_an_export_of_the_folder_one_is_in_goes_beside_it(run_folder, monkeypatch):
    monkeypatch.chdir(run_folder / "student")
    assert cli.main(["export", ".", "--format", "folded"]) == cli.OK
    assert (run_folder / "student-folded" / "folded.safetensors").is_file()
