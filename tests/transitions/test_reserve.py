"""waiting -> in-flight, in batches."""

from typing import Any

import pytest

from resque.errors import Unreachable
from resque.store import queues as waiting
from resque.store.reserve import BATCH_BYTES, LARGEST_ENTRY, QUEUES_A_CALL, Taken, all_paused, reserve
from tests.fault_proxy import FaultProxy, drop_reply
from tests.transitions.state import ME, OTHER, In, Space

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
LEASED = {"leases:q": {ME: In(20)}}


def take(space: Space, queues: list[str], want: int, lease: float = 20) -> Any:
    return reserve(space.keys, queues, ME, want, lease)


def test_what_waits_longest_comes_first_and_leaves_a_receipt(space: Space) -> None:
    space.check(
        {"queue:q": ["a", "b", "c"]},
        take(space, ["q"], 2),
        [Taken("q", 2, [b"a", b"b"])],
        {"queue:q": ["c"], MINE: ["a", "b"]} | LEASED,
    )


@pytest.mark.parametrize("want", [1, 2, 3, 4, 500])
def test_no_more_than_wanted_and_no_more_than_there_is(space: Space, want: int) -> None:
    space.load({"queue:q": ["a", "b", "c"]})
    taken = space.run(take(space, ["q"], want))
    got = ["a", "b", "c"][:want]
    assert taken == [Taken("q", len(got), [item.encode() for item in got])]
    rest = {"queue:q": ["a", "b", "c"][want:]} if want < 3 else {}
    assert space.dump() == rest | {MINE: got} | LEASED


@pytest.mark.parametrize("want", [0, -1])
def test_who_wants_nothing_gets_nothing_and_takes_no_lease(space: Space, want: int) -> None:
    space.check({"queue:q": ["a"]}, take(space, ["q"], want), [], {"queue:q": ["a"]})


def test_an_empty_queue_gives_nothing_and_takes_no_lease(space: Space) -> None:
    space.check({"queues": {"q"}}, take(space, ["q", "no-such-queue"], 5), [], {"queues": {"q"}})


def test_new_jobs_stand_behind_those_in_hand_and_the_lease_is_renewed(space: Space) -> None:
    """The answer counts the whole in-flight list: that is how a worker notices that its copy is wrong."""
    space.check(
        {"queue:q": ["b", "c"], MINE: ["a"], "leases:q": {ME: 5.0, OTHER: 6.0}},
        take(space, ["q"], 1, lease=7.5),
        [Taken("q", 2, [b"b"])],
        {"queue:q": ["c"], MINE: ["a", "b"], "leases:q": {ME: In(7.5), OTHER: 6.0}},
    )


def test_queues_are_served_in_the_given_order_until_there_is_enough(space: Space) -> None:
    space.check(
        {"queue:low": ["l1", "l2"], "queue:high": ["h1"], "queue:never": ["n"]},
        take(space, ["high", "empty", "low", "never"], 2),
        [Taken("high", 1, [b"h1"]), Taken("low", 1, [b"l1"])],
        {
            "queue:low": ["l2"],
            "queue:never": ["n"],
            f"inflight:high:{ME}": ["h1"],
            f"inflight:low:{ME}": ["l1"],
            "leases:high": {ME: In(20)},
            "leases:low": {ME: In(20)},
        },
    )


def test_sixty_four_queues_in_one_call(space: Space) -> None:
    names = [f"q{n}" for n in range(QUEUES_A_CALL)]
    space.load({"queue:q63": ["a"]})
    assert space.run(take(space, names, 1)) == [Taken("q63", 1, [b"a"])]
    with pytest.raises(AssertionError):
        take(space, [*names, "one-too-many"], 1)


def test_a_paused_queue_gives_nothing_and_says_so(space: Space) -> None:
    space.check(
        {"queue:q": ["a"], "paused:q": "1", "queue:r": ["b"]},
        take(space, ["q", "r"], 5),
        [Taken("q", -2, [], "", True), Taken("r", 1, [b"b"])],
        {"queue:q": ["a"], "paused:q": "1", f"inflight:r:{ME}": ["b"], "leases:r": {ME: In(20)}},
    )


@pytest.mark.parametrize("switch", ["true", " True \n", "\tTRUE"])
def test_resques_own_switch_pauses_every_queue(space: Space, switch: str) -> None:
    """As Ruby reads it: strip.downcase == "true" (golden 13a)."""
    state = {"queue:q": ["a"], "queue:r": ["b"], "pause-all-workers": switch}
    space.check(state, take(space, ["q", "r"], 5), [Taken(q, -2, [], "", True) for q in "qr"], state)
    assert space.run(all_paused(space.keys)) is True


@pytest.mark.parametrize("switch", ["false", "", "1", "true!", "t rue"])
def test_anything_else_in_the_switch_pauses_nothing(space: Space, switch: str) -> None:
    space.load({"queue:q": ["a"], "pause-all-workers": switch})
    assert space.run(take(space, ["q"], 1)) == [Taken("q", 1, [b"a"])]
    assert space.run(all_paused(space.keys)) is False


def test_a_switch_of_another_type_pauses_nothing(space: Space) -> None:
    space.load({"queue:q": ["a"], "pause-all-workers": ["true"]})
    assert space.run(take(space, ["q"], 1)) == [Taken("q", 1, [b"a"])]


@pytest.mark.parametrize("broken", ["queue:broken", f"inflight:broken:{ME}", "leases:broken"])
def test_a_wrong_type_in_the_second_queue_strands_nothing(space: Space, broken: str) -> None:
    """The jobs of the first have moved already: they must be in the answer. The third is served, too."""
    given: dict[str, Any] = {"queue:q": ["a"], "queue:broken": ["x"], "queue:r": ["b"]} | {broken: "a string"}
    space.load(given)
    first, second, third = space.run(take(space, ["q", "broken", "r"], 5))
    assert (first, third) == (Taken("q", 1, [b"a"]), Taken("r", 1, [b"b"]))
    assert (second.queue, second.inflight, second.payloads, second.paused) == ("broken", -1, [], False)
    assert "WRONGTYPE" in second.error
    left = space.dump()
    assert (left[MINE], left[f"inflight:r:{ME}"]) == (["a"], ["b"])
    assert {name: left[name] for name in given if "broken" in name} == {n: given[n] for n in given if "broken" in n}


def test_an_entry_over_the_limit_is_moved_aside_unread(space: Space) -> None:
    """1 MiB passes, one byte more does not; it is not lost and stops nobody."""
    huge, fits = "h" * (LARGEST_ENTRY + 1), "f" * LARGEST_ENTRY
    space.check(
        {"queue:q": [huge, fits, "a"]},
        take(space, ["q"], 1),
        [Taken("q", 1, [fits.encode()])],
        {"queue:q": ["a"], "oversize:q": [huge], MINE: [fits]} | LEASED,
    )


def test_oversize_entries_keep_their_order_and_those_in_hand_stay(space: Space) -> None:
    huge = [letter * (LARGEST_ENTRY + 1) for letter in "xy"]
    space.load({"queue:q": huge, MINE: ["a"]})
    assert space.run(take(space, ["q"], 5)) == []
    assert space.dump() == {"oversize:q": huge, MINE: ["a"]} | LEASED
    assert space.run(waiting.oversize(space.keys, "q")) == 2


def test_a_list_aside_of_another_type_keeps_the_entry_waiting_and_says_so(space: Space) -> None:
    huge = "h" * (LARGEST_ENTRY + 1)
    space.load({"queue:q": ["a", huge, "b"], "oversize:q": "a string"})
    (taken,) = space.run(take(space, ["q"], 5))
    assert (taken.inflight, taken.payloads) == (1, [b"a"])
    assert "WRONGTYPE" in taken.error
    assert space.dump() == {"queue:q": [huge, "b"], "oversize:q": "a string", MINE: ["a"]} | LEASED


@pytest.mark.parametrize("want", [16, 17, 500])
def test_a_batch_of_many_comes_in_order_around_what_is_moved_aside(space: Space, want: int) -> None:
    huge = "h" * (LARGEST_ENTRY + 1)
    jobs = [f"job {n}" for n in range(600)]
    space.load({"queue:q": [*jobs[:20], huge, *jobs[20:]], MINE: ["held"]})
    (taken,) = space.run(take(space, ["q"], want))
    assert taken == Taken("q", want + 1, [job.encode() for job in jobs[:want]])
    left = space.dump()
    assert left[MINE] == ["held", *jobs[:want]]
    assert [each for each in left["queue:q"] if each != huge] == jobs[want:]
    assert (left["queue:q"] + left.get("oversize:q", [])).count(huge) == 1


def test_the_answer_stays_below_the_byte_budget(space: Space) -> None:
    """The entry that crosses the line still comes: one large entry alone must not block its queue."""
    entries = [letter * 100_000 for letter in "abcd"]
    assert 2 * 100_000 < BATCH_BYTES < 3 * 100_000
    space.check(
        {"queue:q": entries, "queue:r": ["later"]},
        take(space, ["q", "r"], 500),
        [Taken("q", 3, [entry.encode() for entry in entries[:3]])],
        {"queue:q": entries[3:], "queue:r": ["later"], MINE: entries[:3]} | LEASED,
    )


def test_entries_that_are_equal_byte_for_byte_are_jobs_of_their_own(space: Space) -> None:
    space.check(
        {"queue:q": ["a", "a", "a"]},
        take(space, ["q"], 2),
        [Taken("q", 2, [b"a", b"a"])],
        {"queue:q": ["a"], MINE: ["a", "a"]} | LEASED,
    )


def test_a_lost_reply_loses_no_job(space: Space, proxy: FaultProxy) -> None:
    """The receipt is in the in-flight list before the answer is on its way (R2)."""
    space.load({"queue:q": ["a"]})
    through = Space(space.redis, proxy.url, space.keys.wire)
    through.run(take(space, ["none"], 1))  # now the server knows the script
    lost = proxy.on(b"EVALSHA", drop_reply())
    with pytest.raises(Unreachable):
        through.run(take(space, ["q"], 1))
    through.store.close()
    assert lost.hits == 1
    assert space.dump() == {MINE: ["a"]} | LEASED
