"""Makes the target poses that come with the package: rendered people from all sides.

    python benchmarks/pose_pool.py [--sheet FILE]

An average body in plain clothes without bag or skirt, in postures of walking, standing, turning,
carrying and reaching, seen from 50 sides a 50th of a turn apart, by cameras as high and as far as
those of the rendered worlds, whole in a crop of 128 x 64 pixels. The file is
reidaug/augment/shipped_poses.npz; the same seed gives the same poses. --sheet draws them. Needs the
extra [synth].
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image

from reidaug.augment.shipped_poses import COUNT, FILE, SIZE, ShippedPoses, save_shipped
from reidaug.data.contact_sheet import ContactSheet
from reidaug.data.skeletons import draw_skeleton
from reidaug.files import write_atomically
from reidaug.geometry.pose import Pose, select
from reidaug.jobs import numpy_generator
from reidaug.people3d.appearance import Appearance, Bag, Bottom, Fabric, Hair, Top
from reidaug.people3d.body import ORDINARY, Phenotype
from reidaug.people3d.camera import PLAIN_OPTICS, View
from reidaug.people3d.mesh import PersonMesh, build_mesh
from reidaug.people3d.motion import Posture, sample_posture
from reidaug.people3d.render import Light, Render, RenderPlan, render
from reidaug.people3d.render_plans import STRETCH, STRETCH_SPREAD, ZOOM
from reidaug.people3d.scene import WHITE, Backdrop, Occluder
from reidaug.people3d.worlds import Rig

SEED = 0
ACTIONS = ("walk",) * 20 + ("stand",) * 10 + ("carry",) * 8 + ("turn",) * 6 + ("reach",) * 6
MARGIN = 1  # pixels between the person and the crop's edges
GREY = (0.5, 0.5, 0.5)
OUT = Path(__file__).parents[1] / "reidaug" / "augment" / FILE


def main() -> None:
    """Render the poses and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--sheet", type=Path, help="PNG of outlines and joints")
    options = parser.parse_args()
    poses = shipped_poses(COUNT)
    content = save_shipped(poses)
    write_atomically(options.out, content)
    print(f"{len(poses.yaw)} poses, {len(content):,} bytes")
    if options.sheet:
        write_atomically(options.sheet, sheet(poses))


def shipped_poses(count: int) -> ShippedPoses:
    """Render the first poses of a full turn of `COUNT`."""
    mesh = build_mesh(plain_person())
    order = numpy_generator(SEED).permutation(COUNT)
    found = [whole_person(mesh, ACTIONS[order[k]], k) for k in range(count)]
    return ShippedPoses(
        Pose(
            torch.tensor(np.stack([shown.xy for _, shown in found]).round(2), dtype=torch.float32),
            torch.tensor(np.stack([shown.visible for _, shown in found])),
        ),
        torch.tensor(np.stack([shown.mask for _, shown in found])),
        np.array([plan.view.yaw for plan, _ in found], dtype=np.float32),
        np.array([plan.posture for plan, _ in found], dtype=np.float32),
        Posture._fields,
    )


def plain_person() -> Appearance:
    """Dress an average body in a T-shirt and trousers."""
    cloth = Fabric("plain", GREY, GREY, GREY, 0.1, 0)
    top = Top(cloth, cloth, cloth, 1.0, 0.92, 0.06, 0.012, "none", "none", GREY, 0.0, 0.0, 0.0)
    body = Phenotype(0.5, sum(ORDINARY.age) / 2, ORDINARY.muscle, ORDINARY.weight, 0.38, 0.5)
    return Appearance(
        phenotype=body, skin=GREY, beard=0.0, hair=Hair("short", GREY, GREY), top=top,
        inner=cloth, bottom=Bottom(cloth, 1.95, 0.012, 0.0, 0.0, False), shoes=GREY, soles=GREY,
        boots=0.08, socks=GREY, bag=Bag("none", GREY, GREY, False, 1.0), seed=0,
    )  # fmt: skip


def whole_person(mesh: PersonMesh, action: str, number: int) -> tuple[RenderPlan, Render]:
    """Render a pose, drawn again until the person is whole in the crop."""
    rng = numpy_generator(SEED, number + 1)
    while True:
        plan = plan_pose(action, number, rng)
        shown = render(mesh, plan, SIZE)
        inner = shown.mask[MARGIN:-MARGIN, MARGIN:-MARGIN]
        if inner.sum() == shown.mask.sum():
            return plan, shown


def plan_pose(action: str, number: int, rng: Generator) -> RenderPlan:
    """Draw posture and camera of a pose; its side is its number's."""
    rig, yaw = Rig(), 2 * np.pi * number / COUNT
    view = View(
        yaw=float((yaw + np.pi) % (2 * np.pi) - np.pi),
        height=rng.uniform(*rig.height),
        distance=rng.uniform(*rig.distance),
        zoom=ZOOM - 0.02,
        stretch=float(np.clip(rng.normal(STRETCH, STRETCH_SPREAD), 0.95, 1.6)),
        shift_x=0.0,
        shift_y=0.0,
        roll=float(rng.normal(0, 0.015)),
    )
    return RenderPlan(
        posture=sample_posture(action, rng.random(), rng), view=view,
        light=Light(0.0, 0.8, 0.6, 1.1, 0.0), backdrop=Backdrop(WHITE, 0, 0.0),
        occluder=Occluder("none", 0.0, 0), optics=PLAIN_OPTICS, seed=0,
    )  # fmt: skip


def sheet(poses: ShippedPoses) -> bytes:
    """PNG of outlines and joints, ten in a row."""
    rows = -(-len(poses.yaw) // 10)
    page = ContactSheet(rows, 10, SIZE)
    for k, outline in enumerate(poses.outline):
        picture = Image.fromarray(np.where(outline.numpy(), 200, 40).astype(np.uint8))
        picture = picture.convert("RGB")
        draw_skeleton(picture, select(poses.pose, k), 2)
        page.place(picture, k // 10, k % 10)
    return page.png()


if __name__ == "__main__":
    main()
