"""`reidaug play`: draw a pose in a browser and see the warp."""

from pathlib import Path

import click

from reidaug.app.play.pages import play_application
from reidaug.app.play.playground import PlayedCrop, Playground
from reidaug.app.play.rendered_people import rendered_people
from reidaug.app.server import LOOPBACK, address_of, listen, serve
from reidaug.augment.outlines import mask_file
from reidaug.commands import options
from reidaug.data.image_poses import read_image_poses
from reidaug.data.images import read_image, read_mask
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.flow.builtin import SHIPPED, SURFACE, UNTRAINED
from reidaug.geometry.pose import Pose
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.perception.weights import find_model
from reidaug.runs import notice

FLOWS = (SURFACE, SHIPPED, "torso-affine")


@click.command("play")
@click.argument("crop", type=options.PATH, required=False)
@click.option(
    "--keypoints",
    type=options.PATH,
    help="Keypoint file with the joints of CROP; without it, they are found (extra 'pose').",
)
@click.option("--masks", type=options.PATH, help="Folder with the person mask of CROP, STEM.png.")
@click.option(
    "--flow",
    "flows",
    metavar="FLOW",
    multiple=True,
    help=f"Flow estimators to compare, as of augment: {SURFACE}, {SHIPPED}, checkpoint folders, "
    f"{', '.join(UNTRAINED)}; give the option several times. [default: {', '.join(FLOWS)}]",
)
@options.model
@click.option("--port", type=click.IntRange(0, 65535), default=8766, show_default=True,
              help="Port of this machine; 0 for a free one.")  # fmt: skip
def command(
    crop: Path | None,
    keypoints: Path | None,
    masks: Path | None,
    flows: tuple[str, ...],
    model: Path | None,
    port: int,
) -> None:
    """Draw a pose in a browser and see CROP warped into it, by several flows side by side.

    Without CROP the page begins with rendered people. More crops are dropped on the page; joints
    and masks are found in them and can be dragged. The page shows flow, where the texture comes
    from and the quality while you drag, and saves a warp with the Python lines that make it again,
    byte for byte. Only this machine reaches the page; nothing is kept. Ctrl-C ends it.

    \b
    reidaug play
    reidaug play crop.jpg --flow surface --flow runs/flow/checkpoint
    """  # noqa: D301 - click asks for this character
    if crop is None and (keypoints or masks):
        raise UsageError("--keypoints and --masks are of CROP; name it")
    with listen(LOOPBACK, port) as opened:  # first: before networks are loaded
        playground = Playground(flows or FLOWS, _pose_estimator(model))
        crops = [] if crop is None else [_read(playground, crop, keypoints, masks)]
        crops += [
            playground.add(person.image, person.name, pose=person.pose, mask=person.mask)
            for person in rendered_people()
        ]
        click.echo(f"{address_of(opened)}  (open it in a browser; Ctrl-C ends it)")
        serve(play_application(playground, crops), opened)


def _pose_estimator(model: Path | None) -> PoseEstimator | None:
    """Make the built-in estimator; where it cannot run, say so, for joints can be dragged."""
    try:
        require_extra("pose", "ai_edge_litert")
        return BlazePose(find_model(model))
    except ReidaugError as error:
        if model is not None:
            raise
        notice(f"crops get the joints of a person standing, drag them: {error}")
        return None


def _read(
    playground: Playground, crop: Path, keypoints: Path | None, masks: Path | None
) -> PlayedCrop:
    image, pose, mask = read_image(crop), None, None
    if masks is not None:
        file = mask_file(crop.name, masks)
        if file is None:
            raise UsageError(f"{masks}: no mask {crop.stem}.png in it")
        mask = read_mask(file)
        if mask.shape != image.shape[1:]:
            raise ReidaugError(f"{file}: a mask of another size than {crop}")
    if keypoints is not None:
        pose = _pose_of(crop, keypoints)
    return playground.add(image, crop.name, pose=pose, mask=mask)


def _pose_of(crop: Path, keypoints: Path) -> Pose:
    joined = read_image_poses([crop], keypoints)
    if crop not in joined.keys:
        raise UsageError(f"{keypoints}: no joints of {crop.name} in it")
    placed = joined.place(file=keypoints)
    for line in placed.left_out.values():
        raise ReidaugError(line)
    return placed.poses[joined.keys[crop]]
