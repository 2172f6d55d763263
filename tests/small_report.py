"""A report of fine-tuning with made-up numbers."""

from typing import Any

import numpy as np

from reidaug.report.experiment import Ceiling, FinetuneReport, Gain

MEANS = {
    "real_only": 33.1, "identity_grey": 36.3, "affine_grey": 35.0, "warps_grey": 39.2,
    "true_views_grey": 41.6,
}  # fmt: skip


def reid_report(generator: np.random.Generator, means: dict[str, float]) -> FinetuneReport:
    """A report of fine-tuning with three seeds around the given mAPs."""
    arms = {
        name: {
            key: [round(mean + up + float(e), 2) for e in generator.normal(0, 0.8, 3)]
            for key, up in (("mAP", 0.0), ("rank1", 12.0), ("rank5", 25.0), ("mINP", -15.0))
        }
        for name, mean in means.items()
    }
    cmc = {
        name: [min(100.0, mean + 12 + 10 * float(np.log(k))) for k in range(1, 21)]
        for name, mean in means.items()
    }

    def gain(arm: str, vs: str) -> dict[str, Any]:
        pairs = zip(arms[arm]["mAP"], arms[vs]["mAP"], strict=True)
        mean = means[arm] - means[vs]
        return {
            "arm": arm,
            "vs": vs,
            "mean": mean,
            "std": 0.7,
            "pooled_std": 0.8,
            "ci": (mean - 1.5, mean + 1.5),
            "interval_over": "people",
            "by_seed": tuple(mine - other for mine, other in pairs),
            "evident": True,
            "words": "a gain",
        }

    return FinetuneReport(
        gain_mAP=Gain(**gain("warps_grey", "real_only")),
        gain_over_best_control=Gain(**gain("warps_grey", "identity_grey")),
        ceiling=Ceiling(**gain("true_views_grey", "identity_grey"), share_recovered=0.55),
        protocol="supervised",
        evaluate_on="test",
        seeds=(0, 1, 2),
        queries=200,
        queries_without_match=0,
        gallery=800,
        extra_crops=dict.fromkeys(means, 6000),
        arms=arms,
        cmc=cmc,
        backbone="resnet50",
        pretrain_steps=600,
        steps=400,
        train_people=120,
        train_images=240,
        start={key: values[:1] for key, values in arms["real_only"].items()},
    )
