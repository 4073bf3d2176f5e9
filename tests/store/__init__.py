"""Tests of resque/store: keys, connections, drivers, scripts. What the scripts do to the data: tests/transitions."""
