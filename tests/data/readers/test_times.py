"""Times in seconds: numbers of any unit, and dates in the forms that data sets have."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

from multvae_jax.data.readers.times import seconds_of

EAST, WEST = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-5))
MOMENT = datetime(2018, 9, 26, 14, 30, 5, 250_000, tzinfo=UTC)
MINUTE, DAY = MOMENT.replace(second=0, microsecond=0), datetime(2018, 9, 26, tzinfo=UTC)


def seconds(*texts):
    return seconds_of(pl.Series("time", texts))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2018-09-26T14:30:05.25Z", MOMENT),
        ("2018-09-26 14:30:05.250000 UTC", MOMENT),
        (" 2018-09-26T14:30:05.25 ", MOMENT),
        (MOMENT.astimezone(EAST).isoformat(), MOMENT),
        (MOMENT.astimezone(WEST).isoformat(" "), MOMENT),
        (MOMENT.astimezone(WEST).strftime("%Y-%m-%d %H:%M:%S.%f%z"), MOMENT),
        ("2018-09-26T09:30:05.25-05", MOMENT),
        ("2018-09-26 14:30", MINUTE),
        ("2018-09-26T14:30Z", MINUTE),
        ("2018/09/26 14:30", MINUTE),
        ("09/26/2018 02:30 PM", MINUTE),
        ("9/26/2018 14:30", MINUTE),
        ("26/09/2018 14:30", MINUTE),
        ("26.9.2018 14:30", MINUTE),
        ("Wed Sep 26 14:30:00 +0000 2018", MINUTE),
        ("Wed Sep 26 09:30:00 -0500 2018", MINUTE),
        ("2018-09-26", DAY),
        ("26.09.2018", DAY),
        ("Sep 26, 2018", DAY),
        ("September 26, 2018", DAY),
        ("09 26, 2018", DAY),
        ("26 Sep 2018", DAY),
    ],
)
def test_a_date_of_any_usual_form(text, moment):
    times, note = seconds(text)
    assert times.to_list() == [moment.timestamp()]
    assert note == ""


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(1, ""), (10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")],
)
def test_numbers_of_any_unit(factor, unit):
    whole = [int(DAY.timestamp()) + second for second in range(3)]
    times, note = seconds(*(str(second * factor) for second in whole))
    assert times.to_list() == whole
    assert note == (f"the times are {unit}" if unit else "")


def test_the_order_of_day_and_month_follows_from_all_dates():
    first, second = datetime(2019, 3, 4, tzinfo=UTC), datetime(2019, 4, 13, tzinfo=UTC)
    assert seconds("03/04/2019", "04/13/2019")[0].to_list() == [
        first.timestamp(),
        second.timestamp(),
    ]
    assert seconds("04/03/2019", "13/04/2019")[0].to_list() == [
        first.timestamp(),
        second.timestamp(),
    ]
    assert seconds("03/04/2019", "04/03/2019")[0].to_list() == [None, None]


def test_what_is_no_time():
    times, _ = seconds("2018-09-26", "spring", "5", "2018-13-01", "nan", "")
    assert times.to_list() == [DAY.timestamp(), None, 5.0, None, None, None]
