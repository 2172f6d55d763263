"""From rendered people to what a re-ID toolbox reads: 200 crops, 5,000 files."""

import warnings
from collections import Counter
from pathlib import Path

import pytest
from augmented import augmented

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, read_market1501
from reidaug.flow.checkpoint import build_estimator, save_checkpoint
from reidaug.people3d.market_dataset import MarketOptions, render_market

pytest.importorskip("anny", reason="needs the extra [synth]")


@pytest.mark.slow
def test_torchreid_reads_5000_warps_of_200_rendered_crops(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchreid = pytest.importorskip("torchreid", reason="needs the extra [torchreid]")
    market = tmp_path / "market"
    render_market(market, MarketOptions(people=100, test_people=3), workers=1)
    untouched = {p: p.read_bytes() for s in (QUERY, GALLERY) for p in (market / s).iterdir()}
    description = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "small"}
    estimator = build_estimator(description)
    save_checkpoint(tmp_path / "flow", estimator, {"estimator": description})

    out = tmp_path / "data" / "market1501" / "Market-1501-v15.09.15"
    report = augmented(market, out, flow=str(tmp_path / "flow"), workers=1)
    assert (report.sources, report.poses, report.images) == (200, 25, 5000)
    assert {p: p.read_bytes() for p in untouched} == untouched

    real = {p.path.stem: p for p in read_market1501(market).train}
    read = torchreid.data.datasets.image.market1501.Market1501(root=str(tmp_path / "data"))
    assert len(read.train) == len(list((out / TRAIN).glob("*.jpg"))) == 5000
    labels: dict[int, int] = {}
    poses = Counter()
    for path, label, camid, *_ in read.train:
        stem, _, pose = Path(path).stem.rpartition("_w")
        assert camid == real[stem].camid - 1
        assert labels.setdefault(label, real[stem].pid) == real[stem].pid
        poses[pose] += 1
    assert len(labels) == len(set(labels.values())) == 100
    assert poses == {f"{pose:02d}": 200 for pose in range(25)}
    assert len(read.query) + len(read.gallery) == len(untouched)
