"""Every exception has its exit code, a line, and where it helps a hint."""

import click
import pytest

from resque import errors
from resque.cli.exits import Failed, explained, near


def cause(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.WireMismatch("x"), 2),
        (errors.AppNotFound("x"), 4),
        (errors.BadArguments("x"), 2),
        (errors.PayloadTooLarge("x"), 2),
        (errors.Unreachable("x"), 3),
        (errors.Unavailable("x"), 3),
        (errors.Demoted("x"), 3),
        (errors.Refused("x"), 6),
        (cause(errors.NotEnqueued("x"), errors.Unreachable("y")), 3),
        (cause(errors.NotEnqueued("x"), errors.Refused("y")), 6),
        (errors.NotEnqueued("x"), 1),
        (errors.EnqueueUnknown("x", unknown=["job-1"]), 1),
        (errors.ResqueError("x"), 1),
        (ValueError("x"), 1),
        (click.UsageError("x"), 2),
        (click.FileError("x"), 1),
        (Failed("x", code=5), 5),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
def test_an_error_has_its_exit_code(error: Exception, code: int) -> None:
    failed = explained(error)
    assert failed.exit_code == code
    assert "x" in failed.message


def test_the_lines_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Failed("\x1b[31mred\nsecond", hint="\u202eevil")
    failed.is_verbose = True
    failed.__cause__ = ValueError("\x1b]0;owned\x07")
    failed.show()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("resque: \\e[31mred\\nsecond\n  \\u202eevil\n")
    assert err.replace("\n", "").isprintable()
    assert "ValueError" in err


def test_the_traceback_stays_away_unless_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Failed("x")
    failed.__cause__ = ValueError("cause")
    failed.show()
    assert capsys.readouterr().err == "resque: x\n"


def test_near_offers_what_looks_alike() -> None:
    assert near("mial", ["mail", "default"]) == "did you mean 'mail'?"
    assert near("xyz", ["mail"], otherwise="look") == "look"
    assert near("xyz", []) == ""
