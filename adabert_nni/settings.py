"""The settings of each stage: key, type, range, default and the sentence that the help shows.

One frozen dataclass per stage; a key belongs to one stage only. Nothing here reads files or options
(`config` does), or knows what a stage does with a value.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic import model_validator as rule
from pydantic.dataclasses import dataclass

from adabert_nni.fields import (
    Amount,
    BelowOne,
    Count,
    Place,
    Positive,
    Rate,
    Share,
    Text,
    Whole,
    environment,
    never_above,
)

SETTINGS = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
PAPER, MEASURED = "paper", "measured"  # costs that are no file
Precision = Literal["auto", "float32", "bf16"]


@dataclass(frozen=True, config=SETTINGS)
class DataConfig:
    """Which rows to learn from."""

    task: Text = "mini-reviews"
    """A task known by name: a GLUE task or one that ships with the package"""
    data_dir: Place | None = environment("ADABERT_DATA")
    """Folder with <task>/train and validation files, else $ADABERT_DATA; unset: the hub"""
    train: Text | None = None
    """Your own training rows: csv, tsv, jsonl (.gz) or parquet file, folder of save_to_disk, or hub name"""
    validation: Text | None = None
    """Your own rows to report on, never to choose by; unset: those of train, else a tenth of its rows"""
    unlabelled: Text | None = None
    """More texts, without labels, that the student learns from by what the teacher says of them"""
    text: Text | None = None
    """Column with the text (the first of a pair); unset: guessed by its name"""
    text_pair: Text | None = None
    """Column with the second text of a pair"""
    label: Text | None = None
    """Column with the label; unset: guessed by its name"""
    problem_type: Literal["auto", "classification", "regression"] = "auto"
    """Of your own rows; auto is regression only where labels have fractions and more than 10 differ"""
    max_length: Annotated[Whole, Field(ge=8, le=512)] = 128
    """Tokens kept of a row, 8 to 512"""
    selection_share: Annotated[Positive, Field(le=0.5)] = 0.1
    """Share of the training rows held out to choose by, up to 0.5; 200 rows at least, half of them at most"""
    train_rows: Count | None = None
    """Use only this many training rows, drawn by the split seed; unset: all"""
    split_seed: Annotated[Whole, Field(lt=2**32)] = 0
    """Seed of the splits, the teacher and its probes, which trials of other seeds share"""

    @rule(mode="after")
    def _own_data(self) -> "DataConfig":
        own = ("validation", "unlabelled", "text", "text_pair", "label")
        if self.train is None and (stray := [key for key in own if getattr(self, key) is not None]):
            raise ValueError(f"{', '.join(stray)} given without train: give train, or only a task")
        if self.text_pair is not None and self.text is None:
            raise ValueError("text_pair is given without text: name both, or neither")
        if self.text_pair is not None and self.text_pair == self.text:
            raise ValueError(f"text and text_pair both name column {self.text!r}: leave one out")
        return self


@dataclass(frozen=True, config=SETTINGS)
class TeacherConfig:
    """The teacher and the probes on its layers."""

    teacher: Text = environment("ADABERT_TEACHER", "bert-base-uncased")
    """Checkpoint to fine-tune: hub name, folder or minilm-l6; else $ADABERT_TEACHER"""
    teacher_via: Text | None = None
    """A larger task to fine-tune it on first, such as mnli for rte, by the same settings; unset: none"""
    teacher_epochs: Whole = 2
    """Passes over the training rows; 0 takes an already fine-tuned folder as it is"""
    teacher_lr: Rate = 5e-5
    """Highest learning rate, up to 1"""
    teacher_batch: Count = 32
    """Rows per step"""
    teacher_weight_decay: Amount = 0.01
    """Weight decay of AdamW"""
    probe_epochs: Count = 10
    """Passes over the training rows for the probe of each layer"""
    probe_calibration: Literal["selection", "none"] = "selection"
    """Make probes no surer than they are right on the selection rows, or leave them (none, the paper)"""

    @rule(mode="after")
    def _trained(self) -> "TeacherConfig":
        if self.teacher_via is not None and not self.teacher_epochs:
            raise ValueError(
                "teacher_via is given with teacher_epochs 0, which trains nothing: leave one out"
            )
        return self


@dataclass(frozen=True, config=SETTINGS)
class AugmentConfig:
    """Further texts without labels that the students learn from (the paper's section 3.3, DA)."""

    augment_copies: Whole = 0
    """Changed copies of each training row; the teacher labels them; 0: none"""
    augment_source: Text = "teacher"
    """Who proposes words, asked in turn: teacher (its own vectors), glove:FILE, mlm:NAME_OR_FOLDER; with commas"""
    augment_replace: Share = 0.3
    """Probability that a word is replaced, 0 to 1"""
    augment_neighbours: Count = 12
    """Words proposed for each, one of which is drawn"""
    augment_cut: Share = 0.0
    """Probability that only a span of a text is kept, 0 to 1; the paper has none"""
    augment_splice: Share = 0.0
    """Probability that a copy ends as another row does, 0 to 1; the paper has none; for few rows"""
    augment_for: Literal["all", "student"] = "all"
    """Who learns from the copies: search and student, or the student alone, so that the search takes no longer"""


@dataclass(frozen=True, config=SETTINGS)
class SearchConfig:
    """The search for an architecture (the paper's section 2.5)."""

    space: Text = "paper"
    """Architecture space: a name in search_spaces/architecture, or a path ending in .yml"""
    estimator: Literal["exact", "sampled"] = "exact"
    """Gradient of the choice: exact (straight-through) or sampled (only the drawn op runs)"""
    relaxation: Literal["gumbel", "mean"] = "gumbel"
    """What stands for a draw backward: gumbel (its soft sample, the paper) or mean (P_alpha: less noise)"""
    alpha_share: BelowOne = 0.0
    """Share of the training rows that P_alpha alone learns from, as in DARTS; 0: all move both, as in the paper"""
    search_epochs: Count = 80
    """Passes over the training rows"""
    search_batch: Count = 128
    """Rows per step"""
    gamma: Share = 0.8
    """Weight of the knowledge loss against the task loss, 0 to 1 (equation 1)"""
    beta: Amount = 4.0
    """Weight of the efficiency loss, 0 or more: higher finds smaller students (equation 1)"""
    cost: Text = PAPER
    """Cost of an op in equation (5): paper (SIZE + FLOPs), measured (ms here), or a file of benchmark ops"""
    max_params: Count | None = None
    """Most parameters of the student, embeddings included; the search keeps to it"""
    max_latency_ms: Positive | None = None
    """Most ms of a batch of the student, float32 PyTorch, all rows max_length (up to 128) long"""
    latency_batch: Count = 32
    """Rows of that batch"""
    temperature: Positive = 1.0
    """Temperature T of the distillation (equation 3)"""
    tau_start: Positive = 1.0
    """Gumbel temperature of the first step that moves P_alpha"""
    tau_end: Positive = 0.2
    """Gumbel temperature of the last step"""
    weight_optimizer: Literal["sgd", "adamw"] = "sgd"
    """Optimizer of the network's weights: sgd as in the paper; adamw trains them in fewer epochs"""
    weight_lr: Rate = 2e-2
    """Learning rate of the network's weights, at the start; with adamw about 1e-3"""
    weight_lr_end: Share = 5e-4
    """Learning rate of the network's weights, at the end of the cosine"""
    weight_momentum: BelowOne = 0.9
    """Momentum of SGD, 0 or more and below 1"""
    clip_norm: Positive = 5.0
    """Longest gradient of the weights; longer ones are cut to it"""
    alpha_lr: Rate = 3e-4
    """Learning rate of the architecture's distributions"""
    alpha_weight_decay: Amount = 1e-3
    """Weight decay of the architecture's distributions"""
    alpha_warmup: Whole = 0
    """First epochs in which the architecture's distributions stay as they are"""

    @rule(mode="after")
    def _order(self) -> "SearchConfig":
        never_above(self, "tau_end", "tau_start")
        never_above(self, "weight_lr_end", "weight_lr")
        if self.alpha_warmup >= self.search_epochs:
            raise ValueError(
                f"alpha_warmup is {self.alpha_warmup} of {self.search_epochs} search_epochs, which "
                "leaves none to search in: lower it"
            )
        return self


@dataclass(frozen=True, config=SETTINGS)
class StudentConfig:
    """The student that is derived from the search and fine-tuned."""

    student_start: Literal["inherited", "fresh"] = "inherited"
    """Weights to train on from: inherited from the supernet as in the paper, or fresh ones"""
    student_epochs: Whole = 10
    """Passes over the training rows"""
    student_lr: Rate = 1e-3
    """Learning rate of AdamW at the start"""
    student_lr_end: Share = 1e-5
    """Learning rate at the end of the cosine"""
    student_weight_decay: Amount = 0.01
    """Weight decay of AdamW"""
    student_batch: Count = 128
    """Rows per step"""
    student_average: BelowOne = 0.998
    """Decay of the running mean of the weights that becomes the student; 0 takes the last weights"""
    student_word_dropout: BelowOne = 0.0
    """Share of the words of a row that the cell does not read in training, below 1; helps where rows are few"""
    transfer: Literal["hierarchical", "last"] = "hierarchical"
    """What the student learns from: hierarchical (the teacher's layers, by probes) or last (its own answers)"""
    max_incoming: Count | None = None
    """Keep only this many strongest edges into a node; unset: all, as in the paper"""

    @rule(mode="after")
    def _order(self) -> "StudentConfig":
        never_above(self, "student_lr_end", "student_lr")
        return self


@dataclass(frozen=True, config=SETTINGS)
class BaselineConfig:
    """A baseline that is trained from the teacher; unset: its own recipe."""

    baseline_epochs: Count | None = None
    """Passes over the training rows"""
    baseline_lr: Rate | None = None
    """Highest learning rate, up to 1"""
    baseline_batch: Count | None = None
    """Rows per step"""


@dataclass(frozen=True, config=SETTINGS)
class RunConfig:
    """Where and how a run happens."""

    seed: Annotated[Whole, Field(lt=2**32)] = 0
    """Seed of the search and the student, 0 to 4294967295"""
    output: Place | None = None
    """Folder for what the run makes"""
    threads: Count | None = None
    """CPU threads; unset: PyTorch's own choice"""
    precision: Precision = "auto"
    """What all models train in; auto: bf16 where the processor or GPU multiplies it itself"""
    repetitions: Count = 5
    """Passes of BERT-base when the student's speed is measured"""
    export: Text | None = None
    """Formats to export the finished student in as well, with commas, such as onnx,onnx-int8"""
    cache: Place = environment("ADABERT_CACHE", "~/.cache/adabert_nni")
    """Folder for what runs share, such as teachers; else $ADABERT_CACHE"""

    @property
    def formats(self) -> list[str]:
        """The names in ``export``."""
        return [name.strip() for name in (self.export or "").split(",") if name.strip()]


STAGES: dict[str, Any] = {
    "data": DataConfig,
    "teacher": TeacherConfig,
    "augment": AugmentConfig,
    "search": SearchConfig,
    "student": StudentConfig,
    "baseline": BaselineConfig,
    "run": RunConfig,
}
