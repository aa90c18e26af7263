"""The note of what made a file: alike for what is alike, in any process, and telling where two differ."""

import subprocess
import sys

import pytest
import torch
from samples import Brightness

from carvana_lessons import models
from carvana_lessons.prediction.manifest import difference, from_text, identity, made_with, to_text

MAKE = "torch.manual_seed(3); net = models.create('unet-tiny', width=2)"


def made():
    torch.manual_seed(3)
    return models.create("unet-tiny", width=2)


def test_the_same_network_is_known_in_another_process():
    code = (
        "import torch; from carvana_lessons import models; from carvana_lessons.prediction.manifest import identity; "
    )
    code += f"{MAKE}; print(identity(net))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == identity(made()) == identity(made().eval())


class Other(Brightness):
    """The same weights, another class."""


def test_whatever_changes_the_answer_changes_the_identity():
    net = made()
    digests = [
        identity(net),
        identity(net.double()),
        identity(Brightness()),
    ]
    for name, value in made().state_dict().items():
        changed = made()
        with torch.no_grad():
            changed.state_dict()[name].view(-1)[-1:].add_(torch.ones((), dtype=value.dtype))
        digests.append(identity(changed))
    digests += [identity(Other()), identity(Brightness().to(torch.bfloat16))]
    assert len(set(digests)) == len(digests)


def test_a_note_is_the_same_after_a_way_through_text():
    note = made_with([made(), Brightness()], (20, 24), flip=True)
    assert from_text(to_text(note)) == note and "\n" not in to_text(note)
    assert difference(note, made_with([Brightness(), made()], (20, 24), flip=True)) == "", "a mean has no order"
    assert difference(note, made_with(made(), 32, flip=False)) == (
        "other networks, size 20×24 then, 32×32 now, flip on then, off now"
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"carvana_lessons": 3}', '{"carvana_lessons": {"format": 99}}']
)
def test_what_is_no_note_is_none(text):
    assert from_text(text) is None


def test_which_network_answers_at_which_size_is_told_apart_and_their_order_is_not():
    one, other = models.create("unet-tiny", width=2), models.create("unet-tiny", width=4)
    one.provenance, other.provenance = models.Provenance(size=(16, 16)), models.Provenance(size=(32, 32))
    note = made_with([one, other], None, False)
    assert difference(note, made_with([other, one], None, False)) == ""
    one.provenance, other.provenance = other.provenance, one.provenance
    told = difference(note, made_with([one, other], None, False))
    assert told.startswith("size ") and "networks" not in told
    assert difference(note, made_with([one, other], 32, False)).endswith("32×32 now")


def test_an_edited_forward_is_another_network(monkeypatch):
    note = made_with(Brightness(), 16, False)
    monkeypatch.setattr(Brightness, "forward", lambda self, x: -x.mean(1, keepdim=True) * self.threshold)
    assert difference(note, made_with(Brightness(), 16, False)) == "other networks"


class Noting(Brightness):
    """Counts what it is shown."""

    seen = 0

    def forward(self, x):
        self.seen += len(x)
        return super().forward(x)


def test_what_a_network_counts_does_not_make_it_another_one():
    model = Noting()
    note = made_with(model, 16, False)
    model(torch.rand(3, 3, 16, 16))
    assert model.seen == 3 and difference(note, made_with(model, 16, False)) == ""


def test_what_cannot_be_told_from_another_one_is_never_taken_for_it():
    model = Brightness()
    model.forward = lambda x: eval("x.mean(1, keepdim=True)")
    assert difference(made_with(model, 16, False), made_with(model, 16, False)) == "other networks"
