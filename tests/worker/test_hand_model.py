"""Whatever happens to a hand and its in-flight list: no job is dropped unrun, none is counted more often than pushed.

A state machine: one queue in Redis (two lists), one worker's hand; trips whose reply is lost, executed or not, or in
part. Payloads without an id may be equal byte for byte; those with one are not.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from resque.jobs.outcome import Ended, Interrupted, Returned
from resque.payload import codec
from resque.worker.hand import Entry, Hand

TWIN, OTHER = b'{"class":"Tick","args":[]}', b'{"class":"Tock","args":[]}'
RELEASED = Interrupted("late")


def own(number: int) -> bytes:
    return codec.encode("Own", [number], {}, codec.Meta(f"id-{number}", "q", 1.5), limit=1000)


class Life(RuleBasedStateMachine):
    """`queue` and `listed` are the truth in Redis."""

    @initialize()
    def begin(self) -> None:
        self.hand = Hand("w", lambda: None)
        self.running: list[Entry] = []
        self.queue: list[bytes] = []
        self.listed: list[bytes] = []
        self.doubt = False
        self.pushed: Counter[bytes] = Counter()
        self.ran: Counter[bytes] = Counter()
        self.counted: Counter[bytes] = Counter()

    @rule(kinds=st.lists(st.sampled_from(["twin", "twin", "other", "own"]), min_size=1, max_size=4))
    def push(self, kinds: list[str]) -> None:
        for kind in kinds:
            raw = {"twin": TWIN, "other": OTHER, "own": own(self.pushed.total())}[kind]
            self.queue.append(raw)
            self.pushed[raw] += 1

    @precondition(lambda self: not self.doubt)
    @rule(want=st.integers(0, 3), executed=st.sampled_from([3, 3, 3, 2, 1, 0]), fate=st.sampled_from(["ok", "lost"]))
    def turn(self, want: int, executed: int, fate: str) -> None:
        """Settle what has ended and reserve, in one trip; if its reply is lost, only a part may have been executed."""
        ended = list(self.hand.collect())
        steps = ["done", "released", "reserve"]
        executed = 3 if fate == "ok" else executed
        got: list[bytes] = []
        for step in steps[:executed]:
            if step == "reserve":
                got, self.queue = self.queue[:want], self.queue[want:]
                self.listed += got
            else:
                self._execute([entry for entry in ended if (entry.ended is RELEASED) == (step == "released")])
        if fate == "ok":
            for entry in ended:
                self.hand.settled("q", [entry])
                self.hand.unsettled.remove(entry)
            self.hand.add("q", got, None)
        else:
            self.hand.doubt(ended)
            self.doubt = True

    @precondition(lambda self: not self.doubt)
    @rule()
    def caught_in_vain(self) -> None:
        """A wait brings a job into the list, and its reply is lost with the connection."""
        if self.queue:
            self.listed.append(self.queue.pop(0))
            self.doubt = True

    @precondition(lambda self: self.hand.unstarted)
    @rule(count=st.integers(1, 3))
    def start(self, count: int) -> None:
        for _ in range(min(count, len(self.hand.unstarted))):
            entry = self.hand.unstarted.popleft()
            entry.payload = codec.decode(entry.raw)
            self.running.append(entry)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 10))
    def end(self, which: int) -> None:
        entry = self.running.pop(which % len(self.running))
        self.ran[entry.raw] += 1
        self._ended(entry, Returned())

    @rule()
    def give_back(self) -> None:
        for entry in self.hand.take_back(float("inf")):
            entry.ended = RELEASED
            self.hand.unsettled.append(entry)

    @rule(is_needed=st.booleans())
    def reread(self, is_needed: bool) -> None:
        """After trouble, or for any other reason; no wait and no turn is outstanding."""
        if self.doubt or is_needed:
            new, lost = self.hand.reconcile("q", self.listed)
            assert lost == 0, "nobody else takes our jobs here"
            self.hand.add("q", new, None)
            self.doubt = False

    @invariant()
    def nothing_counts_more_often_than_it_was_pushed(self) -> None:
        assert self.counted <= self.pushed

    @invariant()
    def nothing_is_gone_that_has_not_run(self) -> None:
        """What was pushed waits, is in flight, or was counted; and what was counted has run as often."""
        assert Counter(self.queue) + Counter(self.listed) + self.counted == self.pushed
        assert self.counted <= self.ran

    @invariant()
    def without_doubt_the_copy_is_right(self) -> None:
        if not self.doubt:
            assert Counter(entry.raw for entry in self.hand.all()) == Counter(self.listed)
            assert len(self.hand) == self.hand.count("q") == len(self.listed)

    def teardown(self) -> None:
        """Without further trouble everything gets done."""
        if not hasattr(self, "hand"):
            return
        for _ in range(1000):
            if self.counted == self.pushed:
                break
            self.reread(False)
            while self.hand.unstarted:
                self.start(9)
            while self.running:
                self.end(0)
            self.turn(3, 3, "ok")
        assert self.counted == self.pushed
        assert not self.listed

    def _ended(self, entry: Entry, how: Ended) -> None:
        entry.ended = how
        self.hand.ended.append(entry)

    def _execute(self, entries: list[Entry]) -> None:
        """The settling scripts: each looks for the payload in the list first."""
        for entry in entries:
            if entry.raw in self.listed:
                self.listed.remove(entry.raw)
                if entry.ended is RELEASED:
                    self.queue.insert(0, entry.raw)
                else:
                    self.counted[entry.raw] += 1


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=300, stateful_step_count=30, deadline=None, derandomize=True)
