"""docs/test-time-averaging.md: its listing runs."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from augmented import augmented

from reidaug.data.market1501 import TRAIN, read_market1501

PAGE = (Path(__file__).parents[1] / "docs" / "test-time-averaging.md").read_text()


def test_the_listing_averages_by_the_manifest(rendered_market, tmp_path):
    (listing,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(listing, names)
    out = tmp_path / "warps"
    augmented(rendered_market, out, flow="torso-affine", poses=2, poses_from="shipped", workers=1)
    people = [person.path.name for person in read_market1501(rendered_market).train]
    files = sorted(path.name for path in (out / TRAIN).iterdir())[::-1]  # in any order
    random = torch.Generator().manual_seed(0)
    own, warps = (torch.randn(len(n), 3, generator=random).numpy() for n in (people, files))
    found = names["averaged"](people, own, files, warps, str(out), weight=2.0)
    rows = pd.read_parquet(out / "manifest.parquet").set_index("file")
    for k, name in enumerate(people):
        mine = [i for i, file in enumerate(files) if rows.loc[file, "source"] == name]
        quality = np.array([rows.loc[files[i], "quality"] for i in mine])
        views = np.stack([warps[i] / np.linalg.norm(warps[i]) for i in mine])
        mean = own[k] / np.linalg.norm(own[k]) + 2 * (quality @ views) / quality.sum()
        assert found[k] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
