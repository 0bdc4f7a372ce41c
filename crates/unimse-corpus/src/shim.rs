use std::path::Path;
use unimse_formats::{FormatError, read_npy, read_wav};
pub(crate) fn npy_shape(p: &Path) -> Result<Vec<usize>, FormatError> {
    Ok(read_npy(p)?.shape)
}
pub(crate) fn wav_header(p: &Path) -> Result<(u32, usize), FormatError> {
    let w = read_wav(p)?;
    Ok((w.rate, w.samples.len()))
}
pub(crate) fn steps(_rate: u32, frames: usize) -> usize {
    1 + frames / 160
}
