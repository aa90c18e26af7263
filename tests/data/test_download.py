"""The download, without a network: a stand-in hands out real archives and raises what kagglehub really raises."""

import errno
import json
import os
import socket
import ssl
import stat
import sys
import traceback
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from proxies import proxy

from carvana_lessons import data
from carvana_lessons.utils.errors import CarvanaError, DataError

module = sys.modules["carvana_lessons.data.download"]
unpacking = sys.modules["carvana_lessons.data.unpack"]


@pytest.fixture
def kaggle(make_folder, tmp_path) -> dict[str, Path]:
    """The challenge's files, as they lie in kagglehub's cache, by name."""
    root, shelf = make_folder("source"), tmp_path / "kagglehub"
    shelf.mkdir()
    for name in ("train", "train_masks"):
        with zipfile.ZipFile(shelf / f"{name}.zip", "w") as box:
            box.writestr(f"{name}/", "")
            for file in sorted((root / name).iterdir()):
                box.write(file, f"{name}/{file.name}")
            box.writestr(f"__MACOSX/{name}/._x", "litter")
    with zipfile.ZipFile(shelf / "metadata.csv.zip", "w") as box:
        box.write(root / "metadata.csv", "metadata.csv")
    return {path.name: path for path in shelf.iterdir()}


@pytest.fixture
def fetch(kaggle) -> Callable[[str], Path]:
    def get(name: str) -> Path:
        if name not in kaggle:
            raise NotThere
        return kaggle[name]

    return get


class NotThere(Exception):
    """An answer 404, without kagglehub: most tests here run where it is not installed."""

    response = SimpleNamespace(status_code=404)


def http_error(status: int) -> Exception:
    """What kagglehub makes of an answer that is not 200."""
    import requests
    from kagglehub.exceptions import KaggleApiHTTPError

    response = requests.Response()
    response.status_code = status
    return KaggleApiHTTPError(f"{status} Client Error.", response=response)


def raising(error: BaseException) -> Callable[[str], Path]:
    def get(name: str) -> Path:
        raise error

    return get


def test_default_files_become_a_folder_that_opens(fetch, tmp_path):
    out = data.download(tmp_path / "out", fetch=fetch)
    assert out == tmp_path / "out"
    cars, source = data.CarFolder(out), data.CarFolder(tmp_path / "source")
    assert [photo.name for photo in cars] == [photo.name for photo in source]
    assert all(a.image.read_bytes() == b.image.read_bytes() for a, b in zip(cars, source, strict=True))
    assert len(cars.metadata) == 2
    assert sorted(p.name for p in out.iterdir()) == ["metadata.csv", "train", "train_masks"]
    assert stat.S_IMODE(cars[0].image.stat().st_mode) & 0o044, "a class may share the folder"


def test_only_what_was_asked_for_is_fetched(fetch, tmp_path):
    asked = []

    def get(name: str) -> Path:
        asked.append(name)
        return fetch(name)

    data.download(tmp_path / "out", files=["train_masks"], fetch=get)
    assert asked == ["train_masks.zip"]
    data.download(tmp_path / "out", files="metadata", fetch=get)
    assert asked[1:] == ["metadata.csv", "metadata.csv.zip"], "under either of its names"
    with pytest.raises(CarvanaError, match=r"no trainn; choose from train, train_masks, "):
        data.download(tmp_path / "out", files=["trainn"], fetch=get)


def test_what_kagglehub_already_unpacked_is_taken(make_folder, fetch, tmp_path):
    source = make_folder("unpacked")
    for place in (source / "train", source):  # the folder itself, or one that holds it
        out = tmp_path / f"out of {place.name}"
        (out / "train_masks").mkdir(parents=True)
        data.download(out, ["train_masks"], fetch=lambda name: source / "train_masks")
        data.download(out, ["train", "metadata"], fetch=lambda n, p=place: p if "train" in n else source / n)
        assert len(data.CarFolder(out)) == 6 and len(data.CarFolder(out).metadata) == 2


def test_archive_without_a_top_folder(kaggle, fetch, tmp_path):
    with zipfile.ZipFile(kaggle["train.zip"]) as box:
        members = {name: box.read(name) for name in box.namelist() if name.endswith(".jpg")}
    with zipfile.ZipFile(kaggle["train.zip"], "w") as box:
        for name, content in members.items():
            box.writestr(Path(name).name, content)
    assert len(data.CarFolder(data.download(tmp_path / "out", fetch=fetch))) == 6


def test_goes_on_where_it_stopped(fetch, tmp_path, monkeypatch):
    real, written = unpacking._write, []

    def breaking(source, place, time):
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(place.name)
        real(source, place, time)

    monkeypatch.setattr(unpacking, "_write", breaking)
    with pytest.raises(KeyboardInterrupt):
        data.download(tmp_path / "out", fetch=fetch)
    first = list(written)
    written[:] = []
    # a file that another tool left by halves
    half = tmp_path / "out" / "train" / first[0]
    half.write_bytes(half.read_bytes()[:100])
    monkeypatch.setattr(unpacking, "_write", lambda source, *to: (written.append(to[0].name), real(source, *to)))
    data.download(tmp_path / "out", fetch=fetch)
    assert first[0] in written and not set(first[1:]) & set(written)
    assert len(data.CarFolder(tmp_path / "out")) == 6
    written[:] = []
    data.download(tmp_path / "out", fetch=fetch)
    assert written == [], "all there: nothing to do"


@pytest.mark.parametrize("what", ["a larger file", "a smaller file", "a link", "a link to nowhere", "a folder"])
def test_what_is_somebody_s_own_stays(fetch, tmp_path, what):
    data.download(tmp_path / "out", fetch=fetch)
    place = min((tmp_path / "out" / "train").iterdir())
    own = tmp_path / "own.jpg"
    own.write_bytes(place.read_bytes() + b"more" if what == "a larger file" else b"own")
    place.unlink()
    if what == "a folder":
        place.mkdir()
    elif what.endswith("er file"):
        own.replace(place)
    else:
        place.symlink_to(own if what == "a link" else tmp_path / "nowhere")
    with pytest.raises(CarvanaError, match=rf"{place.name} is another file than the challenge's, and stays"):
        data.download(tmp_path / "out", fetch=fetch)
    assert place.is_symlink() == ("link" in what) and place.is_dir() == (what == "a folder")
    assert what != "a link" or own.read_bytes() == b"own"


def test_killed_while_writing_a_member_leaves_no_half_photo(fetch, tmp_path, monkeypatch):
    def half(source, file, length):
        file.write(source.read(100))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpacking.shutil, "copyfileobj", half)
        with pytest.raises(KeyboardInterrupt):
            data.download(tmp_path / "out", fetch=fetch)
    assert [p.name for p in (tmp_path / "out").rglob("*.jpg")] == []
    # a kill leaves the temporary file too; the next run takes it away
    (tmp_path / "out" / "train" / ".000000000ab0_01.jpg.part").write_bytes(b"half")
    data.download(tmp_path / "out", fetch=fetch)
    assert list((tmp_path / "out").rglob("*.part")) == []


@pytest.mark.parametrize("name", ["../evil.jpg", "train/../../evil.jpg", "/tmp/evil.jpg", "..\\evil.jpg", "C:\\e.jpg"])
def test_archive_that_reaches_outside(kaggle, fetch, tmp_path, name):
    with zipfile.ZipFile(kaggle["train.zip"], "a") as box:
        box.writestr(zipfile.ZipInfo(name), "evil")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CarvanaError) as error:
        data.download(tmp_path / "out", fetch=fetch)
    assert repr(name) in str(error.value) and "leads out of the folder; nothing was unpacked" in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_archive_with_a_link(kaggle, fetch, tmp_path):
    member = zipfile.ZipInfo("train/link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(kaggle["train.zip"], "a") as box:
        box.writestr(member, "/etc")
    with pytest.raises(CarvanaError, match=r"'train/link' is a link"):
        data.download(tmp_path / "out", fetch=fetch)
    assert not (tmp_path / "out").exists()


def test_damaged_archive(kaggle, fetch, tmp_path):
    content = bytearray(kaggle["train.zip"].read_bytes())
    content[200] ^= 255  # inside the first photo: its checksum fails
    kaggle["train.zip"].write_bytes(content)
    with pytest.raises(CarvanaError, match=r"archive of train arrived damaged .*delete it .*again"):
        data.download(tmp_path / "out", fetch=fetch)
    assert list((tmp_path / "out").rglob("*.jpg")) == []


def test_download_that_is_not_complete_is_told(kaggle, fetch, tmp_path):
    with zipfile.ZipFile(kaggle["train_masks.zip"], "w") as box:
        box.writestr("train_masks/.DS_Store", "")
    (tmp_path / "out" / "train_masks").mkdir(parents=True)
    with pytest.raises(DataError, match="No mask"):
        data.download(tmp_path / "out", fetch=fetch)


def test_a_place_that_is_not_there(tmp_path):
    with pytest.raises(CarvanaError, match="train could not be fetched"):
        data.download(tmp_path / "out", ["train"], fetch=lambda name: tmp_path / "nowhere.zip")


# --- the four things that go wrong, and a few more


def test_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(CarvanaError, match="kagglehub, which is not installed: run `pip install kagglehub`"):
        data.download(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_kagglehub_itself_without_credentials(tmp_path, monkeypatch):
    pytest.importorskip("kagglehub")
    for name in [name for name in os.environ if name.startswith("KAGGLE")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR", "KAGGLEHUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))

    def refuse(*args, **kwargs):
        raise AssertionError("a test reached for the network")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    with pytest.raises(CarvanaError, match=r"^Kaggle does not know who you are: make a token .*KAGGLE_API_TOKEN"):
        data.download(tmp_path / "out")
    assert "kaggle" not in sys.modules, "importing it ends the process when there are no credentials"


@pytest.mark.parametrize("status", [401, 403])
def test_rules_not_accepted(tmp_path, status):
    pytest.importorskip("kagglehub")
    with pytest.raises(CarvanaError) as error:
        data.download(tmp_path / "out", fetch=raising(http_error(status)))
    text = str(error.value)
    assert f"({status})" in text and "/rules" in text and "Late Submission" in text and "new token" in text


def test_disk_is_too_small_before_the_download(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0, 0, 0))
    with pytest.raises(CarvanaError, match="lies where no file can be kept: choose a folder on a disk"):
        data.download(tmp_path / "out", fetch=raising(AssertionError("nothing may be fetched")))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0, 0, 10**9))
    with pytest.raises(CarvanaError, match=r"too small \(about 1\.3 GB are needed and 1\.0 GB free\): free some"):
        data.download(tmp_path / "out", fetch=raising(AssertionError("nothing may be fetched")))
    assert not (tmp_path / "out").exists()


def test_disk_is_too_small_for_what_arrived(fetch, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module, "_check_room", lambda out, files: None)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: usage(0, 0, 10))
    with pytest.raises(CarvanaError, match=r"train\.zip unpacks to 0\.0 GB and the disk"):
        data.download(tmp_path / "out", fetch=fetch)


def test_disk_runs_full_on_the_way(tmp_path):
    with pytest.raises(CarvanaError, match=r"too small \(it ran full at train\)"):
        data.download(tmp_path / "out", fetch=raising(OSError(errno.ENOSPC, "No space left on device")))


def test_other_errors_of_kagglehub(tmp_path):
    exceptions = pytest.importorskip("kagglehub.exceptions")
    requests = pytest.importorskip("requests")
    for error, message in [
        (http_error(404), "no file train any more"),
        (requests.exceptions.ConnectionError("no route"), "could not be reached for train: check the connection"),
        (requests.exceptions.ReadTimeout("slow"), "could not be reached"),
        (exceptions.DataCorruptionError("md5"), "arrived damaged"),
        (exceptions.UnauthenticatedError(), "does not know who you are"),
        (ValueError("Invalid Kaggle credentials file at kaggle.json"), "does not know who you are"),
        (RuntimeError("odd"), r"could not be fetched \(RuntimeError: odd\)"),
    ]:
        with pytest.raises(CarvanaError, match=message):
            data.download(tmp_path / "out", fetch=raising(error))


SECRETS = {"KAGGLE_KEY": "5e" * 16, "KAGGLE_API_TOKEN": "KGAT_" + "1f" * 16, "KAGGLE_TOKEN": "a-token-of-another-form"}
SIGNED = "https://storage.googleapis.com/kaggle/train.zip?GoogleAccessId=web&Signature=a%2Bb&Expires=1"


@pytest.mark.parametrize(
    "text",
    [
        "401 for url: https://somebody:{KAGGLE_KEY}@www.kaggle.com/api",
        "headers were {{'Authorization': 'Bearer {KAGGLE_API_TOKEN}'}}",
        "headers were Basic c29tZWJvZHk6a2V5",
        "token {KAGGLE_TOKEN} is expired",
        f"no route to {SIGNED}",
        "Max retries exceeded with url: /train.zip?GoogleAccessId=web&Signature=a%2Bb (no route)",
        "another user's key is 0123456789abcdef0123456789abcdef",
    ],
)
@pytest.mark.parametrize("kind", [RuntimeError, zipfile.BadZipFile, ConnectionError, OSError])
def test_no_key_and_no_signed_address_is_told(tmp_path, monkeypatch, kind, text):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with pytest.raises(CarvanaError) as caught:
        data.download(tmp_path / "out", fetch=raising(kind(text.format(**SECRETS))))
    told = "".join(traceback.format_exception(caught.value))  # as a cell keeps it in the notebook
    hidden = [*SECRETS.values(), "Signature=a", "c29tZWJvZHk6a2V5", "0123456789abcdef", "somebody:"]
    assert not [secret for secret in hidden if secret in told]


def test_what_kagglehub_says_and_logs_holds_no_key(tmp_path, monkeypatch, capfd, caplog):
    """With credentials on disk and in the environment and no network: neither output nor log nor file has them."""
    pytest.importorskip("kagglehub")
    caplog.set_level("DEBUG")
    for name in ("HOME", "USERPROFILE", "KAGGLEHUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    config = tmp_path / "kaggle"
    config.mkdir()
    (config / "kaggle.json").write_text(
        json.dumps({"username": "somebody", "key": SECRETS["KAGGLE_KEY"]}), encoding="utf-8"
    )
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(config))
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)

    def refuse(*args, **kwargs):
        raise OSError("no network in a test")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    with pytest.raises(CarvanaError) as caught:
        data.download(tmp_path / "out")
    printed = capfd.readouterr()
    told = "".join(traceback.format_exception(caught.value)) + printed.out + printed.err + caplog.text
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.parent != config]
    told += "".join(p.read_text(errors="replace", encoding="utf-8") for p in files)
    assert not [name for name, secret in SECRETS.items() if secret in told]


# --- kagglehub itself, behind a proxy of this machine


@pytest.fixture
def network(tmp_path, monkeypatch) -> Callable[..., str]:
    """network(status=…, HTTPS_PROXY=…) lets kagglehub fetch through such a proxy; the sentence comes back."""
    pytest.importorskip("kagglehub")
    names = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    kaggle = [name for name in os.environ if name.startswith("KAGGLE")]
    for name in (*names, *map(str.lower, names), *kaggle):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRETS["KAGGLE_API_TOKEN"])

    def sentence(plain: bool = False, variables: dict[str, str] | None = None, **settings) -> str:
        with proxy(**settings) as address:
            if plain:  # kagglehub's own server for its developers, http://localhost: nothing is encrypted
                monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
            monkeypatch.setenv("HTTP_PROXY" if plain else "HTTPS_PROXY", address)
            for name, value in (variables or {}).items():
                monkeypatch.setenv(name, value.format(address=address, port=address.rpartition(":")[2]))
            with pytest.raises(CarvanaError) as caught:
                data.download(tmp_path / "out", ["train"])
        text = str(caught.value)
        assert text.endswith(".") and "\n" not in text and not [s for s in SECRETS.values() if s in text]
        assert not list((tmp_path / "out").rglob("*")), "nothing that came is taken for photos"
        return text

    return sentence


@pytest.fixture
def certificate() -> tuple[Path, Path]:
    """One that its own key signed, for another host; it comes with tornado, on which Jupyter is built."""
    folder = Path(pytest.importorskip("tornado").__file__).parent / "test"
    return folder / "test.crt", folder / "test.key"


def test_a_proxy_that_wants_a_password(network):
    text = network(status=407)
    assert "wants a name and a password (407)" in text and "HTTPS_PROXY, as http://NAME:PASSWORD@HOST:PORT" in text
    assert "wants a name and a password (407)" in network(status=407, plain=True)


def test_a_proxy_that_does_not_let_kaggle_through(network):
    assert "The proxy does not let Kaggle through (403): ask its administrator" in network(status=403)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:1", "does not answer: correct HTTPS_PROXY, or unset it"),
        ("http://somebody:secret-word@127.0.0.1:1", "does not answer: correct HTTPS_PROXY, or unset it"),
        ("https://127.0.0.1:{port}", "check HTTPS_PROXY, whose address mostly begins with http://"),
        ("http://:x", "write HTTPS_PROXY as http://HOST:PORT"),
    ],
)
def test_a_proxy_that_is_set_wrongly(network, address, words):
    text = network(variables={"HTTPS_PROXY": address})
    assert words in text and "secret-word" not in text


def test_a_proxy_that_opens_encrypted_connections(network, certificate):
    text = network(certificate=certificate)
    assert (
        "The certificate of Kaggle is not trusted (self" in text and "set REQUESTS_CA_BUNDLE to that .pem file" in text
    )
    text = network(certificate=certificate, variables={"REQUESTS_CA_BUNDLE": str(certificate[0])})
    assert "Another computer answered in the place of Kaggle (Hostname mismatch" in text
    text = network(variables={"REQUESTS_CA_BUNDLE": "/nowhere/company.pem"})
    assert "does not exist: correct REQUESTS_CA_BUNDLE, or unset it" in text


@pytest.fixture
def other_certificate(tmp_path) -> Path:
    """One in PEM that has nothing to do with the proxy's."""
    context = ssl.create_default_context(cafile=pytest.importorskip("certifi").where())
    file = tmp_path / "other.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(context.get_ca_certs(binary_form=True)[0]), encoding="ascii")
    return file


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("kind", ["text", "empty", "DER"])
def test_a_file_that_holds_no_certificate(network, certificate, other_certificate, tmp_path, kind, variable):
    content = {
        "text": b"hello\n",
        "empty": b"",
        "DER": ssl.PEM_cert_to_DER_cert(other_certificate.read_text(encoding="ascii")),
    }[kind]
    (tmp_path / "mine.pem").write_bytes(content)
    text = network(certificate=certificate, variables={variable: str(tmp_path / "mine.pem")})
    assert f"mine.pem, which {variable} names, holds no certificate in PEM" in text and "PROXY" not in text


def test_the_certificate_of_another_is_set(network, certificate, other_certificate, tmp_path):
    text = network(certificate=certificate, variables={"REQUESTS_CA_BUNDLE": str(other_certificate)})
    assert f"put it into the file that REQUESTS_CA_BUNDLE names ({other_certificate})" in text
    (tmp_path / "folder").mkdir()
    text = network(certificate=certificate, variables={"REQUESTS_CA_BUNDLE": str(tmp_path / "folder")})
    assert f"set REQUESTS_CA_BUNDLE to that .pem file, in place of the folder {tmp_path / 'folder'}" in text


def test_a_clock_that_is_wrong(tmp_path):
    """A certificate that has expired cannot be made without another package: the exception is as Python raises it."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    with pytest.raises(
        CarvanaError, match=r"at this computer's time \(certificate is not yet valid\): set date and time"
    ):
        data.download(tmp_path / "out", fetch=raising(error))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept what KAGGLE_API_TOKEN says (401): it is wrong or has expired, make a new token"),
        (403, "(403): accept the rules"),
        (404, "no file train any more"),
        (429, "asked too often (429): wait"),
        (500, "has a fault of its own at this moment (500): wait"),
        (503, "has a fault of its own at this moment (503): wait"),
    ],
)
def test_what_kaggle_answers(network, status, words):
    assert words in network(status=status, plain=True)


def test_a_page_that_wants_a_login_is_no_archive(network, tmp_path):
    text = network(plain=True, content=b"<!DOCTYPE html><title>Log in</title>")
    assert "A web page came instead of train" in text and f"delete {tmp_path / 'kagglehub'}" in text


def test_an_archive_that_is_none(network):
    assert "The archive of train arrived damaged (no zip file): delete it" in network(
        plain=True, content=b"PK, cut off"
    )


def test_a_name_that_is_not_known_here(network, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "its name is not known here: check the connection" in network(variables={"HTTPS_PROXY": ""})


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"KAGGLE_API_TOKEN": "KGAT_ab cd"}, "KAGGLE_API_TOKEN is set, but to no token"),
        ({"KAGGLE_API_TOKEN": "", "KAGGLE_USERNAME": "somebody"}, "KAGGLE_USERNAME is set and KAGGLE_KEY is not: set"),
        ({"KAGGLE_API_TOKEN": "", "KAGGLE_KEY": "5e" * 16}, "KAGGLE_KEY is set and KAGGLE_USERNAME is not: set both"),
    ],
)
def test_variables_that_hold_half_of_what_kaggle_wants(network, variables, words):
    assert words in network(variables=variables)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is damaged, or not the file"),
        ("{'username': 'somebody'}", "is damaged, or not the file"),
        ('{"username": "somebody"}', "lacks key"),
        ('{"key": ""}', "lacks username and key"),
        ("[1, 2]", "lacks username and key"),
        (None, "cannot be read ("),
    ],
)
def test_a_file_of_credentials_that_is_broken(network, tmp_path, content, words):
    file = tmp_path / "settings" / "kaggle.json"
    file.parent.mkdir()
    if content is None:
        file.mkdir()
    else:
        file.write_text(content, encoding="utf-8")
    text = network(variables={"KAGGLE_API_TOKEN": "", "KAGGLE_CONFIG_DIR": str(file.parent)})
    assert f"Kaggle does not know who you are: {file} {words}" in text and "make a token at" in text


def test_a_cache_that_cannot_be_written(network, tmp_path):
    (tmp_path / "file").touch()
    text = network(variables={"KAGGLEHUB_CACHE": str(tmp_path / "file" / "cache")})
    assert "leads through a file" in text and "KAGGLEHUB_CACHE names the folder of the archives" in text
