"""What made a mask or a submission: networks and settings, as a note of plain values.  Lesson: 09.

Whatever is gone on with carries its note, so that the work of two networks is never mixed in one file or one folder.
"""

import hashlib
import json
from collections.abc import Sequence

import torch
from torch import nn

from carvana_lessons.catalog import PRECISION_NAMES
from carvana_lessons.device import inference_precision
from carvana_lessons.evaluate import Size, input_size

KEY = "carvana_lessons"  # of the note, wherever it lies
FORMAT = 1  # of the note; one with another number is of another version, and nothing is known of it
UNSPOKEN = {"networks", "photos", "photo"}  # digests: that they differ is all that they tell


def fingerprint(model: nn.Module) -> str:
    """Hex digits over a network's class, its layers and its weights: the same for the same network in any process."""
    kind = type(model)
    digest = hashlib.blake2b(f"{kind.__module__}.{kind.__qualname__}\n{model}\n".encode(), digest_size=8)
    for name, value in model.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def made_with(model: nn.Module | Sequence[nn.Module], size: Size, flip: bool, precision: str | None = None) -> dict:
    """What decides about a mask, except for the photo.

    Args:
        model, size, flip, precision: as `carvana_lessons.evaluate.evaluate`.
    Returns: plain values, the same after a way through JSON.
    """
    models = [model] if isinstance(model, nn.Module) else list(model)
    # In an order of their own: which network is named first does not matter, which answers at which size does.
    asked = sorted((fingerprint(network), "×".join(map(str, input_size(network, size)))) for network in models)
    sizes = [at for _, at in asked]
    return {
        "format": FORMAT,
        "networks": [name for name, _ in asked],
        "size": sizes[:1] if len(set(sizes)) == 1 else sizes,
        "flip": flip,
        "precision": PRECISION_NAMES[precision or inference_precision(next(models[0].parameters()).device)],
    }


def difference(then: dict, now: dict) -> str:
    """What two notes do not share, in words; empty where they agree."""
    told = []
    for key in {**then, **now}:
        before, after = then.get(key), now.get(key)
        if before != after:
            told.append(f"other {key}" if key in UNSPOKEN else f"{key} {_plain(before)} then, {_plain(after)} now")
    return ", ".join(told)


def to_text(note: dict) -> str:
    """A note as one line."""
    return json.dumps({KEY: note})


def from_text(text: str | bytes) -> dict | None:
    """The note of one line; None if there is none, or one of another version."""
    try:
        note = json.loads(text)[KEY]
        return note if note["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " and ".join(value) if isinstance(value, list) else str(value)
