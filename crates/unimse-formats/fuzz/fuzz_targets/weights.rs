//! Bytes as weights of networks: a state dict of PyTorch's, and arrays of HDF5 groups.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unimse_formats::{parse_hdf5, parse_torch};

fuzz_target!(|bytes: &[u8]| {
    for read in [
        parse_torch(bytes.to_vec()),
        parse_hdf5(bytes.to_vec(), "model_weights"),
    ] {
        for tensor in read
            .into_iter()
            .flat_map(std::collections::BTreeMap::into_values)
        {
            assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
        }
    }
});
