"""Findings of an experiment in plain words: no sentence claims more than its numbers."""

import statistics

from reidaug.report.experiment import Ceiling, ExperimentReport, Gain
from reidaug.report.html import number, signed

ARM_NAMES = {
    "real_only": "Original crops only",
    "identity_grey": "Own pose on grey",
    "affine_grey": "Torso-affine warps",
    "warps_grey": "UnWarpME warps",
    "true_views_grey": "True other views",
}
ARM_NOTES = {
    "real_only": "the crops themselves once more",
    "identity_grey": "control: background removed, no new pose",
    "affine_grey": "control: new poses without learning",
    "warps_grey": "new poses by the learned flow",
    "true_views_grey": "ceiling: rendered again, not warped",
}
_CONTROLS = {
    "real_only": "the original crops alone",
    "identity_grey": "the same crops on grey",
    "affine_grey": "torso-affine warps",
}


def name_of(arm: str) -> str:
    """Name an arm for a page: known ones in words, others as the recipe does."""
    return ARM_NAMES.get(arm, arm)


def is_known(report: ExperimentReport) -> bool:
    """Whether an experiment compares the arms of the demo, which sentences name in words."""
    gains = (report.gain_mAP, report.gain_over_best_control)
    return all(g is not None and g.arm == "warps_grey" and g.vs in _CONTROLS for g in gains)


def verdict(report: ExperimentReport) -> str:
    """Summarise any experiment in one line; arms that nothing was compared with are counted."""
    if is_known(report):
        return headline(report)
    gain = report.gain_over_best_control or report.gain_mAP
    if gain is None:
        some = ", ".join(f"{name_of(arm)}" for arm in report.arms)
        return f"{report.protocol}: {some}, compared with no control"
    against = f"{name_of(gain.arm)} against {name_of(gain.vs)}: {signed(gain.mean)} mAP"
    return f"{against}, {gain.words}"


def headline(report: ExperimentReport) -> str:
    """Summarise in one line whether warps helped; a gain that chance could explain is called that.

    The report has run the warps, the baseline and a control.
    """
    over_real, over_control = main_gains(report)
    gain, control = f"{signed(over_control.mean)} mAP", _CONTROLS[over_control.vs]
    if over_control.evident and over_control.mean > 0:
        return f"Warps into new poses helped: {gain} over {control}, the best control"
    if over_control.evident:
        return f"Warps into new poses did not help: {gain} against {control}, the best control"
    if over_real.evident and over_real.mean > 0:
        return (
            f"Warps beat the original crops by {number(over_real.mean)} mAP, but chance could "
            f"explain what they add to {control} ({gain})"
        )
    return f"Whether warps into new poses help is not evident: {gain} over {control}"


def main_gains(report: ExperimentReport) -> tuple[Gain, Gain]:
    """Gains of the warps over the original crops, and over the best control.

    Raises:
        ValueError: One of these arms was not run.
    """
    if report.gain_mAP is None or report.gain_over_best_control is None:
        raise ValueError("the warps, the original crops or all controls were not run")
    return report.gain_mAP, report.gain_over_best_control


def findings(report: ExperimentReport) -> list[str]:
    """Describe the result of each comparison in a sentence with its numbers.

    Arms of the demo are described in words, others by their names, and those that were not run not
    at all.
    """
    if not is_known(report):
        gains = (report.gain_mAP, report.gain_over_best_control, report.ceiling)
        some = {(g.arm, g.vs): g for g in gains if g is not None}
        return [f"{name_of(g.arm)} against {name_of(g.vs)}: {_in_full(g)}." for g in some.values()]
    over_real, over_control = main_gains(report)
    sentences = [
        f"Against fine-tuning on the original crops alone, adding warps changes mAP by "
        f"{_in_full(over_real)}."
    ]
    if over_control.vs == "real_only":
        sentences.append("No control did better than the original crops alone.")
    else:
        plain = seed_differences(report, over_control.vs, "real_only")
        caution = "A naive comparison would stop there. But t" if over_real.mean > 0 else "T"
        sentences.append(
            f"{caution}he best control, {_CONTROLS[over_control.vs]}, for which no flow was "
            f"learned, changes it by {mean_and_std(plain)}. Against this control the warps are at "
            f"{_in_full(over_control)}."
        )
    if report.ceiling is not None:
        sentence = (
            f"Rendered people can be rendered again in the new poses. Such true views, the most "
            f"any warp could show, are at {_in_full(report.ceiling)}, against the same control."
        )
        share = report.ceiling.share_recovered
        sentences.append(
            f"{sentence} Where true views gain nothing beyond chance, warps have nothing to "
            f"recover."
            if share is None
            else f"{sentence} The warps recover {number(100 * share, 0)} % of that"
            f"{_between(report.ceiling)}."
        )
    return sentences


def _between(ceiling: Ceiling) -> str:
    """Write the interval of the share that warps recover, where a report has it."""
    if ceiling.share_ci is None:
        return ""
    low, high = (number(100 * end, 0) for end in ceiling.share_ci)
    return f" (95 % interval over people {low} to {high} %)"


def seed_differences(report: ExperimentReport, arm: str, vs: str) -> list[float]:
    """Difference in mAP of ``arm`` from ``vs``, for every seed."""
    pairs = zip(report.arms[arm]["mAP"], report.arms[vs]["mAP"], strict=True)
    return [mine - other for mine, other in pairs]


def mean_and_std(values: list[float]) -> str:
    """Write the mean of signed numbers with their standard deviation, which one does not have."""
    mean = signed(statistics.fmean(values))
    return f"{mean} ± {number(statistics.stdev(values))}" if len(values) > 1 else mean


def spread(gain: Gain, decimals: int = 1) -> str:
    """Write the standard deviation of a gain over seeds, or that there is one seed alone."""
    return f"± {number(gain.std, decimals)}" if len(gain.by_seed) > 1 else "one seed"


def _in_full(gain: Gain) -> str:
    """Write a gain with what speaks for and against it."""
    better, (low, high) = sum(difference > 0 for difference in gain.by_seed), gain.ci
    return (
        f"{mean_and_std(list(gain.by_seed))} (above zero in {better} of {len(gain.by_seed)} seeds; "
        f"95 % interval over {gain.interval_over} {signed(low)} to {signed(high)}), "
        + ("more than chance explains" if gain.evident else "which chance could explain")
    )
