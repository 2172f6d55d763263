import pose_pool
import pytest
import torch

from reidaug.augment.shipped_poses import load_shipped

pytest.importorskip("anny", reason="needs the extra [synth]")


def test_the_script_makes_the_poses_of_the_package() -> None:
    made, shipped = pose_pool.shipped_poses(2), load_shipped()
    assert torch.equal(made.outline, shipped.outline[:2])
    torch.testing.assert_close(made.pose.xy, shipped.pose.xy[:2], atol=0.02, rtol=0)
    assert torch.equal(made.pose.visible, shipped.pose.visible[:2])
    assert made.yaw.tolist() == shipped.yaw[:2].tolist()
    assert len(pose_pool.sheet(made)) > 1000
