//! The update in tensor operations over one buffer a group, for devices where every operation is a kernel to launch.
//!
//! LibTorch's own fused Adam is not among tch's bindings. So parameters, gradients and moments of a group are views of four
//! buffers: `set_data` moves a parameter without touching the handles that others hold, and autograd adds to a gradient in place,
//! so one that was moved once stays where it is.

use tch::{Kind, Tensor};

use super::{BETA1, BETA2, EPS, Slot, Update};

/// Every member starts at a multiple of this many elements: 256 bytes, what CUDA's own allocator gives and its fast kernels want.
const ALIGN: usize = 64;

/// One group: `[n]` each, members one after the other, zero in between.
#[derive(Debug)]
pub(super) struct Flat {
    group: usize,
    /// Index of each slot and its view of `gradient`, in the slot's shape.
    members: Vec<(usize, Tensor)>,
    value: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
}

impl Flat {
    /// Moves the members of `group` into buffers; `None` where it has none.
    pub(super) fn new(group: usize, slots: &mut [Slot]) -> Option<Self> {
        let mut offsets = Vec::new();
        let mut end = 0;
        for (at, slot) in slots.iter().enumerate().filter(|(_, s)| s.group == group) {
            offsets.push((at, end));
            end += slot.value.numel().next_multiple_of(ALIGN) as i64;
        }
        let like = &slots[offsets.first()?.0].value;
        let options = (like.kind(), like.device());
        let [value, gradient, first, second] = [(); 4].map(|()| Tensor::zeros([end], options));
        let members = offsets.into_iter().map(|(at, offset)| {
            let slot = &mut slots[at];
            let (size, length) = (slot.value.size(), slot.value.numel() as i64);
            let view = |buffer: &Tensor| buffer.narrow(0, offset, length).view(size.as_slice());
            let mut place = view(&value);
            place.copy_(&slot.value);
            slot.value.set_data(&place);
            (slot.first, slot.second) = (view(&first), view(&second));
            (at, view(&gradient))
        });
        Some(Self {
            group,
            members: members.collect(),
            value,
            gradient,
            first,
            second,
        })
    }

    /// Moves gradients that autograd allocated since into the buffer. One that is not there is zero in it.
    fn gather(&self, slots: &[Slot]) {
        for (at, view) in &self.members {
            let mut gradient = slots[*at].value.grad();
            if gradient.defined() && gradient.data_ptr() != view.data_ptr() {
                view.shallow_clone().copy_(&gradient);
                gradient.set_data(view);
            }
        }
    }

    /// One update; the gradient is cleared.
    pub(super) fn update(&mut self, updates: &[Update]) {
        let u = updates[self.group];
        let g = &mut self.gradient;
        if u.clip != 1.0 {
            *g *= u.clip;
        }
        if u.l2 != 0.0 {
            *g += &self.value * u.l2;
        }
        let _ = self.first.lerp_(g, 1.0 - BETA1);
        let _ = self.second.lerp_(&g.square_(), 1.0 - BETA2);
        if u.shrink != 1.0 {
            self.value *= u.shrink;
        }
        // The rate goes into the denominator: LibTorch's addcdiv has a factor, its binding has none.
        if u.step != 0.0 {
            let mut denominator = self.second.sqrt();
            denominator *= -u.root / u.step;
            denominator -= EPS / u.step;
            let _ = self.value.addcdiv_(&self.first, &denominator);
        }
        let _ = self.gradient.zero_();
    }
}

/// L2 norm of all gradients; waits for the device once.
pub(super) fn norm(groups: &[Flat], slots: &[Slot]) -> f64 {
    let norms: Vec<Tensor> = groups
        .iter()
        .map(|group| {
            group.gather(slots);
            group.gradient.norm()
        })
        .collect();
    if norms.is_empty() {
        return 0.0;
    }
    Tensor::stack(&norms, 0)
        .to_kind(Kind::Double)
        .norm()
        .double_value(&[])
}
