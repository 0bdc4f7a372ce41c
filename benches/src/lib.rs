//! Holds no code: the benchmarks are in `benches/`. Those with a peer are sides of `cargo xtask bench --peers`; the others print what they are bound by in
//! the same run: quote the ratio.
