"""The optimiser's step where gradients may be float16: scaled back, and left out where they are not finite."""

from __future__ import annotations

import torch
from torch import nn

MAX_SKIPPED_STEPS = 30  # in a row; the scale of float16's gradients is then 2⁻¹⁴


def make_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """What multiplies a loss before the backward pass: float16 has no room for small gradients.

    Args:
        device: where the network is.
        precision: "no", "bf16" or "fp16".

    Returns:
        The scaler; for anything but "fp16" it does nothing.

    Lesson:
        10.
    """
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def average_gradients(
    model: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, factor: float
) -> None:
    """Make gradients that were added up the mean over the photos behind them, whatever they were scaled by.

    Accelerate divides each batch's gradient by the number of batches that it was told to accumulate, however many
    batches and photos a step got: the last step of an epoch may have fewer.

    Args:
        model: its gradients are changed in place.
        optimizer: of the model.
        scaler: with which the loss was scaled.
        factor: makes the mean over batches that over photos.
    """
    scaler.unscale_(optimizer)
    if factor != 1:
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad *= factor


def step_optimizer(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, lr: float) -> bool:
    """Change the weights by the gradients.

    Where a float16 gradient is not finite the step is left out, and the scale is halved: most of the time the gradient
    was only too large.

    Args:
        optimizer: with gradients that are unscaled.
        scaler: with which they were scaled.
        lr: learning rate of this step.

    Returns:
        Whether the step was made.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr
    scale = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale() >= scale
