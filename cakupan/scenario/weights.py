"""The scenario's numbers, as literals: what is drawn, and how often.

All are assumptions of this scenario, shaped by what offices and press have told (yields of visits, barriers in the
field, targets); none is a measurement. Weights are relative within their table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple, TypeVar

T = TypeVar("T")

# Time. Days are counted in western Indonesian time (WIB), 7 hours ahead of UTC.
FIRST = dt.date(2023, 2, 1)
LAST = dt.date(2024, 6, 30)
DAYS = (LAST - FIRST).days + 1
NEW_APP = (dt.date(2023, 7, 1) - FIRST).days  # from this day on every office reports the device

# How busy a day is, against a plain weekday.
WEEKDAYS = (1.0, 1.05, 1.0, 1.0, 0.85, 0.55, 0.35)  # Monday to Sunday
HOLIDAYS = (
    (dt.date(2023, 4, 19), dt.date(2023, 4, 25), 0.05),
    (dt.date(2024, 4, 8), dt.date(2024, 4, 15), 0.05),
)
RAMP = (0.7, 1.2)  # from the first day to the last
PUSHES = 9  # campaign weeks, at days that the seed draws
PUSH_DAYS = 6
PUSH = 1.15

# Days from the first contact to what happens later to the same person, and from that to what follows from it.
LADDER = (3, 8, 15, 24, 36, 51, 73, 101, 140, 190, 260)
GAP = 5

# Outreach.
VISIT_YIELD = 46  # activations in one neighbourhood visit
OUTREACH_SHARE = 0.62  # of activations in a region with outreach
CANCELLED = 0.13  # cancelled visits for each one held
LEADS = (3, 6, 10)  # days from plan to visit
AT_THE_VILLAGE = 0.85  # share of a visit's people who live in that village


class Visiting(NamedTuple):
    """A kind of outreach: its weight, the channel of its people, where it stands, its start in WIB."""

    kind: str
    weight: int
    channel: str
    places: tuple[str, ...]
    hour: int


VISITING = (
    Visiting("jemput_bola", 45, "jemput_bola", ("balai desa", "rumah RT", "posyandu", "dermaga", "pulau kecil"), 9),
    Visiting("mobile_service", 12, "mobile_service", ("lapangan desa", "pasar", "terminal"), 9),
    Visiting("goes_to_school", 13, "school", ("SMA negeri", "SMK", "madrasah aliyah"), 8),
    Visiting("goes_to_campus", 3, "campus", ("kampus politeknik", "kampus institut"), 9),
    Visiting("goes_to_office", 9, "workplace", ("kantor camat", "puskesmas", "kantor dinas", "perusahaan sawit"), 9),
    Visiting("event_stall", 5, "event_stall", ("hari bebas kendaraan", "pameran kabupaten"), 7),
    Visiting("service_desk", 4, "service_mall", ("mal pelayanan publik", "pusat belanja"), 10),
    Visiting("after_hours", 4, "office", ("kantor pelayanan, malam",), 17),
    Visiting("village_register", 3, "village_office", ("kantor desa",), 9),
    Visiting("home_visit", 1, "jemput_bola", ("rumah warga lansia",), 10),
    Visiting("dukcapil_menyapa", 1, "online", ("pertemuan daring",), 10),
)
CANCEL_REASONS = {
    "weather": 34,
    "no_connectivity": 22,
    "no_transport": 14,
    "staff_shortage": 14,
    "low_registration": 10,
    "other": 6,
}
MEDIA = {
    "social_media": 40,
    "radio": 12,
    "press": 10,
    "poster": 10,
    "circular_letter": 12,
    "messaging": 12,
    "online_talk": 4,
}

# People.
DESK_CHANNELS = {"office": 62, "village_office": 24, "service_mall": 7, "online": 7}
SEXES = {"female": 50, "male": 49, "unknown": 1}
AGES = {
    "from_17_to_24": 27,
    "from_25_to_34": 27,
    "from_35_to_44": 22,
    "from_45_to_59": 18,
    "from_60": 5,
    "unknown": 1,
}
AGES_LEFT_OUT = {  # of those who do not get there
    "from_17_to_24": 16,
    "from_25_to_34": 18,
    "from_35_to_44": 22,
    "from_45_to_59": 25,
    "from_60": 18,
    "unknown": 1,
}
DEVICES = {"android_recent": 62, "android_old": 24, "ios_recent": 7, "ios_old": 4, "unknown": 3}
DEVICES_OF_OLD = {"android_recent": 38, "android_old": 46, "ios_recent": 4, "ios_old": 5, "unknown": 7}
FIRST_USE = 200  # of 256 activations

# Failed attempts before a success, by how hard the place is: 0 a town, 1 the country, 2 remote.
FAILURES = ({0: 78, 1: 18, 2: 4}, {0: 66, 1: 26, 2: 8}, {0: 46, 1: 36, 2: 18})

# What fails and is overcome the same day: (step, reason).
OVERCOME = {
    ("registration", "data_mismatch"): 9,
    ("registration", "no_email"): 10,
    ("registration", "time_out"): 8,
    ("install", "storage_full"): 9,
    ("install", "no_connectivity"): 8,
    ("face_match", "face_mismatch"): 16,
    ("face_match", "camera_fault"): 5,
    ("qr_scan", "siak_down"): 8,
    ("qr_scan", "device_already_bound"): 4,
    ("qr_scan", "code_expired"): 5,
    ("code_entry", "code_not_received"): 10,
    ("code_entry", "code_expired"): 6,
    ("pin", "time_out"): 2,
}
OVERCOME_REMOTE = {
    **OVERCOME,
    ("install", "no_connectivity"): 26,
    ("registration", "time_out"): 22,
    ("face_match", "no_connectivity"): 18,
    ("code_entry", "no_connectivity"): 14,
}
# What ends it before registration.
TURNED_AWAY = {
    ("install", "no_smartphone"): 26,
    ("install", "os_unsupported"): 17,
    ("install", "storage_full"): 8,
    ("install", "refused_privacy"): 9,
    ("install", "no_connectivity"): 9,
    ("registration", "not_recorded"): 8,
    ("registration", "under_age"): 5,
    ("registration", "no_email"): 8,
    ("registration", "nik_inactive"): 4,
    ("registration", "data_mismatch"): 6,
}
TURNED_AWAY_OF_OLD = {**TURNED_AWAY, ("install", "no_smartphone"): 60, ("install", "os_unsupported"): 26}
TURNED_AWAY_REMOTE = {**TURNED_AWAY, ("install", "no_connectivity"): 45}
# What leaves people registered and not active.
LEFT_WAITING = {
    ("face_match", "face_mismatch"): 30,
    ("face_match", "camera_fault"): 9,
    ("qr_scan", "siak_down"): 12,
    ("qr_scan", "time_out"): 9,
    ("code_entry", "code_not_received"): 22,
    ("code_entry", "code_expired"): 18,
}
LOST_REASONS = {"lost_phone": 30, "new_phone": 46, "forgotten_pin": 24}
LEAVING_REASONS = {"lost_phone": 35, "holder_request": 28, "new_phone": 18, "fraud": 4, "administrative": 15}

# Offices: the share of days that are reported late, of days sent twice, of days with a clock that is off.
LATE = (0.012, 0.03, 0.09)  # by how hard the place is
LONGEST_LATE = 6  # days
TWICE = 0.025
LONGEST_TWICE = 4  # days between the first and the second time
SKEWED = 0.004
OUTAGES = (0.8, 1.6, 3.5)  # in the whole time, by how hard the place is
LONGEST_OUTAGE = 9  # days


def slots(weights: Mapping[T, float], size: int = 256) -> tuple[T, ...]:
    """A table of `size` entries in which each choice stands as often as its weight says."""
    total = sum(weights.values())
    ends = [0]
    running = 0.0
    for weight in weights.values():
        running += weight
        ends.append(round(size * running / total))
    return tuple(choice for choice, (low, high) in zip(weights, pairwise(ends), strict=True) for _ in range(low, high))


def apportion(total: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to `weights` that add up to `total` (largest remainder; ties: first)."""
    scale = total / sum(weights)
    exact = [weight * scale for weight in weights]
    whole = [int(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in by_remainder[: total - sum(whole)]:
        whole[i] += 1
    return whole
