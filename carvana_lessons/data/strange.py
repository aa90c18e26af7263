"""Masks that can be read and are hardly meant so: empty, full, inverted."""

import numpy as np

#: What to say of each kind, to go on with the names of the files.
STRANGE = {
    "empty": "Masks that are empty, with no car at all; look whether that is right",
    "full": "Masks that are full, with car everywhere; look whether that is right",
    "inverted": "Masks that look inverted, with car along the border rather than within; look whether car and "
    "background were exchanged, and save them again as `1 - mask` if so",
}


def strange(mask: np.ndarray) -> str | None:
    """What may be wrong with a mask.

    Args:
        mask: (H, W) in {0, 1}.

    Returns:
        a key of `STRANGE`; None for a mask as they should be.

    Lesson:
        01.
    """
    if not mask.any():
        return "empty"
    if mask.all():
        return "full"
    if min(mask.shape) < 3:  # all of it is border
        return None
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean()
    return "inverted" if border > 2 / 3 and border > mask[1:-1, 1:-1].mean() else None
