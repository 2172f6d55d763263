from typing import Any

import onnx
import pytest
import torch
from exported_graph import NAME, SMALL, posed_people, small_graph
from small_surfaces import ESTIMATOR

from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.builtin import CLOSED_FORMS, RANDOM_WARPS, load_flow
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.closed_form import Identity
from reidaug.flow.estimator import Flow, FlowEstimator, Images
from reidaug.flow.onnx_graph import INPUTS, OUTPUTS, graph_of, write_graph
from reidaug.flow.onnx_parity import parity
from reidaug.geometry.pose import Pose

UNWARPME = {
    "class": "reidaug.flow.unwarpme:UnWarpME",
    "canvas": [64, 32],
    "widths": [4] * 11,
    "head_widths": [4] * 5,
}
HOURGLASS = {"scale": 0.5, "expansion": 4, "limit": 16, "blocks": 3}
TRAINED: dict[str, dict[str, Any]] = {
    "unwarpme": UNWARPME | {"readout": "literal"},
    "unwarpme-sa": UNWARPME,
    "fomm": {"class": "reidaug.flow.rivals.fomm:FOMM", "jacobian_expansion": 4} | HOURGLASS,
    "fomm-analytic": {"class": "reidaug.flow.rivals.fomm:FOMM", "jacobian": "analytic"} | HOURGLASS,
    "mraa": {"class": "reidaug.flow.rivals.mraa:MRAA", "background": "predicted",
             "background_expansion": 4} | HOURGLASS,
    "mraa-svd": {"class": "reidaug.flow.rivals.mraa:MRAA", "axes": "svd"} | HOURGLASS,
    "tpsmm": {"class": "reidaug.flow.rivals.tpsmm:TPSMM"} | HOURGLASS,
    "gfla": {"class": "reidaug.flow.rivals.gfla:GFLA", "widths": [8, 8, 8, 8]},
    "gfla32": {"class": "reidaug.flow.rivals.gfla:GFLA", "widths": [8, 8, 8, 8], "level": "32"},
    "surface": ESTIMATOR | {"canvas": [64, 32]},
}  # fmt: skip


class Undecided(FlowEstimator):
    """Asks a number of the poses which way to go: no graph has an if of Python's."""

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        flow = Identity()(source, source_pose, target_pose)
        return flow if source_pose.xy.mean() > 1 else -flow


class OneByOne(FlowEstimator):
    """Loops over the pairs."""

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        return torch.stack([*Identity()(source, source_pose, target_pose)])


class Unknown(FlowEstimator):
    """Needs what ONNX cannot do."""

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        spread = torch.linalg.svd(source_pose.xy.mT @ source_pose.xy).S
        return Identity()(source, source_pose, target_pose) + spread[..., None, None]


def written(estimator: FlowEstimator, name: str = NAME) -> bytes:
    return write_graph(estimator, name, size=SMALL, opset=18, about={"reidaug": "0.1.0"})


def check(estimator: FlowEstimator, name: str) -> None:
    torch.default_generator.manual_seed(0)
    rows = parity(written(estimator, name), estimator, *posed_people())
    assert max(row.largest for row in rows) < 0.002
    assert max(row.warp for row in rows) < 0.1


def test_a_graph_says_what_it_is() -> None:
    model = onnx.load_from_string(small_graph())
    onnx.checker.check_model(model)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert entries["estimator"] == NAME and entries["size"] == "64x32"
    assert "align_corners=True" in entries["coordinates"]
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    inputs = {value.name: value for value in model.graph.input}
    assert list(inputs) == [name for name in INPUTS if name != "mask"]
    assert [value.name for value in model.graph.output] == list(OUTPUTS)[:2]
    for value in (*model.graph.input, *model.graph.output):
        assert value.doc_string and value.doc_string in model.doc_string
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_graph_tells_nothing_of_the_machine_that_wrote_it() -> None:
    content = small_graph()
    assert b".py" not in content and b"site-packages" not in content
    assert b"/reidaug/" not in content


def test_the_graph_of_one_that_sees_the_person_has_a_mask() -> None:
    graph = graph_of(build_estimator(TRAINED["surface"]))
    assert graph.inputs == tuple(INPUTS) and graph.outputs == tuple(OUTPUTS)


@pytest.mark.parametrize("name", RANDOM_WARPS)
def test_what_no_graph_can_hold_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UsageError, match="no graph can hold it: it draws a warp from a digest"):
        written(load_flow(name), name)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Undecided, r"it asks the inputs which way to go \(write torch.where in place of if\)"),
        (OneByOne, r"it takes the number of pairs for a constant \(a loop over pairs, or len\)"),
        (Unknown, "ONNX has no operator for aten._linalg_svd"),
    ],
)
def test_code_that_no_graph_can_hold_is_one_line(kind: type[FlowEstimator], reason: str) -> None:
    with pytest.raises(ReidaugError, match=f"flow own: no graph can hold it as it .*: {reason}$"):
        written(kind(), "own")


def test_a_size_that_the_estimator_refuses_is_one_line() -> None:
    gfla = build_estimator(TRAINED["gfla"]).eval()
    with pytest.raises(UsageError, match="flow gfla, --size 60x32: GFLA halves images"):
        write_graph(gfla, "gfla", size=(60, 32), opset=18, about={})


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_graphs_of_trained_estimators_are_torch(name: str) -> None:
    torch.default_generator.manual_seed(0)
    check(build_estimator(TRAINED[name]).eval(), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CLOSED_FORMS if name != NAME])
def test_graphs_of_closed_forms_are_torch(name: str) -> None:
    check(load_flow(name), name)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [20, 23])
def test_graphs_of_other_opsets_are_torch(opset: int) -> None:
    estimator = load_flow(NAME)
    content = write_graph(estimator, NAME, size=SMALL, opset=opset, about={})
    (version,) = {entry.version for entry in onnx.load_from_string(content).opset_import}
    assert version == opset
    assert parity(content, estimator, *posed_people())[1].largest < 0.001


@pytest.mark.slow
def test_the_same_estimator_gives_the_same_bytes() -> None:
    assert written(load_flow(NAME)) == small_graph()
