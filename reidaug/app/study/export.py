"""Export of a study: its answers as CSV, and the paper's Table 6."""

from pathlib import Path

from reidaug.app.study.folder import Study
from reidaug.app.study.table6 import (
    agreement_text,
    answers_csv,
    preferences,
    table6_csv,
    table6_text,
)
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text, write_result

ANSWERS_CSV, PRACTICE_CSV, TABLE_CSV = "answers.csv", "practice.csv", "table6.csv"


def export_study(study: Study, out: Path) -> str:
    """Write the answers and the table of a study; give both as text for a terminal.

    ``answers.csv`` and, apart from it, ``practice.csv`` hold a row for each answer, ``table6.csv``
    one for each rival and question. The study may be under way.

    Args:
        study: The study.
        out: Folder to write into; made where it is missing.

    Raises:
        ReidaugError: The answers cannot be read.
        UsageError: A file of the user's has the name of one of them.
        OSError: The folder cannot be written to.
    """
    with study.answers() as kept:
        participants, answers = kept.participants(), list(kept)
    settings = study.settings
    reference, *rivals = settings.methods
    rows = preferences(answers, reference, rivals, seed=settings.seed)
    names = (*settings.samples, *settings.practice_samples)
    practice = [answer for answer in answers if answer.shown.practice]
    counted = [answer for answer in answers if not answer.shown.practice]
    tables = {
        out / ANSWERS_CSV: answers_csv(counted, names),
        out / PRACTICE_CSV: answers_csv(practice, names),
        out / TABLE_CSV: table6_csv(rows),
    }
    for file, text in tables.items():
        _check_own(file, text)
    out.mkdir(parents=True, exist_ok=True)
    for file, text in tables.items():
        write_result(file, text.encode())
    begun = sum(one.answered > 0 for one in participants)
    finished = sum(one.finished for one in participants)
    return "\n".join(
        (
            table6_text(rows),
            "",
            agreement_text(rows),
            "",
            f"{len(counted):,} answers of {begun} participants ({finished} finished, "
            f"{len(participants)} invited); {len(practice):,} of practice are kept apart",
            "95 % Wilson intervals take answers as independent; those over participants, and all "
            f"answers, are in {out}",
        )
    )


def _check_own(file: Path, text: str) -> None:
    """Check that a file is missing, or has the columns of the table that is written to it."""
    if not file.exists() and not file.is_symlink():
        return
    try:
        own = read_text(file).splitlines()[:1] == text.splitlines()[:1]
    except ReidaugError:
        own = False
    if not own:
        raise UsageError(
            f"{file}: is there already, and no export of a study; name another folder with --out"
        )
