"""An I²C bus that is not there, with chips that a test makes."""

if False:  # for the type checker
    from typing import Any

_ENODEV = 19  # what machine.I2C raises where nobody acknowledges


class I2cBus:
    """A bus with chips of 8-bit registers; the methods are those of ``machine.I2C``.

    Args:
        chips: address → chip. A chip has ``write(register, value)`` and ``read(register)``, and
            ``after(register)``: the register that a longer access goes on with.

    Attributes:
        is_broken: while set, nobody acknowledges: a wire is off.
    """

    def __init__(self, chips: "dict[int, Any]") -> None:
        self._chips = chips
        self.is_broken = False

    def _chip(self, address: int) -> "Any":
        if self.is_broken or address not in self._chips:
            raise OSError(_ENODEV)
        return self._chips[address]

    def readfrom_mem_into(
        self, address: int, register: int, buffer: "bytearray | memoryview"
    ) -> None:
        """Fill ``buffer`` from ``register`` on."""
        chip = self._chip(address)
        for index in range(len(buffer)):
            buffer[index] = chip.read(register)
            register = chip.after(register)

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        """Write ``data`` from ``register`` on."""
        chip = self._chip(address)
        for value in data:
            chip.write(register, value)
            register = chip.after(register)
