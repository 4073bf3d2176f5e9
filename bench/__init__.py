"""How fast it is on this machine: one script a scenario, a runner that prints and saves one table."""
