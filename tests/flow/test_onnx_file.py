from hashlib import sha256
from pathlib import Path

import onnx
import pytest
import torch
from exported_graph import NAME, SMALL, posed_people, small_graph

from reidaug.errors import UsageError
from reidaug.flow import onnx_file
from reidaug.flow.builtin import named_flow
from reidaug.flow.checkpoint import WEIGHTS, build_estimator, save_checkpoint
from reidaug.flow.onnx_file import OURS, THEIRS, about, check_place, export, label, size_for

SA = {"class": "reidaug.flow.unwarpme:UnWarpME", "canvas": [32, 16], "widths": [2] * 11}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.default_generator.manual_seed(0)
    folder = tmp_path_factory.mktemp("own") / "checkpoint"
    save_checkpoint(folder, build_estimator(SA), {"estimator": SA, "size": [32, 16]})
    return folder


def test_a_file_names_licence_and_digest_of_its_weights(checkpoint: Path) -> None:
    own, shipped, closed = (about(named_flow(n)) for n in (str(checkpoint), "market", "identity"))
    digest = sha256((checkpoint / WEIGHTS).read_bytes()).hexdigest()
    assert own["checkpoint_sha256"] == digest
    assert (own["licence"], shipped["licence"], closed["licence"]) == (THEIRS, OURS, OURS)
    assert "checkpoint_sha256" in shipped and "checkpoint_sha256" not in closed
    assert label(named_flow(str(checkpoint))) == "checkpoint"


def test_the_size_is_that_of_the_training(checkpoint: Path) -> None:
    sizes = [size_for(named_flow(n)) for n in (str(checkpoint), "market", "surface", "identity")]
    assert sizes == [(32, 16), (128, 64), (128, 64), (128, 64)]


def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path) -> None:
    mine, earlier = tmp_path / "mine.onnx", tmp_path / "earlier.onnx"
    mine.write_bytes(b"something else")
    earlier.write_bytes(small_graph())
    check_place(earlier)
    check_place(tmp_path / "new.onnx")
    graph = onnx.load_from_string(small_graph())
    graph.producer_name = "another program"
    onnx.save(graph, tmp_path / "foreign.onnx")
    with pytest.raises(UsageError, match="is there already, and no earlier export"):
        check_place(tmp_path / "foreign.onnx")
    with pytest.raises(UsageError, match="is there already, and no earlier export"):
        check_place(mine)
    for place in (tmp_path, tmp_path / "missing" / "flow.onnx"):
        with pytest.raises(UsageError, match="name a file in a folder that is there"):
            check_place(place)


def test_nothing_is_written_where_the_graph_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "write_graph", lambda *_, **__: small_graph())
    out, place = tmp_path / "flow.onnx", {"size": SMALL, "opset": 18}
    pose, outline = posed_people()
    with pytest.raises(Exception, match="nothing is written"):
        export(named_flow("identity"), out, pose=pose, outline=outline, **place)
    assert not out.exists()
    done = export(named_flow(NAME), out, pose=pose, outline=outline, **place)
    assert out.read_bytes() == small_graph() and done.bytes == len(small_graph())
    assert done.outputs["warp"] == "batch x 3 x 64 x 32"
