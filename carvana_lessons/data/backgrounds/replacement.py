"""Photos whose backgrounds are exchanged while a network trains: copy-paste augmentation with made-up places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from carvana_lessons.data.augment import stacked
from carvana_lessons.data.backgrounds.camera import photograph
from carvana_lessons.data.backgrounds.colors import color, ramp
from carvana_lessons.data.backgrounds.cutting import clean_edge, soft_edge
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.families import FAMILIES, check_families, make_background
from carvana_lessons.data.backgrounds.light import cast_shadow, relight
from carvana_lessons.data.backgrounds.places import Place
from carvana_lessons.data.backgrounds.placing import choose_placement, frame, move
from carvana_lessons.utils.errors import ArgumentError


@dataclass(frozen=True)
class BackgroundReplacement:
    """Put cars before other backgrounds, each photo by chance in one of four ways; for ``loader(transform=…)``.

    It is left as it is, to the last bit; or its studio is coloured anew; or its car is placed elsewhere, before a
    background of a random family, in that place's light and with a shadow; or there is such a background and no car.

    One number per photo is drawn from the generator, and everything else from that number: on one device the same
    number makes the same picture bit by bit, in a batch or one by one, in any order and with any companions.

    Attributes:
        keep: share of the photos that are left as they are.
        studio: share whose studio gets another colour.
        empty: share of backgrounds without a car.
        families: what the others are put before, each as often; names of `carvana_lessons.data.backgrounds`.
        batched: True, as a loader may pass whole batches; see `carvana_lessons.data.batches.BatchTransform`.

    Raises:
        ValueError: for shares out of their range, and for unknown families, when the object is made.

    Source:
        Tobin et al. 2017, "Domain randomization"; Dwibedi et al. 2017, "Cut, paste and learn"; Ghiasi et al. 2021,
        "Simple copy-paste".

    Lesson:
        11.
    """

    batched: ClassVar[Literal[True]] = True

    keep: float = 0.25
    studio: float = 0.1
    empty: float = 0.02
    families: tuple[str, ...] = FAMILIES

    def __post_init__(self) -> None:
        shares = (self.keep, self.studio, self.empty)
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise ArgumentError(f"keep, studio and empty are shares of the photos, together at most 1, not {shares}.")
        check_families(self.families)

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Exchange the backgrounds of photos, and move their masks with the cars.

        Args:
            x: (3, h, w) or (B, 3, h, w), float in [0, 1], on any device.
            y: (1, h, w) or (B, 1, h, w), float in {0, 1}.
            generator: of the CPU, whatever the device of the photos; None for torch's global one.

        Returns:
            both changed; shapes, ranges, types and device stay.

        Raises:
            ValueError: for photos and masks that do not fit together.
        """
        photos, masks = stacked(x, y)
        seeds = torch.randint(2**62, (len(photos),), generator=generator).tolist()
        made = [self._change(photo, mask, seed) for photo, mask, seed in zip(photos, masks, seeds, strict=True)]
        if not made:
            return x, y
        pictures, cut = (torch.stack(parts) for parts in zip(*made, strict=True))
        return pictures.reshape(x.shape), cut.reshape(y.shape)

    def _change(self, photo: Tensor, mask: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """One photo (3, h, w) and its mask (1, h, w)."""
        draws = Draws(seed, *photo.shape[1:], photo.device)
        kind = draws.uniform()
        if kind < self.keep:
            return photo, mask
        x, y = photo.float().contiguous(), mask.float().contiguous()
        if kind < self.keep + self.studio:
            x = photograph(draws, _other_studio(draws, x, y))
        else:
            x, y = self._elsewhere(draws, x, y, empty=kind < self.keep + self.studio + self.empty)
        return x.to(photo.dtype), y.to(mask.dtype)

    def _elsewhere(self, draws: Draws, x: Tensor, y: Tensor, empty: bool) -> tuple[Tensor, Tensor]:
        seed = draws.integer(0, 2**62)
        place = make_background(draws.pick(self.families), draws.height, draws.width, seed, draws.device)
        if empty:
            return photograph(draws, place.picture), torch.zeros_like(y)
        return put_before(draws, x, y, place)


@torch.no_grad()
def put_before(draws: Draws, photo: Tensor, mask: Tensor, place: Place) -> tuple[Tensor, Tensor]:
    """Put the car of a photo somewhere before a background, in its light, with a shadow, as a camera would see it.

    Args:
        draws: of the picture; they decide where and how.
        photo: (3, h, w) float32 in [0, 1].
        mask: (1, h, w) float32 in {0, 1}; without a car the background is all there is.
        place: the background, of the same size; its picture is changed in place.

    Returns:
        photo and mask, same shapes; the mask is the one that was given, moved by `placing.move`.

    Lesson:
        11.
    """
    picture, ground = place
    car = frame(mask)
    if car is not None:
        photo, mask = move(clean_edge(photo, mask), mask, choose_placement(draws, car, ground))
        car = frame(mask)  # None where it left the picture
    if car is None:
        return photograph(draws, picture), mask
    cover = soft_edge(mask, draws.uniform(0.1, 0.5), draws.uniform(0.3, 1.2))
    photo = relight(draws, photo, cover, picture)
    if ground is not None or draws.chance(0.3):
        cast_shadow(draws, picture, mask, car)
    return photograph(draws, picture.lerp_(photo, cover)), mask


def _other_studio(draws: Draws, x: Tensor, y: Tensor) -> Tensor:
    """The photo where its studio was painted and lit anew, with the shadows that are there; the car stays."""
    down, across = draws.grid()
    slope = 0.5 + draws.uniform(-0.5, 0.5) * (across - 0.5) + draws.uniform(-0.5, 0.5) * (down - 0.5)
    paint = ramp(slope[None].clamp(0, 1), color(draws, "any", "pale", "grey"), color(draws, "any", "grey", "dark"))
    return (x * paint).mul_(draws.uniform(0.9, 1.4)).clamp_(0, 1).lerp_(x, soft_edge(y, 0.2, 0.7))
