"""What made a mask or a submission: networks and settings, as a note of plain values.

Lesson:
    09. Files that can be continued contain their note, so that results of two networks are never mixed in one file or
    folder.
"""

import json
import uuid
from collections.abc import Sequence

from torch import nn

from carvana_lessons.prediction.inference import Size, input_size
from carvana_lessons.utils.catalog import PRECISION_NAMES
from carvana_lessons.utils.device import inference_precision
from carvana_lessons.utils.fingerprint import NoFingerprint, fingerprint

KEY = "carvana_lessons"  # of the note, in every file
FORMAT = 1  # of the note; one with another number is of another version, and nothing is known of it
UNSPOKEN = {"networks", "photos", "photo"}  # hashes: a message only says that they differ
DOUBT = "doubt"  # of the note of a mask: what came out, and not what made it


def identity(model: nn.Module) -> str:
    """A hash of a network's code, layers and weights: the same for the same network in any process.

    State that it changes during inference is left out. A network whose code has no fingerprint gets a random hash.

    Args:
        model: any.

    Returns:
        hex digits.
    """
    code = [(type(part), vars(part).get("forward")) for part in model.modules()]
    try:
        return fingerprint([code, repr(model), list(model.state_dict().items())])
    except NoFingerprint:
        return uuid.uuid4().hex


def made_with(model: nn.Module | Sequence[nn.Module], size: Size, flip: bool, precision: str | None = None) -> dict:
    """All that determines a mask, except the photo.

    Args:
        model: as `carvana_lessons.evaluation.scoring.evaluate`.
        size: as `carvana_lessons.evaluation.scoring.evaluate`.
        flip: as `carvana_lessons.evaluation.scoring.evaluate`.
        precision: as `carvana_lessons.evaluation.scoring.evaluate`.

    Returns:
        plain values that survive a round trip through JSON.
    """
    models = [model] if isinstance(model, nn.Module) else list(model)
    # Sorted: the order of the networks does not matter, but which one runs at which size does.
    asked = sorted((identity(network), "×".join(map(str, input_size(network, size)))) for network in models)
    sizes = [at for _, at in asked]
    return {
        "format": FORMAT,
        "networks": [name for name, _ in asked],
        "size": sizes[:1] if len(set(sizes)) == 1 else sizes,
        "flip": flip,
        "precision": PRECISION_NAMES[precision or inference_precision(next(models[0].parameters()).device)],
    }


def difference(then: dict, now: dict) -> str:
    """The differences of two notes, in words; empty if they agree.

    Args:
        then: the note of an earlier run.
        now: the note of this one.

    Returns:
        words for a sentence, or the empty string.
    """
    told = []
    for key in {**then, **now}:
        before, after = then.get(key), now.get(key)
        if before != after and key != DOUBT:
            told.append(f"other {key}" if key in UNSPOKEN else f"{key} {_plain(before)} then, {_plain(after)} now")
    return ", ".join(told)


def to_text(note: dict) -> str:
    """A note as one line.

    Args:
        note: values that JSON can hold, by name.

    Returns:
        the line, without a line break.
    """
    return json.dumps({KEY: note})


def from_text(text: str | bytes) -> dict | None:
    """The note of one line; None if there is none, or one of another version.

    Args:
        text: the line.

    Returns:
        the note, or None.
    """
    try:
        note = json.loads(text)[KEY]
        return note if note["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None:
        return "not said"
    return " and ".join(value) if isinstance(value, list) else str(value)
