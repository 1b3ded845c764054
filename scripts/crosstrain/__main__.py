"""`python -m crosstrain` and the console script `crosstrain`."""

import sys

from crosstrain.cli import main

if __name__ == "__main__":
    sys.exit(main())
