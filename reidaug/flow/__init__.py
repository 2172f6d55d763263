"""Flow estimators: from two poses to where each target pixel samples the source."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reidaug.flow.builtin import load_flow

__all__ = ["load_flow"]


def __getattr__(name: str) -> Any:
    """Import `load_flow` when it is first used: torch alone takes a second."""
    if name != "load_flow":
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return import_module("reidaug.flow.builtin").load_flow
