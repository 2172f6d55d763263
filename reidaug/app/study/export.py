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
from reidaug.files import write_atomically

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
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        (ANSWERS_CSV, answers_csv(counted, names)),
        (PRACTICE_CSV, answers_csv(practice, names)),
        (TABLE_CSV, table6_csv(rows)),
    ):
        write_atomically(out / name, text.encode())
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
