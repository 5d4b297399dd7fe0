"""From what ``--method`` says to a method: this project's, or a class in a user's own file."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from sa2vp.methods.adapter import Adapter
from sa2vp.methods.adapter_vpt import AdapterVPT
from sa2vp.methods.adaptformer import AdaptFormer
from sa2vp.methods.base import Method
from sa2vp.methods.bias import Bias
from sa2vp.methods.full import Full
from sa2vp.methods.linear import Linear
from sa2vp.methods.lora import LoRA
from sa2vp.methods.mlp import Mlp3
from sa2vp.methods.partial import Partial1
from sa2vp.methods.repadapter import RepAdapter
from sa2vp.methods.sa2vp import SA2VP
from sa2vp.methods.sidetune import SideTune
from sa2vp.methods.ssf import SSF
from sa2vp.methods.vpt_deep import VPTDeep
from sa2vp.methods.vpt_shallow import VPTShallow

METHODS: Mapping[str, type[Method]] = {
    method.name: method
    for method in (
        SA2VP,
        Linear,
        Full,
        Partial1,
        Mlp3,
        Bias,
        SideTune,
        Adapter,
        AdapterVPT,
        AdaptFormer,
        VPTShallow,
        VPTDeep,
        LoRA,
        SSF,
        RepAdapter,
    )
}
"""By name. A method of this project is added here, and nowhere else."""


class MethodError(ValueError):
    """A method that is not there, or is none; the message says so in one line."""


@dataclass(frozen=True, slots=True)
class MethodSource:
    """Where a method is found, also on another machine.

    Attributes:
        name: of one of this project's methods, or of the class in the file.
        path: of the user's file; None where the method is this project's.
        text: of the file.
    """

    name: str
    path: str | None = None
    text: str | None = None

    @classmethod
    def of(cls, reference: str) -> MethodSource:
        """Read what ``--method`` says: a name, or ``FILE.py:CLASS``.

        Raises:
            MethodError: there is no such method or file.
        """
        path, colon, name = reference.rpartition(":")
        if not colon:
            if reference not in METHODS:
                near = get_close_matches(reference, METHODS, n=1)
                meant = f" (did you mean {near[0]}?)" if near else ""
                raise MethodError(
                    f"unknown method {reference!r}{meant}; known: {', '.join(METHODS)}; a method "
                    "of your own is named as path/to/file.py:Class"
                )
            return cls(reference)
        try:
            return cls(name, path, Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MethodError(f"{path}: {reason}") from error

    @property
    def identity(self) -> str:
        """Tell it from other methods, and from another content of its file."""
        if self.text is None:
            return self.name
        return f"{self.name} {hashlib.sha256(self.text.encode()).hexdigest()[:16]}"

    def load(self) -> type[Method]:
        """Give the method.

        Raises:
            MethodError: the file does not define it.
        """
        return METHODS[self.name] if self.text is None else _load(self)


@lru_cache
def _load(source: MethodSource) -> type[Method]:
    module = ModuleType(f"sa2vp_method_{hashlib.sha256(repr(source).encode()).hexdigest()[:16]}")
    module.__file__ = source.path
    sys.modules[module.__name__] = module  # where pydantic looks the types of its fields up
    try:
        exec(compile(source.text or "", source.path or "", "exec"), module.__dict__)  # noqa: S102
    except Exception as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise MethodError(f"{source.path}: {problem:.300}") from error
    found = getattr(module, source.name, None)
    if not (isinstance(found, type) and issubclass(found, Method)):
        own = [name for name, one in vars(module).items() if _is_method(one, module)]
        listed = ", ".join(own) or "none"
        raise MethodError(f"{source.path}: {source.name!r} is no method; methods there: {listed}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise MethodError(f"{source.path}: {source.name} lacks {missing}")
    name = getattr(found, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_]*", name):
        raise MethodError(
            f"{source.path}: {source.name}.name must be of small letters, digits and _, "
            f"got {name!r:.60}"
        )
    if name in METHODS:
        raise MethodError(f"{source.path}: {source.name}.name is {name!r}, which names another")
    return found


def _is_method(found: object, module: ModuleType) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, Method)
        and found.__module__ == module.__name__
    )


def find_method(name: str) -> type[Method]:
    """Give one of this project's methods by its name.

    Raises:
        MethodError: there is none of this name; the message lists them.
    """
    if name not in METHODS:
        raise MethodError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    return METHODS[name]
