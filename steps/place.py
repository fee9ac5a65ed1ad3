"""place: the name of where it was taken, from the position that metadata chose."""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.events import Event, PlaceResolved, StepSkipped
from domain.places import on_earth, say
from steps import Ports


def resolve_place(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Ask the geocoder, and say no more than the distance allows."""
    position = asset.metadata.position if asset.metadata else None
    if position is None:
        return [StepSkipped(run=attempt.run(), reason="nothing says where it was taken")]
    if ports.geocoder is None:
        return [StepSkipped(run=attempt.run(), reason="this vault has no geocoder to name places with")]
    latitude, longitude = position.latitude, position.longitude
    if not on_earth(latitude, longitude):
        return [StepSkipped(run=attempt.run(), reason=f"{latitude:.6g}, {longitude:.6g} is no position on Earth")]
    said = say(ports.geocoder.nearest(latitude, longitude))
    if isinstance(said, str):
        return [StepSkipped(run=attempt.run(), reason=said)]
    return [
        PlaceResolved(
            run=attempt.run(),
            latitude=latitude,
            longitude=longitude,
            city=said.city,
            region=said.region,
            country=said.country,
            country_code=said.country_code,
            distance_km=said.distance_km,
            source=ports.geocoder.source,
            notes=(said.note,) if said.note else (),
        )
    ]
