"""A chip with three axes on I²C: set up where it has to be, then read."""

import struct

if False:  # for the type checker
    from fieldnode.hal.base import Hal, I2c


def connect(hal: "Hal", port: str) -> "I2c":
    """Return the bus at a port.

    Here, and not where a sensor is run: one name more there, and a table of names doubles in the
    heap of every board (1.8 KB), whether it has a chip or not.
    """
    return hal.i2c(port)


class Chip:
    """Three times 16 bits with sign, low byte first.

    Args:
        address: on the bus.
        settings: pairs of register and value that set it up.
        register: the first of the axes.
    """

    def __init__(self, address: int, settings: bytes, register: int) -> None:
        self._address = address
        self._settings = settings
        self._register = register
        self._axes = bytearray(6)
        self._is_set_up = False

    def read(self, bus: "I2c") -> "tuple[int, ...]":
        """Return the axes; nothing where the chip is silent: it is set up anew when it answers."""
        try:
            if not self._is_set_up:
                for at in range(0, len(self._settings), 2):
                    value = self._settings[at + 1 : at + 2]
                    bus.writeto_mem(self._address, self._settings[at], value)
                self._is_set_up = True
            bus.readfrom_mem_into(self._address, self._register, self._axes)
        except OSError:
            self._is_set_up = False
            return ()
        return struct.unpack("<hhh", self._axes)
