"""The protocol that all networks of a comparison share, and its file."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

from carvana_lessons.data import Augment, CarFolder, split_by_car
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.wording import counted


@dataclass(frozen=True)
class Protocol:
    """How every network of a comparison is trained and scored.

    Attributes:
        size: side of the network's input, in pixels.
        width: channels of the first stage; None for the published one.
        epochs: of the training, one-cycle Adam on binary cross-entropy; ``images`` overrules it.
        batch_size: photos in a batch.
        lr: the highest learning rate.
        valid: share of the cars that is held out for the score; the split itself always has seed 0.
        rotate: as `Augment` takes it; 0 for none.
        flip: as `Augment` takes it; 0 for none.
        color: as `Augment` takes it; 0 for none.
        images: photos that each network sees in all, where that is no whole number of epochs; None for whole ones.
        precision: of the training, "no", "bf16" or "fp16"; None for what suits the device.

    Lesson:
        09.
    """

    size: int = 128
    width: int | None = 8
    epochs: int = 8
    batch_size: int = 16
    lr: float = 2e-3
    valid: float = 1 / 6
    rotate: float = 0.0
    flip: float = 0.0
    color: float = 0.0
    images: int | None = None
    precision: str | None = None

    @property
    def transform(self) -> Augment | None:
        """The augmentation, None where nothing is changed."""
        augment = Augment(self.rotate, self.flip, self.color)
        return augment if self.rotate or self.flip or self.color else None

    def split(self, cars: CarFolder) -> tuple[CarFolder, CarFolder]:
        """The photos to train on and those to score, of different cars.

        Args:
            cars: photos with masks.

        Returns:
            photos to train on, photos to score.
        """
        return split_by_car(cars, (1 - self.valid, self.valid), seed=0)

    def passes(self, known: CarFolder) -> tuple[int, int | None]:
        """How a training goes over the photos: ``images`` are dealt to as few epochs as hold them, as equal as can be.

        Args:
            known: the photos to train on.

        Returns:
            epochs, and photos in each of them; None for all.
        """
        if self.images is None:
            return self.epochs, None
        epochs = -(-self.images // len(known))
        return epochs, self.images // epochs

    def __str__(self) -> str:
        width = "published widths" if self.width is None else f"width {self.width}"
        changes = self.transform or "no augmentation"
        length = counted(self.epochs, "epoch") if self.images is None else f"{self.images:,} photos seen"
        precision = "" if self.precision is None else f", precision {self.precision}"
        return (
            f"{self.size}×{self.size} px, {width}, {length}, batch {self.batch_size}, one-cycle "
            f"Adam with peak {self.lr:g}, {changes}{precision}"
        )


def claim(folder: Path, protocol: Protocol, cars: CarFolder) -> None:
    """Claim a folder for one protocol and one set of photos, or check that it is theirs.

    Args:
        folder: of the comparison.
        protocol: what its runs have in common.
        cars: the photos.

    Raises:
        CarvanaError: if its runs were made under other settings or on other photos, or if it holds other things.
    """
    file = folder / "protocol.json"
    wanted = {"protocol": asdict(protocol), "photos": describe_photos(cars)}
    if not file.exists():
        if other := sorted(path.name for path in folder.glob("*") if not path.name.startswith(".")):
            raise CarvanaError(f"{folder} holds {other[0]} and no comparison; choose another folder.")
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8", newline="\n")
        return
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
        there["protocol"].keys(), there["photos"].keys()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CarvanaError(f"{file} is damaged, or not of a comparison; choose another folder.") from error
    changed = [
        f"{name} {there[part].get(name)} instead of {value}"
        for part in wanted
        for name, value in wanted[part].items()
        if there[part].get(name) != value
    ]
    if changed:
        raise CarvanaError(
            f"{folder} holds a comparison with {', '.join(changed)}; repeat its settings to continue, or choose "
            f"another folder."
        )


def environment() -> dict:
    """When a run began, and on what machine, to explain differences of results.

    Returns:
        values that JSON can hold, by name.
    """
    return {
        "began": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if find_device() == "cuda" else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
    }


def describe_photos(cars: CarFolder) -> dict:
    """The number of photos and a hash of names and sizes in pixels, the same for copies on other machines.

    Outside Kaggle's layout the groups count too, and with it the rule by which masks are read.

    Args:
        cars: the photos.

    Returns:
        values that JSON can hold, by name.
    """
    digest = hashlib.blake2b(digest_size=8)
    for photo in cars:
        group = "" if cars.unit == "car" else f" {photo.car}"
        rule = "" if photo.rule is None else f" {photo.rule}"
        digest.update(f"{photo.name} {photo.size}{group}{rule}\n".encode())
    return {"cars": len(cars.ids), "photos": len(cars), "digest": digest.hexdigest()}
