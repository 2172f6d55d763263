"""Contract of re-ID models, checked by one small forward pass before anything is written."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.flow import Size
from reidaug.reid.backbones import Embedding, ReIDModel
from reidaug.reid.model_factory import error_line
from reidaug.reid.network_modes import seeded, without_onednn
from reidaug.reid.weight_files import first_names
from reidaug.reid.weights import LoadedWeights

MAX_CHANGE = 0.01  # relative, of a crop's features alone and in a batch: rounding, no more
LEAST_CHANGE = 1e-5  # relative, of the features of one crop and another: less is rounding
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
    consistency: bool = False,
) -> None:
    """Check that a model can be evaluated, and trained if need be.

    In eval mode the features of a crop do not depend on the rest of the batch; in training there
    are scores of all identities, and features for the triplet loss. The model is left unchanged.

    Args:
        model: The model, on the device it will run on.
        name: Its name in the recipe.
        people: Number of identities.
        size: (height, width) of the crops.
        training: Whether it will be trained.
        triplet: Whether its features enter a triplet loss.
        teacher: Whether it will be a teacher, which gives scores in eval mode.
        consistency: Whether its features in training are compared with those in eval mode.

    Raises:
        UsageError: The model breaks the contract; one line says how.
    """
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    was, mode = model.training, "eval mode"
    images = _crops(model, size)
    try:
        with seeded(0), torch.no_grad():
            output = model.eval()(images)
            _check_eval(output, model(images[:1]))
            if teacher and not output.logits:
                raise UsageError(
                    "in eval mode it gives no scores for extra_teacher or extra_recognised"
                )
            if training:
                mode = "training"
                trained = model.train()(images)
                _check_training(trained, people, triplet=triplet)
                if consistency:
                    _check_consistency(output, trained)
    except ReidaugError as error:
        raise UsageError(f"backbone {name}: {error}") from None
    except Exception as error:  # code of other people may raise anything
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
    """Check that a weight file held every tensor that the features depend on, and no others.

    Dependence is found by gradient: classifiers do not count.

    Args:
        model: The model, on the device it will run on.
        loaded: Report of `load_weights`.
        path: The file.
        name: The model's name in the recipe.
        size: (height, width) of the crops.

    Raises:
        ReidaugError: A tensor is missing, part of the file's network is not in the model, or the
            features are not finite, or the same for any crop.
    """
    was, frozen = model.training, [p for p in model.parameters() if not p.requires_grad]
    model.requires_grad_(True)
    with torch.enable_grad(), without_onednn():
        heads = model.eval()(_crops(model, size)).heads
        sum((head.sum() for head in heads), torch.zeros((), device=heads[0].device)).backward()
    needed = [key for key, value in model.named_parameters() if value.grad is not None]
    model.zero_grad(set_to_none=True)
    model.train(was)
    for parameter in frozen:
        parameter.requires_grad_(False)
    # Features depend on batch norm's statistics too, which have no gradient.
    layers = {key.rpartition(".")[0] for key in needed}
    needed += [
        key
        for key, _ in model.named_buffers()
        if key.rpartition(".")[0] in layers and key.endswith(("running_mean", "running_var"))
    ]
    lacking = [key for key in needed if key not in loaded.fitted]
    if lacking:
        causes = CAUSES
        if all(key.startswith("heads.") for key in lacking):
            causes = "its head is another one: name it as weights, a start to train from, instead"
        raise ReidaugError(
            f"{path}: {len(lacking)} of the {len(needed)} tensors that the features of backbone "
            f"{name} are made of are not in it ({first_names(lacking)}); {loaded.hint or causes}"
        )
    if loaded.extra:
        raise ReidaugError(
            f"{path}: backbone {name} has no place for {len(loaded.extra)} of its tensors "
            f"({first_names(loaded.extra)}); {loaded.hint or CAUSES}"
        )
    if loaded.hint:
        raise ReidaugError(f"{path}: was trained otherwise than backbone {name}: {loaded.hint}")
    _check_features([head.detach() for head in heads], path)


def _check_features(heads: Sequence[Float[Tensor, "2 _"]], path: Path) -> None:
    """Check that the features of two crops, by a finished model, are finite and not the same."""
    if not all(bool(head.isfinite().all()) for head in heads):
        raise ReidaugError(
            f"{path}: features by it are not finite: its training has diverged, or it is damaged"
        )
    if all(bool((head[0] - head[1]).norm() <= LEAST_CHANGE * head.norm()) for head in heads):
        raise ReidaugError(
            f"{path}: features by it are the same for any crop: layers of it are zeros, so that it "
            "was never trained or is damaged"
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
        # NaN passes: random weights may give any numbers.
        if bool((two[0] - one[0]).norm() > MAX_CHANGE * one[0].norm()):
            raise UsageError(
                "in eval mode the features of a crop depend on chance or on the rest of the batch"
            )


def _check_training(output: object, people: int, *, triplet: bool) -> None:
    if not isinstance(output, Embedding) or not output.logits:
        raise UsageError("in training it returns no reidaug Embedding with scores in `logits`")
    for logits in output.logits:
        if tuple(logits.shape) != (2, people):
            swapped = tuple(output.pooled.shape) == (2, people)
            raise UsageError(
                f"in training the logits of 2 crops of {people} people are {_shape(logits)}, not "
                f"(2, {people})" + ("; (logits, features) is the order" if swapped else "")
            )
    if output.pooled.ndim != 2 or len(output.pooled) != 2:
        raise UsageError(
            f"in training the features of 2 crops are {_shape(output.pooled)}, not (2, D)"
        )
    if triplet and not output.pooled.shape[1]:
        raise UsageError(
            "in training it returns logits alone: return (logits, features), or set "
            "objective.triplet_weight to 0"
        )


def _check_consistency(output: Embedding, trained: Embedding) -> None:
    """Check that the first head's features are there in training, and those of eval mode."""
    if not trained.heads or trained.heads[0].shape != output.heads[0].shape:
        given = _shape(trained.heads[0]) if trained.heads else "none"
        raise UsageError(
            f"objective.extra_consistency compares its features in training, {given}, with those "
            f"in eval mode, {_shape(output.heads[0])}: return the same ones in training, or set it "
            "to 0"
        )


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
