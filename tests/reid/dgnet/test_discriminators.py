"""Image discriminator."""

import torch
from seeding import seeded
from small_dgnet import crops

from reidaug.reid.dgnet.discriminators import ImageDiscriminator


def test_coarser_scales_get_the_mean_of_pixels_inside_the_image():
    discriminator = ImageDiscriminator(scales=2, width=4, blocks=1, generator=seeded())
    images = crops(0)
    halved = torch.zeros(2, 3, 32, 20)
    for y in range(32):
        for x in range(20):
            rows, columns = slice(max(0, 2 * y - 1), 2 * y + 2), slice(max(0, 2 * x - 1), 2 * x + 2)
            halved[:, :, y, x] = images[:, :, rows, columns].mean((2, 3))
    torch.testing.assert_close(discriminator(images)[1], discriminator.networks[1](halved))
