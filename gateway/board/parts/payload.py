"""Foreign bytes as a person looks at them: as text where they are some, else as hexadecimal."""

from gateway.views.text import readable

LINE_BYTES = 16
# A message may have a megabyte; what is wrong with it shows in its beginning.
MOST_BYTES = 4096


def dump(payload: bytes) -> str:
    """Return lines of offset, bytes and characters."""
    lines = []
    for offset in range(0, min(len(payload), MOST_BYTES), LINE_BYTES):
        part = payload[offset : offset + LINE_BYTES]
        text = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in part)  # noqa: PLR2004  # ASCII
        lines.append(f"{offset:06x}  {part.hex(' '):<{3 * LINE_BYTES - 1}}  {text}")
    if len(payload) > MOST_BYTES:
        lines.append("…")
    return "\n".join(lines)


def readable_text(payload: bytes) -> str:
    """Return the payload as text, "" where it is none."""
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    shown = payload[:MOST_BYTES].decode("utf-8", "ignore").encode()
    return readable(shown)
