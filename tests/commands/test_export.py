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

from reidaug import __version__
from reidaug.data.keypoints import read_keypoints
from reidaug.flow.builtin import load_flow
from reidaug.flow.estimator import PersonFlowEstimator
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


def small_pair(root: Path) -> tuple[Path, Path, str, str, torch.Tensor, list[Pose]]:
    """What `crops_of` gives, the source at 64 x 32, and both poses there, as batches of one."""
    crops, file, source, target = crops_of(root)
    image = Image.open(crops / source).convert("RGB")
    size = (image.height, image.width)
    pixels = torch.from_numpy(np.array(image.resize((32, 64)), np.float32))
    known = read_keypoints(file).poses
    poses = [on_canvas(known[name], size, (64, 32)) for name in (source, target)]
    whole = [Pose(p.xy[None], p.visible[None]) for p in poses]
    return crops, file, source, target, pixels.permute(2, 0, 1)[None] / 255, whole


def test_the_page_warps_a_rendered_crop_without_torch(
    graph: Path, rendered_market: Path, tmp_path: Path
) -> None:
    crops, file, source, target, pixels, poses = small_pair(rendered_market)
    out = run_page(tmp_path, graph, crops, file, source, target, tmp_path / "warp.png")
    expected = warp(pixels, load_flow(NAME)(pixels, *poses))[0].permute(1, 2, 0) * 255
    found = np.asarray(Image.open(out), np.float32)
    assert np.abs(found - expected.numpy()).max() <= 1
    assert np.abs(found - pixels[0].permute(1, 2, 0).numpy() * 255).mean() > 2


@pytest.mark.slow
def test_the_page_cuts_people_whom_surface_flow_sees(rendered_market: Path, tmp_path: Path) -> None:
    graph = tmp_path / "surface.onnx"
    assert reidaug("export", "surface", "--out", graph, "--size", "64x32") == 0
    crops, file, source, target, pixels, poses = small_pair(rendered_market)
    path, out = rendered_market / "masks" / f"{Path(source).stem}.png", tmp_path / "warp.png"
    run_page(tmp_path, graph, crops, file, source, target, out, path)
    mask = torch.from_numpy(np.array(Image.open(path).convert("L").resize((32, 64))) > 127)
    estimator = load_flow("surface").eval()
    assert isinstance(estimator, PersonFlowEstimator)
    with torch.inference_mode():
        known = estimator.person_flows(pixels, mask[None], *poses, pairs=[(0, 0)])
        expected = torch.where(known.outline, warp(pixels, known.flow), 0.5)[0]
    assert 0.05 < known.outline.float().mean() < 0.9
    found = np.asarray(Image.open(out), np.float32)
    apart = np.abs(found - 255 * expected.permute(1, 2, 0).numpy())
    assert (apart.max(-1) > 2).mean() < 0.01  # an edge of the outline may round the other way
