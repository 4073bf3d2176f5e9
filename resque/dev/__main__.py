"""`python -m resque.dev`: a private Valkey until Ctrl-C, for trying things out.

May be in here: starting it and saying where it is. May not: anything that a production system should lean on.
"""

import signal
import sys

from resque.dev.server import Server


def main() -> int:
    """Start, print the URL, wait for INT or TERM, clean up."""
    waited = {signal.SIGINT, signal.SIGTERM}
    with Server() as server:
        signal.pthread_sigmask(
            signal.SIG_BLOCK, waited
        )  # after the start: the server would inherit it and hear no TERM
        print(f"export RESQUE_REDIS_URL={server.url}", flush=True)
        sys.stderr.write("a private Valkey is running; its data goes with it at Ctrl-C\n")
        signal.sigwait(waited)
    return 0


if __name__ == "__main__":
    sys.exit(main())
