"""Values of YAML files: plain data only, of a size that can be held."""

import re
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

    Of two equal keys PyYAML takes the last without a word, and ``010`` is 8 and ``1:30`` is 90 to
    it: neither is read.

    Raises:
        YamlError: The text is no YAML, too large, too deep, an alias is inside what it names, a key
            is there twice, or a number counts by eights or sixties.
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
        _check_meaning(node)
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


_OTHER_BASES = re.compile(r"[-+]?(0[0-7_]+|[0-9_]+(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers that YAML 1.1 reads by eights and by sixties."""


def _check_meaning(node: yaml.Node) -> None:
    """Refuse what is read as something else than it looks like; each node is looked at once."""
    todo, known = [node], {id(node)}
    while todo:
        node = todo.pop()
        inside: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inside = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inside = node.value
        elif node.tag.endswith((":int", ":float")) and _OTHER_BASES.fullmatch(node.value):
            raise YamlError(
                f"line {node.start_mark.line + 1}: {node.value} is no decimal number to YAML; "
                "write it without zeros in front and colons, or in quotes as text"
            )
        todo += [part for part in inside if id(part) not in known]
        known |= {id(part) for part in inside}


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        first = lines.get((key.tag, key.value))
        if first is not None:
            raise YamlError(f"key {key.value!r} is there twice, in lines {first} and {line}")
        lines[key.tag, key.value] = line


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
