"""Slips in the arms of an experiment: equal arms, crops of another shape or flow than is meant."""

from collections.abc import Mapping, Sequence
from statistics import median_high
from types import MappingProxyType

from reidaug.data.images import image_size
from reidaug.data.loose_crops import find_folder
from reidaug.data.market1501 import Person
from reidaug.experiments.arms import ExperimentOptions
from reidaug.geometry.flow import Size
from reidaug.runs import notice, stored_recipe

SAMPLED = 32  # crops of a part, evenly taken
STRETCH, SMALL = 1.5, 4  # ratio of the aspects, and of the heights, of two parts' crops
FLOWS = {"identity": "identity", "affine": "torso-affine"}
"""Flows that the names of the usual controls begin with."""


def tell_slips(options: ExperimentOptions) -> None:
    """Tell which arms are the same, or were made by another flow than they are named after."""
    for line in (*_equal_arms(options), *_other_flows(options)):
        notice(line)


def tell_shapes(
    size: Size, real: Sequence[Person], extra: Mapping[str, Sequence[Person]] = MappingProxyType({})
) -> None:
    """Tell where the network's crops lie and the files stand, or an arm has crops of other shape.

    Args:
        size: (height, width) of the network's crops.
        real: The real crops.
        extra: The extra crops of every arm.
    """
    mine = _usual(real)
    if mine is None:
        return
    if (size[0] - size[1]) * (mine[0] - mine[1]) < 0:
        notice(
            f"size: {size[0]} x {size[1]}, and most crops have {mine[0]} x {mine[1]} pixels: "
            "it is height before width"
        )
    known = set(real)
    for name, crops in extra.items():
        theirs = _usual([person for person in crops if person not in known])
        if theirs is None:
            continue
        stretch = theirs[1] * mine[0] / (theirs[0] * mine[1])
        if not 1 / STRETCH <= stretch <= STRETCH or theirs[0] * SMALL < mine[0]:
            notice(
                f"arm {name}: most of its crops have {theirs[0]} x {theirs[1]} pixels, and "
                f"real ones {mine[0]} x {mine[1]}: at one size they look different"
            )


def _equal_arms(options: ExperimentOptions) -> list[str]:
    """Say which arms are the same."""
    alike: dict[str, list[str]] = {}
    for name, arm in options.arms.items():
        alike.setdefault(arm.model_dump_json(), []).append(name)
    return [
        f"arms {' and '.join(names)} are the same: the same crops, no differences; what they "
        "differ by is chance"
        for names in alike.values()
        if len(names) > 1
    ]


def _other_flows(options: ExperimentOptions) -> list[str]:
    """Say which of the usual controls were made by another flow than they are named after."""
    lines = []
    for name, arm in options.arms.items():
        meant = next((flow for start, flow in FLOWS.items() if name.startswith(f"{start}_")), None)
        if meant is None:
            continue
        made = [stored_recipe(find_folder(root)).get("flow") for root in arm.crops if root]
        other = [flow for flow in made if isinstance(flow, str) and flow != meant]
        if other:
            lines.append(
                f"arm {name}: its crops were made by --flow {other[0]}, not {meant}, after which "
                "it is named: is it the right folder?"
            )
    return lines


def _usual(crops: Sequence[Person]) -> Size | None:
    """Measure the median (height, width) of some crops; None where none can be read."""
    sizes = [image_size(person.path) for person in crops[:: max(1, len(crops) // SAMPLED)]]
    known = [size for size in sizes if size is not None]
    return (median_high(h for h, _ in known), median_high(w for _, w in known)) if known else None
