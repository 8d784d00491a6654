"""Every shipped experiment is accepted by NNI, and its command by us, at every point of its space."""

import itertools
import json
import shlex
import subprocess
from pathlib import Path

import nni_node
import pytest
import yaml
from nni.experiment.config import ExperimentConfig

from adabert_nni import cli
from adabert_nni.config import config_from_args, load_config
from adabert_nni.data.tasks import get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.model.ops import OPS
from adabert_nni.spaces import SpaceConfig

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "experiments").rglob("*.y*ml"))
TUNING = sorted((ROOT / "search_spaces" / "tuning").rglob("*.json"))
GPU_FILE = "sst2-gpu.yml"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("ADABERT_DATA", "ADABERT_TEACHER", "ADABERT_CACHE"):
        monkeypatch.delenv(name, raising=False)


def content(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def space_of(file):
    return (file.parent / content(file)["searchSpaceFile"]).resolve()


def points(file):
    """Every combination of values in a tuning space of choices."""
    space = json.loads(file.read_text(encoding="utf-8"))
    assert {entry["_type"] for entry in space.values()} == {"choice"}
    combinations = itertools.product(*(entry["_value"] for entry in space.values()))
    return [dict(zip(space, values, strict=True)) for values in combinations]


def settings(command):
    """What the trial would run with, before NNI's parameters."""
    program, *arguments = shlex.split(command)
    args = cli.parser().parse_args(arguments)
    assert (program, args.verb) == ("adabert", "trial")
    return config_from_args(args, args.config)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nni_accepts_the_experiment(file):
    config = ExperimentConfig.load(file)
    config.validate()
    assert config.tuner.name in ("GridSearch", "Random")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_command_is_valid_at_every_point_of_the_space(file):
    given = settings(content(file)["trialCommand"])
    for point in points(space_of(file)):
        config = load_config(None, {**given.flat(), **point})
        assert get_task(config.data.task).labels
        assert set(SpaceConfig.load(config.search.space).ops) <= set(OPS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_grid_has_a_point_for_each_trial(file):
    assert content(file)["maxTrialNumber"] <= len(points(space_of(file)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_only_the_gpu_file_asks_nni_for_a_gpu(file):
    assert ("trialGpuNumber" in content(file)) == (file.name == GPU_FILE)


def test_the_gpu_file_asks_for_less_than_all_gpus_which_nni_never_gives():
    asked = content(next(file for file in FILES if file.name == GPU_FILE))
    share = asked["trialGpuNumber"] / asked["trainingService"]["maxTrialNumberPerGpu"]
    assert granted(gpus=1, asked=share) == "0"
    assert granted(gpus=1, asked=1) is None  # where NNI mends that, the file can say 1
    assert granted(gpus=2, asked=1) == "0"


def granted(gpus, asked):
    """What NNI's own scheduler gives a trial on a machine of so many idle GPUs: their numbers, or None."""
    base = Path(nni_node.__file__).parent
    script = f"""
        require({json.dumps(str(base / "node_modules/app-module-path"))}).addPath({json.dumps(str(base))});
        const globals = require("common/globals").globals;
        globals.args = {{logLevel: "error", experimentId: "x"}};
        globals.logStream = {{writeLine: () => {{}}, writeLineSync: () => {{}}}};
        const found = require("common/trial_keeper/task_scheduler/scheduler");
        const gpus = [...Array({gpus}).keys()].map(
            index => ({{index, gpuCoreUtilization: 0, gpuMemoryUtilization: 0}}));
        found.UnitTestHelpers.mockGpuInfo({{success: true, gpuNumber: {gpus}, gpus, processes: []}});
        const scheduler = new found.TaskScheduler();
        scheduler.init().then(() => scheduler.schedule("x", "trial", {asked}, {{}})).then(given => {{
            console.log(JSON.stringify(given && given.CUDA_VISIBLE_DEVICES));
            process.exit(0);
        }});
    """
    words = [str(base / "node"), "-e", script]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(told.stdout)


def test_every_tuning_space_is_used_and_there_are_experiments():
    assert {space_of(file) for file in FILES} == set(TUNING)
    assert {"quickstart.yml", GPU_FILE} <= {file.name for file in FILES}


@pytest.mark.parametrize(
    "command",
    ["adabert trial --serach-epochs 6", "adabert trail", "adabert trial --search-epoch 6"],
)
def test_a_typo_in_a_command_is_caught(command, capsys):
    with pytest.raises(SystemExit):
        settings(command)


def test_a_wrong_value_or_tuning_key_is_caught():
    with pytest.raises(AdaBertError, match="estimator"):
        settings("adabert trial --estimator exakt")
    with pytest.raises(AdaBertError, match="betta"):
        load_config(None, {**settings("adabert trial").flat(), "betta": 4})
