"""Flow estimators by name: closed-form ones, random warps, the shipped checkpoint, folders."""

from importlib.resources import files
from pathlib import Path

from reidaug.errors import UsageError, nearest
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.closed_form import Identity, JointBlend, TorsoAffine
from reidaug.flow.estimator import FlowEstimator, NamedFlow
from reidaug.flow.random_warps import RandomAffine, RandomTPS
from reidaug.weight_places import flow_folder, instead_of_flow

OWN_POSE = "identity"
CLOSED_FORMS: dict[str, type[FlowEstimator]] = {
    OWN_POSE: Identity,
    "torso-affine": TorsoAffine,
    "joint-blend": JointBlend,
}
"""Estimators that learn nothing and follow the poses."""
RANDOM_WARPS: dict[str, type[FlowEstimator]] = {
    "random-affine": RandomAffine,
    "random-tps": RandomTPS,
}
"""Controls for re-ID; no rows in tables of flow scores."""
UNTRAINED = CLOSED_FORMS | RANDOM_WARPS
SHIPPED = "market"
"""The paper's W inside the package, for crops like those of Market-1501."""
SURFACE = "surface"
"""Surface flow inside the package, which sees the person."""
INSIDE = (SHIPPED, SURFACE)
"""Checkpoints inside the package."""


def load_flow(flow: str) -> FlowEstimator:
    """Load an estimator by its name, on the CPU and ready for use.

    Args:
        flow: A key of `UNTRAINED`, `SHIPPED`, or a folder; one of such a name needs ``./``. The run
            folder of a training stands for its checkpoint.

    Raises:
        ReidaugError: The checkpoint is damaged.
        UsageError: There is no such folder.
    """
    folder = checkpoint_of(flow)
    if folder is None:
        return UNTRAINED[flow]()
    _check(flow, folder)
    return load_checkpoint(folder)


def _check(flow: str, folder: Path) -> None:
    """Raise `UsageError`, which names what was typed, where it is neither a name nor a folder."""
    if folder.is_dir():
        return
    known = (*INSIDE, *UNTRAINED)
    meant = nearest(flow, known) or instead_of_flow(Path(flow))
    raise UsageError(
        f"flow {flow!r}: neither a flow of the package ({', '.join(known)}) nor a checkpoint "
        f"folder{meant}"
    )


def checkpoint_of(flow: str) -> Path | None:
    """Return the folder of an estimator's weights, existing or not; None for untrained ones."""
    if flow in UNTRAINED:
        return None
    if flow in INSIDE:
        return Path(str(files("reidaug"))) / "checkpoints" / flow
    return flow_folder(Path(flow))


def resolved(flow: str) -> str:
    """Make a name independent of the working directory: folders become absolute paths."""
    return flow if flow in (*UNTRAINED, *INSIDE) else str(flow_folder(Path(flow)).resolve())


def named_flow(flow: str) -> NamedFlow:
    """Name an estimator, with its loader and the folder of its weights, for other processes.

    Raises:
        UsageError: It is neither a name nor a folder.
    """
    if (folder := checkpoint_of(flow)) is not None:
        _check(flow, folder)
    name = resolved(flow)
    return NamedFlow(name, load_flow, checkpoint_of(name))
