"""Signals in this process: awaited, repeated, ignored, and given back."""

import os
import signal

import pytest

from multvae_jax.host.signals import SIGNALS, Interrupted, stop_requests


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts_unless_it_is_awaited(number):
    with pytest.raises(Interrupted) as caught, stop_requests():
        os.kill(os.getpid(), number)
    assert caught.value.exit_status == 128 + number


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_awaited_signal_is_noted_and_the_second_interrupts(number):
    said = []
    with stop_requests() as stop, stop.awaited(said.append):
        os.kill(os.getpid(), number)
        assert (stop.number, said) == (number, [signal.Signals(number).name])
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), number)


def test_later_signals_may_be_heard_in_place_of_an_interruption():
    said, again = [], []
    with stop_requests() as stop, stop.awaited(said.append, again.append):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
    assert (said, again) == (["SIGTERM"], [signal.SIGTERM] * 2)


def test_the_handlers_before_are_there_again():
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_requests():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_that_is_ignored_stays_ignored():
    """As `nohup` starts a program."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as stop, stop.awaited(print):
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.number is None
    finally:
        signal.signal(signal.SIGHUP, before)
