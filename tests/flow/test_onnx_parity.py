import numpy as np
import pytest
import torch
from exported_graph import NAME, SMALL, posed_people, small_graph

from reidaug.errors import ReidaugError
from reidaug.flow.builtin import load_flow
from reidaug.flow.closed_form import TorsoAffine
from reidaug.flow.onnx_graph import graph_of
from reidaug.flow.onnx_parity import BATCHES, open_session, parity, random_pairs, run
from reidaug.geometry.warp import warp
from tests.seeding import seeded


def test_a_graph_is_its_estimator_for_every_batch() -> None:
    rows = parity(small_graph(), load_flow(NAME), *posed_people())
    assert [row.pairs for row in rows] == list(BATCHES) == [1, 3]
    assert all(0 <= row.mean <= row.largest < 1e-3 and row.warp < 0.05 for row in rows)


def test_the_distance_is_in_pixels_of_the_image() -> None:
    """Against an estimator that is off by a known shift, the distance is this shift."""

    class Shifted(TorsoAffine):
        def forward(self, *inputs):
            return super().forward(*inputs) + torch.tensor([2 / 31 * 0.003, 0.0])[:, None, None]

    (_, row) = parity(small_graph(), Shifted(), *posed_people())
    assert row.mean == pytest.approx(0.003, rel=0.05)


def test_another_estimator_is_noticed() -> None:
    with pytest.raises(ReidaugError, match=r"not its estimator: flows of a batch of \d differ by"):
        parity(small_graph(), load_flow("identity"), *posed_people())


def test_the_second_output_is_the_warp_along_the_first() -> None:
    graph = graph_of(load_flow(NAME))
    inputs = random_pairs(graph, 2, *posed_people(), seeded(3))
    told = run(open_session(small_graph()), graph, inputs)
    expected = warp(inputs[0], torch.from_numpy(told["flow"]))
    np.testing.assert_allclose(told["warp"], expected.numpy(), atol=1e-4)
    assert told["warp"].shape == (2, 3, *SMALL)


def test_what_is_no_graph_is_one_line() -> None:
    with pytest.raises(ReidaugError, match="onnxruntime does not run the graph"):
        open_session(b"no graph")
