"""A hash of what an object does: the code of functions and classes, and the values that they use.

Two objects with one fingerprint give the same results; it is the same in another session and another process, where a
cell was run again, moved or commented. So it holds no address, no line number, no file name and no order of a set.
Code of a library is known by its name; code of a notebook, and of modules of one's own, by its instructions.

joblib.hash is not enough: it knows a function by its name, so that edited code would count as the same.

The files: `lookups` tells one's own code from a library's; `digest` writes to the hash; `code` adds functions, classes
and modules; `state` adds tensors, networks and objects. This file chooses between them.
"""

import functools
import types
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carvana_lessons.utils.fingerprint.code import PLAIN
from carvana_lessons.utils.fingerprint.digest import NoFingerprint
from carvana_lessons.utils.fingerprint.lookups import is_library, is_own
from carvana_lessons.utils.fingerprint.state import StateDigest

__all__ = ["NoFingerprint", "fingerprint", "is_own"]


def fingerprint(value: Any, trained: nn.Module | None = None) -> str:
    """A hash, in hex, that changes with everything that decides what an object does.

    Args:
        value: anything: a number, a function with the functions and values that it uses, a network, an object.
        trained: a network whose weights are about to change, so that only their names and shapes count.

    Returns:
        hex digits.

    Raises:
        NoFingerprint: for an object that cannot be told from another one.

    Lesson:
        04.
    """
    reading = _Reading(trained)
    try:
        reading.add(value)
        reading.add_submodules()
    except RecursionError as error:
        raise NoFingerprint(f"a {type(value).__name__} is nested too deeply") from error
    return reading.digest.hexdigest()


class _Reading(StateDigest):
    """One walk through an object and all that it uses: each part is written as its type wants."""

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind in PLAIN:
            self._write(kind.__name__, repr(value))
        elif kind is float:
            self._write("float", value.hex())
        elif kind in (tuple, list):
            if kind is tuple or self._is_new(value):
                self._add_all(kind.__name__, value)
        elif kind in (set, frozenset):
            self._add_set(value)
        elif self._is_new(value):
            self._add_new(value)

    def _add_new(self, value: Any) -> None:
        """What is met for the first time and has an identity of its own."""
        if isinstance(value, dict) and type(value) is dict:
            self._add_all("dict", [part for item in value.items() for part in item])
        elif isinstance(value, types.FunctionType):
            self._add_function(value)
        elif isinstance(value, type):
            self._add_class(value)
        elif isinstance(value, types.ModuleType):
            self._write("module", value.__name__ if is_library(value.__name__) else "")
            if not is_library(value.__name__):
                self._add_source(value)
        elif isinstance(value, types.CodeType):
            self._add_code(value)
        elif isinstance(value, types.MethodType):
            self._add_all("method", [value.__func__, value.__self__])
        elif isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
            owner = None if isinstance(value.__self__, types.ModuleType) else value.__self__
            self._add_all("builtin", [getattr(value, "__module__", None) or "", value.__qualname__, owner])
        elif isinstance(value, staticmethod | classmethod):
            self._add_all(type(value).__name__, [value.__func__])
        elif isinstance(value, property):
            self._add_all("property", [value.fget, value.fset, value.fdel])
        elif isinstance(value, functools.cached_property):
            self._add_all("cached property", [value.func])
        elif isinstance(value, functools.partial):
            self._add_all("partial", [type(value), value.func, value.args, value.keywords, vars(value)])
        elif isinstance(value, Tensor):
            self._add_tensor(value)
        elif isinstance(value, np.ndarray):
            self._add_array(value)
        elif isinstance(value, torch.Generator):
            self._add_all("generator", [value.get_state()])
        elif isinstance(value, nn.Module):
            self._add_network(value)
        else:
            self._add_object(value)

    def _add_set(self, value: Iterable[Any]) -> None:
        self._write(type(value).__name__, *sorted(fingerprint(member, self.trained) for member in value))
