"""Tests of resque/jobs/, one file per source file."""
