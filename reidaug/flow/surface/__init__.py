"""Surface flow: an estimator that sees the person, and keeps their body in the target pose."""

from reidaug.flow.surface.estimator import SurfaceFlow

__all__ = ["SurfaceFlow"]
