"""Whether code has changed what judges it: the exercises, the functions that they compare with, Python's own.

It finds what somebody does on purpose or by mistake with a line or two. It is no wall: code that runs in the process of
its judge can, with enough effort, undo what it did before anybody looks.
"""

from __future__ import annotations

import builtins
import copy
import hashlib
import inspect
import math
import sys
import threading
import time
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

_JUDGES = "carvana_lessons.exercises"
_FIRST = {f"{_JUDGES}.{name}" for name in ("base", "compare", "sandbox")}  # where a thing is at home, for its name
_LIBRARIES = (copy, inspect, math, threading, time, np, np.linalg, torch, torch.nn, torch.nn.functional)
_CLASSES = (torch.Tensor, torch.nn.Module)
# What changes by itself: how many hints were shown, and what Python notes of a class or a module.
_ITS_OWN = {"_shown", "__dict__", "__weakref__", "__doc__", "__slotnames__", "__annotations__", "__warningregistry__"}
# Ways to the judge's own variables. Who has a use for them in an answer is asked by a person.
_WAYS_IN = {
    *("_getframe", "_current_frames", "currentframe", "f_back", "f_locals", "f_globals"),
    *("get_objects", "get_referrers", "ctypes", "settrace", "setprofile"),
}


class Snapshot:
    """The judge as it is now.

    It holds what it saw, so that nothing else can come to lie at the same address.
    """

    def __init__(self) -> None:
        self._modules = _modules()
        self._before = dict(_entries(self._modules))
        self._python = dict(builtins.__dict__)

    def changed(self) -> str | None:
        """What has changed since.

        Returns:
            the first thing by its dotted name, or None.
        """
        for name, thing in self._python.items():  # first, and without them: what follows uses them
            if builtins.__dict__.get(name) is not thing and name != "input":  # `sandbox.run` puts its own in its place
                return "builtins." + name
        now = dict(_entries(self._modules))
        for name, (thing, extra) in self._before.items():
            if name not in now or now[name][0] is not thing or not _same(now[name][1], extra):
                return name
        # A new name in a judge's module hides one of Python's own.
        new = (name for name, (thing, _) in now.items() if name not in self._before and name.startswith(_JUDGES))
        return next((name for name in new if not isinstance(now[name][0], types.ModuleType)), None)


def reaches_in(names: Iterable[str]) -> str | None:
    """Whether code uses a way to the variables of its judge.

    Args:
        names: of variables and attributes in the code.

    Returns:
        the first that is one, or None.
    """
    used = set(names)
    found = sorted(used & _WAYS_IN)
    if "judge" in used and "exercises" in {part for name in used for part in name.split(".")}:
        found.append("judge")
    return found[0] if found else None


def names_in(code: types.CodeType) -> Iterator[str]:
    """Names of variables, attributes and modules in code and in its functions.

    Args:
        code: any.

    Yields:
        a name.
    """
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from names_in(part)


def _same(first: tuple, second: tuple) -> bool:
    return len(first) == len(second) and all(
        a is b or (type(a) is bytes and a == b) for a, b in zip(first, second, strict=True)
    )


def _modules() -> dict[str, types.ModuleType]:
    """The package's modules that are loaded, those first in which the judge is at home."""
    found = [(name, module) for name, module in sys.modules.items() if name.startswith("carvana_lessons.")]
    return dict(sorted(found, key=lambda item: (item[0] not in _FIRST, item[0])))


def _entries(modules: dict[str, types.ModuleType]) -> Iterator[tuple[str, tuple[Any, tuple]]]:
    """By dotted name everything that counts, with the inner parts of functions and the bytes of arrays."""
    seen: set[int] = set()
    for name, module in modules.items():
        exact = name.startswith(_JUDGES)
        for key, value in list(vars(module).items()):
            if exact or isinstance(value, types.FunctionType | type):
                yield from _thing(f"{name}.{key}", value, seen)
    for module in _LIBRARIES:
        for key, value in list(vars(module).items()):
            if callable(value):
                yield f"{module.__name__}.{key}", (value, _inner(value))
    for owner in _CLASSES:
        for key, value in list(vars(owner).items()):
            yield f"{owner.__name__}.{key}", (value, _inner(value))


def _thing(name: str, value: Any, seen: set[int]) -> Iterator[tuple[str, tuple[Any, tuple]]]:
    if name.rpartition(".")[2] in _ITS_OWN:
        return
    yield name, (value, _inner(value))
    if id(value) in seen:
        return
    seen.add(id(value))
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, type):
        parts = list(vars(value).items()) if value.__module__.startswith("carvana_lessons") else ()
    elif type(value).__module__.startswith(_JUDGES):
        parts = list(vars(value).items()) if hasattr(value, "__dict__") else ()
    elif type(value) is dict and not name.endswith("__builtins__"):
        parts = [(f"[{k}]", v) for k, v in enumerate(value.values())]
    elif type(value) in (list, tuple):
        parts = [(f"[{k}]", v) for k, v in enumerate(value)]
    for key, part in parts:
        yield from _thing(f"{name}.{key}", part, seen)


def _inner(value: Any) -> tuple:
    """Of a function its code and defaults, of an array its bytes."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if not _is_empty(cell)]
        wrapped = getattr(value, "__wrapped__", None)
        code = (wrapped.__code__,) if isinstance(wrapped, types.FunctionType) else ()
        return (value.__code__, value.__defaults__, value.__kwdefaults__, *cells, *code)
    if isinstance(value, np.ndarray) and value.size < 10**6:
        return (hashlib.blake2b(np.ascontiguousarray(value).tobytes()).digest(),)
    if isinstance(value, torch.Tensor) and value.numel() < 10**6:
        return _inner(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return ()


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False
