"""`python -m havip` is `havip`."""

from havip.cli import main

if __name__ == "__main__":
    main()
