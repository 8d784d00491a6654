"""What a process of the package loads, when, and with which environment."""

import os
import subprocess
import sys

import pytest

from adabert_nni.model.architecture import Architecture, edge_names


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, "GOMP_SPINCOUNT = '5000'"),
        ({"GOMP_SPINCOUNT": "77"}, "GOMP_SPINCOUNT = '77'"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "GOMP_SPINCOUNT = '0'"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has another OpenMP there")
def test_threads_that_wait_sleep_soon_unless_the_user_wants_otherwise(given, read):
    script = (
        "from adabert_nni import cli, commands; cli.VERBS = "
        "{'x': commands.Verb(lambda a: __import__('torch') and 0, '', lambda p: None)}; cli.main(['x'])"
    )
    asked = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    asked |= {"OMP_DISPLAY_ENV": "VERBOSE", **given}
    done = subprocess.run(
        [sys.executable, "-c", script], env=asked, check=True, capture_output=True, text=True
    )
    assert read in done.stderr


HEAVY = {"torch", "transformers", "nni", "pytorch_lightning", "sklearn", "pandas", "datasets"}


@pytest.mark.parametrize(
    "call",
    [
        "assert callable(adabert_nni.compress) and adabert_nni.Architecture",
        "from adabert_nni.cli import main; main(['compress', '--help'])",
        "from adabert_nni.cli import main; main(['compress', '--beat', '4'])",
        "from adabert_nni.cli import main; assert main(['compres']) == 2",
    ],
)
def test_nothing_heavy_is_loaded_before_there_is_work_for_it(call):
    script = (
        f"import sys, adabert_nni\ntry:\n    {call}\nexcept SystemExit: pass\n"
        f"assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize("order", ["adabert_nni, transformers", "transformers, adabert_nni"])
def test_whoever_has_both_packages_has_the_student_among_the_auto_classes(order):
    cell = Architecture(1, 1, dict.fromkeys(edge_names(1), "std_conv_3"))
    script = (
        f"import {order}\n"
        f"config = transformers.AutoConfig.for_model('adabert', architecture={cell.to_dict()})\n"
        "assert type(config) is adabert_nni.AdaBertConfig\n"
        "model = transformers.AutoModelForSequenceClassification.from_config(config)\n"
        "assert type(model) is adabert_nni.AdaBertForSequenceClassification"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
