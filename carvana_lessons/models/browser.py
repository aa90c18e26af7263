"""A network as a script for a web page: its layers as JSON, and its weights in half precision.

The script calls ``carvana.receive``, which ``book/network/network.js`` defines. It is a script, and no file that a page
would fetch, because a page that was opened from disk may fetch nothing.

Lesson:
    network-in-the-page.
"""

import base64
import json
from pathlib import Path

from safetensors.torch import save
from torch import nn

from carvana_lessons.models.layers import layers
from carvana_lessons.models.model_cards import half_precision
from carvana_lessons.models.provenance import provenance
from carvana_lessons.utils.files import replacing


def write_script(model: nn.Module, path: str | Path) -> Path:
    """Write a network for `carvana.load` in a page.

    Args:
        model: one of the eight networks of the course.
        path: of the script; its name without ``.js`` is the network's name in the page.

    Returns:
        the path.

    Raises:
        ValueError: for another network.

    Lesson:
        network-in-the-page.
    """
    path = Path(path)
    listed = layers(model)
    size = provenance(model).size
    about = {
        "network": model.recipe["name"],
        "size": list(size) if size else None,  # height, width
        "size_divisor": model.size_divisor,
        "classes": model.recipe["num_classes"],
        "layers": listed,
        "weights": base64.b64encode(save(half_precision(model))).decode("ascii"),
    }
    with replacing(path) as temporary:
        temporary.write_text(
            f"carvana.receive({json.dumps(path.stem)}, {json.dumps(about)});\n", encoding="utf-8", newline="\n"
        )
    return path
