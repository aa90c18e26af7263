"""The device that networks run on, the precision that suits it, and the memory format of their tensors.

Lesson:
    02.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from carvana_lessons.utils.catalog import check_precision
from carvana_lessons.utils.errors import CarvanaError

VARIABLE = "CARVANA_DEVICE"
DEVICES = ("cpu", "cuda", "mps")
WIDE = 256  # channels
# Of CUDA, cuBLAS and cuDNN, of Apple's GPU, of the CPU; a GPU that is nearly full fails in one of its libraries.
# accelerate's should_reduce_batch_size misses CUBLAS_STATUS_ALLOC_FAILED, and what a CPU says on Windows.
OUT_OF_MEMORY = (
    *("out of memory", "alloc_failed", "allocation_failed", "unable to find an engine to execute"),
    *("can't allocate memory", "not enough memory"),
)


def find_device() -> str:
    """The device to use: what ``CARVANA_DEVICE`` names, or else the fastest that torch finds here.

    Returns:
        "cuda", "mps" or "cpu".

    Raises:
        CarvanaError: if the variable names another device, or one that is not here.

    Lesson:
        02.
    """
    # torch.accelerator would name it, from torch 2.6 on; this package takes 2.5 too.
    usable = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    chosen = os.environ.get(VARIABLE, "").strip().lower()
    if not chosen:
        return next(name for name in ("cuda", "mps", "cpu") if usable[name])
    if chosen not in DEVICES:
        raise CarvanaError(f"{VARIABLE} is {chosen!r}; set it to {', '.join(DEVICES)}, or unset it.")
    if not usable[chosen]:
        raise CarvanaError(f"{VARIABLE} is {chosen!r}, and torch finds no such device here; unset it or set it to cpu.")
    return chosen


def find_precision(device: torch.device | str) -> str:
    """The precision in which a device trains these networks fastest without harm.

    bfloat16 needs tensor cores of compute capability 8.0 (Ampere). Older GPUs, a T4 for example, only emulate it, and
    ``torch.cuda.is_bf16_supported()`` counts that too, so the capability decides. On a CPU 16 bits make these networks
    slower.

    Args:
        device: where the network runs.

    Returns:
        "bf16" or "fp16" for mixed precision, "no" for plain float32.

    Lesson:
        10.
    """
    if torch.device(device).type != "cuda":
        return "no"
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"


def inference_precision(device: torch.device | str) -> str:
    """The precision of inference on a device.

    float16 on every CUDA GPU, newer ones too: it rounds eight times finer than bfloat16, and inference has no small
    gradients. Of 16 real photos, with the weights that come with the package and on a CPU, masks agreed with those of
    float32 in 99.999 % of the pixels, and in bfloat16 in 99.990 to 99.995 %.

    Args:
        device: where the network is.

    Returns:
        "fp16" or "no", as `find_precision`.

    Lesson:
        10.
    """
    return "fp16" if torch.device(device).type == "cuda" else "no"


def autocast(device: torch.device | str, precision: str) -> AbstractContextManager:
    """The context in which a forward pass computes in mixed precision.

    Args:
        device: where the network runs.
        precision: "no" for plain float32, "bf16" or "fp16".

    Returns:
        a context for a ``with`` statement.

    Raises:
        ValueError: for another precision.

    Lesson:
        10.
    """
    kind = torch.device(device).type
    if check_precision(precision) == "no":  # shapes alone ("meta") have no precision to switch off
        return torch.autocast(kind, enabled=False) if kind in DEVICES else nullcontext()
    return torch.autocast(kind, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)


@contextmanager
def enough_memory(device: torch.device | str, x: Tensor | None, cure: str) -> Iterator[None]:
    """Wrap a computation with a batch: an out-of-memory error becomes one sentence.

    CUDA has its own exception for that; Apple's GPU, the CPU and CUDA's libraries say it in the text of a
    RuntimeError.

    Args:
        device: where the network runs.
        x: the batch, (B, C, H, W); None while the network itself is moved there.
        cure: what the user can do about it.

    Raises:
        CarvanaError: if the memory is too small; every other exception as it is.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        what = "this network" if x is None else f"batches of {len(x)} photos of {x.shape[-2]}×{x.shape[-1]}"
        raise CarvanaError(f"The memory of {device} is too small for {what}; {cure}.") from error


def is_out_of_memory(error: BaseException) -> bool:
    """True for what torch raises where a device's memory, or the computer's, is too small.

    Args:
        error: any.

    Returns:
        True if memory was too small.
    """
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in OUT_OF_MEMORY)


def move(model: nn.Module, device: torch.device | str, **layout: torch.memory_format) -> nn.Module:
    """A network moved to a device, in place.

    Args:
        model: the network.
        device: where to.
        layout: ``memory_format``, as torch's ``Module.to`` takes it.

    Returns:
        the same network.

    Raises:
        CarvanaError: if the memory there is too small.
    """
    cure = "end what else uses it (another notebook, perhaps), or set CARVANA_DEVICE to cpu"
    with enough_memory(device, None, cure):
        return model.to(device, **layout)


def layout_for(model: nn.Module, device: torch.device) -> torch.memory_format:
    """The memory format in which a network trains fastest.

    As `inference_layout`; but on a CPU the backward pass through wide convolutions takes longer in channels last than
    the forward pass saves (``python -m benchmarks forward``): networks whose widest one has more than 256 channels
    keep the usual order there.

    Args:
        model: the network.
        device: where it trains.

    Returns:
        ``torch.channels_last`` or ``torch.contiguous_format``.
    """
    kinds = nn.Conv2d | nn.ConvTranspose2d
    widest = max((part.out_channels for part in model.modules() if isinstance(part, kinds)), default=0)
    return torch.contiguous_format if device.type == "cpu" and widest > WIDE else inference_layout(device)


def inference_layout(device: torch.device) -> torch.memory_format:
    """The memory format in which inference is fastest.

    Channels last, the values of one pixel side by side, is what tensor cores want, and CPUs are faster with it too.
    Apple's GPUs keep the usual order: torch's issues 107214 and 141009 report wrong gradients with channels last there.

    Args:
        device: where it answers.

    Returns:
        ``torch.channels_last`` or ``torch.contiguous_format``.
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last
