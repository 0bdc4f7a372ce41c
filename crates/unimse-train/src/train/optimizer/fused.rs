//! The update on the CPU, bound by memory: one parallel pass over fixed chunks of all parameters.
//!
//! The norm reads every gradient once; the update reads and writes gradient, parameter and both moments once each. Chunks do not
//! depend on the number of threads, and the partial sums of the norm are added in order, so neither do the results.

use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::{BETA1, BETA2, EPS, Slot, Update};

/// What parameters are made of: f32, or f64 where a test asks for a reference without rounding. The code is the same.
pub(super) trait Real:
    Copy
    + Default
    + Send
    + Sync
    + PartialOrd
    + Into<f64>
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    const KIND: Kind;
    /// The smallest normal number.
    const NORMAL: Self;
    fn of(value: f64) -> Self;
    fn root(self) -> Self;
    fn size(self) -> Self;
}

macro_rules! real {
    ($real:ident, $kind:ident) => {
        impl Real for $real {
            const KIND: Kind = Kind::$kind;
            const NORMAL: Self = $real::MIN_POSITIVE;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $real
            }

            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn size(self) -> Self {
                self.abs()
            }
        }
    };
}

real!(f32, Float);
real!(f64, Double);

/// Elements of a task: its four arrays (256 KiB) stay in the second-level cache.
const CHUNK: usize = 1 << 14;

/// Independent partial sums of the norm: additions need not wait for each other.
const LANES: usize = 16;

/// The gradient of a slot if it took part, contiguous.
pub(super) fn gradient(slot: &Slot) -> Option<Tensor> {
    let mut gradient = slot.value.grad();
    if !gradient.defined() {
        return None;
    }
    if !gradient.is_contiguous() {
        // The parameter is contiguous, so autograd has little reason; the copy then becomes the gradient.
        gradient.set_data(&gradient.contiguous());
    }
    Some(gradient)
}

/// L2 norm of all gradients.
pub(super) fn norm<T: Real>(gradients: &[Option<Tensor>]) -> f64 {
    let chunks: Vec<&[T]> = gradients
        .iter()
        .flatten()
        .flat_map(|g| slice(g).chunks(CHUNK))
        .collect();
    let sums: Vec<f64> = chunks.into_par_iter().map(square_sum).collect();
    sums.iter().sum::<f64>().sqrt()
}

fn square_sum<T: Real>(values: &[T]) -> f64 {
    let mut lanes = [0f64; LANES];
    let whole = values.chunks_exact(LANES);
    let rest = whole.remainder();
    for step in whole.chain([rest]) {
        for (lane, &value) in lanes.iter_mut().zip(step) {
            let value: f64 = value.into();
            *lane += value * value;
        }
    }
    lanes.iter().sum()
}

/// Up to [`CHUNK`] elements of one parameter.
struct Task<'a, T> {
    update: Update,
    value: &'a mut [T],
    /// Empty where the parameter took no part.
    gradient: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
}

/// One update of every slot; the gradients are cleared.
pub(super) fn update<T: Real>(
    slots: &mut [Slot],
    gradients: &mut [Option<Tensor>],
    updates: &[Update],
) {
    let mut tasks: Vec<Task<'_, T>> = Vec::new();
    for (slot, gradient) in slots.iter_mut().zip(gradients) {
        let update = updates[slot.group];
        let mut gradient = gradient
            .as_mut()
            .map_or_else(Default::default, slice_mut)
            .chunks_mut(CHUNK);
        let moments = slice_mut(&mut slot.first)
            .chunks_mut(CHUNK)
            .zip(slice_mut(&mut slot.second).chunks_mut(CHUNK));
        for (value, (first, second)) in slice_mut(&mut slot.value).chunks_mut(CHUNK).zip(moments) {
            tasks.push(Task {
                update,
                value,
                gradient: gradient.next().unwrap_or_default(),
                first,
                second,
            });
        }
    }
    tasks.into_par_iter().for_each(Task::run);
}

impl<T: Real> Task<'_, T> {
    #[allow(
        unsafe_code,
        reason = "the call of code for AVX2 follows the check that this CPU has it"
    )]
    fn run(self) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: just checked.
            return unsafe { self.run_avx2() };
        }
        self.run_portable();
    }

    /// The same operations in the same order, eight at a time: no fused multiply-add, so every CPU gives the same bits.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(self) {
        self.run_portable();
    }

    #[inline(always)]
    fn run_portable(self) {
        if self.gradient.is_empty() {
            self.kernel::<false>();
        } else {
            self.kernel::<true>();
        }
    }

    #[inline(always)]
    fn kernel<const TOOK_PART: bool>(self) {
        let (b1, b2) = (T::of(BETA1), T::of(BETA2));
        // Not `1.0 - b2`: that is 1.3e-5 off, for 0.999 is rounded before the subtraction.
        let (c1, c2) = (T::of(1.0 - BETA1), T::of(1.0 - BETA2));
        let u = self.update;
        let (clip, l2, shrink) = (T::of(u.clip), T::of(u.l2), T::of(u.shrink));
        let (step, root, eps) = (T::of(u.step), T::of(u.root), T::of(EPS));
        // Equal lengths known to the compiler are what lets it vectorise.
        let n = self.value.len();
        let (value, first, second) = (self.value, &mut self.first[..n], &mut self.second[..n]);
        let gradient = if TOOK_PART {
            &mut self.gradient[..n]
        } else {
            self.gradient
        };
        for i in 0..n {
            let raw = if TOOK_PART {
                std::mem::take(&mut gradient[i])
            } else {
                T::default()
            };
            let g = raw * clip + l2 * value[i];
            first[i] = flush(b1 * first[i] + c1 * g);
            second[i] = flush(b2 * second[i] + c2 * g * g);
            value[i] = value[i] * shrink - step * first[i] / (second[i].root() * root + eps);
        }
    }
}

/// Subnormal numbers to 0: the moments of a parameter without gradient (a word that does not occur) decay into them after some 700
/// updates, and arithmetic on them is eight times slower on common processors. Beside eps they are nothing.
#[inline(always)]
fn flush<T: Real>(x: T) -> T {
    if x.size() < T::NORMAL {
        T::default()
    } else {
        x
    }
}

#[allow(
    unsafe_code,
    reason = "tch lends no slice of a tensor; the tensor is contiguous on the CPU and of T, which `Optimizer::build` checked"
)]
fn slice<T: Real>(t: &Tensor) -> &[T] {
    debug_assert_eq!(t.kind(), T::KIND);
    if t.numel() == 0 {
        return &[]; // its pointer is null
    }
    // SAFETY: contiguous CPU tensor of T; the borrow keeps it alive and nothing writes to it meanwhile.
    unsafe { std::slice::from_raw_parts(t.data_ptr().cast::<T>(), t.numel()) }
}

#[allow(
    unsafe_code,
    reason = "tch lends no slice of a tensor; the tensor is contiguous on the CPU and of T, which `Optimizer::build` checked"
)]
fn slice_mut<T: Real>(t: &mut Tensor) -> &mut [T] {
    debug_assert_eq!(t.kind(), T::KIND);
    if t.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as above; the exclusive borrow keeps other writers out, and values, gradients and moments are distinct allocations.
    unsafe { std::slice::from_raw_parts_mut(t.data_ptr().cast::<T>(), t.numel()) }
}
