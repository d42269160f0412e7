"""Rows of cells: comma-separated values, with the number of the line on which each row ends."""

import csv
from collections.abc import Iterator, Sequence

from gateway.history import FileRefusedError


def records(
    lines: Sequence[str], delimiter: str = ",", skip: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row behind the skipped lines.

    Raises:
        FileRefusedError: names line and reason: a cell without end, say.
    """
    reader = csv.reader(lines[skip:], delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefusedError(skip + reader.line_num, str(error)) from error
        yield skip + reader.line_num, cells
