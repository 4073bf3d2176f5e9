"""How a job gets in: prepare it, send it, give back a handle."""
