"""Functions, classes and modules: their instructions and all that these use.

A library's are known by their names, and by what somebody else has put into them.
"""

import hashlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from carvana_lessons.utils.fingerprint.digest import Digest, NoFingerprint
from carvana_lessons.utils.fingerprint.lookups import (
    ASIDE,
    codes,
    is_library,
    is_named,
    lookups,
    modules_of,
    was_put_in,
)

BLIND = {"eval", "exec", "globals", "locals", "vars", "__import__"}  # with these a function may use anything
PLAIN = (type(None), bool, int, complex, str, bytes, bytearray, type(Ellipsis), type(NotImplemented), range)


class CodeDigest(Digest):
    """Writes functions, classes and modules."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: list[types.ModuleType] = []  # one's own, and the names that may be taken from them
        self.attributes: set[str] = set()
        self.searched: set[tuple[int, frozenset[str]]] = set()

    def _add_function(self, value: types.FunctionType) -> None:
        """By its name where a library has it under that name, else by its instructions and all that they use."""
        if is_named(value):
            self._write("named", value.__module__, value.__qualname__)
            module = sys.modules[value.__module__]
            self._add_module(module, lookups(value.__code__)[2])
            return
        if plain := vars(value).get("_torchdynamo_orig_callable"):
            self._add_all("compiled", [plain])
            return
        self._write("function")
        self.add(value.__code__)
        self._add_all("defaults", [value.__defaults__, value.__kwdefaults__])
        self._add_all("captured", [_content(cell) for cell in value.__closure__ or ()])
        self._add_named("attributes", {k: v for k, v in vars(value).items() if k != "__wrapped__"})
        if not is_library(value.__globals__.get("__name__", "")):
            self._add_uses(value)

    def _add_uses(self, function: types.FunctionType) -> None:
        """The values of the names that a function looks up when it is called, and those in its own modules."""
        names, imported, attributes = lookups(function.__code__)
        self.attributes |= attributes
        builtin = function.__globals__.get("__builtins__", {})
        builtin = builtin if isinstance(builtin, dict) else vars(builtin)
        for name in sorted(names):
            if name in function.__globals__:
                found = function.__globals__[name]
                self._write("uses", name)
                self.add(found)
                if isinstance(found, types.ModuleType):
                    self._add_module(found, attributes)
            elif name in builtin and name not in BLIND:
                self._write("builtin", name)
            elif name in builtin:
                raise NoFingerprint(f"the function {function.__name__} calls {name}, which may use anything")
            else:
                self._write("missing", name)
        package = function.__globals__.get("__package__")
        modules = [(name, module) for name in sorted(imported) for module in modules_of(name, package)]
        for name, module in modules:  # when all are there: the first may have the second as an attribute
            self._write("imports", name)
            self.add(module)
            self._add_module(module, attributes)

    def _add_module(self, module: types.ModuleType, attributes: set[str]) -> None:
        """What a function may take from a module: of a library, only what somebody else has put into it."""
        search = (id(module), frozenset(attributes))
        if search in self.searched:
            return
        self.searched.add(search)
        taken = {name: vars(module)[name] for name in attributes if name in vars(module)}
        if is_library(module.__name__):
            self._add_put_in(taken)
        else:
            self._add_named("of module", taken)
        for name in sorted(taken):
            if isinstance(taken[name], types.ModuleType):
                self._add_module(taken[name], attributes)

    def _add_put_in(self, values: dict[str, Any]) -> None:
        """Functions of somebody else that stand in a library: ``torch.nn.functional.relu = mine``."""
        if put_in := {name: value for name, value in values.items() if was_put_in(value)}:
            self._add_named("put in", put_in)

    def _add_source(self, module: types.ModuleType) -> None:
        """All code of a module of one's own, as its file has it and as it was loaded, and of those that it uses."""
        self.modules.append(module)
        file = getattr(module, "__file__", None)
        if file and Path(file).is_file():
            content = Path(file).read_bytes()
            try:
                body = compile(content, module.__name__, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):  # no source: an extension, or edited while it is read
                self._write("file", hashlib.sha256(content).hexdigest())
            else:
                self.attributes |= lookups(body)[2]
                self.add(body)
        elif not hasattr(module, "__path__"):  # a folder without __init__.py has no code
            raise NoFingerprint(f"the module {module.__name__} has no file")
        for name, value in sorted(vars(module).items()):
            if name.startswith("__") or isinstance(value, types.ModuleType):  # modules: `add_submodules`
                continue
            self._write("has", name)
            if type(value) in PLAIN or isinstance(value, float | Tensor | np.ndarray):
                self.add(value)
                continue
            self._add_all("loaded", codes(value))
            owner = getattr(value if isinstance(value, type | types.FunctionType) else type(value), "__module__", None)
            other = sys.modules.get(owner) if isinstance(owner, str) and owner != "__main__" else None
            if other is not None and not is_library(other.__name__):
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
                        self._write("module inside", name)
                        self.add(found)

    def _add_code(self, code: types.CodeType) -> None:
        """Instructions, without where they stand: lines, file and name of the cell change whenever it runs again."""
        self._write("code", str(code.co_flags), str(code.co_argcount), str(code.co_posonlyargcount))
        self._write("names", str(code.co_kwonlyargcount), *code.co_names, *code.co_varnames)
        self._write("cells", *code.co_freevars, "", *code.co_cellvars)
        self.digest.update(code.co_code + getattr(code, "co_exceptiontable", b""))
        self._add_all("constants", code.co_consts)

    def _add_class(self, value: type) -> None:
        """By its name where a library has it, with what was put into it since; else by all that is in it."""
        own = not is_named(value)
        inside = {k: v for k, v in vars(value).items() if k not in ASIDE}
        if own:
            self._write("class", value.__name__)
            if type(value) is not type and isinstance(type(value).__module__, str):  # not one of C
                self._add_all("made by", [type(value)])
            self._add_all("bases", [base for base in value.__bases__ if base is not object])
        else:
            self._write("named", value.__module__, value.__qualname__)
            inside = {k: v for k, v in inside.items() if was_put_in(v)}
            for base in value.__mro__[1:]:
                inside |= {f"{base.__qualname__}.{k}": v for k, v in vars(base).items() if was_put_in(v)}
        slots = (types.MemberDescriptorType, types.GetSetDescriptorType)
        self._add_named("inside", {k: v for k, v in inside.items() if not isinstance(v, slots)})


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that has no value yet
        return NotImplemented
