"""Where jobs rest: the only rooms that know Redis. They see names and bytes, never jobs; its exceptions become ours."""
