"""Pretrained encoders: VGG's own features come out; what is no such file is refused."""

import pickle
from pathlib import Path

import pytest
import torch
from proxies import proxy
from safetensors.torch import save_file
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from carvana_lessons import models
from carvana_lessons.models.pretrained import MEAN, STD, load_pretrained
from carvana_lessons.utils.errors import CarvanaError


@pytest.fixture(scope="module")
def vgg() -> nn.Sequential:
    """torchvision's features with weights nobody trained, and batch norms that are not the identity."""
    torch.manual_seed(0)
    features = make_layers(cfgs["D"], batch_norm=True).eval()
    for m in features.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.uniform_(-0.2, 0.2)
            m.running_var.uniform_(0.5, 2)
    return features


@pytest.fixture(scope="module")
def file(vgg, tmp_path_factory):
    """The features alone, in the same format as the 528 MB of the whole network."""
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save({f"features.{k}": v for k, v in vgg.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("name", ["segnet", "arc1", "arc2", "maskingnet"])
def test_the_features_are_vggs(name, vgg, file):
    model = load_pretrained(models.create(name), file).eval()
    x = torch.rand(1, 3, 48, 48)
    theirs = vgg[:6]((x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1))
    taken = models.append_maps(x, models.coordinate_maps(48, 48)) if name == "arc2" else x
    ours = model.down[0](taken)
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], rtol=1e-3, atol=1e-4)


def test_ten_layers_are_taken_and_thirteen_for_segnet(vgg, file):
    theirs = [m.weight for m in vgg if isinstance(m, nn.Conv2d)]
    for name, count in [("arc3", 10), ("segnet", 13)]:
        model = load_pretrained(models.create(name), file)
        ours = [m.weight for m in model.down.modules() if isinstance(m, nn.Conv2d)]
        assert len(ours) == count
        assert all(torch.equal(a, b) for a, b in zip(ours[1:], theirs[1:], strict=False))


def test_safetensors_will_do(vgg, file, tmp_path):
    path = tmp_path / "vgg.safetensors"
    save_file(torch.load(file, weights_only=True), path)
    a, b = (load_pretrained(models.create("arc1"), f).down.state_dict() for f in (file, path))
    assert all(torch.equal(a[k], b[k]) for k in a)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a stranger was run')",)


def test_what_is_no_such_file_is_refused_and_nothing_in_it_runs(tmp_path):
    model = models.create("arc1", width=64)
    with pytest.raises(CarvanaError, match="no file"):
        load_pretrained(model, tmp_path / "nowhere.pth")
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(CarvanaError, match="cannot be read as a state dict"):
        load_pretrained(model, tmp_path / "bomb.pth")
    torch.save({"features.0.weight": torch.zeros(64, 4, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(CarvanaError, match=r"features\.0\.weight is \(64, 4, 3, 3\), not \(64, 3, 3, 3\)"):
        load_pretrained(model, tmp_path / "other.pth")


def test_without_a_network_the_sentence_names_url_path_and_alternatives(tmp_path, monkeypatch):
    from urllib import request
    from urllib.error import URLError

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(request, "urlopen", offline)
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(CarvanaError) as error:
        load_pretrained(models.create("arc1"))
    sentence = str(error.value)
    assert "https://download.pytorch.org/models/vgg16_bn" in sentence
    assert str(tmp_path / "hub" / "checkpoints") in sentence and "`file=`" in sentence


@pytest.mark.parametrize(("name", "width"), [("unet", 64), ("unet-tiny", 8), ("arc1", 8)])
def test_other_networks_are_refused(name, width, file):
    with pytest.raises(ValueError, match="at width 64"):
        load_pretrained(models.create(name, width=width), file)


@pytest.fixture
def network(tmp_path, monkeypatch):
    """network(status=…) lets torch fetch the weights through such a proxy; the sentence comes back."""
    names = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, *map(str.lower, names)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    real = torch.hub.load_state_dict_from_url

    def plain(url: str, **settings):
        return real(f"http://files.invalid/{Path(url).name}", **settings)

    def sentence(encrypted: bool = False, **settings) -> str:
        with proxy(**settings) as address, monkeypatch.context() as patch:
            if not encrypted:
                patch.setattr("torchvision.models._api.load_state_dict_from_url", plain)
            patch.setenv("HTTPS_PROXY" if encrypted else "HTTP_PROXY", address)
            patch.setattr("urllib.request._opener", None)  # it keeps the proxies of the first call
            with pytest.raises(CarvanaError) as caught:
                load_pretrained(models.create("arc1"))
        text = str(caught.value)
        assert str(tmp_path / "hub" / "checkpoints") in text and "`file=`" in text and "\n" not in text
        return text

    return sentence


def test_why_the_weights_could_not_be_fetched(network, tmp_path, monkeypatch):
    tornado = Path(pytest.importorskip("tornado").__file__).parent / "test"
    assert "wants a name and a password (407): put them into HTTPS_PROXY" in network(encrypted=True, status=407)
    text = network(encrypted=True, certificate=(tornado / "test.crt", tornado / "test.key"))
    assert "is not trusted (self" in text and "set SSL_CERT_FILE" in text
    (tmp_path / "mine.pem").write_text("hello", encoding="ascii")
    for name, words in (("mine.pem", "holds no certificate in PEM"), ("none.pem", "correct SSL_CERT_FILE, or unset")):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
        assert words in network(encrypted=True, certificate=(tornado / "test.crt", tornado / "test.key"))
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "has a fault of its own at this moment (503)" in network(status=503)
    assert "refuses the file (404)" in network(status=404)
    assert "Another file arrived" in network(content=b"<html>log in")
    (tmp_path / "hub").mkdir(exist_ok=True)
    for place in (tmp_path / "hub" / "checkpoints").glob("*"):
        place.unlink()
    (tmp_path / "hub" / "checkpoints").rmdir()
    (tmp_path / "hub" / "checkpoints").touch()
    assert "TORCH_HOME names the folder" in network(content=b"")
