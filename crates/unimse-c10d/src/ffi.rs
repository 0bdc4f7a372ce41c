//! The only unsafe code of this crate: calls of `shim.cpp`, each under a safe function.
#![allow(
    unsafe_code,
    reason = "c10d is C++: its functions can be reached in no other way"
)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use tch::Tensor;
use torch_sys::C_tensor;

/// A `Group` of the shim; its destructor leaves the group.
#[derive(Debug)]
pub(crate) struct Handle(NonNull<Opaque>);

// SAFETY: c10d's stores and process groups belong to no thread; one may be made on one thread and used on another.
unsafe impl Send for Handle {}

/// Sums of gradients of the shim; its destructor lets go of the leaves. What autograd holds of it until then lives as long as it is held.
#[derive(Debug)]
pub(crate) struct Sums<'g> {
    sums: NonNull<OpaqueSums>,
    group: PhantomData<&'g Handle>,
}

#[repr(C)]
struct Opaque {
    _nothing: [u8; 0],
}

#[repr(C)]
struct OpaqueSums {
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
        timeout: i64,
        joined: *mut *mut Opaque,
    ) -> *mut c_char;
    fn unimse_c10d_join_gpu(group: *mut Opaque, gpu: c_int, patience: i64) -> *mut c_char;
    fn unimse_c10d_all_reduce(
        group: *mut Opaque,
        tensors: *const *mut C_tensor,
        count: usize,
        timeout: i64,
    ) -> *mut c_char;
    fn unimse_c10d_gradients(
        group: *mut Opaque,
        leaves: *const *mut C_tensor,
        count: usize,
        beside: bool,
        timeout: i64,
        gradients: *mut *mut OpaqueSums,
    ) -> *mut c_char;
    fn unimse_c10d_finish(gradients: *mut OpaqueSums) -> *mut c_char;
    fn unimse_c10d_forget(gradients: *mut OpaqueSums);
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
    /// Opens the store at `host` and `port`, where `hosts`, else looks for it, and connects with all `size` processes.
    pub(crate) fn join(
        (host, port): (&str, u16),
        hosts: bool,
        prefix: &str,
        (rank, size): (usize, usize),
        timeout: Duration,
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
                milliseconds(timeout),
                &raw mut joined,
            )
        })?;
        NonNull::new(joined)
            .map(Self)
            .ok_or_else(|| "no group".to_owned())
    }

    /// Connects by NCCL too: this process computes on the `gpu` of an index. NCCL gives up what takes longer than `patience`.
    pub(crate) fn join_gpu(&self, gpu: usize, patience: Duration) -> Result<(), String> {
        let (gpu, patience) = (gpu as c_int, milliseconds(patience));
        // SAFETY: the group lives as long as its handle.
        checked(unsafe { unimse_c10d_join_gpu(self.0.as_ptr(), gpu, patience) })
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

    /// Sums the gradients of `leaves`, bucket by bucket: from the next backward pass on, where `beside`, else in [`Sums::finish`].
    pub(crate) fn gradients(
        &self,
        leaves: &[Tensor],
        beside: bool,
        timeout: Duration,
    ) -> Result<Sums<'_>, String> {
        // the shim takes handles of its own and changes gradients alone
        let pointers: Vec<_> = leaves.iter().map(|l| l.as_ptr().cast_mut()).collect();
        let (first, count) = (pointers.as_ptr(), pointers.len());
        let (timeout, mut sums) = (milliseconds(timeout), std::ptr::null_mut());
        // SAFETY: the group and the place for the result live through the call; the shim holds leaves and connections itself.
        checked(unsafe {
            unimse_c10d_gradients(
                self.0.as_ptr(),
                first,
                count,
                beside,
                timeout,
                &raw mut sums,
            )
        })?;
        let sums = NonNull::new(sums).ok_or_else(|| "no sums".to_owned())?;
        let group = PhantomData;
        Ok(Sums { sums, group })
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

impl Sums<'_> {
    /// Begins what has not begun, and waits for all.
    pub(crate) fn finish(self) -> Result<(), String> {
        // SAFETY: the sums live as long as this.
        checked(unsafe { unimse_c10d_finish(self.sums.as_ptr()) })
    }
}

impl Drop for Sums<'_> {
    fn drop(&mut self) {
        // SAFETY: this alone owns the pointer, and is gone after this.
        unsafe { unimse_c10d_forget(self.sums.as_ptr()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle alone owns the group, and is gone after this.
        unsafe { unimse_c10d_leave(self.0.as_ptr()) }
    }
}
