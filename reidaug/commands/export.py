"""`reidaug export`: a flow estimator as an ONNX graph, compared with torch."""

from pathlib import Path

import click
import torch

from reidaug.augment import shipped_poses
from reidaug.commands import options
from reidaug.flow.builtin import named_flow
from reidaug.flow.onnx_file import export, size_for
from reidaug.flow.onnx_graph import OPSETS
from reidaug.geometry.flow import Size, size_from
from reidaug.geometry.pose import on_canvas
from reidaug.geometry.silhouette import resized

SIDES = range(8, 2049)


def _size(context: click.Context, option: click.Parameter, text: str | None) -> Size | None:
    """Read (height, width) of images, written HxW."""
    if text is None:
        return None
    size = size_from(text)
    if size is None or not {*size} <= {*SIDES}:
        raise click.BadParameter(
            f"{text}: height x width such as 128x64, each {SIDES[0]} to {SIDES[-1]}.",
            context,
            option,
        )
    return size


@click.command("export")
@click.argument("flow")
@click.option("--out", type=options.PATH, required=True, help="The .onnx file to write.")
@click.option(
    "--opset",
    type=click.IntRange(*OPSETS),
    default=OPSETS[0],
    show_default=True,
    help="Version of ONNX's operators.",
)
@click.option(
    "--size",
    metavar="HxW",
    callback=_size,
    help="Height and width of the images. [default: those of FLOW's training, else 128x64]",
)
def command(flow: str, out: Path, opset: int, size: Size | None) -> None:
    """Write the estimator FLOW as an ONNX graph: crops and poses in, flow and warped crops out.

    FLOW is surface, market, identity, torso-affine, joint-blend or a checkpoint folder of
    train-flow. The graph takes any number of pairs of one size at once and runs without torch and
    reidaug. Its metadata say what its inputs and outputs are, where the weights are from, and the
    convention of coordinates. Its flows are compared with torch's on random pairs of the poses that
    come with the package; where they differ, nothing is written.

    \b
    reidaug export market --out market.onnx
    """  # noqa: D301 - click asks for this character
    chosen = named_flow(flow)
    size = size or size_for(chosen)
    people = shipped_poses.load_shipped()
    done = export(
        chosen,
        out,
        size=size,
        opset=opset,
        pose=on_canvas(people.pose, shipped_poses.SIZE, size),
        outline=torch.stack([resized(outline, size) for outline in people.outline]),
    )
    for row in done.parity:
        click.echo(
            f"{row.pairs} {'pair' if row.pairs == 1 else 'pairs'}: flow within "
            f"{row.largest:.2g} px of torch's, {row.mean:.2g} px on average; warp within "
            f"{row.warp:.2g} of 255"
        )
    outputs = ", ".join(f"{name} {shape}" for name, shape in done.outputs.items())
    click.echo(f"{out}: {done.bytes / 1e6:.1f} MB, opset {opset}, images {size[0]}x{size[1]}")
    click.echo(f"gives {outputs}")
