"""The parts of a document that are made from the code: between two markers, never by hand."""

from collections.abc import Mapping


def with_parts(text: str, parts: Mapping[str, str]) -> str:
    """Return the text with what stands between ``<!-- begin NAME -->`` and its end made anew.

    Raises:
        SystemExit: the document has no such part.
    """
    for name, made in parts.items():
        before, begin, rest = text.partition(f"<!-- begin {name} -->\n")
        _, end, after = rest.partition(f"<!-- end {name} -->")
        if not end:
            raise SystemExit(f"the document has no part {name!r}")
        text = before + begin + made + end + after
    return text
