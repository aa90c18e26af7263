"""What a network's output depends on besides its weights, and what it was trained on; stored with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from carvana_lessons.utils.errors import CarvanaError

#: How photos become a network's input here. Weights that were trained with another preparation are refused.
PREPARATION = "RGB, resized to the input size without keeping proportions, divided by 255"


@dataclass(frozen=True)
class Provenance:
    """Where the weights of a network come from; as ``model.provenance`` it goes with the network.

    Attributes:
        size: (height, width) of the input that it was trained for; None where that is not known.
        precision: of the training: "no" for float32, "bf16" or "fp16"; None where that is not known.
        train: marks of the cars that it was trained on, as `CarFolder.marks` has them (in Kaggle's layout their ids);
            None where they are not known.
        valid: marks of the validation cars, scored after every epoch; None where there were none.

    Lesson:
        09.
    """

    size: tuple[int, int] | None = None
    precision: str | None = None
    train: frozenset[str] | None = None
    valid: frozenset[str] | None = None

    def describe(self) -> dict:
        """As plain values, for a header or a card: the reverse of `read`.

        Returns:
            values that JSON can hold, by name.
        """
        return {
            "size": None if self.size is None else list(self.size),
            "precision": self.precision,
            "preparation": PREPARATION,
            "cars": {
                name: None if cars is None else sorted(cars)
                for name, cars in (("train", self.train), ("valid", self.valid))
            },
        }

    @classmethod
    def read(cls, about: Mapping, name: str) -> Provenance:
        """From a header or a card; values that an older file lacks are None.

        Args:
            about: with the keys of `describe`.
            name: of the file, for the error.

        Returns:
            the provenance.

        Raises:
            CarvanaError: for photos that were prepared otherwise, and for wrong values.
        """
        preparation = about.get("preparation", PREPARATION)
        if preparation != PREPARATION:
            raise CarvanaError(
                f"{name} was trained on photos that were prepared otherwise ({preparation}); update carvana-lessons, "
                "or train again."
            )
        try:
            size = about.get("size")
            height, width = (None, None) if size is None else (size, size) if isinstance(size, int) else size
            cars = about.get("cars") or {}
            known = {key: None if cars.get(key) is None else frozenset(cars[key]) for key in ("train", "valid")}
            return cls(None if height is None else (int(height), int(width)), about.get("precision"), **known)
        except (TypeError, ValueError, AttributeError) as error:
            raise CarvanaError(
                f"{name} describes its training in a way that cannot be read ({error}); use another one."
            ) from error


def provenance(model: nn.Module) -> Provenance:
    """What is known of a network's training; nothing for one that was built by hand.

    Args:
        model: any.

    Returns:
        the network's ``provenance``; one that knows nothing where there is none.

    Lesson:
        09.
    """
    return getattr(model, "provenance", None) or Provenance()
