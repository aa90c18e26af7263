"""From photos to logits, and from logits to masks at the photos' own size.

Lesson:
    01.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carvana_lessons.data import CarFolder, loader
from carvana_lessons.data.cache import as_size
from carvana_lessons.data.workers import watch_workers
from carvana_lessons.models import provenance
from carvana_lessons.models.inspection import evaluation_mode
from carvana_lessons.models.logits import car_logit
from carvana_lessons.models.padding import forward_padded
from carvana_lessons.utils.catalog import check_precision
from carvana_lessons.utils.device import autocast, enough_memory, inference_layout, inference_precision
from carvana_lessons.utils.errors import ArgumentError, CarvanaError
from carvana_lessons.utils.memory import disable_malloc_trim
from carvana_lessons.utils.prefetch import prefetch

Size = int | tuple[int, int] | None


def predict(
    model: nn.Module | Sequence[nn.Module],
    photos: CarFolder,
    size: Size = None,
    batch_size: int = 16,
    cached: bool = True,
    flip: bool = False,
    workers: int = 0,
    pad_batches: bool = False,
    precision: str | None = None,
) -> Iterator[np.ndarray]:
    """Yield one mask per photo, (H, W) bool at the photo's own size; memory does not grow with their number.

    Logits are upsampled and then thresholded: a mask that is upsampled has a ragged edge, which costs Dice.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w), or several whose logits are averaged.
        photos: with or without masks.
        size: side, or (height, width), of the input; None: each network at the size that it was trained for.
        batch_size: photos per forward pass.
        cached: read the resized photos through the cache.
        flip: average with the answer for the mirrored photo.
        workers: processes that decode, for photos that are not cached.
        pad_batches: pad the last batch to ``batch_size``, see `pad_batch`.
        precision: as `car_logits`.

    Yields:
        (H, W) bool, one mask per photo, in their order.
    """
    remaining = iter(photos)
    networks = Ensemble(model, size)
    loaders = [loader(photos, s, batch_size, cached=cached, workers=workers) for s in networks.sizes]
    with watch_workers(workers * len(loaders)):
        for batches in prefetch(zip(*loaders, strict=True)):
            xs = [x if isinstance(x, Tensor) else x[0] for x in batches]  # photos without masks come alone
            count = len(xs[0])
            answers = networks.logits([pad_batch(x, batch_size) for x in xs] if pad_batches else xs, flip, precision)
            for k in range(count):
                width, height = next(remaining).size
                yield networks.at_size(answers, k, (height, width))[0, 0].gt(0).cpu().numpy()


def input_size(model: nn.Module, size: Size = None) -> tuple[int, int]:
    """(height, width) of a network's input: ``size`` if given, else the size that it was trained for.

    Args:
        model: a network; its ``provenance`` says for which size it was trained.
        size: side of a square, or (height, width), in pixels; None for the network's own.

    Returns:
        (height, width), in pixels.

    Raises:
        CarvanaError: if neither is known.
    """
    size = provenance(model).size if size is None else size
    if size is None:
        name = (getattr(model, "recipe", None) or {}).get("name", type(model).__name__)
        raise CarvanaError(
            f"Nothing says at which size {name} was trained, and at another one its masks are worse: give the size "
            "(on the command line --size)."
        )
    return as_size(size)


class Ensemble:
    """One network, or several whose logits are averaged, each at its own input size.

    Args:
        model: one, or several.
        size: of the input of all of them; None: each has the one that it was trained for.

    Attributes:
        sizes: (height, width) of the inputs that are needed, each once.

    Raises:
        CarvanaError: where nothing says a size.
        ValueError: for no network at all.
    """

    def __init__(self, model: nn.Module | Sequence[nn.Module], size: Size = None) -> None:
        models = [model] if isinstance(model, nn.Module) else list(model)
        if not models:
            raise ArgumentError("An ensemble needs a network: give one or more.")
        self._groups: dict[tuple[int, int], list[nn.Module]] = {}
        for network in models:
            self._groups.setdefault(input_size(network, size), []).append(network)
        self.sizes = list(self._groups)

    def logits(self, xs: Sequence[Tensor], flip: bool = False, precision: str | None = None) -> list[Tensor]:
        """The logits of one batch of photos.

        Args:
            xs: the batch at each of ``sizes``, (B, 3, h, w) in [0, 1].
            flip: as `car_logits`.
            precision: as `car_logits`.

        Returns:
            (B, 1, h, w) for each of ``sizes``.
        """
        return [both.mean(dim=0) for both in self.passes(xs, flip, precision)]

    def passes(self, xs: Sequence[Tensor], flip: bool = False, precision: str | None = None) -> list[Tensor]:
        """As `logits`, with the mirrored photos' answers beside those of the photos, not averaged with them.

        Args:
            xs: as for `logits`.
            flip: whether to predict the mirrored photos too.
            precision: as `car_logits`.

        Returns:
            (1, B, 1, h, w) for each of ``sizes``, with ``flip`` (2, B, 1, h, w): the second are mirrored back.
        """
        return [_passes(group, x, flip, precision) for group, x in zip(self._groups.values(), xs, strict=True)]

    def at_size(self, answers: Sequence[Tensor], k: int, size: tuple[int, int]) -> Tensor:
        """The mean logits of one photo at its own size.

        Args:
            answers: of `logits`.
            k: which photo of the batch.
            size: its (height, width).

        Returns:
            (1, 1, height, width).
        """
        if len(answers) == 1:
            return upsample(answers[0][k : k + 1], size)
        counts = [len(group) for group in self._groups.values()]
        parts = [n * upsample(a[k : k + 1], size) for n, a in zip(counts, answers, strict=True)]
        return sum(parts) / sum(counts)


@torch.inference_mode()
def car_logits(
    model: nn.Module | Sequence[nn.Module], x: Tensor, flip: bool = False, precision: str | None = None
) -> Tensor:
    """One logit per pixel, from one network or averaged over several.

    Args:
        model: as `evaluate`.
        x: (B, 3, h, w) in [0, 1], of any size, see `carvana_lessons.models.padding.forward_padded`.
        flip: average with the logits of the horizontally flipped photo; coordinate maps are not flipped.
        precision: "no" for float32, "bf16" or "fp16" for mixed precision, None for what suits the device, see
            `inference_precision`. Photos whose logits overflow in float16 are computed in float32.

    Returns:
        (B, 1, h, w) float32 on the model's device, the mean over models and flips.

    Lesson:
        10.
    """
    return _passes(model, x, flip, precision).mean(dim=0)


@torch.inference_mode()
def _passes(model: nn.Module | Sequence[nn.Module], x: Tensor, flip: bool, precision: str | None) -> Tensor:
    """The logits of the photos and, with ``flip``, of the mirrored photos, (1 + flip, B, 1, h, w) float32."""
    disable_malloc_trim()  # as in training
    models = [model] if isinstance(model, nn.Module) else list(model)
    device = next(models[0].parameters()).device
    precision = check_precision(precision) or inference_precision(device)
    with enough_memory(device, x, "take a smaller batch_size or size"):
        x = x.to(device).contiguous(memory_format=inference_layout(device))
        answer = _mean_logits(models, x, flip, precision)
        if precision == "fp16" and not (fits := answer.isfinite().transpose(0, 1).flatten(1).all(1)).all():
            # Only for these photos: the others keep the logits that they would have in any other batch.
            answer = torch.where(fits.view(-1, 1, 1, 1), answer, _mean_logits(models, x, flip, "no"))
    return answer


def _mean_logits(models: Sequence[nn.Module], x: Tensor, flip: bool, precision: str) -> Tensor:
    """The mean over the networks, (1 + flip, B, 1, h, w)."""
    plain = mirrored = 0
    for network in models:
        with evaluation_mode(network), autocast(x.device, precision):
            plain = plain + car_logit(forward_padded(network, x))
            if flip:
                mirrored = mirrored + car_logit(forward_padded(network, x.flip(-1))).flip(-1)
    return torch.stack([plain, mirrored] if flip else [plain]) / len(models)


def pad_batch(x: Tensor, batch_size: int) -> Tensor:
    """Pad a batch (n, 3, h, w) to (batch_size, 3, h, w) by repeating the last photo.

    Convolutions round differently for batches of another size, and a logit that is almost 0 may change
    its sign. In batches of one size a photo's mask is the same to the pixel, whatever the other photos are.

    Args:
        x: (n, 3, h, w), 1 ≤ n ≤ ``batch_size``.
        batch_size: the number of photos to reach.

    Returns:
        (batch_size, 3, h, w).
    """
    return torch.cat([x, x[-1:].expand(batch_size - len(x), -1, -1, -1)])


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample logits bilinearly to the photo's size.

    Args:
        logits: (B, 1, h, w).
        size: (height, width) to reach.

    Returns:
        (B, 1, height, width), same dtype.
    """
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False, antialias=False)
