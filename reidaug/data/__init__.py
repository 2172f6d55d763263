"""Files and records: images, keypoints, pairs, re-ID datasets, manifests."""
