"""`python -m resque`: the same as the command `resque`. Nothing else may be in here."""

from resque.cli.main import main

if __name__ == "__main__":
    main()
