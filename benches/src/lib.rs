//! Workloads that benchmarks share.
