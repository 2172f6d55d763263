"""What every re-ID model keeps to, tried with one tiny forward pass before anything is written."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.flow import Size
from reidaug.reid.backbones import Embedding, ReIDModel
from reidaug.reid.model_factory import error_line
from reidaug.reid.network_modes import seeded
from reidaug.reid.weights import LoadedWeights

APART = 0.01  # a crop's features alone and beside others: rounding differs, no more
NAMED = 3  # names in a sentence
CAUSES = "is it of another network, or did backbone_options differ?"


def check_model(
    model: ReIDModel,
    *,
    name: str,
    people: int,
    size: Size,
    training: bool = True,
    triplet: bool = True,
    teacher: bool = False,
) -> None:
    """Check that a model can be evaluated, and trained where it shall be.

    In eval mode every crop has features of its own, whatever stands beside it; in training there
    are scores of all identities, and features for the triplet loss. The model is left as it was.

    Args:
        model: On the device it will run on.
        name: What the user calls it.
        people: Number of identities.
        size: (height, width) of the crops.
        training: Whether it will be trained.
        triplet: Whether a triplet loss will compare its features.
        teacher: Whether it will teach: say in eval mode whom crops show.

    Raises:
        UsageError: It does not keep to this; one line says what it does instead.
    """
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    was, mode = model.training, "eval mode"
    images = _crops(model, size)
    try:
        with seeded(0), torch.no_grad():
            seen = model.eval()(images)
            _check_eval(seen, model(images[:1]))
            if teacher and not seen.logits:
                raise UsageError(
                    "in eval mode it gives no scores, and objective.extra_teacher asks"
                )
            if training:
                mode = "training"
                _check_training(model.train()(images), people, triplet=triplet)
    except ReidaugError as error:
        raise UsageError(f"backbone {name}: {error}") from None
    except Exception as error:  # anything may go wrong in somebody else's code
        raise UsageError(
            f"backbone {name}: a pass of 2 crops of {size[0]} x {size[1]} in {mode} failed: "
            f"{error_line(error)}"
        ) from error
    finally:
        model.load_state_dict(kept)
        model.train(was)


def check_weights(
    model: ReIDModel, loaded: LoadedWeights, path: Path, *, name: str, size: Size
) -> None:
    """Check that a weight file held all that a model makes its features of, and no more.

    What counts is what the features depend on by gradient: classifiers do not.

    Args:
        model: On the device it will run on.
        loaded: What became of the file's entries.
        path: The file.
        name: What the user calls the model.
        size: (height, width) of the crops.

    Raises:
        ReidaugError: Something is missing, or part of the file's network is not in the model.
    """
    was, frozen = model.training, [p for p in model.parameters() if not p.requires_grad]
    model.requires_grad_(True)
    with torch.enable_grad():
        heads = model.eval()(_crops(model, size)).heads
        sum((head.sum() for head in heads), torch.zeros((), device=heads[0].device)).backward()
    needed = [key for key, value in model.named_parameters() if value.grad is not None]
    model.zero_grad(set_to_none=True)
    model.train(was)
    for parameter in frozen:
        parameter.requires_grad_(False)
    # Batch norm's statistics have no gradient, but features are made of them too.
    layers = {key.rpartition(".")[0] for key in needed}
    needed += [
        key
        for key, _ in model.named_buffers()
        if key.rpartition(".")[0] in layers and key.endswith(("running_mean", "running_var"))
    ]
    lacking = [key for key in needed if key not in loaded.fitted]
    if lacking:
        raise ReidaugError(
            f"{path}: {len(lacking)} of the {len(needed)} tensors that the features of backbone "
            f"{name} are made of are not in it ({_some(lacking)}); {CAUSES}"
        )
    if loaded.extra:
        raise ReidaugError(
            f"{path}: backbone {name} has no place for {len(loaded.extra)} of its tensors "
            f"({_some(loaded.extra)}); {CAUSES}"
        )


def _crops(model: ReIDModel, size: Size) -> Float[Tensor, "2 3 H W"]:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    return images.to(device, memory_format=torch.channels_last)


def _check_eval(both: object, alone: object) -> None:
    if not isinstance(both, Embedding) or not isinstance(alone, Embedding) or not both.heads:
        raise UsageError("in eval mode it returns no reidaug Embedding with features in `heads`")
    for two, one in zip(both.heads, alone.heads, strict=True):
        for crops, count in ((two, 2), (one, 1)):
            if crops.ndim != 2 or len(crops) != count:
                raise UsageError(
                    f"in eval mode the features of {count} crops are {_shape(crops)}, "
                    f"not ({count}, D)"
                )
        # At NaN the comparison is false, too: weights still random may give any numbers.
        if bool((two[0] - one[0]).norm() > APART * one[0].norm()):
            raise UsageError(
                "in eval mode the features of a crop depend on chance or on the crops beside it"
            )


def _check_training(seen: object, people: int, *, triplet: bool) -> None:
    if not isinstance(seen, Embedding) or not seen.logits:
        raise UsageError("in training it returns no reidaug Embedding with scores in `logits`")
    for logits in seen.logits:
        if tuple(logits.shape) != (2, people):
            swapped = tuple(seen.pooled.shape) == (2, people)
            raise UsageError(
                f"in training the logits of 2 crops of {people} people are {_shape(logits)}, not "
                f"(2, {people})" + ("; (logits, features) is the order" if swapped else "")
            )
    if seen.pooled.ndim != 2 or len(seen.pooled) != 2:
        raise UsageError(
            f"in training the features of 2 crops are {_shape(seen.pooled)}, not (2, D)"
        )
    if triplet and not seen.pooled.shape[1]:
        raise UsageError(
            "in training it returns logits alone: return (logits, features), or set "
            "objective.triplet_weight to 0"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
