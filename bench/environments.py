"""A virtual environment a peer, with exactly these versions, made when it is first needed.

May be in here: versions, making environments, finding their Python. May not: how a peer is used (bench/peers/).
"""

import os
import subprocess
import sys
from pathlib import Path

_EVERYBODY = ["hiredis==3.5.0"]
PINS: dict[str, list[str]] = {
    "rq": ["rq==3.0.0"],
    "celery": ["celery[redis]==5.7.0"],
    "dramatiq": ["dramatiq[redis]==2.2.1"],
    "huey": ["huey[redis]==3.5.4"],
    "taskiq": ["taskiq==0.13.0", "taskiq-redis==1.2.4", "orjson==3.11.4"],
    "arq": ["arq==0.28.0"],
    "saq": ["saq[redis]==0.26.4", "typing_extensions==4.16.0"],
    "streaq": ["streaq==7.2.0"],
    "wakaq": ["WakaQ==4.0.4"],
}
OURS = "resque"


def ensure(peer: str) -> Path:
    """The Python of its environment; ours is the one that runs the bench."""
    if peer == OURS:
        return Path(sys.executable)
    version = PINS[peer][0].split("==")[1]
    folder = _cache() / f"{peer}-{version}"
    python = folder / "bin" / "python"
    done = folder / ".installed"
    wanted = "\n".join([*PINS[peer], *_EVERYBODY])
    if not done.exists() or done.read_text() != wanted:
        print(f"making {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PINS[peer], *_EVERYBODY], check=True)
        done.write_text(wanted)
    return python


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "resque-bench"
