"""What a Dice score is in wrong pixels of a photo: one car size and one formula for the whole course.

Lesson:
    01.
"""

from typing import Any

#: Pixels of the average car in a photo, 21.1 % of 1918×1280, as measured on the challenge's 5,088 training masks.
CAR_PIXELS = 518_000


def wrong_pixels(dice: Any, car_pixels: int = CAR_PIXELS) -> Any:
    """How many pixels of a photo are wrong at a Dice score: ``(1 − Dice) · (|X| + |Y|)``.

    The predicted mask is taken to be as large as the true one, so that ``|X| + |Y|`` is twice the car's size.

    Args:
        dice: one score or many: a float, an array, a tensor, a column of a table.
        car_pixels: car pixels in the true mask.

    Returns:
        false positives plus false negatives, not rounded; of the kind of ``dice``.

    Lesson:
        01.
    """
    return (1 - dice) * (2 * car_pixels)
