"""Reference of the Python interface: which names have a page; their docstrings are the text."""

from collections.abc import Mapping, Sequence

API: Mapping[str, tuple[str, Sequence[str]]] = {
    "augment": (
        "Warps",
        (
            "reidaug.augment.transform.PoseWarp",
            "reidaug.augment.posed_crops.PosedCrops",
            "reidaug.augment.posed_crops.PosedImage",
            "reidaug.augment.posed_crops.as_source",
            "reidaug.augment.target_poses.poses_in",
            "reidaug.augment.augmented_dataset.augment_dataset",
            "reidaug.augment.options.AugmentOptions",
            "reidaug.augment.toolkits.torchreid_dataset",
            "reidaug.augment.quality",
        ),
    ),
    "flow": (
        "Flow estimators",
        (
            "reidaug.flow.builtin.load_flow",
            "reidaug.flow.estimator",
            "reidaug.flow.closed_form",
            "reidaug.flow.unwarpme.UnWarpME",
            "reidaug.flow.surface.SurfaceFlow",
            "reidaug.testing.check_flow_estimator",
        ),
    ),
    "geometry": (
        "Geometry",
        (
            "reidaug.geometry.flow",
            "reidaug.geometry.warp",
            "reidaug.geometry.pose",
            "reidaug.geometry.pck",
        ),
    ),
    "data": (
        "Files",
        (
            "reidaug.data.market1501",
            "reidaug.data.keypoints",
            "reidaug.data.images",
            "reidaug.data.manifest",
        ),
    ),
    "reid": (
        "Re-identification",
        (
            "reidaug.reid.evaluation.ranking",
            "reidaug.reid.evaluation.metrics",
            "reidaug.reid.evaluation.rerank",
            "reidaug.reid.backbones.ReIDModel",
            "reidaug.reid.model_factory.build",
        ),
    ),
}
"""Pages: title, and the objects and modules on each, in this order."""


def api_pages() -> dict[str, str]:
    """Write the pages; gives Markdown by the page's path."""
    return {
        f"api/{name}.md": "\n".join([f"# {title}", "", *(f"::: {thing}\n" for thing in things)])
        for name, (title, things) in API.items()
    }
