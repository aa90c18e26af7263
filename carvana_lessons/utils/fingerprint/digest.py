"""Numbering and writing: what every part of a fingerprint goes through."""

import hashlib
from collections.abc import Iterable
from typing import Any

from carvana_lessons.utils.errors import CarvanaError


class NoFingerprint(CarvanaError):
    """An object without a fingerprint: an open file, a generator, a function that calls ``eval``."""


class Digest:
    """A hash that texts are written to; what was met before is written as its number, so circles end."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=10)
        self.met: dict[int, int] = {}
        self.kept: list[Any] = []  # alive, so that no other thing gets the same id

    def add(self, value: Any) -> None:
        """Write a value of any kind.

        Args:
            value: to write.
        """
        raise NotImplementedError

    def _is_new(self, value: Any) -> bool:
        number = self.met.setdefault(id(value), len(self.met))
        if number == len(self.kept):
            self.kept.append(value)
            return True
        self._write("again", str(number))
        return False

    def _write(self, kind: str, *texts: str) -> None:
        for text in (kind, *texts):
            part = text.encode("utf-8", "surrogatepass")
            self.digest.update(len(part).to_bytes(8, "little") + part)

    def _add_all(self, kind: str, values: Iterable[Any]) -> None:
        values = list(values)
        self._write(kind, str(len(values)))
        for value in values:
            self.add(value)

    def _add_named(self, kind: str, values: dict[str, Any]) -> None:
        self._add_all(kind, [part for name in sorted(values) for part in (name, values[name])])
