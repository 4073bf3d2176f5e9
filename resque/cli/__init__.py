"""The terminal: commands that ask, show and exit. What is asked and done is admin/'s, app's, worker's."""
