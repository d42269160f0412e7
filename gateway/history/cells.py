"""Rows of cells: comma-separated values, with the number of the line on which each row ends."""

import csv
from collections.abc import Iterator, Sequence

from gateway.history import FileRefusedError


def records(
    lines: Sequence[str], delimiter: str = ",", skip: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row behind the skipped lines.

    Raises:
        FileRefusedError: names the line on which the row begins: a quote is never closed, say.
    """
    # not strict, a quote that nobody closes would swallow all lines behind it, without a word
    reader = csv.reader(lines[skip:], delimiter=delimiter, strict=True)
    while True:
        begin = skip + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefusedError(begin, f"from here on: {error}") from error
        yield skip + reader.line_num, cells
