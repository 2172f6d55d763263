"""UnWarpME, section 4 of the paper: warping, correlation, affine task, refinement, losses."""

from reidaug.flow.unwarpme.warping import UnWarpME

__all__ = ["UnWarpME"]
