"""How many minutes a chapter takes on a GPU at a scale: its work is counted here, and no network is trained.

Every chapter runs in a process of its own, without a GPU. Trainings are recorded in place of being done: the network,
the size, the batches. So is every batch that a network of the course answers, where stand-ins for its convolutions
give shapes and no sense; assertions are therefore left out, and a cell that fails is named. All else runs as it is,
and its processor seconds are counted: reading photos, toys, scoring at full size, pictures. A GPU's seconds are
computed from the counted work (`benchmarks._roofline`), with what one real GPU was measured to reach.
"""

import argparse
import ast
import builtins
import copy
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import _paired as paired
from benchmarks._roofline import Machine, count
from carvana_lessons import course, models, studio
from carvana_lessons.training import History, Trainer

BOOK = Path(__file__).resolve().parents[1] / "book"
SIZE, BATCH = 512, 8  # of the measured steps
# One NVIDIA H200, torch 2.11, bf16, 2026-11-26: ms per photo of a `Trainer` step, networks of published width.
STEPS = {"unet": 5.68, "segnet": 5.61, "arc1": 7.84, "arc2": 8.17, "arc3": 7.86, "maskingnet": 7.89}
TINY, THIN = 536, 320  # there too: photos per second from the cache, `unet-tiny` and `unet` of width 32
SLOWER = 2  # times as long as that machine's host Colab's two cores are assumed to need
H200 = Machine("H200", flops=790e12, bandwidth=4.8e12)  # a large matrix product was measured at this rate
T4 = Machine("T4", flops=65e12, bandwidth=320e9)  # as its maker states them
LOOKED = 12  # batches of a loader that are timed
PLAIN = 96 * 96  # pixels; networks of smaller images are toys, which chapters train themselves, on the processor


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("chapters", nargs="*", help="their names; unset, all")
    made.add_argument("--scale", choices=sorted(course.SCALES), default="colab")
    made.add_argument("--one", help=argparse.SUPPRESS)  # the chapter that this process is to count
    options = made.parse_args()
    if options.one:
        print(json.dumps(_count_chapter(json.loads(options.one), options.scale)))
        return
    chosen = course.SCALES[options.scale]
    gpus = calibrated()
    paired.introduce(
        f"Minutes per chapter at the scale {options.scale} ({chosen.size}×{chosen.size} px, width {chosen.width}), "
        "**computed, not measured**.",
        medians=False,
    )
    _print_check(gpus)
    failed: list[str] = []
    head = ["chapter", "trainings", "photos trained on", "photos answered", "min of processor"]
    names = options.chapters or [path.stem for path in sorted(BOOK.glob("*.ipynb"))]
    paired.table([*head, *(f"min with {gpu.name}" for gpu in gpus)], _rows(names, options.scale, gpus, failed))
    if failed:
        print("Cells that did not run to their end here, whose work is not all counted:", "; ".join(failed))


def _rows(names: list[str], scale: str, gpus: list[Machine], failed: list[str]) -> Iterator[list[str]]:
    """One row per chapter, as soon as it is counted, and their sum; cells that failed are added to the list."""
    whole: Counter[str] = Counter()
    for name in names:
        found = paired.in_own_process("colab", {"chapter": name}, "--scale", scale)
        failed += [f"{name}: {cell}" for cell in found["failed"]]
        minutes = {gpu.name: (found[gpu.name] + found["processor"]) / 60 for gpu in gpus}
        whole.update(minutes)
        counts = [f"{found[key]:,}" for key in ("trainings", "seen", "answered")]
        yield [name, *counts, f"{found['processor'] / 60:.1f}", *(f"{minutes[gpu.name]:.0f}" for gpu in gpus)]
    yield ["all", "", "", "", "", *(f"{whole[gpu.name]:.0f}" for gpu in gpus)]


def calibrated() -> list[Machine]:
    """Both GPUs, with the share and the launches that the measured one had; the other host is assumed to be slower."""
    floors = {name: _step(H200, name) for name in STEPS}
    share = sum(floors.values()) / sum(STEPS.values())
    launch = 1 / TINY / len(_work("unet-tiny")[0]) * BATCH
    return [replace(H200, share=share, launch=launch), replace(T4, share=share, launch=SLOWER * launch)]


def _work(name: str, width: int | None = None) -> tuple[list[tuple[float, float]], int]:
    return count(lambda: models.create(name, width=width), (BATCH, 3, SIZE, SIZE), train=True)


def _step(machine: Machine, name: str, width: int | None = None) -> float:
    """Milliseconds per photo of a training step."""
    return 1000 * machine.seconds(*_work(name, width)) / BATCH


def _print_check(gpus: list[Machine]) -> None:
    """What the same formula says of the steps that were measured, and of the GPU that was not."""
    measured, other = gpus
    print(
        f"Steps of {BATCH} photos of {SIZE}×{SIZE} px in 16 bits. A GPU is assumed to reach {measured.share:.0%} of "
        "the sum of its operations' least times, as the H200 does over the six wide networks, and a host to need "
        f"{1e6 * measured.launch:.0f} µs per operation (H200, from `unet-tiny`) or {1e6 * other.launch:.0f} µs "
        "(Colab's, assumed).\n"
    )
    known = {(name, None): ms for name, ms in STEPS.items()} | {
        ("unet", 32): 1000 / THIN,
        ("unet-tiny", None): 1000 / TINY,
    }
    rows = [
        [f"`{name}`" + (f", width {width}" if width else ""), f"{ms:.2f}"]
        + [f"{_step(gpu, name, width):.2f}" for gpu in gpus]
        for (name, width), ms in known.items()
    ]
    paired.table(["ms per photo", "H200, measured", "H200, computed", "T4, computed"], rows)


def _count_chapter(task: dict, scale: str) -> dict:
    """The work of one chapter, and its seconds on both GPUs; for a process of its own."""
    os.environ["CARVANA_DATA"] = str(studio.ensure())
    with tempfile.TemporaryDirectory() as empty, redirect_stdout(sys.stderr):
        # A session of its own: nothing is decoded or trained yet.
        os.environ |= {"CARVANA_CACHE": empty, "CARVANA_SCALE": scale, "CARVANA_DEVICE": "cpu", "MPLBACKEND": "agg"}
        recorder = Recorder()
        recorder.install()
        began = _processor_seconds()
        failed = run_cells(BOOK / f"{task['chapter']}.ipynb")
        processor = _processor_seconds() - began - recorder.spent + recorder.loading
    found = {"failed": failed, "processor": processor, "trainings": recorder.trainings}
    found["seen"] = sum(shape[0] * n for (_, shape, train), n in recorder.batches.items() if train)
    found["answered"] = sum(shape[0] * n for (_, shape, train), n in recorder.batches.items() if not train)
    return found | {gpu.name: recorder.seconds(gpu) for gpu in calibrated()}


def _processor_seconds() -> float:
    """Of this process and of those that it waited for: what else the machine does must not count."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Recorder:
    """Stands between a chapter and its networks, and notes what it would have them do.

    Attributes:
        batches: how many of each (network, (B, 3, H, W), trained on or answered).
        trainings: calls of `Trainer.fit`.
        loading: processor seconds that their loaders would need, from the first batches of each.
        spent: processor seconds that went into the recording itself.
    """

    def __init__(self) -> None:
        self.batches: Counter[tuple[str, tuple[int, ...], bool]] = Counter()
        self.networks: dict[str, nn.Module] = {}
        self.trainings, self.loading, self.spent, self.inside = 0, 0.0, 0.0, False

    def install(self) -> None:
        """Take the place of `Trainer.fit`, of the networks' calls, and of the convolutions in them."""
        recorder = self

        def fit(trainer, train, valid=None, epochs=10, resume=False, seconds=None, after_epoch=None) -> History:
            return recorder.fit(trainer, train, valid, epochs, after_epoch)

        def stand_in(kind, real):
            def forward(self, x, *rest):
                return _stand_in(self, x) if recorder.inside else real(self, x, *rest)

            kind.forward = forward

        Trainer.fit = fit
        for kind in (nn.Conv2d, nn.ConvTranspose2d):
            stand_in(kind, kind.forward)
        for kind in (models.UNet, models.MaskingNet):
            kind.__call__ = lambda network, x, *rest, **more: recorder.call(network, x, *rest, **more)

    def note(self, network: nn.Module, shape: tuple[int, ...], train: bool, times: int = 1) -> None:
        """Some batches of this shape."""
        key = repr(network)
        if key not in self.networks:
            with torch.inference_mode(False):  # inside, the copy's weights could not be trained on
                self.networks[key] = copy.deepcopy(network).float().to("meta")
        self.batches[key, tuple(shape), train] += times

    def call(self, network: nn.Module, x: Tensor, *rest, **more) -> Tensor:
        """Note a batch, and give an answer of the right shape."""
        if x.device.type == "meta" or x.shape[-1] * x.shape[-2] < PLAIN:
            return nn.Module.__call__(network, x, *rest, **more)
        began = _processor_seconds()
        self.note(network, x.shape, network.training and torch.is_grad_enabled())
        watched = any(map(_copies_maps, network.modules()))
        self.inside = True
        try:  # one photo stands for all, where nobody copies maps out
            answer = nn.Module.__call__(network, x if watched else x[:1], *rest, **more)
        finally:
            self.inside = False
            self.spent += _processor_seconds() - began
        return answer if watched else answer.expand(len(x), -1, -1, -1).clone()

    def fit(self, trainer: Trainer, train, valid, epochs: int, after_epoch) -> History:
        """Note every batch of a training, and make up its history."""
        self.trainings += 1
        batches = iter(train)
        shape = next(batches)[0].shape  # decodes the folder, where nobody has; that is no recording
        decoded = _processor_seconds()
        looked = sum(1 for _ in zip(range(LOOKED), batches, strict=False))
        each = (_processor_seconds() - decoded) / max(1, looked)
        self.spent += _processor_seconds() - decoded
        self.loading += each * len(train) * epochs
        self.note(trainer.model, shape, train=True, times=len(train) * epochs)
        if valid is not None:
            self.note(trainer.model, (valid.batch_size, *shape[1:]), train=False, times=len(valid) * epochs)
            self.loading += each * len(valid) * valid.batch_size / shape[0] * epochs
        for epoch in range(1, epochs + 1):
            seconds = {"seconds": 1.0, "images_per_second": 100.0}
            scores = {"valid_loss": 1 / epoch, "valid_dice": 1 - 0.5 / epoch} if valid is not None else {}
            trainer.history.append(epoch=epoch, loss=1 / epoch, **seconds, **scores)
            if after_epoch is not None:
                after_epoch(trainer.model.eval(), epoch)
        return trainer.history

    def seconds(self, machine: Machine) -> float:
        """What the GPU and its host need for all that was noted."""
        whole = 0.0
        for (key, shape, train), times in self.batches.items():
            work, weights = count(lambda network=self.networks[key]: network, shape, train)
            whole += times * machine.seconds(work, weights if train else 0)
        return whole


def _copies_maps(part: nn.Module) -> bool:
    return any(hook.__module__.startswith("carvana_lessons.features") for hook in part._forward_hooks.values())


def _stand_in(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """As many channels as the convolution would give, as large as its answer, each another multiple of the mean."""
    value = x.mean(dim=1, keepdim=True)
    if isinstance(layer, nn.ConvTranspose2d):
        value = value.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    if layer.out_channels <= 2:  # logits above 0: all is car, and no hole has to be looked for
        value = value.abs() + 1
    steps = torch.linspace(0.5, 1.5, layer.out_channels).view(1, -1, 1, 1)
    return value * steps + 0 * layer.weight.sum()


def run_cells(path: Path) -> list[str]:
    """Run a chapter's cells, one after the other, without exercises and assertions; those that failed, and how."""
    names: dict = {"__name__": "__main__"}
    builtins.display = lambda *_, **__: None
    failed = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        hidden = "remove-cell" in cell["metadata"].get("tags", [])
        if cell["cell_type"] != "code" or hidden or cell["id"].startswith(("install", "exercise", "quiz")):
            continue
        tree = ast.fix_missing_locations(_NoAssertions().visit(ast.parse("".join(cell["source"]))))
        try:
            exec(compile(tree, cell["id"], "exec"), names)
        except Exception as error:
            failed.append(f"{cell['id']} ({type(error).__name__}: {error})")
    return failed


class _NoAssertions(ast.NodeTransformer):
    """What a chapter asserts of a trained network is not true of one that nobody trained."""

    def visit_Assert(self, node: ast.Assert) -> ast.Pass:
        return ast.Pass()


if __name__ == "__main__":
    main()
