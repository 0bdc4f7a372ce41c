//! ONNX Runtime's shared library, loaded when the first network is opened: nothing of it is linked, and nobody needs it who runs no network of their own.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{MediaError, models};

/// The variable that names the library, which the crate `ort` reads too.
const VARIABLE: &str = "ORT_DYLIB_PATH";
/// Name of its folder among the models.
const MODEL: &str = "onnxruntime";
/// What is done where it is not there.
const ADVICE: &str = "cargo xtask setup --model onnxruntime, or set ORT_DYLIB_PATH to a libonnxruntime of release 1.17 or later, such as that in the folder onnxruntime/capi of Python's package onnxruntime";

/// What came of loading the library, once it was tried. A process tries once: after a try that failed the binding calls into a library that is not there.
static LOADED: Mutex<Option<Result<(), Failure>>> = Mutex::new(None);

/// Why the library of a path is not loaded.
type Failure = (PathBuf, String);

fn once(load: impl FnOnce() -> Result<(), Failure>) -> Result<(), MediaError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded.get_or_insert_with(load).clone();
    loaded.map_err(|(path, message)| MediaError::Network { path, message })
}

/// The library's name on this system.
fn name() -> String {
    format!(
        "{}onnxruntime{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    )
}

/// Makes sure that the library is loaded: what `ORT_DYLIB_PATH` names, else that which `cargo xtask setup --model onnxruntime` put into the user's cache or
/// into `.models/onnxruntime`, else what the system's loader finds.
///
/// # Errors
/// [`MediaError::Network`] that says what to install.
pub(super) fn ensure() -> Result<(), MediaError> {
    once(|| {
        let named = env::var_os(VARIABLE).filter(|path| !path.is_empty());
        let (path, named) = match named {
            Some(path) => (PathBuf::from(path), true),
            None => (installed().unwrap_or_else(|| name().into()), false),
        };
        open(&path).map_err(|error| {
            let message = match named {
                true => format!(
                    "{VARIABLE} names no library of ONNX Runtime that can be loaded: {error}"
                ),
                false => format!("ONNX Runtime is not here: {ADVICE} ({error})"),
            };
            (path, message)
        })
    })
}

/// Loads ONNX Runtime from a file, before anything else looks for it; where that was tried already, what came of it stays.
///
/// # Errors
/// [`MediaError::Network`] where the file is no such library, or one before release 1.17.
pub fn load_runtime(path: &Path) -> Result<(), MediaError> {
    once(|| open(path).map_err(|message| (path.to_owned(), message)))
}

/// Where set-up put the library.
fn installed() -> Option<PathBuf> {
    let file = models::find(MODEL, "ONNX Runtime").ok()?.join(name());
    file.is_file().then_some(file)
}

fn open(path: &Path) -> Result<(), String> {
    // a bare name is one for the system's loader, which does not look into the working directory
    let path = match path.components().count() > 1 {
        true => std::path::absolute(path).map_err(|error| error.to_string())?,
        false => path.to_owned(),
    };
    let environment = ort::init_from(&path).map_err(|error| one_line(&error.to_string()))?;
    environment
        .with_name("unimse")
        .with_telemetry(false)
        .commit();
    Ok(())
}

/// A message of ONNX Runtime's in one line.
pub(super) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
