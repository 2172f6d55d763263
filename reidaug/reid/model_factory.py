"""Re-ID models by name: ours, those of timm and torchreid, and the user's own classes."""

import difflib
import importlib
import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.network_size import check_size
from reidaug.recipes import check_arguments
from reidaug.reid import fastreid_resnets
from reidaug.reid.backbones import PRESETS, Embedding, PersonResNet, ReIDModel, Renormalise
from reidaug.reid.efficientnet_lite import PersonEfficientNetLite0
from reidaug.reid.mobilenet import PersonMobileNetV2

FASTREID, TIMM, TORCHREID = "fastreid:", "timm:", "torchreid:"
# Our own models: class and options of each name.
OURS: dict[str, tuple[Callable[..., ReIDModel], dict[str, Any]]] = {
    **{name: (PersonResNet, preset) for name, preset in PRESETS.items()},
    "mobilenet_v2": (PersonMobileNetV2, {}),
    "efficientnet_lite0": (PersonEfficientNetLite0, {}),
    **{
        f"{FASTREID}{name}": (fastreid_resnets.BagOfTricks, preset)
        for name, preset in fastreid_resnets.PRESETS.items()
    },
}
KNOWN = ", ".join(name for name in OURS if ":" not in name) + (
    f", {FASTREID}NAME, {TIMM}NAME, {TORCHREID}NAME or package.module:Class"
)
LARGEST_NUMBER, LARGEST_MODEL = 8192, 2**30  # of an option; parameters, 4 GiB
MAX_STRETCH = math.log(1.5)  # between the shapes of two grids of position embeddings
FETCHED = ("pretrained", "checkpoint_path")


class Adapter(ReIDModel):
    """A `ReIDModel` with one head made of any network.

    Args:
        network: Takes normalised crops (B, 3, H, W). In eval mode it returns features (B, D), or
            (B, D, 1, 1). In training it returns (logits, features), each a tensor or several, or
            the logits (B, people) alone, where no triplet loss needs features.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """See `ReIDModel.forward`; without identity scores in eval mode.

        Raises:
            UsageError: The network returns something else.
        """
        out = self.network(images.contiguous())  # `view` fails on channels last
        if not self.training:
            if not isinstance(out, Tensor):
                raise UsageError(
                    f"in eval mode it returns {_kind(out)}, not one tensor of features"
                )
            feature = out.flatten(1) if out.ndim > 2 and out.shape[2:].numel() == 1 else out
            return Embedding(feature, (feature,), ())
        if isinstance(out, Tensor):
            return Embedding(out.new_empty(len(out), 0), (), (out,))
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise UsageError(
                f"in training it returns {_kind(out)}, not (logits, features) or logits alone"
            )
        logits, features = (_as_tuple(part) for part in out)
        feature = torch.cat([part.flatten(1) for part in features], dim=1)
        return Embedding(feature, (feature,), logits)


class TorchreidModel(Adapter):
    """A model of torchreid, by the name of its ``build_model``.

    Raises:
        UsageError: torchreid is not installed or knows no such model.
    """

    def __init__(self, name: str, people: int) -> None:
        require_extra("torchreid", "torchreid", "cv2", "gdown", "six")
        with warnings.catch_warnings():
            # It warns that its compiled evaluator is missing, which is not used here.
            warnings.simplefilter("ignore")
            models = importlib.import_module("torchreid.reid.models")
        try:
            network: nn.Module = models.build_model(
                name, people, loss="triplet", pretrained=False, use_gpu=False
            )
        except KeyError as error:
            raise UsageError(f"backbone {TORCHREID}{name}: {error.args[0]}") from None
        super().__init__(network)


class TimmModel(Adapter):
    """A model of timm. Crops are normalised by the statistics of its pretrained weights.

    Args:
        name: Name of the model for timm's ``create_model``, with or without a tag.
        people: Number of identities.
        options: Keywords of ``create_model``, such as ``img_size``. Weights come from a file.

    Raises:
        UsageError: timm is not installed, knows no such model, or refuses the options.
    """

    def __init__(self, name: str, people: int, **options: Any) -> None:
        require_extra("timm", "timm")
        timm = importlib.import_module("timm")
        if fetched := [key for key in FETCHED if key in options]:
            raise UsageError(f"backbone {TIMM}{name}: no {fetched[0]}; weights come from a file")
        if not timm.is_model(name):
            close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
            hint = f"; near it are {', '.join(close)}" if close else ""
            raise UsageError(
                f"backbone {TIMM}{name}: timm {timm.__version__} has no such model{hint}"
            )
        try:
            network = timm.create_model(name, pretrained=False, num_classes=people, **options)
        except Exception as error:  # timm models reject options with any exception
            raise UsageError(
                f"backbone {TIMM}{name}, options {options}: {error_line(error)}"
            ) from error
        super().__init__(network)
        trained = network.pretrained_cfg
        mean, std = trained.get("mean", IMAGENET_MEAN), trained.get("std", IMAGENET_STD)
        self.renormalise = Renormalise(mean, std)

    def own_names(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReIDModel.own_names`: position embeddings of another grid are resized by timm."""
        own: Any = getattr(self.network, "pos_embed", None)
        grid = getattr(getattr(self.network, "patch_embed", None), "grid_size", None)
        if not isinstance(own, Tensor) or own.ndim != 3 or grid is None:
            return dict(stored)
        return {
            name: _resized(value, own, tuple(grid))
            if name.rpartition(".")[2] == "pos_embed"
            else value
            for name, value in stored.items()
        }

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """See `ReIDModel.forward`."""
        network: Any = self.network
        maps = network.forward_features(self.renormalise(images))
        feature = network.forward_head(maps, pre_logits=True).flatten(1)
        logits = (network.forward_head(maps),) if self.training else ()
        return Embedding(feature, (feature,), logits)


def _resized(
    stored: Float[Tensor, "1 n d"], own: Float[Tensor, "1 m d"], grid: tuple[int, ...]
) -> Tensor:
    """Resize position embeddings to a grid (h, w), as timm does for its own weights.

    A file does not say what grid its n embeddings are of: a square one, as ImageNet's, where it
    can be, or else that whose shape is nearest to (h, w), as those of person crops.
    """
    first = own.shape[1] - math.prod(grid)  # of the class token and registers
    count = stored.shape[1] - first if stored.ndim == 3 else 0
    if count <= 0 or first < 0 or stored.shape[1:] == own.shape[1:]:
        return stored
    if stored.shape[2] != own.shape[2]:
        return stored
    sizes = [(count // w, w) for w in range(1, count + 1) if count % w == 0]
    wanted = 1.0 if math.isqrt(count) ** 2 == count else grid[0] / grid[1]
    away, old = min((abs(math.log(h / w / wanted)), (h, w)) for h, w in sizes)
    if away > MAX_STRETCH:
        return stored
    layers = importlib.import_module("timm.layers")
    resized: Tensor = layers.resample_abs_pos_embed(
        stored, new_size=list(grid), old_size=list(old), num_prefix_tokens=first
    )
    return resized


def build(
    name: str, people: int, *, generator: torch.Generator | None = None, **options: Any
) -> ReIDModel:
    """Build a model with random weights by name.

    Args:
        name: ``resnet18``, ``resnet34``, ``resnet50``; ``mobilenet_v2``, ``efficientnet_lite0``;
            ``fastreid:`` and a ResNet or ``resnet101``; ``timm:NAME``; ``torchreid:NAME``; or
            ``package.module:Class``, see `own_model`.
        people: Number of identities.
        generator: Generator of the initial weights; models of other libraries use the global one.
        options: Keywords of the model beside those of the preset.

    Raises:
        UsageError: Model or option does not exist.
    """
    if name.startswith(TORCHREID):
        if options:
            raise UsageError(f"backbone {name} takes no options, got {', '.join(options)}")
        return TorchreidModel(name.removeprefix(TORCHREID), people)
    if name.startswith(TIMM):
        return TimmModel(name.removeprefix(TIMM), people, **options)
    if ":" in name and not name.startswith(FASTREID):
        return own_model(name, people, **options)
    if name not in OURS:
        raise UsageError(f"no backbone '{name}': one of {KNOWN}")
    kind, preset = OURS[name]
    check_arguments(kind, options, where=f"backbone {name}")
    try:
        keywords = {**preset, **options}
        check_size(
            lambda: kind(people, generator=None, **keywords), keywords,
            largest_number=LARGEST_NUMBER, most_parameters=LARGEST_MODEL,
        )  # fmt: skip
        return kind(people, generator=generator, **keywords)
    except ReidaugError:
        raise
    except Exception as error:  # numbers of a recipe reach all that a constructor does
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        reason = reason.replace(f"{kind.__name__}.__init__()", "it")
        raise UsageError(f"backbone {name}, options {options}: {reason}") from None


def own_model(name: str, people: int, **options: Any) -> ReIDModel:
    """Build a model of the user's own class; one that is no `ReIDModel` inside an `Adapter`.

    The module is imported, and so executed. Nothing in it is called but a class of networks: a
    recipe that names ``torch.hub:load`` or ``os:system`` calls neither.

    Args:
        name: ``package.module:Class``, a `torch.nn.Module`. It is called with the number of
            identities as ``people`` where it has such an argument, else ``num_classes``.
        people: Number of identities.
        options: Its other keywords.

    Raises:
        UsageError: The class cannot be imported or built, or is no network.
    """
    path, _, attribute = name.partition(":")
    make = getattr(_module(name, path), attribute, None)
    if make is None:
        raise UsageError(f"backbone {name}: module {path} has no class '{attribute}'")
    if not (isinstance(make, type) and issubclass(make, nn.Module)):
        raise UsageError(
            f"backbone {name}: is {_kind_of(make)}; name a class of torch.nn.Module, which may "
            "call it"
        )
    try:
        network = make(**{_people_argument(make): people}, **options)
    except ReidaugError:
        raise
    except Exception as error:  # code of other people may raise anything
        raise UsageError(f"backbone {name}: cannot be built: {error_line(error)}") from error
    return network if isinstance(network, ReIDModel) else Adapter(network)


def error_line(error: Exception) -> str:
    """Describe an exception by its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _module(name: str, path: str) -> ModuleType:
    if not all(part.isidentifier() for part in path.split(".")):
        raise UsageError(f"backbone '{name}': one of {KNOWN}")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise UsageError(
                f"backbone {name}: importing {path} failed: {error_line(error)}"
            ) from error
        raise UsageError(
            f"backbone {name}: no module {error.name}; is its folder in PYTHONPATH?"
        ) from None
    except Exception as error:  # code of other people may raise anything
        raise UsageError(
            f"backbone {name}: importing {path} failed: {error_line(error)}"
        ) from error


def _people_argument(make: Callable[..., Any]) -> str:
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return "num_classes"
    return "people" if "people" in parameters else "num_classes"


def _as_tuple(output: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (output,) if isinstance(output, Tensor) else tuple(output)


def _kind_of(thing: object) -> str:
    if isinstance(thing, type):
        return "a class of something else"
    return "a function" if callable(thing) else _kind(thing)


def _kind(thing: object) -> str:
    if isinstance(thing, tuple | list):
        return f"a {type(thing).__name__} of {len(thing)}"
    return f"a {type(thing).__name__}"
