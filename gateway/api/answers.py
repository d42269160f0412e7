"""What the endpoints share: the sight of a request, and what it asks for."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import Depends, Query, Request

from gateway.api.documents import ProblemError
from gateway.ports import DeviceRow
from gateway.profiles import Profile
from gateway.views.sight import Sight


def sight_of(request: Request) -> Sight:
    """Return what the application reads."""
    sight: Sight = request.app.state.sight
    return sight


Seeing = Annotated[Sight, Depends(sight_of)]


def find_device(sight: Sight, name: str) -> DeviceRow:
    """Return the device of that name, or say that there is none."""
    row = sight.device(name)
    if row is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no device {name!r} is known", "device")
    return row


def find_profile(sight: Sight, name: str) -> Profile:
    """Return the profile of that name, or say which there are."""
    profile = sight.profiles.get(name)
    if profile is None:
        detail = f"no profile {name!r}; there are: {', '.join(sight.profiles)}"
        raise ProblemError(HTTPStatus.NOT_FOUND, detail, "profile")
    return profile


def profile_of(sight: Sight, row: DeviceRow, name: str | None) -> Profile:
    """Return the profile asked for, or the only one that the device sends."""
    if name is not None:
        return find_profile(sight, name)
    names = sorted({one.profile for one in sight.store.latest(device_index=row.device_index)})
    if len(names) == 1:
        return find_profile(sight, names[0])
    detail = f"say which profile of {row.device}: {', '.join(names) or 'it has sent no reading'}"
    raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "profile")


class Choice(NamedTuple):
    """Which readings: of one profile, of one device or of all."""

    profile: Profile
    device_index: int | None
    names: Mapping[int, str]  # by device index


def choose(
    sight: Seeing,
    device: Annotated[str | None, Query(max_length=64)] = None,
    profile: Annotated[
        str | None, Query(max_length=32, description="may be left out if the device has one only")
    ] = None,
) -> Choice:
    """Return which readings are asked for."""
    if device is not None:
        row = find_device(sight, device)
        return Choice(
            profile_of(sight, row, profile), row.device_index, {row.device_index: row.device}
        )
    if profile is None:
        detail = "say which device, which profile, or both"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "device")
    return Choice(find_profile(sight, profile), None, sight.fleet().names)


Choosing = Annotated[Choice, Depends(choose)]
