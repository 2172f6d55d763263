"""torchreid's kind of dataset, for `reidaug.augment.toolkits`. Needs the extra ``[torchreid]``."""

import torchreid


class WarpedImages(torchreid.data.ImageDataset):  # type: ignore[misc]
    """Real crops and warps to train on, real crops to test with; at module level for workers."""

    # What torchreid leaves out when test images are trained on as well (combineall).
    _junk_pids = (0, -1)
