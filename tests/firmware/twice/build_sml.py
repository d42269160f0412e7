"""Builds telegrams of SML."""

from tests.firmware.twice.build_checks import X25, crc16


def sml_octets(text: bytes) -> bytes:
    """Return an octet string with its type and length."""
    size = len(text) + 1
    if size < 16:
        return bytes((size,)) + text
    size += 1
    return bytes((0x80 | size >> 4, size & 15)) + text


def sml_int(value: int, size: int, kind: int) -> bytes:
    """Return an integer (kind 5) or unsigned (6)."""
    return bytes((kind << 4 | size + 1,)) + (value & (1 << 8 * size) - 1).to_bytes(size, "big")


def sml_list(items: "list[bytes]") -> bytes:
    """Return a list."""
    size = len(items)
    head = bytes((0x70 | size,)) if size < 16 else bytes((0xF0 | size >> 4, size & 15))
    return head + b"".join(items)


def sml_message(number: int, tag: int, body: bytes) -> bytes:
    """Return a message with its own check."""
    choice = sml_list([sml_int(tag, 2, 6), body])
    head = [sml_octets(bytes((1, 2, 3, number))), sml_int(0, 1, 6), sml_int(0, 1, 6), choice]
    text = bytes((0x76,)) + b"".join(head)
    check = crc16(text, X25, 0xFFFF) ^ 0xFFFF
    return text + b"\x63" + bytes((check & 255, check >> 8)) + b"\x00"


def sml_entry(code: "tuple[int, ...]", unit: int, scaler: int, value: bytes) -> bytes:
    """Return an entry of a list."""
    none = b"\x01"
    scale = sml_int(scaler, 1, 5) if scaler else none
    status = sml_int(0x1C0104, 4, 6) if unit == 30 else none
    return sml_list(
        [sml_octets(bytes(code)), status, none, sml_int(unit, 1, 6), scale, value, none]
    )


def sml(entries: "list[bytes]") -> bytes:
    """Return the file of a list with these entries."""
    none = b"\x01"
    opened = [none, none, sml_octets(b"\x00\x00\x01"), sml_octets(b"\x0a\x01ISK1234"), none, none]
    answer = [none, sml_octets(b"\x0a\x01ISK1234"), none, none, sml_list(entries), none, none]
    body = sml_message(1, 0x0101, sml_list(opened))
    body += sml_message(2, 0x0701, sml_list(answer))
    body += sml_message(3, 0x0201, sml_list([none]))
    return sml_file(body)


def sml_file(body: bytes) -> bytes:
    """Return the transport file of these messages."""
    fill = -len(body) % 4
    body += bytes(fill)
    escape = b"\x1b" * 4
    out = bytearray(escape + b"\x01" * 4)
    for at in range(0, len(body), 4):
        word = body[at : at + 4]
        out.extend(word + escape if word == escape else word)
    text = bytes(out) + escape + bytes((0x1A, fill))
    check = crc16(text, X25, 0xFFFF) ^ 0xFFFF
    return text + bytes((check & 255, check >> 8))
