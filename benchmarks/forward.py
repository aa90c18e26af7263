"""A forward pass and a training step of `unet` beside MONAI's and segmentation-models-pytorch's U-Nets.

    python -m benchmarks forward --sizes 256 512

The floor is what the machine needs for the network's multiplications and additions alone: counted operations divided
by the rate of a large matrix product, measured in the same rounds, as ``a @ b`` and as a convolution of 1×1, which is
the same and which another library computes; the fastest round counts. "Floor of time" is its share of a network's
median. Memory is what a process of its own grows by during the first pass or step, weights not counted, the
optimiser's numbers counted.
"""

import json
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._paired import alternate, faster, in_own_process, installed, introduce, parser, spread, table
from carvana_lessons import models
from carvana_lessons.training import losses
from carvana_lessons.utils.measure import Memory
from carvana_lessons.utils.memory import disable_malloc_trim

FEATURES = (64, 128, 256, 512, 1024, 64)  # of `unet`, in MONAI's order
SIDE = 2048  # of the matrices whose product gives the machine's rate
UNET = "unet"


def channels_last(model: nn.Module) -> nn.Module:
    return model.to(memory_format=torch.channels_last)


def monai(**settings: str) -> nn.Module:
    from monai.networks.nets import BasicUNet

    return BasicUNet(spatial_dims=2, in_channels=3, out_channels=2, features=FEATURES, **settings)


def resnet_unet() -> nn.Module:
    from segmentation_models_pytorch import Unet

    return Unet("resnet34", encoder_weights=None, classes=2)


def candidates(training: bool) -> dict[str, Callable[[], nn.Module]]:
    """Name → maker; those of peers that are installed. The first one is what the others are compared with."""
    made: dict[str, Callable[[], nn.Module]] = {}
    if installed("monai", "MONAI"):
        made["MONAI BasicUNet"] = monai
        made["MONAI BasicUNet, batch norm, channels last"] = lambda: channels_last(monai(norm="batch"))
    if installed("segmentation_models_pytorch", "segmentation-models-pytorch"):
        made["segmentation-models-pytorch Unet, resnet34"] = resnet_unet
    made[UNET] = lambda: models.create(UNET)
    made[f"{UNET}, channels last"] = lambda: channels_last(models.create(UNET))
    if not training:
        made[f"{UNET}, fused"] = lambda: models.fuse_batch_norm(models.create(UNET))
    return made


def layout(name: str) -> torch.memory_format:
    last = name.endswith(("channels last", "fused"))
    return torch.channels_last if last else torch.contiguous_format


def job(name: str, make: Callable[[], nn.Module], x: Tensor, training: bool) -> Callable[[], object]:
    """One forward pass, or one step with Adam, of a fresh network on a batch."""
    model, x = make().train(training), x.contiguous(memory_format=layout(name))
    y = (x[:, :1] > 0.5).float()

    def forward() -> Tensor:
        with torch.inference_mode():
            return model(x)

    if not training:
        return forward
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        losses.bce(model(x), y).backward()
        optimizer.step()

    return step


def operations(make: Callable[[], nn.Module], x: Tensor, training: bool) -> float:
    """Multiplications and additions of a pass, or of a pass there and back, over a batch."""
    model = make().train(training)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(training):
        out = model(x)
        if training:
            out.sum().backward()
    return counter.get_total_flops()


def products() -> dict[str, Callable[[], object]]:
    """The product of two large matrices, in two ways."""
    a, b = torch.rand(2, SIDE, SIDE)
    convolution = channels_last(nn.Conv2d(SIDE, SIDE, 1, bias=False)).requires_grad_(False)
    pixels = a.reshape(1, SIDE, SIDE // 32, 32).contiguous(memory_format=torch.channels_last)
    return {"matrix product": lambda: a @ b, "matrix product as a convolution": lambda: convolution(pixels)}


def compare(size: int, batch_size: int, training: bool, repeats: int) -> None:
    x = torch.rand(batch_size, 3, size, size)
    makers = candidates(training)
    ways = {name: job(name, make, x, training) for name, make in makers.items()}
    both = products()
    seconds = alternate({**ways, **both}, repeats)
    rate = 2 * SIDE**3 / min(min(seconds[name]) for name in both)
    base = next(iter(makers))
    rows = []
    for name, make in makers.items():
        floor = operations(make, x, training) / rate / batch_size
        took = [s / batch_size for s in seconds[name]]
        task = {"name": name, "size": size, "batch_size": batch_size, "training": training}
        peak = in_own_process("forward", task)["bytes"] / 1e6
        share = 100 * floor / statistics.median(took)
        times = spread((1000 * t for t in took), 0)
        rows.append(
            [name, times, faster(seconds, name, base), f"{1000 * floor:,.0f}", f"{share:.0f} %", f"{peak:,.0f}"]
        )
    what = "training step" if training else "forward pass"
    print(
        f"**{what.capitalize()}**, {size}×{size}, batches of {batch_size}; matrix product {rate / 1e9:,.0f} GFLOP/s\n"
    )
    head = ["network", "ms per image", f"times as fast as {base}", "floor, ms", "floor of time", "memory, MB"]
    table(head, rows)


def memory(name: str, size: int, batch_size: int, training: bool) -> dict[str, int]:
    run = job(name, candidates(training)[name], torch.rand(batch_size, 3, size, size), training)
    with Memory(every=0.002) as grown:
        run()
    return {"bytes": grown.growth}


def main() -> None:
    made = parser(__doc__, repeats=5)
    made.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    made.add_argument("--batch-size", type=int, default=2)
    made.add_argument("--keep-memory", action="store_true", help="for all of them, as `Trainer` and `car_logits` do")
    made.add_argument("--only", choices=["forward", "step"], help="one of the two tables")
    options = made.parse_args()
    if options.one:
        print(json.dumps(memory(**json.loads(options.one))))
        return
    kept = ", memory kept for the next batch" if options.keep_memory and disable_malloc_trim() else ""
    introduce(f"`{UNET}` beside other U-Nets, float32{kept}.")
    for size in options.sizes:
        for training in (False, True):
            if options.only in (None, "step" if training else "forward"):
                compare(size, options.batch_size, training, options.repeats)


if __name__ == "__main__":
    main()
