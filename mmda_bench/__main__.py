"""``python -m mmda_bench`` is ``mmda-bench``."""

import os
import sys

if sys.path[:1] == [os.getcwd()]:
    sys.path.append(sys.path.pop(0))  # a file here that is named like a library is not the library

from mmda_bench.cli import main

if __name__ == "__main__":
    main()
