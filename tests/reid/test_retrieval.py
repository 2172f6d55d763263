"""Searching a gallery in parts, and the features it is searched by."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from reidaug.data.images import encode_jpeg
from reidaug.errors import ReidaugError
from reidaug.reid.crops import Crops, normalised
from reidaug.reid.named import build
from reidaug.reid.protocol import Crowd, hit_ranks
from reidaug.reid.retrieval import embed, nearest, search


def ids(rng, count):
    return Crowd(rng.integers(1, 9, count), rng.integers(1, 4, count))


def test_parts_give_what_the_whole_matrix_gives():
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    query, gallery = (
        torch.randn(700, 16, generator=chance),
        torch.randn(900, 16, generator=chance),
    )
    who, among = ids(rng, 700), ids(rng, 900)
    cosine = normalize(query, dim=1).double() @ normalize(gallery, dim=1).double().T
    whole = hit_ranks(-cosine.numpy(), who, among)
    for memory in (1, 64):  # one megabyte holds 291 rows
        parts = search(query, who, gallery, among, memory_mb=memory)
        # single precision may swap neighbours
        assert all((abs(a - b) <= 1).all() for a, b in zip(whole, parts, strict=True))


def test_the_length_of_a_feature_does_not_matter():
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    query, gallery = torch.randn(5, 8, generator=chance), torch.randn(60, 8, generator=chance)
    who, among = ids(rng, 5), ids(rng, 60)
    plain = search(query, who, gallery, among)
    scaled = search(query * 7, who, gallery * torch.rand(60, 1, generator=chance), among)
    assert all((a == b).all() for a, b in zip(plain, scaled, strict=True))


def test_a_diverged_model_is_told():
    who = Crowd(np.array([1]), np.array([1]))
    with pytest.raises(ReidaugError, match="gallery feature is not finite"):
        search(torch.ones(1, 2), who, torch.tensor([[1.0, torch.nan]]), who)


def test_embedding_is_the_weighted_cosine_of_the_heads_over_both_views(tmp_path: Path):
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 3, 32, 16), generator=chance, dtype=torch.uint8)
    paths = [tmp_path / f"{i}.jpg" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encode_jpeg(image))
    crops = Crops(paths, size=(32, 16))
    model = build("resnet18", 4, width=4, blocks=[1, 1, 1, 1], embedding=8, generator=chance)
    features = normalize(embed(model, crops, batch=2, fine_weight=0.5), dim=1)
    shown = normalised(crops.batch([0, 1, 2]))
    with torch.no_grad():
        views = [model(shown).heads, model(shown.flip(-1)).heads]
    unit = [
        normalize(normalize(views[0][k], dim=1) + normalize(views[1][k], dim=1), dim=1)
        for k in range(2)
    ]
    expected = (unit[0] @ unit[0].T + 0.5 * unit[1] @ unit[1].T) / 1.5
    torch.testing.assert_close(features @ features.T, expected)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_nearest_are_those_of_a_sorted_list(seed: int, k: int):
    rng, chance = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    # Few directions, so that many distances are equal.
    query, gallery = (
        torch.randint(-1, 2, (n, 2), generator=chance).float() + 0.25 for n in (4, 20)
    )
    who, among = ids(rng, 4), Crowd(rng.integers(-1, 5, 20), rng.integers(1, 4, 20))
    found = nearest(query, who, gallery, among, k)
    ranks = search(query, who, gallery, among)
    for q, places in enumerate(found):
        cosines = normalize(gallery, dim=1) @ -normalize(query, dim=1)[q]
        left = []
        for g in range(20):
            same = among.pids[g] == who.pids[q] and among.camids[g] == who.camids[q]
            if among.pids[g] != -1 and not same:
                left.append((float(cosines[g]), g))
        assert places.tolist() == [g for _, g in sorted(left)][:k]
        right = np.flatnonzero(among.pids[places] == who.pids[q])
        assert right.tolist() == [rank for rank in ranks[q] if rank < k]


def test_without_the_mirror_image_features_are_the_heads_own(tmp_path: Path):
    chance = torch.Generator().manual_seed(0)
    path = tmp_path / "0.jpg"
    image = torch.randint(0, 256, (3, 32, 16), generator=chance, dtype=torch.uint8)
    path.write_bytes(encode_jpeg(image))
    crops = Crops([path], size=(32, 16))
    model = build("resnet18", 4, width=4, blocks=[1, 1, 1, 1], embedding=8, generator=chance)
    features = embed(model, crops, fine_weight=1.0, mirror=False)
    with torch.no_grad():
        heads = model(normalised(crops.batch([0]))).heads
    torch.testing.assert_close(features, torch.cat([normalize(h, dim=1) for h in heads], 1))
