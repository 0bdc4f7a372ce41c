//! A safe reader of numpy pickles, protocols 0 to 5, as numpy 1 and 2 and Python 2 and 3 write them.
//!
//! Opcodes build a graph of plain values ([`value`]) in a bounded [`heap`]; [`machine`] runs them on the arguments that [`input`] reads, and [`reduce`]
//! gives meaning to the known globals. [`opened`] keeps the graph with its file; [`item`] is the view that callers hold, [`crate::dtype`] and [`array`]
//! read numpy's payloads in place, [`numbers`] reads what is a number or text either way.
//! [`torch`] reads the tensors of a state dict, by the same machine with PyTorch's globals instead of numpy's.
//! Opcode reference: `pickletools` of the Python standard library.

mod array;
mod heap;
mod input;
mod item;
mod machine;
mod numbers;
mod opened;
mod reduce;
mod text;
mod torch;
mod value;

pub use array::{Array, ArrayId};
pub use heap::Limits;
pub use item::{Item, ItemId, Object};
pub use opened::Pickle;
pub use torch::{parse_torch, read_torch};
