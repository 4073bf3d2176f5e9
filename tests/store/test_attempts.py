"""The form in which the errors of earlier attempts are kept. That they are: tests/transitions/test_later.py."""

import pytest

from resque.store import attempts


@pytest.mark.parametrize(
    ("text", "found"), [(b"", []), (b"{}", [b"{}"]), (b'{"a":1}\n{}\n', [b'{"a":1}', b"{}"]), (b"\n\n", [])]
)
def test_the_errors_in_a_field(text: bytes, found: list[bytes]) -> None:
    assert attempts.parse(text) == found
