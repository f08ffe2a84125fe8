"""Times of a file in seconds since 1970."""

import polars as pl

_CLOCKS = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_FORMATS = (
    *(
        f"{date}{clock}"
        for date in ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y")
        for clock in ("", *(f"{between}{clock}" for between in " T" for clock in _CLOCKS))
    ),
    *("%a %b %d %H:%M:%S %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d-%b-%Y", "%m %d, %Y"),
)
# The order of day and month in dates with slashes is found out from all of them.
_MONTH_FIRST = tuple(f"%m/%d/%Y{clock}" for clock in ("", *(f" {clock}" for clock in _CLOCKS)))
_DAY_FIRST = tuple(form.replace("%m/%d", "%d/%m") for form in _MONTH_FIRST)

_ZONE = r"\s*(Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)$"
_UNITS = ((1e17, 1e9, "nanoseconds"), (1e14, 1e6, "microseconds"), (1e11, 1e3, "milliseconds"))


def seconds_of(text: pl.Series) -> tuple[pl.Series, str]:
    """Return times in seconds, null for a value that is not one, and a note on what was assumed.

    Numbers are seconds, or milliseconds, microseconds or nanoseconds if seconds would be thousands
    of years from now. Dates are in UTC unless they have a zone.
    """
    if text.dtype == pl.Float64:
        return _scaled(text)
    stripped = text.str.strip_chars()
    numbers = stripped.cast(pl.Float64, strict=False)
    numbers = pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()
    if not numbers.has_nulls():
        return _scaled(numbers.alias("time"))
    dates = _dates(pl.select(pl.when(numbers.is_null()).then(stripped)).to_series())
    return pl.select(pl.coalesce(numbers, dates).alias("time")).to_series(), ""


def _scaled(numbers: pl.Series) -> tuple[pl.Series, str]:
    some = numbers.gather_every(1 + len(numbers) // 1000)
    middle = some.drop_nulls().median()
    for bound, per_second, unit in _UNITS:
        if isinstance(middle, float) and middle >= bound:
            return numbers / per_second, f"the times are {unit}"
    return numbers, ""


def _dates(text: pl.Series) -> pl.Series:
    """Return dates in seconds, null where no format fits."""
    # As Twitter writes it: Tue Apr 03 18:00:09 +0000 2012.
    text = text.str.replace(r" ([+-]\d{4}) (\d{4})$", " $2 $1")
    # A zone follows a clock; the end of a date such as 2018-09-26 is not one.
    timed = text.str.contains(":", literal=True)
    zones = text.str.extract(_ZONE).str.replace(":", "", literal=True)
    ahead = (
        zones.str.slice(1, 2).cast(pl.Float64, strict=False).fill_null(0) * 3600
        + zones.str.slice(3, 2).cast(pl.Float64, strict=False).fill_null(0) * 60
    ) * pl.select(pl.when(zones.str.starts_with("-")).then(-1).otherwise(1)).to_series()
    plain = pl.select(
        pl.when(timed).then(text.str.replace(_ZONE, "")).otherwise(text).alias("text")
    ).to_series()
    ahead = pl.select(pl.when(timed & ahead.is_not_null()).then(ahead).otherwise(0.0)).to_series()
    return _parsed(plain).dt.epoch("us") / 1e6 - ahead


def _parsed(text: pl.Series) -> pl.Series:
    """Parse by the formats that fit the first value that is left, until none fits."""
    dates = pl.Series([None] * len(text), dtype=pl.Datetime("us"))
    left = text
    while (first := left.drop_nulls().head(1)).len():
        found = [form for form in _FORMATS if not _strptime(first, form).has_nulls()]
        found = found or _slashed(left, first)
        if not found:
            break
        parsed = _strptime(left, found[0])
        dates = pl.select(pl.coalesce(dates, parsed)).to_series()
        left = pl.select(pl.when(parsed.is_null()).then(left)).to_series()
    return dates


def _slashed(text: pl.Series, first: pl.Series) -> list[str]:
    """Return the format of dates with slashes; none if they can be read in two ways."""
    fitting = [
        (form, _strptime(text, form).null_count())
        for form in (*_MONTH_FIRST, *_DAY_FIRST)
        if not _strptime(first, form).has_nulls()
    ]
    fewest = min((nulls for _, nulls in fitting), default=0)
    best = [form for form, nulls in fitting if nulls == fewest]
    return best if len(best) == 1 else []


def _strptime(text: pl.Series, form: str) -> pl.Series:
    return text.str.to_datetime(form, strict=False, time_unit="us", exact=True)
