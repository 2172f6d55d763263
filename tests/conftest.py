"""What the whole suite shares."""

import torch
from hypothesis import settings

# One thread a process: the suite runs several processes, and results do not depend on their number.
torch.set_num_threads(1)

# The first example of a property pays for imports and run-time type checks.
settings.register_profile("reidaug", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("reidaug")
