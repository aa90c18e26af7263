"""One logit per pixel, for any number of output channels.

Lesson:
    02.
"""

from torch import Tensor


def car_logit(logits: Tensor) -> Tensor:
    """One logit per pixel, above 0 where the network predicts "car", for any number of output channels.

    Args:
        logits: (B, 1, H, W), the car's logit, or (B, 2, H, W), logits of background and car.

    Returns:
        (B, 1, H, W) float32. For two channels it is car minus background, whose sigmoid is exactly the softmax
        probability of "car".

    Raises:
        ValueError: for any other number of channels.

    Lesson:
        02.
    """
    channels = logits.shape[-3]
    if channels == 1:
        return logits.float()
    if channels == 2:
        background, car = logits.float().split(1, dim=-3)
        return car - background
    raise ValueError(f"Logits have 1 or 2 channels (shape (B, K, H, W)), not {channels}.")
