"""Models by name: torchreid's, timm's, fast-reid's, and classes of one's own."""

import importlib.util
import warnings
from pathlib import Path

import pytest
import torch
from torchvision.transforms.functional import normalize

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD
from reidaug.errors import UsageError
from reidaug.reid.backbones import PersonResNet
from reidaug.reid.fastreid_resnets import BagOfTricks
from reidaug.reid.model_contract import check_model
from reidaug.reid.model_factory import Adapter, build
from reidaug.reid.network_modes import seeded

OWN = """
import torch
from torch import nn
from reidaug.reid.backbones import Embedding, ReIDModel

class Small(nn.Module):
    def __init__(self, num_classes, width=4):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, width, 3, stride=4), nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
    def forward(self, images):
        feature = self.trunk(images).mean((2, 3))
        return (self.classifier(feature), feature) if self.training else feature

class Square(Small):
    def forward(self, images):
        return self.trunk(images).mean((2, 3), keepdim=True)

class LogitsAlone(Small):
    def forward(self, images):
        out = super().forward(images)
        return out[0] if self.training else out

class Swapped(Small):
    def forward(self, images):
        out = super().forward(images)
        return out[::-1] if self.training else out

class Both(Small):
    def forward(self, images):
        feature = self.trunk(images).mean((2, 3))
        return self.classifier(feature), feature

class Three(Small):
    def forward(self, images):
        out = super().forward(images)
        return (*out, out[1]) if self.training else out

class Squeezed(Small):
    def forward(self, images):
        out = super().forward(images)
        return out if self.training else out.squeeze()

class Maps(Small):
    def forward(self, images):
        return self.trunk(images) if not self.training else super().forward(images)

class Neighbourly(Small):
    def forward(self, images):
        out = super().forward(images)
        return out if self.training else out - out.mean(0)

class Deaf(Small):
    def forward(self, images):
        raise RuntimeError("no ears\\nand more")

class Ours(ReIDModel):
    def __init__(self, people, heads=2):
        super().__init__()
        self.parts = nn.ModuleList(Small(people) for _ in range(heads))
    def forward(self, images):
        features = tuple(part.trunk(images).mean((2, 3)) for part in self.parts)
        logits = tuple(p.classifier(f) for p, f in zip(self.parts, features))
        return Embedding(torch.cat(features, 1), features, logits)

class Headless(Ours):
    def forward(self, images):
        return Embedding(super().forward(images).pooled, (), ())

class Plain(Ours):
    def forward(self, images):
        return super().forward(images).pooled

def made(num_classes, **options):
    return Small(num_classes, **options)

class Other:
    def __init__(self, num_classes):
        raise SystemExit("called")

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_people.py").write_text(OWN)
    (tmp_path / "my_broken.py").write_text("import nowhere_at_all\n")
    (tmp_path / "my_syntax.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)


def checked(name: str, people: int = 5, *, training: bool = True, **options: object) -> Adapter:
    with seeded(0):
        model = build(name, people, **options)
    check_model(model, name=name, people=people, size=(64, 32), training=training)
    return model


def crops(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 64, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("my_people:Small", {}, 4),
        ("my_people:Small", {"width": 7}, 7),
        ("my_people:Ours", {"heads": 3}, 4),
    ],
)
def test_a_class_of_ones_own_fits_in(own: None, name: str, options: dict, size: int) -> None:
    model = checked(name, **options)
    seen = model.train()(crops())
    assert {scores.shape for scores in seen.logits} == {(3, 5)}
    features = model.eval()(crops()).heads
    assert {feature.shape for feature in features} == {(3, size)}


def test_features_with_two_ones_at_the_end_are_features(own: None) -> None:
    model = checked("my_people:Square", training=False)
    assert model.eval()(crops()).heads[0].shape == (3, 4)


def test_logits_alone_do_where_no_triplet_loss_looks(own: None) -> None:
    model = build("my_people:LogitsAlone", 5)
    check_model(model, name="it", people=5, size=(64, 32), triplet=False)
    with pytest.raises(UsageError, match=r"logits alone: .* objective.triplet_weight"):
        check_model(model, name="it", people=5, size=(64, 32))
    with pytest.raises(UsageError, match="extra_consistency compares its features"):
        check_model(model, name="it", people=5, size=(64, 32), triplet=False, consistency=True)
    check_model(build("my_people:Small", 5), name="it", people=5, size=(64, 32), consistency=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Swapped", r"logits of 2 crops of 5 people are \(2, 4\), not \(2, 5\); \(logits, feat"),
        ("Both", "in eval mode it returns a tuple of 2, not one tensor"),
        ("Three", "in training it returns a tuple of 3, not"),
        ("Squeezed", r"features of 1 crops are \(4,\), not \(1, D\)"),
        ("Neighbourly", "depend on chance or on the rest"),
        ("Deaf", "a pass of 2 crops of 64 x 32 in eval mode failed: RuntimeError: no ears$"),
        ("Headless", "no reidaug Embedding with features"),
        ("Plain", "no reidaug Embedding with features"),
        ("made", "is a function; name a class of torch.nn.Module, which may call it"),
        ("Other", "is a class of something else; name a class of torch.nn.Module"),
        ("number", "is a int; name a class of torch.nn.Module"),
        ("Absent", "my_people has no class 'Absent'"),
        ("", "has no class ''"),
    ],
)
def test_what_breaks_the_contract_is_one_line(own: None, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        checked(f"my_people:{name}")
    assert str(caught.value).startswith(f"backbone my_people:{name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet19", {}, "no backbone 'resnet19': one of resnet18, .* package.module:Class"),
        ("fastreid:resnet19", {}, "no backbone 'fastreid:resnet19'"),
        ("fastreid:resnet50", {"depth": 3}, "got an unexpected keyword argument 'depth'"),
        ("my_people:Small", {"depth": 3}, "cannot be built: TypeError: .*depth"),
        ("no_such_module:Net", {}, "no module no_such_module; is its folder in PYTHONPATH"),
        ("my_people.deeper:Net", {}, "my_people"),
        ("my_broken:Net", {}, "importing my_broken failed: ModuleNotFoundError.*nowhere_at_all"),
        ("my_syntax:Net", {}, "importing my_syntax failed: SyntaxError"),
        ("weights/net.pth:Net", {}, "backbone 'weights/net.pth:Net': one of resnet18"),
    ],
)
def test_what_cannot_be_found_is_one_line(
    own: None, name: str, options: dict, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(name, 5, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["my_people:Small", "resnet18", "fastreid:resnet18"])
def test_the_check_leaves_model_and_chance_as_they_were(own: None, name: str) -> None:
    model = build(name, 5, width=4)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    check_model(model, name=name, people=5, size=(64, 32))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert all(torch.equal(kept[key], value) for key, value in model.state_dict().items())


def test_our_own_names_are_our_own_models() -> None:
    with torch.device("meta"):
        assert type(build("resnet50", 3)) is PersonResNet
        assert type(build("fastreid:resnet101", 3)) is BagOfTricks


torchreid = pytest.mark.skipif(
    importlib.util.find_spec("torchreid") is None, reason="needs the extra [torchreid]"
)
timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="needs the extra [timm]")


@torchreid
@pytest.mark.parametrize("name", ["osnet_x0_25", "resnet50_fc512", "mlfn", "pcb_p4"])
def test_models_of_torchreid_fit_in(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build(f"torchreid:{name}", 4)
    check_model(model, name=name, people=4, size=(128, 64))


@torchreid
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nonet", {}, "backbone torchreid:nonet: "),
        ("osnet_x0_25", {"width": 3}, "takes no options"),
    ],
)
def test_what_torchreid_does_not_know_is_an_error(name: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(f"torchreid:{name}", 4, **options)


@torchreid
def test_a_model_of_torchreid_for_another_size_is_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build("torchreid:hacnn", 4)
    with pytest.raises(UsageError, match="a pass of 2 crops of 64 x 32 in eval mode failed: "):
        check_model(model, name="torchreid:hacnn", people=4, size=(64, 32))


@timm
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet10t", {}),
        ("mobilenetv3_small_050", {}),
        ("vit_tiny_patch16_224", {"img_size": [64, 32], "depth": 1}),
        ("convnext_atto", {"depths": [1, 1, 1, 1]}),
    ],
)
def test_models_of_timm_fit_in(name: str, options: dict) -> None:
    model = checked(f"timm:{name}", **options)
    seen = model.train()(crops())
    assert seen.logits[0].shape == (3, 5)
    assert seen.pooled.shape == model.eval()(crops()).heads[0].shape


@timm
def test_timm_sees_crops_normalised_as_its_weights_want_them() -> None:
    import timm

    name = "vit_tiny_patch16_224"
    assert tuple(timm.get_pretrained_cfg(name).mean) == (0.5, 0.5, 0.5)
    mean, std = (0.1, 0.4, 0.7), (0.2, 0.5, 0.3)  # each channel its own, and no mean a deviation
    wanted = {"mean": mean, "std": std}
    options = {"img_size": [64, 32], "depth": 1, "pretrained_cfg_overlay": wanted}
    model = checked(f"timm:{name}", **options).eval()
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    expected = model.network(normalize(images, mean, std))
    model.network.reset_classifier(0)
    bare = model.network(normalize(images, mean, std))
    assert expected.shape == (2, 5)
    torch.testing.assert_close(model(normalize(images, IMAGENET_MEAN, IMAGENET_STD)).heads[0], bare)


@timm
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet50x", {}, "has no such model; near it are .*resnet50"),
        ("hf-hub:somebody/else", {}, "has no such model"),
        ("resnet10t", {"pretrained": True}, "no pretrained; weights come from a file"),
        ("resnet10t", {"colour": 3}, "options .*colour.*TypeError"),
    ],
)
def test_what_timm_does_not_know_is_an_error(name: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(f"timm:{name}", 4, **options)
    assert "\n" not in str(caught.value)


@timm
def test_a_model_of_timm_for_another_size_is_an_error() -> None:
    with pytest.raises(UsageError, match="a pass of 2 crops of 64 x 32 in eval mode failed: Asser"):
        checked("timm:vit_tiny_patch16_224", depth=1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("torch.hub:load", {"repo_or_dir": "somebody/something", "model": "net"}),
        ("pathlib:Path.touch", {}),
        ("subprocess:Popen", {"args": "touch executed", "shell": True}),
        ("builtins:exec", {}),
        ("torch.serialization:load", {"f": "net.pt"}),
    ],
)
def test_only_networks_are_called(
    name: str, options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"name a class of torch\.nn\.Module|has no class"):
        build(name, 5, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [({"width": 10**9}, "a number above 8192"), ({"width": 8000}, r"\d+ parameters are more than")],
)
def test_a_network_that_no_memory_holds_is_refused_at_once(options, says):
    with pytest.raises(UsageError, match=f"backbone resnet18, options .*{says}"):
        build("resnet18", 5, **options)
