"""Tests of resque/client: what is sent, and what is known when that goes wrong."""
