"""Tests of resque/worker/, one file per source file; processes themselves are tested in tests/processes/."""
