"""All benchmarks, one after the other."""

from tests.benchmarks import bench_methods, bench_scheduling

if __name__ == "__main__":
    bench_methods.main()
    bench_scheduling.main()
