"""Tests of resque/scheduler/, one file per source file. Duties are driven by ticks; nobody sleeps."""
