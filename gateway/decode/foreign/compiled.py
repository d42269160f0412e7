"""A message form, checked against its profiles and made a tree (``tree``)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from gateway.config.sections import duration_ms
from gateway.decode.foreign.family import ColumnForm, MessageForm, ReadingForm
from gateway.decode.foreign.leaf import Leaf, Scale, TimeLeaf, scale_of
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.times import ClockForm, compile_clock
from gateway.decode.foreign.topics import Named, compile_topic
from gateway.decode.foreign.tree import Guard, Row, Spot
from gateway.decode.paths import Path, parse_path
from gateway.errors import ConfigError
from gateway.profiles import Column, Kind, Profile
from gateway.units import conversion

_T = TypeVar("_T")
_EACH = "*"


class Target(NamedTuple):
    """Where rows of a reading go."""

    profile: str
    sector: str
    part: str  # template


class Message(NamedTuple):
    """A message form, compiled."""

    form: MessageForm
    topics: tuple[Callable[[str], Named | None], ...]
    tree: Spot
    targets: tuple[Target, ...]
    blank: tuple[Row, ...]  # of each reading: [time, value…, status], nothing measured yet
    clock: ClockForm | None
    signs: tuple[Path, ...]
    needs: tuple[Path, ...]
    max_age_ms: int


def compile_message(where: str, form: MessageForm, options: Options) -> Message:
    """Return a message form ready to run.

    Raises:
        ConfigError: names the message and the key.
    """
    where = f"{where}: message {form.name!r}"
    tree = Spot()
    targets: list[Target] = []
    blank: list[Row] = []
    for number, reading in enumerate(form.reading):
        at = f"{where}: reading {number}"
        profile = options.profiles.get(reading.profile)
        if profile is None:
            raise ConfigError(f"{at}: unknown profile {reading.profile!r}")
        target = Target(profile.name, profile.sector, reading.part)
        if target not in targets:  # readings of one profile and part share a row
            targets.append(target)
            blank.append([0.0, *[float("nan")] * len(profile.columns), 0.0])
        _plant(at, tree, targets.index(target), reading, profile, options)
    clock = None
    if form.time is not None:
        clock = _try(f"{where}: time", compile_clock, form.time, options.zone)
        _dropped(tree, clock.path)
    for path in form.drop:
        _dropped(tree, _try(f"{where}: drop", parse_path, path))
    tree.settle()
    return Message(
        form,
        tuple(_try(f"{where}: topic", compile_topic, pattern) for pattern in form.topic),
        tree,
        tuple(targets),
        tuple(blank),
        clock,
        tuple(_try(f"{where}: signs", parse_path, path) for path in form.signs),
        tuple(_try(f"{where}: needs", parse_path, path) for path in form.needs),
        duration_ms(form.max_age or "0s"),
    )


def _try(where: str, make: Callable[..., _T], *args: object) -> _T:
    try:
        return make(*args)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _plant(
    where: str, tree: Spot, index: int, form: ReadingForm, profile: Profile, options: Options
) -> None:
    spot = _spot(tree, _try(f"{where}: at", parse_path, form.at))
    guard = _guard(form)
    spot.guards |= {*form.lists, *form.scalars, *form.equals}
    for name, short in form.columns.items():
        key = f"{where}: columns.{name}"
        place = profile.column_index(name)
        if place is None:
            raise ConfigError(f"{key}: no column of {profile.name}")
        full = short if isinstance(short, ColumnForm) else ColumnForm(path=short)
        leaf = _try(key, _leaf, full, profile.columns[place], index, place)
        for path in (full.path,) if isinstance(full.path, str) else full.path:
            _hang(spot, guard, _steps(_try(key, parse_path, path)), leaf)
    if not form.columns:
        raise ConfigError(f"{where}: columns: none")
    if form.time is not None:
        clock = _try(f"{where}: time", compile_clock, form.time, options.zone)
        _hang(spot, guard, _steps(clock.path), TimeLeaf(index, clock.instant))


def _guard(form: ReadingForm) -> Guard | None:
    guard = Guard(
        frozenset(form.has),
        frozenset(form.lacks),
        frozenset(form.lists),
        frozenset(form.scalars),
        tuple(form.equals.items()),
    )
    return guard if any(guard) else None


def _hang(spot: Spot, guard: Guard | None, path: tuple[str, ...], leaf: Leaf | TimeLeaf) -> None:
    """Put a leaf at the end of a path; what is deeper than the guard hangs on a fork of it."""
    first, *deeper = path
    if not deeper:
        spot.leaves.setdefault(first, []).append((guard, leaf))
        return
    if guard is None:
        home = _spot(spot, path[:-1])
    else:
        forks = spot.forks.setdefault(first, [])
        fork = next((below for known, below in forks if known == guard), None)
        if fork is None:
            fork = Spot()
            forks.append((guard, fork))
        home = _spot(fork, tuple(deeper[:-1]))
    home.leaves.setdefault(path[-1], []).append((None, leaf))


def _steps(path: Path) -> tuple[str, ...]:
    return tuple(str(step) for step in path) or ("",)


def _spot(tree: Spot, path: Path) -> Spot:
    for step in path:
        if step == _EACH:
            tree.each = tree.each or Spot()
            tree = tree.each
        elif str(step).endswith(_EACH):
            tree = tree.globs.setdefault(str(step)[:-1], Spot())
        else:
            tree = tree.below.setdefault(str(step), Spot())
    return tree


def _dropped(tree: Spot, path: Path) -> None:
    *above, last = path
    _spot(tree, tuple(above)).dropped.add(str(last))


def _leaf(form: ColumnForm, column: Column, reading: int, place: int) -> Leaf:
    codes = {text: number / column.scale for text, number in form.codes.items()}
    is_from_root = form.unit_at is not None and form.unit_at.startswith("$.")
    said = form.unit_at[2:] if form.unit_at is not None and is_from_root else form.unit_at
    units: Mapping[str, Scale] = {
        word: _scale(unit, form.scale, column) for word, unit in form.units.items()
    }
    return Leaf(
        reading,
        1 + place,
        _scale(form.unit or column.unit, form.scale, column),
        codes,
        column.kind is Kind.CODE,
        parse_path(said) if said is not None else (),
        is_from_root,
        units or None,
        form.sum,
        form.inverted,
    )


def _scale(unit: str, scale: float, column: Column) -> Scale:
    factor, zero = conversion(unit, column.unit)
    return scale_of(scale * factor, zero, column.scale)
