"""Clinical units, and exact conversion between those that measure the same."""

import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

_DIMENSIONS: Mapping[str, Mapping[str, str]] = {
    "mass": {"kg": "1000", "g": "1", "mg": "1e-3", "µg": "1e-6", "ng": "1e-9", "pg": "1e-12"},
    "volume": {"L": "1000", "dL": "100", "mL": "1", "µL": "1e-3", "fL": "1e-12"},
    "amount": {"mol": "1000", "mmol": "1", "µmol": "1e-3", "nmol": "1e-6", "pmol": "1e-9"},
    "time": {"wk": "10080", "d": "1440", "h": "60", "min": "1", "s": "1/60", "ms": "1/60000"},
    "pressure": {"kPa": "1000", "hPa": "100", "mbar": "100", "Pa": "1", "mmHg": "133.322387415", "cmH2O": "98.0665"},
    "length": {"m": "100", "cm": "1", "mm": "0.1", "µm": "1e-4"},
    "area": {"m2": "1e4", "cm2": "1"},
    "international units": {"MIU": "1e6", "kIU": "1000", "IU": "1", "mIU": "1e-3"},
    "units": {"kU": "1000", "U": "1", "mU": "1e-3"},
    "equivalents": {"Eq": "1000", "mEq": "1"},
    "osmoles": {"Osm": "1000", "mOsm": "1"},
    "energy": {"kcal": "4184", "cal": "4.184", "kJ": "1000", "J": "1"},
    "voltage": {"V": "1000", "mV": "1"},
    "current": {"A": "1000", "mA": "1"},
    "absorbed dose": {"Gy": "1000", "mGy": "1"},
    "effective dose": {"Sv": "1000", "mSv": "1"},
    "part": {"%": "1", "‰": "0.1", "ppm": "1e-4"},
    "count": {"1": "1", "10^3": "1e3", "10^6": "1e6", "10^9": "1e9", "10^12": "1e12"},
    "drops": {"gtt": "1"},
    "beats": {"bpm": "1"},
    "temperature": {"°C": "1"},
}  # fmt: skip
"""Dimension → unit → how much of the dimension's base it is.

International units, units and equivalents are never turned into masses or amounts: what one of them weighs depends on the
substance. mmHg: 1 mm of 13,595.1 kg/m³ at 9.80665 m/s² (the conventional millimetre of mercury, NIST SP 811, appendix B.8);
cmH2O: 1 cm of 1000 kg/m³ at the same; cal: thermochemical, 4.184 J.
"""

UNITS: Mapping[str, tuple[str, Fraction]] = {
    unit: (dimension, Fraction(size))
    for dimension, units in _DIMENSIONS.items()
    for unit, size in units.items()
}

_SPELLINGS = {
    "ug": "µg", "mcg": "µg", "μg": "µg", "KG": "kg", "Kg": "kg", "MG": "mg", "G": "g", "ml": "mL", "ML": "mL", "l": "L",
    "dl": "dL", "ul": "µL", "μL": "µL", "μl": "µL", "µl": "µL", "fl": "fL", "umol": "µmol", "μmol": "µmol", "um": "µm",
    "μm": "µm", "iu": "IU", "u": "U", "hr": "h", "hour": "h", "day": "d", "week": "wk", "sec": "s", "mmhg": "mmHg",
    "cmh2o": "cmH2O", "cmH₂O": "cmH2O", "℃": "°C", "m²": "m2", "m^2": "m2", "cm²": "cm2", "％": "%", "10⁹": "10^9",
    "10⁶": "10^6", "10³": "10^3", "10¹²": "10^12", "滴": "gtt", "次": "1", "小时": "h", "分": "min", "分钟": "min", "秒": "s",
    "天": "d", "日": "d", "周": "wk", "千克": "kg", "公斤": "kg", "克": "g", "毫克": "mg", "微克": "µg", "毫升": "mL", "升": "L",
    "国际单位": "IU", "单位": "U", "毫摩尔": "mmol", "厘米": "cm", "毫米": "mm", "米": "m", "千卡": "kcal", "焦耳": "J",
}  # fmt: skip

_MOST_PARTS = 4


@lru_cache(maxsize=512)
def unit_parts(text: str) -> tuple[tuple[str, Fraction], ...] | None:
    """A unit such as ``µg/kg/min`` as (dimension, size) of each part, or None where a part is not known.

    What stands before the first stroke is measured, what follows divides it.
    """
    parts = "".join(text.split()).replace("／", "/").split("/")
    if len(parts) > _MOST_PARTS:
        return None
    found = [_one(part) for part in parts]
    return tuple(one for one in found if one) if all(found) else None


def _one(part: str) -> tuple[str, Fraction] | None:
    for name in (part, unicodedata.normalize("NFKC", part)):  # the first as written: NFKC reads 10⁹ as 109
        if known := UNITS.get(_SPELLINGS.get(name, name)):
            return known
    return None


def converted(value: Fraction, unit: str, wanted: str) -> Fraction | None:
    """``value`` of ``unit`` in the unit ``wanted``, exact; None where one of them is unknown or they measure different things."""
    given, target = unit_parts(unit), unit_parts(wanted)
    if given is None or target is None or _dimensions(given) != _dimensions(target):
        return None
    return value * _size(given) / _size(target)


def _dimensions(parts: tuple[tuple[str, Fraction], ...]) -> tuple[str, list[str]]:
    return parts[0][0], sorted(dimension for dimension, _size in parts[1:])


def _size(parts: tuple[tuple[str, Fraction], ...]) -> Fraction:
    whole = parts[0][1]
    for _dimension, size in parts[1:]:
        whole /= size
    return whole
