"""Surface flow: an estimator that sees the person, and imagines their own outline in a pose."""

from reidaug.flow.surface.estimator import SurfaceFlow

__all__ = ["SurfaceFlow"]
