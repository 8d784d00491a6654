"""Facts of the judgement of a search: ranks and shares by hand, and that the found student's score is its own."""

import pytest

from adabert_nni import AdaBertError
from adabert_nni.pipeline.judge import field, judge, placed
from adabert_nni.report.judged import chance, judged_text


def test_a_rank_counts_from_the_least_loss_and_equal_ones_share_theirs():
    losses = {"a": 0.3, "b": 0.1, "c": 0.3, "d": 0.5}
    assert placed(losses, "b")["rank"] == 1
    assert placed(losses, "d")["rank"] == 4
    assert placed(losses, "a")["rank"] == placed(losses, "c")["rank"] == 2.5  # of 2 and 3
    assert placed(losses, "d")["best"] == "b"
    assert placed(losses, "d")["best_loss"] == 0.1


def test_candidates_that_do_the_same_have_the_rank_of_chance():
    assert placed(dict.fromkeys("abcdefghij", 0.2), "e")["rank"] == 5.5 == chance(10, 9)[0]


def test_chance_by_hand():
    # Ranks 1 and 2 have the mean 1.5 and the variance 1/4; that of a mean of four is 1/16.
    assert chance(2, 4) == (1.5, 0.25)


def test_the_found_one_has_beaten_those_whose_loss_is_higher():
    others = [{"loss": loss, "accuracy": 0.5} for loss in (0.1, 0.3, 0.5, 0.6)]
    told = field({"loss": 0.3, "accuracy": 0.9}, others)
    assert told["beaten"] == 0.5
    assert told["mean"] == {"loss": pytest.approx(0.375), "accuracy": 0.5}
    assert told["deviation"]["accuracy"] == 0


@pytest.mark.parametrize(("given", "name"), [((1, {}), "draws"), ((2, {}, 1), "gradients")])
def test_one_draw_or_step_has_no_deviation_and_is_refused(tmp_path, given, name):
    with pytest.raises(AdaBertError, match=f"{name} is 1; it must be 2 or more"):
        judge(tmp_path, *given)


def test_the_text_names_what_was_chosen_and_what_was_better():
    losses = {"skip_connect": 0.2, "zero": 0.4}
    own = {"loss": 0.4, "accuracy": 0.75}
    others = field(own, [{"loss": 0.2, "accuracy": 0.8}, {"loss": 0.5, "accuracy": 0.7}])
    found = {"metric": "accuracy", "found": own, "alike": others, "drawn": others}
    text = judged_text(
        {**found, "choices": {"0_2": placed(losses, "zero"), "depth": placed(losses, "zero")}}
        | {"rank": 2.0, "ops": 2}
    )
    assert "| 0_2 | zero (0.4000) | 2 of 2 | skip_connect (0.2000) |" in text
    assert "| found | 0.4000 | 75.00 % |" in text
    assert "50 %" in text
    assert text.endswith("mean rank of the ops 2.0 of 2; chance gives 1.5 ± 0.5")  # one edge
