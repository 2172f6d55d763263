"""`reidaug export`, and what docs/onnx.md does with the file, where torch cannot be imported."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from commandline import reidaug
from docs_page import listings
from exported_graph import NAME, small_graph
from PIL import Image
from small_surfaces import ESTIMATOR

from reidaug import __version__
from reidaug.data.keypoints import read_keypoints
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import build_estimator, save_checkpoint
from reidaug.geometry.pose import Pose, on_canvas
from reidaug.geometry.warp import warp

WITHOUT = """\
import runpy, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'reidaug'):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A graph, written over an earlier one, and what the command printed."""
    file = tmp_path_factory.mktemp("graph") / "flow.onnx"
    file.write_bytes(small_graph())
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert reidaug("export", NAME, "--out", file, "--size", "64x32") == 0
    return file, printed.getvalue()


@pytest.fixture(scope="module")
def graph(exported: tuple[Path, str]) -> Path:
    return exported[0]


def test_the_command_writes_a_graph_and_prints_its_parity(exported: tuple[Path, str]) -> None:
    graph, printed = exported
    model = onnx.load(graph)
    assert model.producer_name == "reidaug" and model.producer_version == __version__
    lines = printed.splitlines()
    assert lines[0].startswith("1 pair: flow within ") and " px of torch's, " in lines[0]
    assert lines[1].startswith("3 pairs: flow within ") and lines[1].endswith(" of 255")
    assert lines[2:] == [
        f"{graph}: 0.0 MB, opset 18, images 64x32",
        "gives flow batch x 2 x 64 x 32, warp batch x 3 x 64 x 32",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "128"], "height x width such as 128x64"),
        (["--size", "4x9999"], "each 8 to 2048"),
        (["--opset", "9"], "18<=x<=23"),
        (["--out", "missing/flow.onnx"], "name a file in a folder that is there"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reidaug("export", NAME, "--out", tmp_path / "flow.onnx", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_random_warp_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reidaug("export", "random-tps", "--out", tmp_path / "flow.onnx") == 2
    assert capsys.readouterr().err.count("\n") == 1


def run_page(folder: Path, *arguments: object) -> Path:
    """Run the page's script; gives what it writes."""
    (text,) = listings("onnx.md", "python")
    script = folder / text.splitlines()[0].removeprefix("# ")
    script.write_text(text)
    words = [str(part) for part in (script, *arguments)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "warp.png"


def crops_of(root: Path) -> tuple[Path, Path, str, str]:
    """Folder of crops, their keypoints, and two of their names."""
    crops = root / "bounding_box_train"
    source, target = (path.name for path in sorted(crops.glob("*.jpg"))[:3:2])
    (file,) = root.glob("*annotation-train.csv")
    return crops, file, source, target


def test_the_page_warps_a_rendered_crop_without_torch(
    graph: Path, rendered_market: Path, tmp_path: Path
) -> None:
    crops, file, source, target = crops_of(rendered_market)
    out = run_page(tmp_path, graph, crops, file, source, target, tmp_path / "warp.png")
    image = Image.open(crops / source).convert("RGB")
    size = (image.height, image.width)
    pixels = torch.from_numpy(np.array(image.resize((32, 64)), np.float32))
    pixels = pixels.permute(2, 0, 1)[None] / 255
    known = read_keypoints(file).poses
    poses = [on_canvas(known[name], size, (64, 32)) for name in (source, target)]
    flow = load_flow(NAME)(pixels, *(Pose(p.xy[None], p.visible[None]) for p in poses))
    expected = warp(pixels, flow)[0].permute(1, 2, 0) * 255
    found = np.asarray(Image.open(out), np.float32)
    assert np.abs(found - expected.numpy()).max() <= 1
    assert np.abs(found - pixels[0].permute(1, 2, 0).numpy() * 255).mean() > 2


@pytest.mark.slow
def test_the_page_cuts_people_whom_surface_flow_sees(rendered_market: Path, tmp_path: Path) -> None:
    network = ESTIMATOR | {"canvas": [64, 32]}
    torch.default_generator.manual_seed(0)
    save_checkpoint(tmp_path / "own", build_estimator(network), {"estimator": network})
    graph = tmp_path / "own.onnx"
    assert reidaug("export", tmp_path / "own", "--out", graph, "--size", "64x32") == 0
    crops, file, source, target = crops_of(rendered_market)
    mask = rendered_market / "masks" / f"{Path(source).stem}.png"
    out = tmp_path / "warp.png"
    found = np.asarray(
        Image.open(run_page(tmp_path, graph, crops, file, source, target, out, mask))
    )
    grey = (found == 128).all(-1).mean()
    assert found.shape == (64, 32, 3) and 0.05 < grey < 1
