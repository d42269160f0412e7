"""The seam between program and board: what ``app.py`` and the drivers may ask of a board.

For the type checker and for whoever ports to a new board; nothing is imported from here at run
time. ``hal/esp32.py``, ``hal/pi.py`` and ``hal/sim.py`` each have a class with these methods,
``hal/link.py`` does TCP, TLS and UDP for all of them. All times are integers; errors of a
device or network are ``OSError``, a wrong argument is ``ValueError``.
"""

if False:  # MicroPython has no typing, and no trace of this in the .mpy
    from array import array
    from collections.abc import Coroutine, Sequence
    from typing import Any, Protocol

    Line = tuple[int, int, int | None, int]  # baud, data bits, parity (0 even, 1 odd), stop bits

    class BlockDevice(Protocol):
        """MicroPython's extended block device (os.AbstractBlockDev): ``esp32.Partition`` is one."""

        def readblocks(
            self, number: int, buffer: memoryview | bytearray, offset: int
        ) -> object: ...
        def writeblocks(self, number: int, buffer: memoryview | bytearray, offset: int) -> object:
            """Program ``buffer`` into erased bytes; on the medium when it returns."""
            ...

        def ioctl(self, operation: int, argument: int) -> int:
            """4: number of sectors; 5: bytes of one; 6: erase one."""
            ...

    class Slots(Protocol):
        """Where images lie and which of them runs: ``firmware/boot.py``."""

        slots: "Sequence[BlockDevice]"
        size: int
        running: int
        active: int
        floor: int
        on_trial: int
        is_safe: bool

        def manifest(self, slot: int) -> "bytes | None": ...
        def is_whole(self, slot: int, head: "bytes | None" = None) -> bool: ...
        def arm(self) -> None: ...
        def good(self, has_receipt: bool) -> None: ...

    class Wire(Protocol):
        """A byte stream: TCP or TLS connection, UART. One reader and one writer task at most."""

        async def read(self, limit: int) -> bytes:
            """Wait for bytes and return at most ``limit`` of them; ``b""`` at the end."""
            ...

        async def write(self, data: bytes | memoryview) -> None:
            """Hand all of ``data`` over, as one piece where it fits; it may change on return."""
            ...

        def close(self) -> None:
            """Free it at once; whoever waits in ``read`` or ``write`` must be cancelled first."""
            ...

    class Uart(Wire, Protocol):
        """A serial line."""

        def set_line(self, line: "Line") -> None:
            """Change the settings when what was written has left."""
            ...

    class PulseCounter(Protocol):
        """Edges of one input, taken by hardware or interrupt: none is missed by a busy program."""

        def count(self) -> int:
            """Return the rising edges since boot; never wraps."""
            ...

        def level(self) -> int:
            """Return the level of the input now, 0 or 1."""
            ...

        def take(self, into: "array[int]") -> int:
            """Move the edges that came since the last call into ``into``, an ``array("I")``.

            Each is ``ticks_us << 1 | level after it``; ``ticks_us`` wraps at 2^30 µs (17.9 min).
            At least 64 are kept; of more the oldest go. Returns how many were moved.
            """
            ...

    class I2c(Protocol):
        """A bus; the names are those of ``machine.I2C``."""

        def readfrom_mem_into(
            self, address: int, register: int, buffer: bytearray | memoryview
        ) -> object: ...
        def writeto_mem(self, address: int, register: int, data: bytes) -> object: ...

    class Tls(Protocol):
        """What a connection is secured with, all DER. ``material.Tls`` is the class.

        Either ``ca`` (then the server's name is checked, too; ``cert`` and ``key`` where the
        node has them), or ``psk_identity`` and ``psk_key``.
        """

        ca: bytes
        cert: bytes
        key: bytes
        psk_identity: bytes
        psk_key: bytes
        reserve: list[bytearray]  # cleared when the context is about to be made
        context: object  # of the TLS library: made once, then kept

    class Hal(Protocol):
        """A board."""

        flash: BlockDevice  # of the ring (core/ring.py): at least 5 sectors
        fw: str  # version of the firmware that runs, "1.4.2"
        build_ms: int  # Unix ms when it was built: the least that the time can be
        hears_power: bool  # whether ``power_fails`` can return

        # Time. ---------------------------------------------------------------------------
        def ticks_ms(self) -> int:
            """Return the crystal's count, 0 ≤ n < 2^30; wraps (clock.TICKS_PERIOD_MS)."""
            ...

        def ticks_us(self) -> int:
            """Return the same in µs, of which ``PulseCounter.take`` speaks; wraps at 2^30."""
            ...

        def sleep_ms(self, duration_ms: int) -> "Coroutine[Any, Any, None]": ...

        def unix_ms(self) -> int:
            """Return the calendar as it is, set or not: 2000-01-01 on a fresh ESP32."""
            ...

        def set_unix_ms(self, unix_ms: int) -> None:
            """Set the calendar: the TLS library checks certificates against it.

            Where an operating system keeps it (Raspberry Pi) this does nothing.
            """
            ...

        # Where from, and chance. ---------------------------------------------------------
        def random_u32(self) -> int:
            """Return 32 bits fit for keys."""
            ...

        def reset_reason(self) -> int:
            """Return why the board booted: POWER_ON … UNKNOWN of ``core/health.py``."""
            ...

        # Memory. -------------------------------------------------------------------------
        def kv_get(self, key: str) -> "bytes | None":
            """Return what was stored under ``key`` (at most 15 characters), None: nothing."""
            ...

        def kv_put(self, key: str, value: "bytes | None") -> None:
            """Store (None: remove) up to 2,048 bytes; after a power cut it is the old or the new.

            Keys in use: ``config`` (JSON of core/config.py), ``ca`` ``cert`` ``key`` (DER), those
            of boot and update begin with ``ota``, those of the program with ``app``.
            """
            ...

        def free_heap(self) -> int:
            """Return free bytes of the heap after a collection; -1 where that says nothing."""
            ...

        # Inputs. Ports are numbers or names of the board. ----------------------------------
        def uart(self, port: str, line: "Line") -> Uart: ...
        def counter(self, port: str, debounce_us: int) -> PulseCounter: ...
        def i2c(self, port: str) -> I2c: ...

        async def power_fails(self) -> None:
            """Return when the supply goes: some ms are left."""
            ...

        # Network. --------------------------------------------------------------------------
        async def network(self, is_up: bool) -> None:
            """Bring Wi-Fi, Ethernet or modem up, or take it down.

            Raises:
                OSError: it did not come up within some seconds.
            """
            ...

        async def connect(self, host: str, port: int, tls: "Tls | None") -> Wire:
            """Connect, over IPv6 where the name has such an address, then over IPv4.

            Raises:
                OSError: no connection, or the peer did not prove who it is.
            """
            ...

        async def exchange_udp(self, host: str, port: int, data: bytes, wait_ms: int) -> bytes:
            """Send a datagram and return the answer; ``OSError`` where none comes in time."""
            ...

        # Supervision. ----------------------------------------------------------------------
        def feed(self) -> None:
            """Feed the watchdog; the first call starts it. Without, the board resets in 30 s."""
            ...

        def reset(self, is_hard: bool) -> None:
            """Start again: the program alone (soft), or the chip. Does not return on a board."""
            ...

        def log(self, line: str) -> None:
            """Say something to whoever is at the console. Never a secret."""
            ...
