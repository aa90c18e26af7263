"""Weights that are shipped with the package, each with a model card that says what they learned from.

A network may have several: ``unet`` are the weights "carvana" of that network, ``unet-backgrounds`` its "backgrounds".

Lesson:
    09.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load, save_file
from torch import Tensor, nn

from carvana_lessons.models.provenance import provenance
from carvana_lessons.utils import catalog
from carvana_lessons.utils.errors import ArgumentError, CarvanaError
from carvana_lessons.utils.files import replacing

FOLDER = catalog.WEIGHTS
TERMS = (
    "learned from photos of the Carvana Image Masking Challenge; what they may be used for depends on its rules, which "
    "everybody accepts to get the photos: https://www.kaggle.com/c/carvana-image-masking-challenge/rules"
)
OWN_TERMS = "learned from photos that this package draws, and from no other: they are MIT too"
NAME = "carvana"  # in `create(weights=…)`: those that learned from the challenge's photos as they are


def shipped() -> list[str]:
    """Names of the weights that come with the package.

    Returns:
        names for `read_card`, and for `carvana_lessons.prediction.load_trained`.

    Lesson:
        09.
    """
    return catalog.shipped(FOLDER)


def read_card(name: str) -> dict:
    """The model card of shipped weights: network, width, `Provenance`, data, protocol, Dice, date, sha256.

    Args:
        name: of the weights, as `shipped` lists it.

    Returns:
        the card's values by name.

    Raises:
        ValueError: for weights that do not come with the package.

    Lesson:
        09.
    """
    if name not in shipped():
        raise ArgumentError(f"No weights of {name!r} come with the package, only of {', '.join(shipped())}.")
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def weights_name(network: str, weights: str) -> str:
    """What the files of some weights are called.

    Args:
        network: the name of the network.
        weights: their name in `create`.

    Returns:
        a name of `shipped`, if they come with the package.

    Raises:
        ValueError: for weights that no network has.
    """
    known = dict.fromkeys(kind for _, kind in map(parts, shipped()))
    if weights not in known:
        raise ArgumentError(
            f"There are no weights called {weights!r}; with the package come {' and '.join(repr(k) for k in known)}."
        )
    return network if weights == NAME else f"{network}-{weights}"


def parts(name: str) -> tuple[str, str]:
    """The reverse of `weights_name`.

    Args:
        name: of `shipped`.

    Returns:
        the network's name, and that of its weights in `create`.
    """
    network = read_card(name)["network"]
    return network, NAME if name == network else name.removeprefix(f"{network}-")


def load_shipped(model: nn.Module, name: str) -> None:
    """Load shipped weights into a network, in place.

    Args:
        model: the card's network, of the card's width.
        name: of the weights.

    Raises:
        CarvanaError: if the file is not the one that the card describes.
    """
    path = FOLDER / f"{name}.safetensors"
    content = path.read_bytes() if path.is_file() else b""  # not mapped into memory: `ship` may replace the file
    if _digest(content) != read_card(name)["sha256"]:
        raise CarvanaError(f"{path} is not the file that its card describes; install the package again.")
    weights = load(content)
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})


def ship(model: nn.Module, card: dict, folder: Path = FOLDER, weights: str = NAME) -> Path:
    """Write a network's weights in half precision, and their card beside them.

    Args:
        model: as `create` makes it, with its ``provenance``.
        card: further entries; network, width, provenance and sha256 are added.
        folder: where to.
        weights: their name in `create`.

    Returns:
        the card's path.
    """
    name = model.recipe["name"] if weights == NAME else f"{model.recipe['name']}-{weights}"
    path = folder / f"{name}.safetensors"
    with replacing(path) as temporary:
        save_file(half_precision(model), temporary)
    about = {"network": model.recipe["name"], "width": model.recipe["width"]} | provenance(model).describe() | card
    about["sha256"] = _digest(path.read_bytes())
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return folder / f"{name}.json"


def half_precision(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a network in half precision, as they are shipped.

    Args:
        model: any.

    Returns:
        tensors on the CPU by their names, float16 where they are fractions.
    """
    return {k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in model.state_dict().items()}


def round_to_half(model: nn.Module) -> nn.Module:
    """The same network with its weights rounded to half precision, as `ship` writes them, in place.

    Args:
        model: changed in place.

    Returns:
        the same network, its weights float32 with values that half precision can hold.
    """
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())
    return model


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
