"""Pictures of poses, flows and warps, as RGB bytes: no axes, no text, no theme."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from reidaug.geometry.flow import Size, identity
from reidaug.geometry.pose import Pose, select

# Heights and widths are free: pictures of several sizes meet in one call.
Picture = UInt8[Tensor, "3 _ _"]

WHITE = (255, 255, 255)
UNSEEN = (206, 208, 211)
OUTLINE = (38, 42, 48)
SMOOTHING = 4

LIMBS_18 = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Joint pairs PATN draws, in its order; limb k has the hue of 20 k degrees."""


def hue(degrees: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3"]:
    """Find the full colour of a hue.

    Args:
        degrees: Hue angles (...): 0 red, 120 green, 240 blue.

    Returns:
        RGB (..., 3) in [0, 1], the brightest channel 1 and the darkest 0.
    """
    shifted = (degrees[..., None] / 60 + torch.tensor([0.0, 4.0, 2.0])) % 6
    return ((shifted - 3).abs() - 1).clamp(0, 1)


def displacement(flow: Float[Tensor, "2 h w"], size: Size) -> Float[Tensor, "2 h w"]:
    """Find how far each target cell reaches into the source.

    Args:
        flow: A flow in the convention of `reidaug.geometry.flow`.
        size: (height, width) of the source image.

    Returns:
        Flow minus identity in pixels of the source, x then y.
    """
    unit = torch.tensor((size[1] - 1, size[0] - 1), dtype=flow.dtype) / 2
    return (flow - identity(*flow.shape[-2:]).to(flow.dtype)) * unit[:, None, None]


def flow_colours(
    flow: Float[Tensor, "2 h w"],
    size: Size,
    *,
    longest: float | None = None,
    visible: Bool[Tensor, "h w"] | None = None,
) -> Picture:
    """Draw a flow: the hue is the direction of the displacement, the saturation its length.

    Args:
        flow: A flow in the convention of `reidaug.geometry.flow`.
        size: (height, width) of the source image.
        longest: Displacement in pixels that gets the full colour; by default the longest visible
            one. White is no displacement.
        visible: Cells that mean something; the others are grey.

    Returns:
        A picture (3, h, w), to be read with `colour_wheel`.
    """
    reach = displacement(flow, size)
    length = reach.norm(dim=0)
    seen = torch.ones_like(length, dtype=torch.bool) if visible is None else visible
    if longest is None:
        longest = float(length[seen].max()) if seen.any() else 1.0
    colour = _direction_colours(reach, (length / max(longest, 1e-6)).clamp(0, 1))
    ground = torch.tensor(UNSEEN, dtype=torch.uint8)[:, None, None]
    return torch.where(seen, colour, ground)


def colour_wheel(diameter: int) -> Picture:
    """Draw the legend of `flow_colours`: each point has the colour of the arrow that ends there.

    Args:
        diameter: Rows and columns.

    Returns:
        A disc (3, diameter, diameter) on white; the rim is the longest displacement.
    """
    reach = identity(diameter, diameter)
    length = reach.norm(dim=0)
    disc = _direction_colours(reach, length.clamp(0, 1))
    # The rim is one pixel soft: shrinking the page does not show stairs.
    cover = ((1 - length) * diameter / 2 + 0.5).clamp(0, 1)
    return (disc * cover + 255 * (1 - cover)).round().to(torch.uint8)


def draw_skeleton(picture: Picture, pose: Pose, *, scale: int = 1) -> Picture:
    """Draw a pose over a picture in PATN's limb colours.

    Args:
        picture: What to draw on (3, H, W).
        pose: The 18 joints (18, 2) in pixels of the picture; missing ones and their limbs are
            left out.
        scale: The picture is enlarged by this whole factor first.

    Returns:
        The picture (3, scale H, scale W) with the skeleton on it.
    """
    ground = enlarge(picture, scale)
    height, width = ground.shape[-2:]
    fine = (width * SMOOTHING, height * SMOOTHING)
    layer = Image.new("RGBA", fine, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    breadth = max(1.5, height / 56) * SMOOTHING
    points = ((pose.xy + 0.5) * scale * SMOOTHING).tolist()
    colours = (hue(torch.arange(0.0, 360.0, 20.0)) * 255).round().int().tolist()
    limbs = [
        (points[a], points[b], tuple(colours[k]))
        for k, (a, b) in enumerate(LIMBS_18)
        if pose.visible[a] and pose.visible[b]
    ]
    joints = [point for point, seen in zip(points, pose.visible.tolist(), strict=True) if seen]
    for grow, casing in ((0.7 * SMOOTHING, OUTLINE), (0.0, None)):
        for start, end, colour in limbs:
            _round_line(pen, start, end, breadth / 2 + grow, casing or colour)
        for point in joints:
            _disc(pen, point, breadth * 0.62 + grow, casing or WHITE)
    base = _to_pillow(ground).convert("RGBA")
    over = layer.resize((width, height), Image.Resampling.LANCZOS)
    return _from_pillow(Image.alpha_composite(base, over).convert("RGB"))


def blank(size: Size, colour: tuple[int, int, int] = WHITE) -> Picture:
    """Make a picture of one colour.

    Args:
        size: (height, width).
        colour: RGB bytes.

    Returns:
        The picture (3, *size).
    """
    return torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, *size).clone()


def enlarge(picture: Picture, scale: int) -> Picture:
    """Enlarge a picture by a whole factor with a bicubic filter.

    Args:
        picture: The picture (3, H, W).
        scale: At least 1.

    Returns:
        The picture (3, scale H, scale W).
    """
    if scale == 1:
        return picture
    height, width = picture.shape[-2:]
    size = (width * scale, height * scale)
    return _from_pillow(_to_pillow(picture).resize(size, Image.Resampling.BICUBIC))


def sheet(
    rows: Sequence[Sequence[Picture | None]],
    *,
    gap: int = 4,
    ground: tuple[int, int, int] = WHITE,
) -> Picture:
    """Lay pictures out in a table.

    Args:
        rows: Pictures by row; None leaves a place empty. Rows may have different lengths.
        gap: Pixels between places and around the table.
        ground: Colour between the pictures.

    Returns:
        One picture, each row as high as its highest and each column as wide as its widest
        picture, the pictures centred in their places.
    """
    heights = [max((p.shape[1] for p in row if p is not None), default=0) for row in rows]
    count = max((len(row) for row in rows), default=0)
    columns = [[row[k] for row in rows if k < len(row)] for k in range(count)]
    widths = [max((p.shape[2] for p in column if p is not None), default=0) for column in columns]
    size = (sum(heights) + gap * (len(heights) + 1), sum(widths) + gap * (count + 1))
    page = blank(size, ground)
    for i, row in enumerate(rows):
        for k, picture in enumerate(row):
            if picture is None:
                continue
            height, width = picture.shape[-2:]
            top = gap + sum(heights[:i]) + gap * i + (heights[i] - height) // 2
            left = gap + sum(widths[:k]) + gap * k + (widths[k] - width) // 2
            page[:, top : top + height, left : left + width] = picture
    return page


def warp_sheet(
    sources: Sequence[Picture],
    target_poses: Pose,
    warps: Sequence[Sequence[Picture]],
    *,
    truths: Sequence[Sequence[Picture | None]] | None = None,
    scale: int = 2,
) -> Picture:
    """Show people (rows) warped into poses (columns).

    Args:
        sources: One crop a person, all of one size.
        target_poses: The poses (T, 18, 2) in pixels of that size, drawn as the header row.
        warps: Per person one warp a pose.
        truths: Per person the true view in each pose, where there is one, in a row of its own
            below the warps.
        scale: Enlargement of every picture.

    Returns:
        One picture: the header; then for each person the source and its warps.
    """
    size = (sources[0].shape[-2], sources[0].shape[-1])
    poses = [select(target_poses, t) for t in range(target_poses.xy.shape[0])]
    header = [draw_skeleton(blank(size), pose, scale=scale) for pose in poses]
    rows: list[list[Picture | None]] = [[None, *header]]
    for k, source in enumerate(sources):
        rows.append([enlarge(source, scale), *(enlarge(warp, scale) for warp in warps[k])])
        if truths is not None:
            below = (None if view is None else enlarge(view, scale) for view in truths[k])
            rows.append([None, *below])
    return sheet(rows, gap=3 * scale)


def _direction_colours(reach: Float[Tensor, "2 h w"], fill: Float[Tensor, "h w"]) -> Picture:
    angle = torch.atan2(reach[1], reach[0]) * (180 / math.pi)
    full = hue(angle).movedim(-1, 0)
    return ((1 - fill * (1 - full)) * 255).round().to(torch.uint8)


def _round_line(
    pen: ImageDraw.ImageDraw,
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    colour: tuple[int, ...],
) -> None:
    pen.line([*start, *end], fill=(*colour, 255), width=round(2 * radius))
    _disc(pen, start, radius, colour)
    _disc(pen, end, radius, colour)


def _disc(
    pen: ImageDraw.ImageDraw, centre: Sequence[float], radius: float, colour: tuple[int, ...]
) -> None:
    x, y = centre
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(*colour, 255))


def _to_pillow(picture: Picture) -> Image.Image:
    return Image.fromarray(picture.movedim(0, -1).contiguous().numpy())


def _from_pillow(image: Image.Image) -> Picture:
    from torchvision.transforms.functional import pil_to_tensor

    picture: Tensor = pil_to_tensor(image)
    return picture
