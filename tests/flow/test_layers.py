import pytest
import torch
from torch import nn

from reidaug.flow.layers import Down, Hourglass, Residual, Same, Up, check_halving, norm_layer


def test_blocks_change_the_resolution() -> None:
    picture = torch.rand(2, 3, 8, 4)
    for norm in ("batch", "instance"):
        assert Down(3, 5, norm=norm)(picture).shape == (2, 5, 4, 2)
        assert Up(3, 5, norm=norm)(picture).shape == (2, 5, 16, 8)
        assert Same(3, 5, kernel=7, norm=norm)(picture).shape == (2, 5, 8, 4)
        assert Residual(3, norm=norm)(picture).shape == picture.shape
    with pytest.raises(ValueError, match="batch"):
        norm_layer("layer", 3)


def test_a_residual_block_that_changes_nothing_is_the_identity() -> None:
    block, picture = Residual(3), torch.rand(2, 3, 8, 4)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(block(picture), picture)


def test_every_convolution_has_a_bias() -> None:
    net = Hourglass(5, expansion=4, blocks=3, limit=16)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 6
    assert all(m.bias is not None for m in convolutions)


def test_the_papers_hourglass_has_the_papers_channels() -> None:
    with torch.device("meta"):
        net = Hourglass(44, expansion=64, blocks=5, limit=1024)
        maps = net(torch.zeros(1, 44, 64, 64))
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [
        (44, 128), (128, 256), (256, 512), (512, 1024), (1024, 1024),
        (1024, 1024), (2048, 512), (1024, 256), (512, 128), (256, 64),
    ]  # fmt: skip
    assert net.channels == (2048, 1024, 512, 256, 108)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (2048, 4, 4), (1024, 8, 8), (512, 16, 16), (256, 32, 32), (108, 64, 64),
    ]  # fmt: skip


def test_the_input_itself_is_part_of_the_output() -> None:
    net, picture = Hourglass(3, expansion=4, blocks=2, limit=8), torch.rand(2, 3, 8, 4)
    assert torch.equal(net(picture)[-1][:, 4:], picture)


@pytest.mark.parametrize("size", [(16, 4), (4, 16), (24, 12)])
def test_images_too_small_to_halve_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 8, got {size[0]}x{size[1]}"):
        Hourglass(3, expansion=4, blocks=3)(torch.rand(1, 3, *size))
    check_halving(torch.rand(1, 3, *size), 2)
