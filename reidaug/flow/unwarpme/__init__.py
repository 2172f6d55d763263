"""UnWarpME: section 4 of the paper."""

from reidaug.flow.unwarpme.warping import UnWarpME

__all__ = ["UnWarpME"]
