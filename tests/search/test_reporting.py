"""What reaches NNI is finite and has a default; anything else is refused before it is sent."""

import math

import nni
import pytest
import requests

from adabert_nni.errors import AdaBertError
from adabert_nni.search import reporting

GOOD = {"default": 0.75, "loss_ce": 0.5}


@pytest.fixture
def sent(monkeypatch):
    """A list that fills with what NNI would have been sent."""
    sent = []
    monkeypatch.setattr(nni, "report_intermediate_result", lambda m: sent.append(("epoch", m)))
    monkeypatch.setattr(nni, "report_final_result", lambda m: sent.append(("final", m)))
    return sent


def test_finite_numbers_are_sent_as_they_are(sent):
    reporting.report_epoch(0, GOOD)
    reporting.report_final(GOOD)
    assert sent == [("epoch", GOOD), ("final", GOOD)]


@pytest.mark.parametrize(
    ("metrics", "named"),
    [
        ({**GOOD, "loss_ce": math.nan}, "loss_ce"),
        ({**GOOD, "loss_ce": math.inf}, "loss_ce"),
        ({**GOOD, "loss_ce": -math.inf}, "loss_ce"),
        ({**GOOD, "default": math.nan}, "default"),
        ({"loss_ce": 0.5}, "default"),
        ({}, "default"),
    ],
)
@pytest.mark.parametrize(
    "report", [lambda m: reporting.report_epoch(3, m), reporting.report_final], ids=["epoch", "end"]
)
def test_what_nni_would_take_for_a_success_is_refused_and_named(sent, report, metrics, named):
    with pytest.raises(AdaBertError, match=named):
        report(metrics)
    assert sent == []


@pytest.mark.parametrize("given", [None, {}])
def test_without_a_tuner_there_are_no_parameters(monkeypatch, given):
    monkeypatch.setattr(nni, "get_next_parameter", lambda: given)
    assert reporting.trial_parameters() == {}


def test_parameters_are_the_tuners(monkeypatch):
    monkeypatch.setattr(nni, "get_next_parameter", lambda: {"beta": 8})
    assert reporting.trial_parameters() == {"beta": 8}


def test_a_manager_that_is_gone_is_one_sentence_that_tells_how_to_go_on(monkeypatch):
    def nobody(metrics):
        raise requests.exceptions.ConnectionError("refused")

    monkeypatch.setattr(reporting.nni, "report_final_result", nobody)
    with pytest.raises(AdaBertError, match=r"does not answer.* nnictl resume"):
        reporting.report_final({"default": 1.0})
