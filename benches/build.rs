//! Links LibTorch.

include!("../build/libtorch.rs");

fn main() {
    link_libtorch();
}
