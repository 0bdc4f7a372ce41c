//! The only unsafe code of this crate: calls of `shim.cpp`, each under a safe function.
#![allow(
    unsafe_code,
    reason = "c10d is C++: its functions can be reached in no other way"
)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::NonNull;
use std::time::Duration;

use tch::Tensor;
use torch_sys::C_tensor;

/// A `Group` of the shim; its destructor leaves the group.
#[derive(Debug)]
pub(crate) struct Handle(NonNull<Opaque>);

#[repr(C)]
struct Opaque {
    _nothing: [u8; 0],
}

unsafe extern "C" {
    fn unimse_c10d_join(
        host: *const c_char,
        port: u16,
        hosts: bool,
        prefix: *const c_char,
        rank: c_int,
        size: c_int,
        gpu: c_int,
        timeout: i64,
        patience: i64,
        joined: *mut *mut Opaque,
    ) -> *mut c_char;
    fn unimse_c10d_all_reduce(
        group: *mut Opaque,
        tensors: *const *mut C_tensor,
        count: usize,
        timeout: i64,
    ) -> *mut c_char;
    fn unimse_c10d_all_gather(
        group: *mut Opaque,
        input: *const C_tensor,
        outputs: *const *mut C_tensor,
        count: usize,
        timeout: i64,
    ) -> *mut c_char;
    fn unimse_c10d_broadcast(
        group: *mut Opaque,
        tensor: *mut C_tensor,
        root: c_int,
        timeout: i64,
    ) -> *mut c_char;
    fn unimse_c10d_barrier(group: *mut Opaque, timeout: i64) -> *mut c_char;
    fn unimse_c10d_leave(group: *mut Opaque);
    fn unimse_c10d_free(text: *mut c_char);
}

/// What a function of the shim gave: nothing, or the text of an error, of which the first line is kept.
fn checked(error: *mut c_char) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the shim gives null or a string of its own that ends with 0; it is freed once, after it was copied.
    let text = unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        unimse_c10d_free(error);
        text
    };
    Err(text.lines().next().unwrap_or_default().to_owned())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Handle {
    /// Opens the store at `host` and `port`, where `hosts`, else looks for it, and connects with all `size` processes, by NCCL too where this one
    /// computes on the `gpu` of an index. NCCL gives up what takes longer than `patience`.
    pub(crate) fn join(
        (host, port): (&str, u16),
        hosts: bool,
        prefix: &str,
        (rank, size): (usize, usize),
        gpu: Option<usize>,
        (timeout, patience): (Duration, Duration),
    ) -> Result<Self, String> {
        let words = |text: &str| CString::new(text).map_err(|e| e.to_string());
        let (host, prefix) = (words(host)?, words(prefix)?);
        let mut joined = std::ptr::null_mut();
        // SAFETY: both strings and the place for the result live through the call.
        checked(unsafe {
            unimse_c10d_join(
                host.as_ptr(),
                port,
                hosts,
                prefix.as_ptr(),
                rank as c_int,
                size as c_int,
                gpu.map_or(-1, |index| index as c_int),
                milliseconds(timeout),
                milliseconds(patience),
                &raw mut joined,
            )
        })?;
        NonNull::new(joined)
            .map(Self)
            .ok_or_else(|| "no group".to_owned())
    }

    /// Sums `tensors` over the processes, in place.
    pub(crate) fn all_reduce(
        &self,
        tensors: &mut [Tensor],
        timeout: Duration,
    ) -> Result<(), String> {
        let pointers: Vec<_> = tensors.iter_mut().map(Tensor::as_mut_ptr).collect();
        let (first, count) = (pointers.as_ptr(), pointers.len());
        let timeout = milliseconds(timeout);
        // SAFETY: the group lives as long as its handle, the tensors through the call, which waits for all that it began.
        checked(unsafe { unimse_c10d_all_reduce(self.0.as_ptr(), first, count, timeout) })
    }

    /// Fills `outputs`, one for each process, with the `input` of each.
    pub(crate) fn all_gather(
        &self,
        input: &Tensor,
        outputs: &mut [Tensor],
        timeout: Duration,
    ) -> Result<(), String> {
        let pointers: Vec<_> = outputs.iter_mut().map(Tensor::as_mut_ptr).collect();
        let (first, count) = (pointers.as_ptr(), pointers.len());
        let (input, timeout) = (input.as_ptr(), milliseconds(timeout));
        // SAFETY: as in `all_reduce`.
        checked(unsafe { unimse_c10d_all_gather(self.0.as_ptr(), input, first, count, timeout) })
    }

    /// Overwrites `tensor` with that of the process of rank `root`.
    pub(crate) fn broadcast(
        &self,
        tensor: &mut Tensor,
        root: usize,
        timeout: Duration,
    ) -> Result<(), String> {
        let (tensor, timeout) = (tensor.as_mut_ptr(), milliseconds(timeout));
        // SAFETY: as in `all_reduce`.
        checked(unsafe { unimse_c10d_broadcast(self.0.as_ptr(), tensor, root as c_int, timeout) })
    }

    /// Waits until all processes have come.
    pub(crate) fn barrier(&self, timeout: Duration) -> Result<(), String> {
        // SAFETY: the group lives as long as its handle.
        checked(unsafe { unimse_c10d_barrier(self.0.as_ptr(), milliseconds(timeout)) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle alone owns the group, and is gone after this.
        unsafe { unimse_c10d_leave(self.0.as_ptr()) }
    }
}
