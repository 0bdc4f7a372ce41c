//! `unimse --version`: what somebody needs to reproduce a number.

use unimse_model::Precision;
use unimse_train::train::identity::LIBTORCH;

/// Version, git hash, LibTorch, CPU precision, CUDA.
pub(crate) fn text() -> &'static str {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| {
        let cuda = if tch::Cuda::is_available() {
            format!("{} device(s)", tch::Cuda::device_count())
        } else {
            "none".to_owned()
        };
        format!(
            "{} (git {}, LibTorch {}, CPU precision {}, CUDA {cuda})",
            env!("CARGO_PKG_VERSION"),
            env!("UNIMSE_GIT"),
            LIBTORCH,
            Precision::auto(tch::Device::Cpu),
        )
    })
}
