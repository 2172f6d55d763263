"""Making of a study: samples of runs, written into a folder that needs the runs no more."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.app.study.folder import SOURCE, TARGET, Settings, Study, image_name
from reidaug.app.study.samples import Sample, Samples, samples_of_comparison, samples_of_roots
from reidaug.app.study.schedule import PRACTICE
from reidaug.data.images import encode_png
from reidaug.errors import UsageError
from reidaug.experiments.compared_warps import is_comparison
from reidaug.files import read_text, write_atomically
from reidaug.runs import RunFolder, notice, progress

PAPER_SAMPLES = 80
"""Samples of the paper's study that count."""
LONGEST_TEXT = 10_000
TITLE = "Which result looks better?"


class StudyOptions(NamedTuple):
    """Options of a study."""

    runs: tuple[Path, ...]  # one run of `reidaug compare`, or augmented datasets
    methods: tuple[str, ...] = ()  # of a comparison: its rows; the first is the reference
    samples: int = PAPER_SAMPLES  # samples that count, at most
    # Rounds of practice, and samples that are kept apart for them; None: `PRACTICE`, fewer where
    # there are few samples.
    practice: int | None = None
    rounds: int | None = None  # rounds of each participant; None: every sample beside every rival
    dataset: Path | None = None  # of augmented datasets, where they do not tell
    title: str = TITLE
    text: Path | None = None  # text file that is read before the first round
    seed: int = 0


def make_study(options: StudyOptions, out: Path) -> Study:
    """Make the folder of a study; one that is made already stays as it is, with its answers.

    Args:
        options: What to compare, and how.
        out: The folder.

    Raises:
        ReidaugError: Runs cannot be read, or the folder holds something else.
        UsageError: Options do not fit the runs.
    """
    text = _paragraphs(options.text)
    samples = _samples(options)
    practice = _practice(options, samples.available)
    total = min(options.samples + practice, samples.available)
    rounds = _rounds(options, samples, total, practice)
    recipe = {
        "command": "study",
        **options._asdict(),
        "practice": practice,
        "runs": [str(run.resolve()) for run in options.runs],
        "methods": list(samples.methods),
        "dataset": options.dataset and str(options.dataset.resolve()),
        "text": list(text),
    }
    run = RunFolder.open(out, recipe, resume=True)
    if (done := run.finished()) is not None:
        return Study(out, Settings.model_validate(done))
    if total < options.samples + practice or (options.practice is None and practice < PRACTICE):
        notice(_few(options, samples.available, practice))
    names, files = dict[int, str](), list[Path]()
    numbers = _numbers(total, practice)
    read = progress(samples.read, total=total, what="study", unit="sample")
    for number, sample in zip(numbers, read, strict=True):
        names[number] = sample.name
        files += _write(out, number, sample)
    ordered = [names[number] for number in sorted(names)]
    settings = Settings(
        title=options.title,
        text=text,
        methods=samples.methods,
        samples=tuple(ordered[: total - practice]),
        practice_samples=tuple(ordered[total - practice :]),
        rounds=rounds,
        practice=practice,
        seed=options.seed,
    )
    run.report(settings.model_dump(mode="json"), files)
    return Study(out, settings)


def _samples(options: StudyOptions) -> Samples:
    count = options.samples + (PRACTICE if options.practice is None else options.practice)
    first, *others = options.runs
    if is_comparison(first):
        if others:
            raise UsageError(f"{others[0]}: name one run of compare, or augmented datasets alone")
        found = samples_of_comparison(first, options.methods, count)
    else:
        roots = {run.resolve().name: run for run in options.runs}
        if len(roots) < len(options.runs):
            raise UsageError("methods are named by their folders: give each another name")
        if options.methods:
            raise UsageError("--method names rows of a comparison; roots are methods by themselves")
        found = samples_of_roots(roots, count, dataset=options.dataset, seed=options.seed)
    _check_methods(found.methods)
    return found


def _check_methods(methods: Sequence[str]) -> None:
    if len(methods) < 2:
        raise UsageError(
            f"a study compares two methods or more, not {', '.join(methods)} alone: name two "
            "augmented datasets, or rows of a comparison with --method (identity, torso_affine "
            "and joint_blend are always among them)"
        )
    for name in methods:
        if not name.replace("_", "").replace("-", "").replace(".", "").isalnum() or name[0] in "-.":
            raise UsageError(
                f"{name}: cannot name a method: letters, digits, _, - and . only; rename the folder"
            )


def _practice(options: StudyOptions, available: int) -> int:
    """Count the rounds of practice; of few samples the paper's share, unless they were chosen."""
    if options.practice is not None:
        return options.practice
    share = available * PRACTICE // (PAPER_SAMPLES + PRACTICE)
    return min(PRACTICE, max(available - options.samples, share))


def _few(options: StudyOptions, available: int, practice: int) -> str:
    """Say that there are fewer samples than a study needs, and what it does instead."""
    wanted = PRACTICE if options.practice is None else options.practice
    return (
        f"{_counted(available)} in all of the methods, and {options.samples + wanted} are needed "
        f"for {options.samples} that count after {wanted} of practice: here "
        f"{min(options.samples, available - practice)} count, after {practice} of practice "
        "(--samples and --practice choose; more sources, poses or test pairs give more)"
    )


def _counted(samples: int) -> str:
    return "1 sample is" if samples == 1 else f"{samples} samples are"


def _rounds(options: StudyOptions, samples: Samples, total: int, practice: int) -> int:
    """Count the rounds of each participant."""
    counted = total - practice
    if counted < 1:
        raise UsageError(
            f"--practice {practice}: {_counted(samples.available)} in all of the methods, and none "
            f"is left to count; at most --practice {samples.available - 1}"
        )
    most = counted * (len(samples.methods) - 1)
    rounds = most if options.rounds is None else options.rounds
    if rounds > most:
        raise UsageError(f"--rounds {rounds}: there are {most} ({counted} samples beside each)")
    return rounds


def _numbers(total: int, practice: int) -> Iterator[int]:
    """Number samples: those of practice, evenly spaced, come after the others."""
    apart = {k * total // practice for k in range(practice)}
    counted, kept_apart = iter(range(total - practice)), iter(range(total - practice, total))
    return (next(kept_apart if k in apart else counted) for k in range(total))


def _write(out: Path, number: int, sample: Sample) -> list[Path]:
    pictures = {SOURCE: sample.source, TARGET: sample.target, **sample.results}
    files = []
    for name, picture in pictures.items():
        path = out / image_name(number, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encode_png(picture))
        files.append(path)
    return files


def _paragraphs(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    text = read_text(file)
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"--text {file}: longer than {LONGEST_TEXT:,} characters")
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())
