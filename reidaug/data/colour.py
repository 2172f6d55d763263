"""CIE Lab colours, and a change of light in them."""

import torch
from jaxtyping import Float
from torch import Tensor

WHITE = (0.95047, 1.0, 1.08883)  # D65, in XYZ
SRGB = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ."""
KNEE = 6 / 29  # below it Lab is linear
LEAST, MOST = 0.5, 2.0  # factors of a spread: a plain wall says little about contrast
EVEN = 2.0  # Lab units that count as spread in every scene


def lab_of(image: Float[Tensor, "*b 3 H W"]) -> Float[Tensor, "*b 3 H W"]:
    """Turn sRGB images (..., 3, H, W) in [0, 1] into Lab: L in [0, 100], a and b around 0."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,...jhw->...ihw", _to_xyz(image), linear)
    f = torch.where(xyz > KNEE**3, xyz.clamp_min(1e-9) ** (1 / 3), xyz / (3 * KNEE**2) + 4 / 29)
    x, y, z = f.unbind(-3)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -3)


def rgb_of(lab: Float[Tensor, "*b 3 H W"]) -> Float[Tensor, "*b 3 H W"]:
    """Turn Lab images (..., 3, H, W) into sRGB in [0, 1]; what no screen shows is clipped."""
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    f = torch.stack((y + a / 500, y, y - b / 200), -3)
    xyz = torch.where(f > KNEE, f**3, 3 * KNEE**2 * (f - 4 / 29))
    linear = torch.einsum("ij,...jhw->...ihw", torch.linalg.inv(_to_xyz(lab)), xyz).clamp(0, 1)
    return torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055
    )


def relight(
    image: Float[Tensor, "b 3 H W"],
    here: Float[Tensor, "b 3 h w"],
    there: Float[Tensor, "b 3 h w"],
    strength: float,
) -> Float[Tensor, "b 3 H W"]:
    """Change the light of images as it changes between two scenes.

    In Lab, the difference of the scenes' means is added, and spreads about the image's own mean are
    scaled by the ratio of the scenes' standard deviations, within `LEAST` and `MOST`.

    Args:
        image: sRGB images (B, 3, H, W) in [0, 1].
        here: The scenes they are from, without the people, of any size.
        there: The scenes whose light they shall have.
        strength: Share of the change, 0 to 1.

    Source:
        Reinhard et al., Color transfer between images, 2001: means and deviations, channel by
        channel. There they are the two pictures' own; a person in red would take the colour of the
        grass. Here they are those of the scenes, and what the person wears stays different.
    """
    own, scene, other = (lab_of(part) for part in (image, here, there))
    shift = other.mean((2, 3), keepdim=True) - scene.mean((2, 3), keepdim=True)
    spreads = [part.flatten(2).std(2)[..., None, None] + EVEN for part in (other, scene)]
    scale = (spreads[0] / spreads[1]).clamp(LEAST, MOST) ** strength
    middle = own.mean((2, 3), keepdim=True)
    return rgb_of(middle + strength * shift + scale * (own - middle))


def _to_xyz(like: Tensor) -> Float[Tensor, "3 3"]:
    return torch.tensor(SRGB, device=like.device) / torch.tensor(WHITE, device=like.device)[:, None]
