"""``python -m mmda_bench`` is ``mmda-bench``."""

from mmda_bench.cli import main

if __name__ == "__main__":
    main()
