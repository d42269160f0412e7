"""Messages of a tag reader in its error correcting protocol, built without the driver's code."""

GENERATOR = 0x11021  # x^16 + x^12 + x^5 + 1


def remainder(text: bytes) -> int:
    """Return the text as a polynomial over GF(2), highest bit first, by the generator.

    Long division of one big number, as on paper.
    """
    number = int.from_bytes(text, "big")
    for shift in range(8 * len(text) - 17, -1, -1):
        if number >> shift + 16 & 1:
            number ^= GENERATOR << shift
    return number


def message(digit: str, data: str) -> bytes:
    """Return what the reader sends."""
    text = (digit + data).encode()
    return b"#" + text + b"%04X\r\n" % remainder(text)


def answer(digit: str, sign: str) -> bytes:
    """Return what the host has to answer: ``@`` took it, ``?`` did not."""
    text = (digit + sign).encode()
    return b"#" + text + b"%04X\r" % remainder(text)


def toc_tag(vehicle_type: int, serial: int, axles: int = 2, agency: int = 4080) -> str:
    """Return the UII of a 6C TOC tag in hex, field by field (AVI Standard 3.1).

    Format identifier, agency's own use, class (assigned, type, axles, weight, tyres), occupancy,
    version, agency (4080…4095 are for tests), serial number, validation hash.
    """
    fields = [(0x3E, 8), (0, 13), (1, 1), (vehicle_type, 5), (axles, 4), (0, 1), (0, 1), (0, 3)]
    fields += [(3, 4), (agency, 12), (serial, 28), (serial * 40503 & 0xFFFF, 16)]
    bits = 0
    for value, size in fields:
        bits = bits << size | value
    return "%024X" % bits
