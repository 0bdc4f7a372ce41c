//! Bytes to arrays: numpy pickles, `.npy` and `.npz` files, computational sequences (`.csd`), wave files, and the weights of networks in PyTorch's and
//! HDF5 files. Knows no data set.
//!
//! The pickle reader executes nothing: it understands the handful of globals that dictionaries of numpy arrays need
//! and answers any other with an error that names it. Files are memory-mapped and array payloads stay where they are
//! until asked for, so a file of many gigabytes opens at the cost of its keys. This crate must not learn what a key
//! means; that is `unimse-corpus`.
//!
//! ```
//! use unimse_formats::Pickle;
//! // pickle.dumps({"answer": [1.5, 42]}, protocol=2)
//! let bytes = b"\x80\x02}q\x00X\x06\x00\x00\x00answerq\x01]q\x02(G?\xf8\x00\x00\x00\x00\x00\x00K*es.";
//! let pickle = Pickle::from_bytes(bytes.to_vec())?;
//! let answer = pickle.root().get("answer").expect("the key is there");
//! assert_eq!(answer.numbers()?, [1.5, 42.0]);
//! # Ok::<(), unimse_formats::FormatError>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bytes;
mod csd;
mod dtype;
mod error;
mod file;
mod finite;
mod hdf5;
mod npy;
mod npz;
mod order;
mod pickle;
mod wav;

pub use bytes::Bytes;
pub use csd::{Csd, CsdFeatures, CsdVideo};
pub use dtype::{DType, Kind};
pub use error::{FormatError, PickleErrorKind};
pub use file::{kind_of_file, open_file};
pub use finite::zero_non_finite;
pub use hdf5::{parse_hdf5, read_hdf5};
pub use npy::{Tensor, npy_bytes, npy_shape, read_npy, read_npy_f64};
pub use npz::Npz;
pub use pickle::{Array, ArrayId, Item, ItemId, Limits, Object, Pickle, parse_torch, read_torch};
pub use wav::{Wave, WaveFile, parse_wav, parse_wav_header, read_wav, wav_header};
