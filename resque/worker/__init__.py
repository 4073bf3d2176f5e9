"""How jobs get done: a supervisor, its worker processes, and in each of them the turn: settle, reserve, run."""
