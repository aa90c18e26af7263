"""What a run keeps on disk: its last and its best network, in a folder that belongs to one run and one process."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from carvana_lessons.models import checkpoint
from carvana_lessons.models.checkpoint import Checkpoint
from carvana_lessons.training import state
from carvana_lessons.training.distributed import on_main_process
from carvana_lessons.training.history import History
from carvana_lessons.training.prepare import Prepared
from carvana_lessons.training.settings import compare_settings
from carvana_lessons.utils.errors import CarvanaError, Stopped
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.wording import counted


class RunFolder:
    """The folder of a run with ``last.safetensors`` and ``best.safetensors``; without one nothing is kept.

    Args:
        folder: where the two files are, or will be; None keeps nothing.

    Attributes:
        run: a name for the run, the same in both files, so that two runs are never mixed.
        best: the epoch, counted from 1 in the whole history, whose weights are ``best.safetensors``; 0 for none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.run: str | None = None
        self.best = 0

    def file(self, name: str) -> Path | None:
        """``last.safetensors`` or ``best.safetensors``, where there is one.

        Args:
            name: "last" or "best".

        Returns:
            Its path, or None.
        """
        path = self._path(name) if self.folder is not None else None
        return path if path is not None and path.exists() else None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    @contextmanager
    def own(self, accelerator: Accelerator) -> Iterator[None]:
        """Hold the folder, where there is one: no other training writes there meanwhile.

        Args:
            accelerator: the main process holds it.

        Raises:
            CarvanaError: if another process holds it, or nothing may be written there.
        """
        with ExitStack() as held:
            if self.folder is not None:
                on_main_process(accelerator, lambda: held.enter_context(owned(self._path("last"))))
            yield

    def begin(
        self, run: Prepared, model: nn.Module, history: History, resume: bool, overwrite: bool
    ) -> tuple[int, History]:
        """Go on with the run in the folder, or begin one there.

        Args:
            run: what the loop uses; it gets back optimiser, random generators and step.
            model: gets back its weights.
            history: of the trainer so far, whose run the folder may hold.
            resume: continue the run that is there.
            overwrite: start over where there is one.

        Returns:
            The number of epochs that are done, and the history.

        Raises:
            CarvanaError: if there is a run that is to be neither continued nor overwritten, or cannot be.
        """
        self.best = 0
        if self.folder is None:
            return 0, history
        if resume and self.file("last"):
            return self._resume(self.file("last"), run, model)
        if not overwrite:
            on_main_process(run.accelerator, lambda: self._check_free(resume))
        if self.run is None or overwrite:
            self.run = gather_object([uuid.uuid4().hex])[0]  # one name, whichever process tells of it
        elif self.file("best"):  # a further call of the same trainer
            self.best = history.best
        return 0, history

    def save(self, run: Prepared, model: nn.Module, history: History, epoch: int) -> None:
        """Write ``last`` after every epoch and ``best`` after the best one so far; the main process does.

        Args:
            run: what the loop uses.
            model: with what it has learned from as ``provenance``.
            history: of all epochs so far.
            epoch: how many are done of those that the call was to do.
        """
        if self.folder is None:
            return
        draws = gather_object([state.random_tensors(run.device, run.rank)])
        about = {"run": self.run, "epoch": epoch, "epochs": run.epochs, "step": run.step, "settings": run.settings}
        saved = state.make_checkpoint(model, run.optimizer, run.scaler, history, draws, **about)
        on_main_process(run.accelerator, lambda: self._write(saved, history))

    def _write(self, saved: Checkpoint, history: History) -> None:
        files = {"best": Checkpoint(saved.weights, saved.about), "last": saved}
        # Whatever ends the process between the two: a best that is ahead belongs to the epoch that comes again, one
        # that is missing in a new run is made from last, and where a run is overwritten, two of two runs are refused.
        if self.best == 0 and self.file("best") is None:
            files = dict(reversed(files.items()))
        elif self.best and not history.better(len(history), self.best):
            del files["best"]
        for name, content in files.items():
            checkpoint.save(self._path(name), content)
        if "best" in files:
            self.best = len(history)

    def interrupt_message(self, resume: bool, epochs: int) -> Stopped:
        """What somebody who pressed stop is told: what is kept, and how to go on.

        The file alone knows what is kept: a stop may come between the moment in which it is whole and any line of the
        loop.

        Args:
            resume: whether the call that was stopped was to continue a run.
            epochs: that were done, as far as the loop has noted.

        Returns:
            The exception to raise.
        """
        if self.folder is None:
            return Stopped(
                f"Stopped in epoch {epochs + 1}: the network in memory keeps what it has learned so far; this training "
                "has no folder, so nothing of it is on disk.",
                epochs,
            )
        about = checkpoint.load(self.file("last")).about if self.file("last") else {}
        own = resume or (self.run is not None and about.get("run") == self.run)
        done = len(about.get("history", [])) if own else 0
        stopped = f"Stopped in epoch {done + 1}"
        if done == 0:
            return Stopped(f"{stopped}, before a whole one was kept: run this cell again to start over.", 0)
        how = "" if resume else ", with resume=True,"
        return Stopped(
            f"{stopped}: run this cell again{how} to continue after epoch {done}, which is kept in "
            f"{self.folder}; the network in memory keeps what it has learned so far.",
            done,
        )

    def _check_free(self, resume: bool) -> None:
        """See that no network of another run is overwritten without being asked."""
        there = self.file("last") or self.file("best")
        if there is None:
            return
        about = checkpoint.load(there).about
        if self.run is not None and about.get("run") == self.run:
            return
        if resume:
            raise CarvanaError(
                f"{there} is a run's best network and beside it is no last.safetensors to continue from: put that "
                "back, choose another folder, or start over and overwrite it with overwrite=True (--overwrite)."
            )
        on = "continue it with resume=True (--resume on the command line), "
        raise CarvanaError(
            f"{self.folder} holds a run already, of {counted(len(about.get('history', [])), 'epoch')}: "
            f"{on if about['format'] >= checkpoint.RESUMABLE else ''}overwrite it with overwrite=True (--overwrite), "
            "or choose another folder."
        )

    def _resume(self, path: Path, run: Prepared, model: nn.Module) -> tuple[int, History]:
        """Take everything from ``last.safetensors``, once it is clear that this training has written it."""
        saved = checkpoint.load(path)
        if saved.about["format"] < checkpoint.RESUMABLE:
            raise CarvanaError(
                f"{path} was begun by an older version of carvana-lessons; train again in another folder."
            )
        unnoted = compare_settings(path, saved.about, run.settings, run.epochs)
        if unnoted and run.accelerator.is_main_process:
            print(f"An older version began this run and did not note {', '.join(unnoted)}: see that they are the same.")
        if not saved.state:
            raise CarvanaError(
                f"{path} holds a network and no state to continue from, as best.safetensors does; put the real "
                "last.safetensors back, or train again in another folder."
            )
        on_main_process(run.accelerator, lambda: self._check_best(saved))
        state.restore(saved, path, model, run.optimizer, run.scaler, run.device, run.precision, run.rank)
        run.step, run.before = saved.about["step"], model.provenance
        self.run = saved.about.get("run") or uuid.uuid4().hex  # older ones have no name
        return saved.about["epoch"], History(saved.about["history"])

    def _check_best(self, saved: Checkpoint) -> None:
        """See that ``best`` is of the same run as ``last``, and write it again where it was lost."""
        history, path = History(saved.about["history"]), self._path("best")
        best = checkpoint.load(path).about if path.exists() else None
        if best is not None and best.get("run") not in (None, saved.about.get("run")):  # older ones have no name
            raise CarvanaError(
                f"{path} is of another run than last.safetensors beside it: move one of the two to another folder, or "
                "start over and overwrite both with overwrite=True (--overwrite)."
            )
        epoch = len(best["history"]) if best is not None else 0
        if epoch == history.best or epoch > len(history):  # the process ended between the two: that epoch comes again
            self.best = history.best
            return
        if history.best != len(history):
            print(
                f"{path}, the best network of epoch {history.best}, is lost: the best one that is left, of epoch "
                f"{epoch or len(history)}, takes its place."
            )
        self.best = epoch
        if epoch == 0 or history.better(len(history), epoch):
            checkpoint.save(path, Checkpoint(saved.weights, saved.about))
            self.best = len(history)
