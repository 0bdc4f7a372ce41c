//! The fixed work that a kernel is measured by. It must never be changed: every ratio of `benches/baseline` is a multiple of it. Each is bound by
//! what its kernel is bound by, so that a neighbour on the machine slows both alike.

use std::hint::black_box;

use tch::Tensor;

use crate::donor_rows::{DIM, product};
use crate::values::values;
use crate::{Failure, Work};

/// The reference of a kernel.
pub(crate) fn of(kernel: &str) -> Result<Work, Failure> {
    Ok(match kernel {
        "donors" => products(),
        "mel" => waves(),
        "optimizer" => stream(),
        _ => matrices(),
    })
}

/// Eight products of 512 x 512 x 384 in f32 by faer's kernel: what the donor search is built on.
fn products() -> Work {
    const N: usize = 512;
    let (a, b) = (values(N * DIM, 1), values(N * DIM, 2));
    let mut out = vec![0.0f32; N * N];
    Box::new(move || {
        for _ in 0..8 {
            product(N, N, &a, &b, &mut out);
            black_box(&mut out);
        }
        Ok(())
    })
}

/// Eight products of `[256, 384]` and `[384, 1536]` and back in f32 by LibTorch: the shapes of a layer of MiniLM.
fn matrices() -> Work {
    let tensor = |shape: [i64; 2], seed| {
        let n = (shape[0] * shape[1]) as usize;
        Tensor::from_slice(&values(n, seed)).view(shape)
    };
    let (x, up, down) = (
        tensor([256, 384], 1),
        tensor([384, 1536], 2),
        tensor([1536, 384], 3),
    );
    Box::new(move || {
        for _ in 0..8 {
            drop(black_box(x.matmul(&up).matmul(&down)));
        }
        Ok(())
    })
}

/// Four streams of 16 million f32, two additions each: nothing but memory.
fn stream() -> Work {
    let gradient = vec![1e-3f32; 1 << 24];
    let mut arrays = [(); 3].map(|()| vec![0.5f32; 1 << 24]);
    Box::new(move || {
        let [value, first, second] = &mut arrays;
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((w, g), (m, v)) in value.iter_mut().zip(&gradient).zip(moments) {
            *m += g;
            *v += g;
            *w += *m + *v;
        }
        black_box(&mut arrays);
        Ok(())
    })
}

/// 200,000 steps of eight oscillators in f64: arithmetic that waits for itself, and nothing else.
fn waves() -> Work {
    Box::new(|| {
        let mut state = [(1.0f64, 0.0f64); 8];
        for _ in 0..200_000 {
            for (i, (x, y)) in state.iter_mut().enumerate() {
                let turn = 0.01 * (i + 1) as f64;
                (*x, *y) = (*x - turn * *y, *y + turn * *x);
                let scale = 1.5 - 0.5 * (*x * *x + *y * *y);
                (*x, *y) = (*x * scale, *y * scale);
            }
        }
        black_box(state);
        Ok(())
    })
}
