"""Values of YAML files: plain data only, of a size that can be held."""

from typing import Any

import yaml

MOST_CHARACTERS = 2**23
MOST_VALUES = 200_000
"""Limits of a text, and of its values when every alias is written out."""


class YamlError(yaml.YAMLError):
    """A text that is not read as YAML; its message is one line."""


def parse_yaml(text: str) -> Any:
    """Read the values of a text: mappings, lists, text, numbers, booleans, dates or None.

    An alias stands for a copy of what it names, so that a few hundred characters can stand for more
    values than any memory holds; all are counted before one is made.

    Raises:
        YamlError: The text is no YAML, too large, too deep, or an alias is inside what it names.
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlError(f"more than {MOST_CHARACTERS:,} characters")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_VALUES:
            raise YamlError(f"more than {MOST_VALUES:,} values, with its aliases written out")
        return loader.construct_document(node)
    except RecursionError:
        raise YamlError("nested too deeply") from None
    except YamlError:
        raise
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None
    except (ValueError, TypeError, AttributeError, OverflowError, LookupError) as error:
        # What PyYAML raises on numbers and dates that are none.
        raise YamlError(" ".join(str(error).split()) or type(error).__name__) from None


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Count the values that a node stands for; ``known`` holds those of nodes by their identity."""
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise YamlError("an alias is inside what it names")
        return found
    known[id(node)] = None
    inside: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inside = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        inside = node.value
    known[id(node)] = count = 1 + sum(_count(part, known) for part in inside)
    return count
