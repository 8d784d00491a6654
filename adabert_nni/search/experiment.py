"""An NNI NasExperiment that runs inside a process which may itself be an NNI trial.

NNI's own engine replaces the trial's command channel while a model runs, so that a trial's reports are lost
and its parameter ids overwritten; its experiment writes a manifest and checkpoints beside the manager's.
Here the model is just executed.
"""

from typing import Any

from nni.nas.execution import SequentialExecutionEngine
from nni.nas.experiment import NasExperiment
from nni.nas.space import ModelStatus


class InProcessEngine(SequentialExecutionEngine):
    """Executes one model and leaves the command channel alone."""

    def _run_single_model(self, model: Any) -> None:
        model.status = ModelStatus.Training
        model.execute()
        model.status = ModelStatus.Trained


class InProcessExperiment(NasExperiment):
    """A one-shot experiment without manager, manifest or checkpoint of NNI's."""

    def execution_engine_factory(self, config: Any) -> InProcessEngine:
        """The engine above, whatever the config says."""
        return InProcessEngine()

    def _start_without_nni_manager(self) -> None:
        """Write no manifest."""

    def _stop_without_nni_manager(self) -> None:
        """Write no manifest."""

    def _start_logging(self, debug: bool) -> None:
        """Open no log file: the trial's own log has everything."""

    def _stop_logging(self) -> None:
        """Close none."""

    def save_checkpoint(self) -> None:
        """Save nothing: the search keeps its own checkpoint."""
