//! Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): the inside of a block is not
//! kept for the backward pass but computed once more when its turn comes. Memory for a stack of blocks falls to their
//! inputs and the inside of one; the time of a step grows by about one forward pass.
//!
//! LibTorch's functions of that name live in Python, and a [`Tensor`] cannot hold a backward function of one's own. So the
//! forward pass is cut into pieces that no graph connects, and a [`Tape`] remembers how they hang together:
//!
//! - [`Tape::run`] runs one block and gives back a leaf that has the value of its output;
//! - [`Tape::cut`] puts leaves into the place of tensors that several blocks, or a block and the loss, share;
//! - [`Tape::backward`] runs the backward pass of the loss and then, from last to first, that of every block and cut: the
//!   gradient that has gathered in a leaf goes on into the graph behind it.
//!
//! Both passes over a block start from the same seed, so that dropout drops the same values. The seeds are drawn from
//! LibTorch's generator: the same [`tch::manual_seed`] before the forward pass gives the same losses and gradients.

use std::cell::RefCell;
use std::fmt;

use tch::{Device, Kind, Tensor};

/// How the blocks of one forward pass hang together. `'a` is the life of the model they belong to.
pub struct Tape<'a> {
    mode: Mode,
    pieces: RefCell<Vec<Piece<'a>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One graph, as if there were no tape.
    Plain,
    /// One graph with the seeds of [`Mode::Recompute`], to compare with.
    #[cfg(test)]
    Seeded,
    Recompute,
}

type Block<'a> = Box<dyn Fn(&[Tensor]) -> Tensor + 'a>;

enum Piece<'a> {
    /// Tensors of a graph, and the leaves in their places.
    Cut(Vec<(Tensor, Tensor)>),
    Block {
        inputs: Vec<Tensor>,
        block: Block<'a>,
        seed: i64,
        leaf: Tensor,
    },
}

impl<'a> Tape<'a> {
    /// A tape that records nothing: everything stays in one graph.
    pub fn plain() -> Self {
        Self::new(Mode::Plain)
    }

    /// A tape for a pass that [`Tape::backward`] will follow.
    pub fn recompute() -> Self {
        Self::new(Mode::Recompute)
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            pieces: RefCell::default(),
        }
    }

    /// `block(inputs)`, to be computed again in the backward pass.
    ///
    /// `block` must depend on nothing but `inputs`, parameters and LibTorch's generator, and must not change its inputs. On a
    /// recording tape every input that needs a gradient must be a leaf: the output of another block, or from
    /// [`Tape::cut`].
    pub fn run(&self, inputs: &[&Tensor], block: impl Fn(&[Tensor]) -> Tensor + 'a) -> Tensor {
        let inputs: Vec<Tensor> = inputs.iter().map(|x| x.shallow_clone()).collect();
        if self.mode == Mode::Plain {
            return block(&inputs);
        }
        let seed = Tensor::empty([1], (Kind::Int64, Device::Cpu)).random_();
        let seed = seed.int64_value(&[0]);
        tch::manual_seed(seed);
        // With its graph, which is dropped at once: without one LibTorch may take other kernels, and rounding would differ
        // from that of the second time. And it tells whether anything in the block learns.
        let output = block(&inputs);
        if self.mode != Mode::Recompute || !output.requires_grad() {
            return output;
        }
        debug_assert!(inputs.iter().all(|x| !x.requires_grad() || x.is_leaf()));
        let leaf = output.detach().set_requires_grad(true);
        self.pieces.borrow_mut().push(Piece::Block {
            inputs,
            block: Box::new(block),
            seed,
            leaf: leaf.shallow_clone(),
        });
        leaf
    }

    /// Replaces each of `tensors` by a leaf of the same value, on a recording tape and where it needs a gradient.
    ///
    /// Every later use must be of the leaf. Tensors that share a part of their graph must be cut together, for each part is
    /// gone through once.
    pub fn cut<'t>(&self, tensors: impl IntoIterator<Item = &'t mut Tensor>) {
        if self.mode != Mode::Recompute {
            return;
        }
        let cut = |tensor: &'t mut Tensor| {
            let leaf = tensor.detach().set_requires_grad(true);
            (std::mem::replace(tensor, leaf.shallow_clone()), leaf)
        };
        let needy = tensors.into_iter().filter(|x| x.requires_grad());
        let pairs: Vec<_> = needy.map(cut).collect();
        self.pieces.borrow_mut().push(Piece::Cut(pairs));
    }

    /// Adds the gradients of the scalar `loss` to those of the parameters.
    pub fn backward(self, loss: &Tensor) {
        loss.backward();
        let mut pieces = self.pieces.into_inner();
        // All uses of a leaf come after it on the tape, so its gradient is complete when its turn comes.
        while let Some(piece) = pieces.pop() {
            match piece {
                Piece::Cut(pairs) => pass_on(&pairs),
                Piece::Block {
                    inputs,
                    block,
                    seed,
                    leaf,
                } => {
                    if leaf.grad().defined() {
                        tch::manual_seed(seed);
                        pass_on(&[(block(&inputs), leaf)]);
                    }
                }
            }
        }
    }
}

/// Runs the backward pass of each tensor with the gradient that its leaf has gathered; all in one, so that what their graphs
/// share is gone through once.
fn pass_on(pairs: &[(Tensor, Tensor)]) {
    let products = pairs.iter().filter_map(|(tensor, leaf)| {
        let gradient = leaf.grad();
        // The gradient of sum(tensor * gradient) with regard to the tensor is that gradient, to the bit.
        gradient
            .defined()
            .then(|| (tensor * gradient).sum(Kind::Float))
    });
    if let Some(sum) = products.reduce(|a, b| a + b) {
        sum.backward();
    }
}

impl fmt::Debug for Tape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape")
            .field("mode", &self.mode)
            .field("pieces", &self.pieces.borrow().len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
