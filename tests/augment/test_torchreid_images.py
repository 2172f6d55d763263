import pickle
import warnings

import pytest


def test_a_dataset_can_be_sent_to_a_worker_and_leaves_junk_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torchreid", reason="needs the extra [torchreid]")
        from reidaug.augment.torchreid_images import TorchreidDataset
    train = [("a.jpg", 0, 0), ("b.jpg", 1, 1)]
    query = [("c.jpg", 900, 0), ("d.jpg", 0, 1), ("e.jpg", -1, 1)]
    gallery = [("f.jpg", 900, 1)]
    dataset = TorchreidDataset(train, query, gallery)
    assert pickle.loads(pickle.dumps(dataset)).train == dataset.train
    combined = TorchreidDataset(train, query, gallery, combineall=True)
    assert combined.num_train_pids == 3
