"""Reports: pure functions of the store, and one place that writes their files."""

from mmda_bench.report.kept import Kept
from mmda_bench.report.load import load_boards, read_predictions
from mmda_bench.report.write import critical_difference, print_out, up_to_date, write_leaderboards

__all__ = [
    "Kept", "critical_difference", "load_boards", "print_out", "read_predictions", "up_to_date", "write_leaderboards",
]  # fmt: skip
