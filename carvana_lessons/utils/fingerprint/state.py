"""Tensors, arrays, networks and objects: what they hold."""

import copyreg
import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carvana_lessons.utils.fingerprint.code import CodeDigest
from carvana_lessons.utils.fingerprint.digest import NoFingerprint

SHOWN_ONLY = {"IPython", "ipykernel", "ipywidgets", "matplotlib", "tqdm"}  # print and draw; they decide nothing
# Of a module: its mode, what is noted of its training, a mark of Accelerate, and what is taken in its own way.
INNER = {
    "training",
    "provenance",
    "_is_accelerate_prepared",
    "_parameters",
    "_buffers",
    "_modules",
    "_version",
    "_is_full_backward_hook",
}
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
WITH = ("_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")


class StateDigest(CodeDigest):
    """Writes tensors, arrays, networks and objects.

    Args:
        trained: a network whose weights are about to change, so that only their names and shapes count.
    """

    def __init__(self, trained: nn.Module | None) -> None:
        super().__init__()
        self.trained = trained
        changing = [*trained.parameters(), *trained.buffers()] if trained is not None else []
        self.changing = {id(tensor) for tensor in changing}

    def _add_tensor(self, value: Tensor) -> None:
        self._write("tensor", str(value.dtype), str(tuple(value.shape)), str(value.requires_grad))
        if id(value) not in self.changing:
            try:
                self.digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            except (RuntimeError, NotImplementedError, TypeError) as error:
                raise NoFingerprint(f"a tensor's values cannot be read ({error})") from error

    def _add_array(self, value: np.ndarray) -> None:
        self._write("array", value.dtype.str, str(value.shape))
        if isinstance(value, np.ma.MaskedArray):
            self._add_all("mask", [np.ma.getmaskarray(value), value.fill_value])
            value = value.data
        if value.dtype.hasobject:
            self._add_all("members", value.ravel().tolist())
        else:
            self.digest.update(np.ascontiguousarray(value).tobytes())

    def _add_network(self, value: nn.Module) -> None:
        """Its code, its layers in their order, its weights, and the hooks that change what they give."""
        state = vars(value)
        if plain := state["_modules"].get("_orig_mod"):
            self._add_all("compiled", [plain])
            return
        self._write("network")
        self._add_module(nn.functional, set(vars(nn.functional)))  # its layers call them
        self.add(type(value))
        for part in ("_parameters", "_buffers"):
            for name, tensor in state[part].items():
                self._write(part, name)
                if isinstance(tensor, Tensor) and not isinstance(tensor, nn.parameter.UninitializedTensorMixin):
                    if self._is_new(tensor):
                        self._add_tensor(tensor)
                else:
                    self._write(type(tensor).__name__)
        for name, module in state["_modules"].items():
            self._write("_modules", name)
            self.add(module)
        flags = [state.get(name, {}) for name in WITH]
        for name in HOOKS:  # numbered by a counter of the process: only the order counts
            for key, hook in state.get(name, {}).items():
                self._write(name, *(str(key in flag) for flag in flags))
                self.add(hook)
        handled = {*INNER, *HOOKS, *WITH}
        self._add_named("state", {k: v for k, v in state.items() if k not in handled})

    def _add_object(self, value: Any) -> None:
        """Class and state, as `copy` and `pickle` take them."""
        kind = type(value)
        if kind.__module__.partition(".")[0] in SHOWN_ONLY:
            self._write("shown by", kind.__module__, kind.__qualname__)
            return
        reduce = copyreg.dispatch_table.get(kind)
        try:
            parts = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:  # whatever a class raises that does not want to be taken apart
            raise NoFingerprint(f"a {kind.__name__} cannot be told from another one") from error
        self._write("object")
        self.add(kind)
        if isinstance(parts, str):
            self._write("known as", parts)
            self.add(getattr(value, "__wrapped__", None))  # of a function whose answers are remembered
            return
        make, given, state, items, pairs, *_ = (*parts, None, None, None, None)
        if isinstance(state, dict):  # without what was only computed from the rest, and remembered
            seen = {k for base in kind.__mro__ for k, v in vars(base).items() if type(v) is functools.cached_property}
            state = {k: v for k, v in state.items() if k not in seen}
            self._add_all("made by", [make, given])
            self._add_all("state", [part for k in sorted(state, key=str) for part in (k, state[k])])
        else:
            self._add_all("made by", [make, given, state])
        self._add_all("items", items or ())
        self._add_all("pairs", pairs or ())
