//! Holds no code: the benchmarks are in `benches/`, run by `cargo xtask bench`. Each prints its peer's time in the same run; quote the
//! ratio.
