"""Foreign bytes as text that a person may see and a page may show."""


def readable(raw: bytes) -> str:
    r"""Return bytes as text; what is no UTF-8 or not printable becomes ``\xNN`` or ``\uNNNN``.

    A backslash is doubled, so that two topics never look alike.
    """
    text = raw.decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    return "".join(
        character if character.isprintable() else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  # what surrogateescape makes of a raw byte
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
