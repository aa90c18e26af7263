"""Where kagglehub finds the Kaggle credentials, in its order, and what is wrong there. No key is ever printed."""

import json
import os
from pathlib import Path

TOKEN, USERNAME, KEY, FOLDER = "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"
SETTINGS = "https://www.kaggle.com/settings"
NEW = f"make a token at {SETTINGS} (API, Create New Token)"


def credentials_source() -> str | None:
    """The variable or file that is used, in words; None if there is none, or a secret of Colab.

    Returns:
        a few words for a sentence, or None.
    """
    if os.environ.get(TOKEN):
        return TOKEN
    for name in ("access_token", "access_token.txt"):
        if (Path("~/.kaggle").expanduser() / name).is_file():
            return f"~/.kaggle/{name}"
    if os.environ.get(USERNAME) and os.environ.get(KEY):
        return f"{USERNAME} and {KEY}"
    return str(credentials_file()) if credentials_file().exists() else None


def credentials_fault() -> str | None:
    """What is wrong with that variable or file, and the cure, without a full stop; None if it can be read.

    Returns:
        the end of a sentence, or None.
    """
    source = credentials_source()
    if source == TOKEN:
        token = os.environ[TOKEN]
        broken = not token.strip() or len(token.split()) > 1 or not token.isascii() or not token.isprintable()
        if not broken or os.access(token, os.F_OK):  # kagglehub accepts the name of a file that holds it, too
            return None
        return f"{TOKEN} is set, but to no token: {NEW} and copy it whole, in one line"
    if source == str(credentials_file()):
        return _fault_of_file(credentials_file())
    if source is not None:
        return None
    for one, other in ((USERNAME, KEY), (KEY, USERNAME)):
        if os.environ.get(one) and not os.environ.get(other):
            return f"{one} is set and {other} is not: set both, or {NEW} and set {TOKEN} alone to it"
    return None


def credentials_file() -> Path:
    """Where kaggle.json is looked for.

    Returns:
        the path, whether the file is there or not.
    """
    return Path(os.environ.get(FOLDER) or Path("~/.kaggle").expanduser()) / "kaggle.json"


def _fault_of_file(file: Path) -> str | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{file} cannot be read ({error.strerror}): make it a file that is yours (chmod 600), or {NEW}"
    except ValueError:
        return f"{file} is damaged, or not the file that Kaggle hands out: {NEW} and set {TOKEN} to it"
    missing = [key for key in ("username", "key") if not isinstance(content, dict) or not content.get(key)]
    if missing:
        return f"{file} lacks {' and '.join(missing)}: {NEW} and set {TOKEN} to it"
    return None
