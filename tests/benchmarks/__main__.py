"""All benchmarks, one after the other."""

from tests.benchmarks import bench_full_size, bench_memory, bench_methods, bench_scheduling, simulate_tests

if __name__ == "__main__":
    bench_methods.main()
    bench_scheduling.main()
    bench_full_size.main()
    bench_memory.main()
    simulate_tests.main()
