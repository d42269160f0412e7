"""One model of a codec file, compiled: frames to values, and where each value goes."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.decode.foreign.family import ColumnForm, ReadingForm
from gateway.decode.foreign.lorawan.fields import Entry, words_of
from gateway.decode.foreign.lorawan.flagged import Flagged, compile_block
from gateway.decode.foreign.lorawan.forms import (
    VENDOR,
    BitsForm,
    CodecFile,
    EntryForm,
    FieldForm,
    LayoutForm,
)
from gateway.decode.foreign.lorawan.tagged import ANY, CHANNELS, Said, Tagged, compile_entry
from gateway.decode.wire import reject
from gateway.errors import ConfigError
from gateway.model import QuarantineReason
from gateway.profiles import Kind, Profiles
from gateway.units import conversion

MAX_FRAME_BYTES = 255  # LoRaWAN regional parameters: 242 at most; a length byte reaches so far

Place = tuple[str, str, str, bool]  # profile, column, part, whether of any channel


class _Ported(NamedTuple):
    ports: frozenset[int]
    layout: Tagged | Flagged


class Table(NamedTuple):
    """What is known of the frames of a model."""

    title: str  # "milesight AM307"
    layouts: tuple[_Ported, ...]
    places: Mapping[Place, ColumnForm]

    def read(self, port: int, frame: bytes, *, is_declared: bool) -> list[Said]:
        """Return what a frame says, of now first.

        Where the model is declared its only layout holds on any port, since ports can be set.

        Raises:
            RejectedError: ``too_large``, ``unmapped`` or ``schema``.
        """
        if len(frame) > MAX_FRAME_BYTES:
            reject(QuarantineReason.TOO_LARGE, f"a frame of {len(frame)} bytes")
        for ports, layout in self.layouts:
            if port in ports or (is_declared and (not ports or len(self.layouts) == 1)):
                return layout.read(frame)
        detail = f"codec {self.title} has no layout for port {port}"
        return reject(QuarantineReason.UNMAPPED, detail)

    def readings(self, at: str) -> tuple[ReadingForm, ...]:
        """Return the columns of its values, which lie at a path."""
        columns: dict[tuple[str, str, bool], dict[str, ColumnForm | str | tuple[str, ...]]] = {}
        for (profile, column, part, is_channel), form in self.places.items():
            columns.setdefault((profile, part, is_channel), {})[column] = form
        return tuple(
            ReadingForm(
                profile=profile,
                at=f"{at}.{CHANNELS}.*" if is_channel else at,
                part=part or "{part}",
                columns=of,
            )
            for (profile, part, is_channel), of in columns.items()
        )


def layouts_of(file: CodecFile, model: str) -> tuple[int, ...]:
    """Return which layouts of a file are of a model: models that have the same are alike."""
    return tuple(
        index for index, one in enumerate(file.layout) if not one.models or model in one.models
    )


def parameters_of(file: CodecFile, model: str) -> tuple[str, ...]:
    """Return what each sensor of a model has its own of."""
    forms = (one for one in file.layout if not one.models or model in one.models)
    return tuple(dict.fromkeys(name for one in forms for name in one.parameters))


def compile_table(
    file: CodecFile, model: str, profiles: Profiles, parameters: Mapping[str, float]
) -> Table:
    """Return the table of a model of a file, for a sensor with such parameters.

    Raises:
        ConfigError: names the file, the model and what is wrong.
    """
    title = file.codec if model == VENDOR else f"{file.codec} {model}"
    try:
        forms = [one for one in file.layout if not one.models or model in one.models]
        layouts = tuple(_layouts(forms, title, parameters))
        return Table(title, layouts, _places(forms, profiles))
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"codec {title}: {error}") from error


def _layouts(
    forms: list[LayoutForm], title: str, parameters: Mapping[str, float]
) -> Iterator[_Ported]:
    merged: dict[tuple[int, ...], dict[str, Entry]] = {}
    for form in forms:
        if form.layout == "flagged":
            own = {name: parameters[name] for name in form.parameters}
            blocks = tuple(compile_block(one, own) for one in form.blocks)
            layout = Flagged(form.version, blocks, own, title)
            yield _Ported(frozenset(form.ports), layout)
        else:
            entries = merged.setdefault(form.ports, {})
            for tag, one in form.entries.items():
                entries[tag] = compile_entry(tag, one, form.order)
    for ports, entries in merged.items():
        sizes = sorted({len(tag) // 2 for tag in entries}, reverse=True)
        yield _Ported(frozenset(ports), Tagged(entries, sizes, title))


def _places(forms: list[LayoutForm], profiles: Profiles) -> dict[Place, ColumnForm]:
    found: dict[Place, ColumnForm] = {}
    homes: dict[tuple[str, bool], tuple[str, str]] = {}
    for field, is_channel in (one for form in forms for one in _fields(form)):
        if field.to is None or not field.name:
            continue
        profile, _, column = field.to.partition(".")
        place = profile, column, field.part, is_channel
        _check(field, profiles)
        if homes.setdefault((field.name, is_channel), (field.to, field.part)) != (
            field.to,
            field.part,
        ):
            raise ValueError(
                f"{field.name} goes to {field.to} and elsewhere: one needs another name"
            )
        form = ColumnForm(
            path=field.name,
            sum=isinstance(field, FieldForm) and field.sum,
            unit=field.unit,
            codes=_codes(field, profile, column, profiles),
        )
        known = found.get(place)
        if known is not None and known.path != form.path:
            if known.unit != form.unit:
                raise ValueError(f"{field.name} goes to {field.to} in two units")
            paths = (known.path,) if isinstance(known.path, str) else known.path
            form = form.model_copy(
                update={
                    "path": tuple(dict.fromkeys((*paths, field.name))),
                    "codes": {**known.codes, **form.codes},
                }
            )
        found[place] = form
    return found


def _check(field: FieldForm | BitsForm, profiles: Profiles) -> None:
    """See that a field's column is there and takes its unit.

    Raises:
        ValueError, ConfigError: it is not, or does not.
    """
    profile, _, name = (field.to or "").partition(".")
    of = profiles.get(profile)
    index = None if of is None else of.column_index(name)
    if of is None or index is None:
        raise ValueError(f"{field.name}: there is no column {field.to}")
    conversion(field.unit or of.columns[index].unit, of.columns[index].unit)


def _fields(form: LayoutForm) -> Iterator[tuple[FieldForm | BitsForm, bool]]:
    for block in form.blocks:
        yield from ((field, False) for field in block.fields)
    for tag, entry in form.entries.items():
        fields: tuple[FieldForm, ...] = entry.fields if isinstance(entry, EntryForm) else entry
        for field in fields:
            yield field, tag.startswith(ANY)
            for bits in field.bits:
                yield bits, tag.startswith(ANY)


def _codes(
    field: FieldForm | BitsForm, profile: str, column: str, profiles: Profiles
) -> dict[str, float]:
    """Return the numbers of a field's words, where its column is one of codes."""
    of = profiles.get(profile)
    index = None if of is None else of.column_index(column)
    if of is None or index is None or of.columns[index].kind is not Kind.CODE:
        return {}
    return {text: float(raw) for raw, text in words_of(field.words).items()}
