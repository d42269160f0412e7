"""Drivers: what comes from a sensor goes in as bytes, edges or samples; readings come out.

A driver touches nothing: no HAL, no clock, integers only. The app owns the line and the time.
``INPUT`` says what it is fed with:

* ``UART``: bytes, by ``feed`` as they come, in pieces of any size.
* ``EDGE``: changes of input lines, by ``edge``.
* ``SAMPLE``: numbers read every ``sample_ms``, by ``sample``. ``UNIT`` says which: ``MHZ`` is the
  frequency of each input in millihertz since the sample before (cycles · 10^9 over µs; for loops
  the board times a number of cycles, since at 60 kHz one cycle in 10 ms is 1,700 ppm, and a
  motorcycle 1,000), ``RAW`` is what a chip on I²C gives (the axes of a magnetometer), and
  nothing where it does not answer.

For every driver the app does the same, at each tick of the line::

    piece = driver.poll(uptime_ms)      # what is to be written to the line, None: nothing
    if piece: write it, wait until it is out
    if driver.line changed: set the UART anew (IEC 62056-21 starts at 300 baud)
    while True:
        row = driver.take(uptime_ms)    # None: nothing new
        if row is None: break
        values, status = row            # as of uptime driver.at_ms

``values`` are integers in the scaled units and the column order of the profile (docs/protocol.md
§8), None where not measured; ``status`` is the status byte of a row (§4). What was corrupted on
the line gives no row, only a count in ``errors``. Registers (cumulative counts) that the driver
keeps itself are ``registers()``; the app stores them and gives them back to ``load``.
"""

UART, EDGE, SAMPLE = "uart", "edge", "sample"
MHZ, RAW = "mhz", "raw"

# The status byte of a row, the AMR profile status of DLMS meters (docs/protocol.md §4).
STATUS_CRITICAL = 1  # the sensor says that it is ill, or the line has no check: suspect
STATUS_INVALID = 4  # not valid: the gateway keeps the row and does not count with it
STATUS_RECOVERED = 64

if False:  # for the type checker
    from fieldnode.hal.base import I2c

    Row = tuple[tuple[int | None, ...], int]


class Driver:
    """What every driver has.

    Attributes:
        INPUT: what it is fed with.
        UNIT: of the samples.
        line: baud, data bits, parity (None, 0 even, 1 odd), stop bits of a UART, as
            ``machine.UART`` takes them; may change after ``poll``.
        sample_ms: how often a ``SAMPLE`` driver wants a sample.
        at_ms: uptime that the row last taken is of.
        telegrams: sound telegrams, vehicles or pulses since boot.
        errors: what was refused since boot: wrong checks, time-outs, impossible values.
    """

    INPUT = UART
    UNIT = RAW
    line: "tuple[int, int, int | None, int]" = (9600, 8, None, 1)
    sample_ms = 0

    def __init__(self) -> None:
        self.at_ms = 0
        self.telegrams = 0
        self.errors = 0

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes of the line."""

    def edge(self, channel: int, level: int, uptime_us: int) -> None:
        """Take in that input ``channel`` (0, 1 …) has the level 0 or 1 since ``uptime_us``."""

    def sample(self, values: "tuple[int, ...]", uptime_ms: int) -> None:
        """Take in a sample."""

    def read(self, bus: "I2c") -> "tuple[int, ...]":
        """Return a sample of the ``RAW`` chip on a bus (drivers/chip.py)."""
        return ()

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Return what is to be written to the line now; time-outs happen in here."""
        return None

    def take(self, uptime_ms: int) -> "Row | None":
        """Return the next row and its status, None where there is nothing new."""
        return None

    def registers(self) -> "tuple[int, ...]":
        """Return the counts that must outlive a reset."""
        return ()


def number(options: "dict[str, object]", name: str, default: int, low: int, high: int) -> int:
    """Return an option that is a whole number.

    Raises:
        ValueError: it is none, or not from ``low`` to ``high``.
    """
    value = options.get(name, default)
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError("options: " + name)
    return value


def load(
    name: str,
    profile: str,
    options: "dict[str, object] | None" = None,
    registers: "tuple[int, ...]" = (),
) -> Driver:
    """Return a driver; its module is imported only now: a board carries one or two of them.

    Raises:
        ValueError: profile or options are none of that driver's.
        ImportError: there is no driver of that name.

    Args:
        name: of the module: s0, p1, iec62056, dlms, sml, modbus, loop, magneto, doppler,
            ld2451, axle, etc.
        profile: whose columns the rows have.
        options: of that driver, see its ``make``.
        registers: what ``registers()`` of the same driver returned before the reset.
    """
    module = __import__("fieldnode.drivers." + name, None, None, ["make"])
    driver: Driver = module.make(profile, options or {}, registers)
    return driver
