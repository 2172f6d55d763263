"""Flow estimators by the names users give them: closed forms, the shipped one, folders."""

from importlib.resources import files
from pathlib import Path

from reidaug.errors import UsageError
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.closed_form import Identity, JointBlend, TorsoAffine
from reidaug.flow.estimator import FlowEstimator, NamedFlow
from reidaug.flow.random_warps import RandomAffine, RandomTPS

OWN_POSE = "identity"
CLOSED_FORMS: dict[str, type[FlowEstimator]] = {
    OWN_POSE: Identity,
    "torso-affine": TorsoAffine,
    "joint-blend": JointBlend,
}
"""What learns nothing, and goes where the poses say."""
RANDOM_FORMS: dict[str, type[FlowEstimator]] = {
    "random-affine": RandomAffine,
    "random-tps": RandomTPS,
}
"""What goes anywhere: controls for re-ID, no rows of tables of flows."""
UNTRAINED = CLOSED_FORMS | RANDOM_FORMS
SHIPPED = "market"
"""The checkpoint inside the package, for crops of the form of Market-1501."""


def load_flow(flow: str) -> FlowEstimator:
    """Make the estimator a user names.

    Args:
        flow: A key of `UNTRAINED`, `SHIPPED`, or a checkpoint folder. A folder that has such a
            name is written with its path: ``./market``.

    Returns:
        The estimator on the CPU, ready for use.

    Raises:
        ReidaugError: The checkpoint is damaged.
        UsageError: There is no such folder.
    """
    folder = checkpoint_of(flow)
    if folder is None:
        return UNTRAINED[flow]()
    if not folder.is_dir():
        known = ", ".join((SHIPPED, *UNTRAINED))
        raise UsageError(f"flow {flow}: no such checkpoint folder, nor one of {known}")
    return load_checkpoint(folder)


def checkpoint_of(flow: str) -> Path | None:
    """Find the folder that holds an estimator's weights.

    Args:
        flow: As in `load_flow`.

    Returns:
        The folder, whether it is there or not; None for closed forms, which have none.
    """
    if flow in UNTRAINED:
        return None
    if flow == SHIPPED:
        return Path(str(files("reidaug"))) / "checkpoints" / SHIPPED
    return Path(flow)


def resolved(flow: str) -> str:
    """Write a name so that it means the same from any folder.

    Args:
        flow: As in `load_flow`.

    Returns:
        The name as it is, or the absolute path of the folder.
    """
    return flow if flow in (*UNTRAINED, SHIPPED) else str(Path(flow).resolve())


def named_flow(flow: str) -> NamedFlow:
    """Name an estimator for work in several processes.

    Args:
        flow: As in `load_flow`.

    Returns:
        The estimator's name, how it is loaded, and the folder of its weights.
    """
    name = resolved(flow)
    return NamedFlow(name, load_flow, checkpoint_of(name))
