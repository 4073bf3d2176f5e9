"""How user code is run: what every way has in common (base), and the ways."""
