"""Named sizes: the keywords that make a network as large as in its paper, or smaller."""

from collections.abc import Mapping
from typing import Any

from reidaug.errors import UsageError


def look_up(presets: Mapping[str, Mapping[str, Any]], name: str, *, of: str) -> dict[str, Any]:
    """Find the keywords of a named size.

    Args:
        presets: Keywords by name.
        name: Which.
        of: Whose presets these are.

    Returns:
        A copy of the keywords.

    Raises:
        UsageError: No such preset.
    """
    if name not in presets:
        raise UsageError(f"{of} has no preset '{name}' (known: {', '.join(presets)})")
    return dict(presets[name])
