"""A small root of pairs in DeepFashion form, with exact flows, written in an instant."""

from pathlib import Path

import torch
from flow_figures import SIZE, pairs

from reidaug.data.deepfashion import write_pairs_csv
from reidaug.data.images import encode_jpeg, encode_png, to_bytes
from reidaug.data.keypoints import write_patn
from reidaug.data.pairs import flow_name, write_flow
from reidaug.geometry.pose import Pose, select


def write_pairs(root: Path, *, masks: bool = True) -> Path:
    """People who stand in two pictures each, six to train and three to test."""
    (root / "masks").mkdir(parents=True)
    for split, people, seed in (("train", 6, 0), ("test", 3, 100)):
        batch = pairs(people, seed)
        assert batch.flow is not None
        assert batch.visible is not None
        (root / split).mkdir()
        (root / "flows" / split).mkdir(parents=True)
        names, poses = [], {}
        for k in range(people):
            stems = [f"{seed + k:04d}_{view}" for view in (0, 1)]
            for stem, image, pose in zip(
                stems,
                (batch.source[k], batch.target[k]),
                (batch.source_pose, batch.target_pose),
                strict=True,
            ):
                (root / split / f"{stem}.jpg").write_bytes(encode_jpeg(to_bytes(image)))
                poses[f"{stem}.jpg"] = shown(select(pose, k))
                if masks:
                    mask = torch.zeros(*SIZE, dtype=torch.bool)
                    mask[4:28, 2:14] = True
                    (root / "masks" / f"{stem}.png").write_bytes(encode_png(mask))
            names.append((f"{stems[0]}.jpg", f"{stems[1]}.jpg"))
            flow_path = root / "flows" / split / flow_name(*names[-1])
            write_flow(flow_path, batch.flow[k], batch.visible[k])
        write_pairs_csv(root / f"fasion-pairs-{split}.csv", names)
        write_patn(root / f"fasion-annotation-{split}.csv", poses, decimals=2)
    return root


def shown(pose: Pose) -> Pose:
    """Hide the joints outside of the image, as annotators do."""
    inside = (pose.xy >= 0) & (pose.xy <= torch.tensor([SIZE[1] - 1.0, SIZE[0] - 1.0]))
    return Pose(pose.xy, pose.visible & inside.all(-1))
