"""Eqs. 4-5: the random upright affine map and its inverse, point by point."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.unwarpme.affine_task import move_pose, random_upright_affine
from reidaug.geometry import affine, flow
from reidaug.geometry.pose import Pose


@given(st.integers(0, 2**31))
def test_equation_4_and_equation_5_as_loops(seed: int) -> None:
    matrix, offset = random_upright_affine(1, torch.Generator().manual_seed(seed))
    size = (5, 4)
    sampled = flow.from_affine(matrix, offset, size)[0]
    s_f = flow.from_affine(*affine.inverse(matrix, offset), size)[0]
    (a, b), (c, d) = matrix[0].double().tolist()
    e, f = offset[0].double().tolist()
    determinant = a * d - b * c
    for v in range(size[0]):
        for u in range(size[1]):
            x, y = 2 * u / (size[1] - 1) - 1, 2 * v / (size[0] - 1) - 1
            forward = torch.tensor([a * x + b * y + e, c * x + d * y + f])
            torch.testing.assert_close(sampled[:, v, u], forward.float(), atol=1e-5, rtol=1e-4)
            back = [
                (d * (x - e) - b * (y - f)) / determinant,
                (a * (y - f) - c * (x - e)) / determinant,
            ]
            torch.testing.assert_close(s_f[:, v, u], torch.tensor(back), atol=1e-4, rtol=1e-4)


@given(st.integers(0, 2**31))
def test_joints_move_by_equation_5(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = (128, 64)
    pose = Pose(
        torch.rand(1, 18, 2, generator=generator) * torch.tensor([63.0, 127.0]),
        torch.ones(1, 18, dtype=torch.bool),
    )
    matrix, offset = random_upright_affine(1, generator)
    moved = move_pose(pose, matrix, offset, size)
    for j in range(18):
        x = float(pose.xy[0, j, 0]) / 63 * 2 - 1 - float(offset[0, 0])
        y = float(pose.xy[0, j, 1]) / 127 * 2 - 1 - float(offset[0, 1])
        (p, q), (r, s) = torch.linalg.inv(matrix[0].double()).tolist()
        expected = [(p * x + q * y + 1) / 2 * 63, (r * x + s * y + 1) / 2 * 127]
        torch.testing.assert_close(moved.xy[0, j], torch.tensor(expected), atol=2e-2, rtol=1e-3)
