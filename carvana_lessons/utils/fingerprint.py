"""What a thing does, as a few hex digits: the code of functions and classes, and the values that they use.

Two things with one fingerprint give the same results; it is the same in another session and another process, where a
cell was run again, moved or commented. So it holds no address, no line number, no file name and no order of a set.
Code of a library is known by its name; code of a notebook, and of modules of one's own, by its instructions.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carvana_lessons.utils.errors import CarvanaError

PACKAGE = __name__.partition(".")[0]
SHOWN_ONLY = {"IPython", "ipykernel", "ipywidgets", "matplotlib", "tqdm"}  # print and draw; they decide nothing
BLIND = {"eval", "exec", "globals", "locals", "vars", "__import__"}  # with these a function may use anything
PLAIN = (type(None), bool, int, complex, str, bytes, bytearray, type(Ellipsis), type(NotImplemented), range)
# Of a class: where it stands, and what is made from the rest.
ASIDE = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__annotate__",
    "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__", "__dataclass_fields__",
    "__dataclass_params__", "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__", "__slotnames__",
}  # fmt: skip
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
PLACES = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]


class NoFingerprint(CarvanaError):
    """A thing that cannot be told from another one: an open file, a generator, a function that calls ``eval``."""


def fingerprint(value: Any, trained: nn.Module | None = None) -> str:
    """Hex digits that change with everything that decides what a thing does.

    Args:
        value: anything: a number, a function with the functions and values that it uses, a network, an object.
        trained: a network whose weights are about to change, so that only their names and shapes count.

    Returns:
        hex digits.

    Raises:
        NoFingerprint: for a thing that cannot be told from another one.

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


class _Reading:
    """One walk through a thing; what was met before is written as its number, so circles end."""

    def __init__(self, trained: nn.Module | None) -> None:
        self.digest, self.trained = hashlib.blake2b(digest_size=10), trained
        changing = [*trained.parameters(), *trained.buffers()] if trained is not None else []
        self.changing = {id(tensor) for tensor in changing}
        self.met: dict[int, int] = {}
        self.kept: list[Any] = []  # alive, so that no other thing gets the same id
        self.modules: list[types.ModuleType] = []  # one's own, and the names that may be taken from them
        self.attributes: set[str] = set()
        self.searched: set[tuple[int, frozenset[str]]] = set()

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind in PLAIN:
            self.write(kind.__name__, repr(value))
        elif kind is float:
            self.write("float", value.hex())
        elif kind in (tuple, list):
            if kind is tuple or self.is_new(value):
                self.add_all(kind.__name__, value)
        elif kind in (set, frozenset):
            self.add_set(value)
        elif self.is_new(value):
            self.add_new(value)

    def add_new(self, value: Any) -> None:
        """What is met for the first time and has an identity of its own."""
        if isinstance(value, dict) and type(value) is dict:
            self.add_all("dict", [part for item in value.items() for part in item])
        elif isinstance(value, types.FunctionType):
            self.add_function(value)
        elif isinstance(value, type):
            self.add_class(value)
        elif isinstance(value, types.ModuleType):
            self.write("module", value.__name__ if _is_library(value.__name__) else "")
            if not _is_library(value.__name__):
                self.add_source(value)
        elif isinstance(value, types.CodeType):
            self.add_code(value)
        elif isinstance(value, types.MethodType):
            self.add_all("method", [value.__func__, value.__self__])
        elif isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
            owner = None if isinstance(value.__self__, types.ModuleType) else value.__self__
            self.add_all("builtin", [value.__module__ or "", value.__qualname__, owner])
        elif isinstance(value, staticmethod | classmethod):
            self.add_all(type(value).__name__, [value.__func__])
        elif isinstance(value, property):
            self.add_all("property", [value.fget, value.fset, value.fdel])
        elif isinstance(value, functools.cached_property):
            self.add_all("cached property", [value.func])
        elif isinstance(value, functools.partial):
            self.add_all("partial", [type(value), value.func, value.args, value.keywords, vars(value)])
        elif isinstance(value, Tensor):
            self.add_tensor(value)
        elif isinstance(value, np.ndarray):
            self.add_array(value)
        elif isinstance(value, torch.Generator):
            self.add_all("generator", [value.get_state()])
        elif isinstance(value, nn.Module):
            self.add_network(value)
        else:
            self.add_object(value)

    def is_new(self, value: Any) -> bool:
        number = self.met.setdefault(id(value), len(self.met))
        if number == len(self.kept):
            self.kept.append(value)
            return True
        self.write("again", str(number))
        return False

    def write(self, kind: str, *texts: str) -> None:
        for text in (kind, *texts):
            part = text.encode("utf-8", "surrogatepass")
            self.digest.update(len(part).to_bytes(8, "little") + part)

    def add_all(self, kind: str, values: Iterable[Any]) -> None:
        values = list(values)
        self.write(kind, str(len(values)))
        for value in values:
            self.add(value)

    def add_named(self, kind: str, values: dict[str, Any]) -> None:
        self.add_all(kind, [part for name in sorted(values) for part in (name, values[name])])

    def add_set(self, value: Iterable[Any]) -> None:
        self.write(type(value).__name__, *sorted(fingerprint(member, self.trained) for member in value))

    def add_tensor(self, value: Tensor) -> None:
        self.write("tensor", str(value.dtype), str(tuple(value.shape)), str(value.requires_grad))
        if id(value) not in self.changing:
            try:
                self.digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            except (RuntimeError, NotImplementedError, TypeError) as error:
                raise NoFingerprint(f"a tensor's values cannot be read ({error})") from error

    def add_array(self, value: np.ndarray) -> None:
        self.write("array", value.dtype.str, str(value.shape))
        if isinstance(value, np.ma.MaskedArray):
            self.add_all("mask", [np.ma.getmaskarray(value), value.fill_value])
            value = value.data
        if value.dtype.hasobject:
            self.add_all("members", value.ravel().tolist())
        else:
            self.digest.update(np.ascontiguousarray(value).tobytes())

    def add_function(self, value: types.FunctionType) -> None:
        """By its name where a library has it under that name, else by its instructions and all that they use."""
        if _is_named(value):
            self.write("named", value.__module__, value.__qualname__)
            module = sys.modules[value.__module__]
            self.add_module(module, _lookups(value.__code__)[2])
            return
        if plain := vars(value).get("_torchdynamo_orig_callable"):
            self.add_all("compiled", [plain])
            return
        self.write("function")
        self.add(value.__code__)
        self.add_all("defaults", [value.__defaults__, value.__kwdefaults__])
        self.add_all("captured", [_content(cell) for cell in value.__closure__ or ()])
        self.add_named("attributes", {k: v for k, v in vars(value).items() if k != "__wrapped__"})
        if not _is_library(value.__globals__.get("__name__", "")):
            self.add_uses(value)

    def add_uses(self, function: types.FunctionType) -> None:
        """The values of the names that a function looks up when it is called, and those in its own modules."""
        names, imported, attributes = _lookups(function.__code__)
        self.attributes |= attributes
        builtin = function.__globals__.get("__builtins__", {})
        builtin = builtin if isinstance(builtin, dict) else vars(builtin)
        for name in sorted(names):
            if name in function.__globals__:
                found = function.__globals__[name]
                self.write("uses", name)
                self.add(found)
                if isinstance(found, types.ModuleType):
                    self.add_module(found, attributes)
            elif name in builtin and name not in BLIND:
                self.write("builtin", name)
            elif name in builtin:
                raise NoFingerprint(f"the function {function.__name__} calls {name}, which may use anything")
            else:
                self.write("missing", name)
        package = function.__globals__.get("__package__")
        modules = [(name, module) for name in sorted(imported) for module in _imported(name, package)]
        for name, module in modules:  # when all are there: the first may have the second as an attribute
            self.write("imports", name)
            self.add(module)
            self.add_module(module, attributes)

    def add_module(self, module: types.ModuleType, attributes: set[str]) -> None:
        """What a function may take from a module: of a library, only what somebody else has put into it."""
        search = (id(module), frozenset(attributes))
        if search in self.searched:
            return
        self.searched.add(search)
        taken = {name: vars(module)[name] for name in attributes if name in vars(module)}
        if _is_library(module.__name__):
            self.add_put_in(taken)
        else:
            self.add_named("of module", taken)
        for name in sorted(taken):
            if isinstance(taken[name], types.ModuleType):
                self.add_module(taken[name], attributes)

    def add_put_in(self, values: dict[str, Any]) -> None:
        """Functions of somebody else that stand in a library: ``torch.nn.functional.relu = mine``."""
        if put_in := {name: value for name, value in values.items() if _was_put_in(value)}:
            self.add_named("put in", put_in)

    def add_source(self, module: types.ModuleType) -> None:
        """All code of a module of one's own, as its file has it and as it was loaded, and of those that it uses."""
        self.modules.append(module)
        file = getattr(module, "__file__", None)
        if file and Path(file).is_file():
            content = Path(file).read_bytes()
            try:
                body = compile(content, module.__name__, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):  # no source: an extension, or edited while it is read
                self.write("file", hashlib.sha256(content).hexdigest())
            else:
                self.attributes |= _lookups(body)[2]
                self.add(body)
        elif not hasattr(module, "__path__"):  # a folder without __init__.py has no code
            raise NoFingerprint(f"the module {module.__name__} has no file")
        for name, value in sorted(vars(module).items()):
            if name.startswith("__") or isinstance(value, types.ModuleType):  # modules: `add_submodules`
                continue
            self.write("has", name)
            if type(value) in PLAIN or isinstance(value, float | Tensor | np.ndarray):
                self.add(value)
                continue
            self.add_all("loaded", _codes(value))
            owner = getattr(value if isinstance(value, type | types.FunctionType) else type(value), "__module__", None)
            other = sys.modules.get(owner) if isinstance(owner, str) and owner != "__main__" else None
            if other is not None and not _is_library(other.__name__):
                self.add(other)

    def add_submodules(self) -> None:
        """Modules inside those that were met, however one gets at them, where any code that was met names them.

        A package has those as attributes that any cell has imported; the others must not count.
        """
        known = (0, 0)
        while known != (known := (len(self.modules), len(self.attributes))):
            for module in list(self.modules):
                for name in sorted(self.attributes & vars(module).keys()):
                    found = vars(module)[name]
                    if isinstance(found, types.ModuleType) and id(found) not in self.met:
                        self.write("module inside", name)
                        self.add(found)

    def add_code(self, code: types.CodeType) -> None:
        """Instructions, without where they stand: lines, file and name of the cell change whenever it runs again."""
        self.write("code", str(code.co_flags), str(code.co_argcount), str(code.co_posonlyargcount))
        self.write("names", str(code.co_kwonlyargcount), *code.co_names, *code.co_varnames)
        self.write("cells", *code.co_freevars, "", *code.co_cellvars)
        self.digest.update(code.co_code + getattr(code, "co_exceptiontable", b""))
        self.add_all("constants", code.co_consts)

    def add_class(self, value: type) -> None:
        """By its name where a library has it, with what was put into it since; else by all that is in it."""
        own = not _is_named(value)
        inside = {k: v for k, v in vars(value).items() if k not in ASIDE}
        if own:
            self.write("class", value.__name__)
            if type(value) is not type and isinstance(type(value).__module__, str):  # not one of C
                self.add_all("made by", [type(value)])
            self.add_all("bases", [base for base in value.__bases__ if base is not object])
        else:
            self.write("named", value.__module__, value.__qualname__)
            inside = {k: v for k, v in inside.items() if _was_put_in(v)}
            for base in value.__mro__[1:]:
                inside |= {f"{base.__qualname__}.{k}": v for k, v in vars(base).items() if _was_put_in(v)}
        slots = (types.MemberDescriptorType, types.GetSetDescriptorType)
        self.add_named("inside", {k: v for k, v in inside.items() if not isinstance(v, slots)})

    def add_network(self, value: nn.Module) -> None:
        """Its code, its layers in their order, its weights, and the hooks that change what they give."""
        state = vars(value)
        if plain := state["_modules"].get("_orig_mod"):
            self.add_all("compiled", [plain])
            return
        self.write("network")
        self.add_module(nn.functional, set(vars(nn.functional)))  # its layers call them
        self.add(type(value))
        for part in ("_parameters", "_buffers"):
            for name, tensor in state[part].items():
                self.write(part, name)
                if isinstance(tensor, Tensor) and not isinstance(tensor, nn.parameter.UninitializedTensorMixin):
                    if self.is_new(tensor):
                        self.add_tensor(tensor)
                else:
                    self.write(type(tensor).__name__)
        for name, module in state["_modules"].items():
            self.write("_modules", name)
            self.add(module)
        flags = [state.get(name, {}) for name in WITH]
        for name in HOOKS:  # numbered by a counter of the process: only the order counts
            for key, hook in state.get(name, {}).items():
                self.write(name, *(str(key in flag) for flag in flags))
                self.add(hook)
        handled = {*INNER, *HOOKS, *WITH}
        self.add_named("state", {k: v for k, v in state.items() if k not in handled})

    def add_object(self, value: Any) -> None:
        """Class and state, as `copy` and `pickle` take them."""
        kind = type(value)
        if kind.__module__.partition(".")[0] in SHOWN_ONLY:
            self.write("shown by", kind.__module__, kind.__qualname__)
            return
        reduce = copyreg.dispatch_table.get(kind)
        try:
            parts = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:  # whatever a class raises that does not want to be taken apart
            raise NoFingerprint(f"a {kind.__name__} cannot be told from another one") from error
        self.write("object")
        self.add(kind)
        if isinstance(parts, str):
            self.write("known as", parts)
            self.add(getattr(value, "__wrapped__", None))  # of a function whose answers are remembered
            return
        make, given, state, items, pairs, *_ = (*parts, None, None, None, None)
        if isinstance(state, dict):  # without what was only computed from the rest, and remembered
            seen = {k for base in kind.__mro__ for k, v in vars(base).items() if type(v) is functools.cached_property}
            state = {k: v for k, v in state.items() if k not in seen}
            self.add_all("made by", [make, given])
            self.add_all("state", [part for k in sorted(state, key=str) for part in (k, state[k])])
        else:
            self.add_all("made by", [make, given, state])
        self.add_all("items", items or ())
        self.add_all("pairs", pairs or ())


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that has no value yet
        return NotImplemented


def _lookups(code: types.CodeType) -> tuple[set[str], set[str], set[str]]:
    """Global names that instructions look up, what they import, and all names that may be attributes.

    A text may be one too: ``getattr(losses, "focal")``.
    """
    names, imported, attributes, module = set(), set(), set(code.co_names), ""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            names.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            module = step.argval
            imported.add(module)
        elif step.opname == "IMPORT_FROM":  # a module too, perhaps
            imported.add(f"{module}.{step.argval}")
    for inner in code.co_consts:
        if isinstance(inner, str) and inner.isidentifier():
            attributes.add(inner)
        elif isinstance(inner, types.CodeType):
            for all_, more in zip((names, imported, attributes), _lookups(inner), strict=True):
                all_ |= more
    return names, imported, attributes


def _imported(name: str, package: str | None) -> list[types.ModuleType]:
    """Modules of one's own that a function imports when it is called: now, so that they count the same before it."""
    found = []
    for full in {name, f"{package}.{name}".rstrip(".") if package else name}:  # relative ones are named without dots
        if full.strip(".") and not _is_library(full):
            try:
                found.append(importlib.import_module(full.strip(".")))
            except Exception:  # whatever it raises, the function says so when it is called
                continue
    return sorted(found, key=lambda module: module.__name__)


def _codes(value: Any) -> list[types.CodeType]:
    """The instructions of a function, of what it decorates, and of the methods of a class."""
    if isinstance(value, type):
        inside = [value for name, value in sorted(vars(value).items()) if name not in ASIDE]
        return [code for part in inside if not isinstance(part, type) for code in _codes(part)]
    value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    found = []
    while value is not None:
        if isinstance(value, types.FunctionType) and not _is_named(value):
            found.append(value.__code__)
        value = value.__dict__.get("__wrapped__") if isinstance(getattr(value, "__dict__", None), dict) else None
    return found


def _is_named(value: type | types.FunctionType) -> bool:
    """Whether a library has this very thing under its name."""
    if not _is_library(value.__module__ or ""):
        return False
    found = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def is_own(kind: type) -> bool:
    """Whether a class is a notebook's or of a module of one's own, so that its name does not say what it does.

    Args:
        kind: the class.
    """
    return not _is_named(kind)


def _was_put_in(value: Any) -> bool:
    """Whether something in a library's class is a function of somebody else: ``UNet.forward = my_forward``."""
    value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    return isinstance(value, types.FunctionType) and not _is_library(value.__globals__.get("__name__", ""))


@functools.cache
def _is_library(name: str) -> bool:
    """Whether a module is torch's, Python's, this package's or another installed one's."""
    top = name.partition(".")[0]
    if top == "__main__":  # a notebook or a script, whatever program runs it
        return False
    if top == PACKAGE or top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return True
    module = sys.modules.get(name) or sys.modules.get(top)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(top) if top else None
        except (ImportError, ValueError, AttributeError):
            spec = None
        file = getattr(spec, "origin", None)
    if not file:
        return False
    path = Path(file).resolve()
    return any(path.is_relative_to(place) for place in PLACES) or "dist-packages" in path.parts
