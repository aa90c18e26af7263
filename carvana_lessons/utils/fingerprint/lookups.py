"""What is a library's and what is one's own, and what the instructions of one's own code look up."""

import dis
import functools
import importlib
import importlib.util
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
PLACES = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
# Of a class: where it stands, and what is made from the rest.
ASIDE = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__annotate__",
    "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__", "__dataclass_fields__",
    "__dataclass_params__", "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__", "__slotnames__",
}  # fmt: skip


@functools.cache
def is_library(name: str) -> bool:
    """Whether a module is torch's, Python's, this package's or another installed one's.

    Args:
        name: of the module, with dots.
    """
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


def is_named(value: type | types.FunctionType) -> bool:
    """Whether a library has this very thing under its name.

    Args:
        value: a class or a function.
    """
    if not is_library(value.__module__ or ""):
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
    return not is_named(kind)


def was_put_in(value: Any) -> bool:
    """Whether something in a library's class is a function of somebody else: ``UNet.forward = my_forward``.

    Args:
        value: what stands there.
    """
    value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    return isinstance(value, types.FunctionType) and not is_library(value.__globals__.get("__name__", ""))


def lookups(code: types.CodeType) -> tuple[set[str], set[str], set[str]]:
    """Global names that instructions look up, what they import, and all names that may be attributes.

    A text may be one too: ``getattr(losses, "focal")``.

    Args:
        code: with the functions inside it.

    Returns:
        the three sets.
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
            for all_, more in zip((names, imported, attributes), lookups(inner), strict=True):
                all_ |= more
    return names, imported, attributes


def modules_of(name: str, package: str | None) -> list[types.ModuleType]:
    """Modules of one's own that a function imports when it is called: now, so that they count the same before it.

    Args:
        name: as the ``import`` says it.
        package: of the function, for a relative import.

    Returns:
        the modules, by name.
    """
    found = []
    for full in {name, f"{package}.{name}".rstrip(".") if package else name}:  # relative ones are named without dots
        if full.strip(".") and not is_library(full):
            try:
                found.append(importlib.import_module(full.strip(".")))
            except Exception:  # whatever it raises, the function says so when it is called
                continue
    return sorted(found, key=lambda module: module.__name__)


def codes(value: Any) -> list[types.CodeType]:
    """The instructions of a function, of what it decorates, and of the methods of a class.

    Args:
        value: anything; what is no code has none.

    Returns:
        one object for each function, in a fixed order.
    """
    if isinstance(value, type):
        inside = [value for name, value in sorted(vars(value).items()) if name not in ASIDE]
        return [code for part in inside if not isinstance(part, type) for code in codes(part)]
    value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    found = []
    while value is not None:
        if isinstance(value, types.FunctionType) and not is_named(value):
            found.append(value.__code__)
        value = value.__dict__.get("__wrapped__") if isinstance(getattr(value, "__dict__", None), dict) else None
    return found
