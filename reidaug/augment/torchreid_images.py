"""torchreid's dataset class, for `reidaug.augment.toolkits`. Needs the extra ``[torchreid]``."""

import torchreid


class TorchreidDataset(torchreid.data.ImageDataset):  # type: ignore[misc]
    """Real crops and warps to train on, real crops to test with; at module level for workers."""

    # Left out by torchreid when test images are trained on as well (combineall).
    _junk_pids = (0, -1)
