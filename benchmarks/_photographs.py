"""Real photographs that come with Python packages, as backgrounds that no network of the course ever saw.

They are read where those packages are installed, and never copied from there.
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from carvana_lessons import data

#: Name → package, its name on PyPI, and the file in it.
FILES = {
    "temple": ("sklearn", "scikit-learn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "scikit-learn", "datasets/images/flower.jpg"),
    "astronaut": ("skimage", "scikit-image", "data/astronaut.png"),
    "coffee": ("skimage", "scikit-image", "data/coffee.png"),
    "cat": ("skimage", "scikit-image", "data/chelsea.png"),
    "rocket": ("skimage", "scikit-image", "data/rocket.jpg"),
    "motorcycle": ("skimage", "scikit-image", "data/motorcycle_left.png"),
    "cameraman": ("skimage", "scikit-image", "data/camera.png"),
    "brick": ("skimage", "scikit-image", "data/brick.png"),
    "grass": ("skimage", "scikit-image", "data/grass.png"),
    "gravel": ("skimage", "scikit-image", "data/gravel.png"),
    "coins": ("skimage", "scikit-image", "data/coins.png"),
    "galaxies": ("skimage", "scikit-image", "data/hubble_deep_field.jpg"),
    "admiral": ("matplotlib", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}


def photographs() -> dict[str, Path]:
    """The photographs that are here, by name."""
    found = {}
    for name, (module, _, file) in FILES.items():
        spec = importlib.util.find_spec(module)
        path = Path(spec.submodule_search_locations[0], file) if spec is not None else None
        if path is not None and path.is_file():
            found[name] = path
    return found


def missing() -> dict[str, str]:
    """The photographs that are not here, with the package that has them."""
    here = photographs()
    return {name: package for name, (_, package, _) in FILES.items() if name not in here}


def crop(path: Path, height: int, width: int, seed: int) -> Tensor:
    """A random part of a photograph, mirrored or not, (3, height, width) in [0, 1]."""
    rng = np.random.default_rng(seed)
    picture = torch.from_numpy(data.read_photo(path)).permute(2, 0, 1)
    tall, wide = (round(n * rng.uniform(0.6, 1)) for n in picture.shape[1:])
    top, left = (int(rng.integers(n - part + 1)) for n, part in zip(picture.shape[1:], (tall, wide), strict=True))
    part = picture[:, top : top + tall, left : left + wide].float() / 255
    part = part.flip(-1) if rng.random() < 0.5 else part
    return interpolate(part[None], (height, width), mode="bilinear", antialias=True)[0].clamp_(0, 1)
