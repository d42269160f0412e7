"""A process to be killed: commits records and prints what is durable after each commit.

Arguments: folder, how many commits. A failed commit is tried again, as the intake does.
"""

import sys
from pathlib import Path

from gateway.errors import JournalFullError
from tests.journal_tools import append, open_journal


def report(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    journal = open_journal(Path(sys.argv[1]))
    report("open", journal.durable)
    for turn in range(int(sys.argv[2])):
        append(journal, 1 + turn % 9)
        try:
            journal.commit()
        except JournalFullError:
            report("full", journal.durable)
            journal.commit()
        report("durable", journal.durable)
        if turn % 10 == 9:
            journal.delete_before(journal.durable - 20)
    journal.close()
    report("closed")


if __name__ == "__main__":
    main()
