//! A network's model at work: opened by ONNX Runtime, one copy for each thread that asks at the same time, each on one core.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use ort::{
    logging::LogLevel,
    session::{RunOptions, Session},
    value::{Outlet, Tensor, TensorElementType, ValueType},
};

use super::{
    ending::{is_abandoned, under_way},
    runtime::one_line,
};

/// How often an answer under way looks whether the process ends.
const TICK: Duration = Duration::from_millis(50);
/// Numbers that a network may say of a picture.
const MOST_NUMBERS: usize = 8192;

/// Copies of one model. ONNX Runtime is not sure to answer several threads from one copy, and answers on several cores in another order of summation.
pub(super) struct Sessions {
    model: Vec<u8>,
    free: Mutex<Vec<Session>>,
    /// How long an answer is waited for.
    pub(super) patience: Duration,
}

/// What a model declares.
pub(super) struct Declared {
    /// Shape of its input, -1 for a dimension that is free.
    pub(super) input: Vec<i64>,
    /// Names of its outputs.
    pub(super) outputs: Vec<String>,
}

impl Sessions {
    /// Opens the bytes of a model, and says what it declares.
    pub(super) fn open(model: Vec<u8>) -> Result<(Self, Declared), String> {
        let session = caught(|| open(&model))?;
        let declared = declared(&session)?;
        let sessions = Self {
            model,
            free: Mutex::new(vec![session]),
            patience: Duration::from_secs(60),
        };
        Ok((sessions, declared))
    }

    /// What the output of a name says of an input.
    pub(super) fn run(
        &self,
        shape: Vec<i64>,
        input: Vec<f32>,
        output: &str,
    ) -> Result<Vec<f32>, String> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let session = free().pop();
        let mut session = match session {
            Some(session) => session,
            None => caught(|| open(&self.model))?,
        };
        // one that panics is not used again
        let answer = caught(|| Ok(answer(&mut session, shape, input, output, self.patience)))?;
        free().push(session);
        answer
    }
}

/// A panic of the binding's on a hostile model is one more fault of that model.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let done = under_way(|| catch_unwind(AssertUnwindSafe(work)));
    done.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(text.unwrap_or("panic").to_owned())
    })
}

fn open(model: &[u8]) -> Result<Session, String> {
    let open = || -> ort::Result<Session> {
        Session::builder()?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_log_level(LogLevel::Fatal)?
            .commit_from_memory(model)
    };
    open().map_err(|error| format!("ONNX Runtime: {}", one_line(error.message())))
}

/// What a model declares; one that takes something else than a picture of 32-bit floats is refused.
fn declared(session: &Session) -> Result<Declared, String> {
    let names = |outlets: &[Outlet]| -> Vec<String> {
        outlets
            .iter()
            .map(|outlet| outlet.name().to_owned())
            .collect()
    };
    let [input] = session.inputs() else {
        let inputs = names(session.inputs());
        return Err(format!(
            "expected one input, found {}: {inputs:?}",
            inputs.len()
        ));
    };
    let shape = match input.dtype() {
        ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } => shape.to_vec(),
        other => return Err(format!("expected an input of 32-bit floats, found {other}")),
    };
    Ok(Declared {
        input: shape,
        outputs: names(session.outputs()),
    })
}

/// One answer; it is ended when it takes longer than it is waited for.
fn answer(
    session: &mut Session,
    shape: Vec<i64>,
    input: Vec<f32>,
    output: &str,
    patience: Duration,
) -> Result<Vec<f32>, String> {
    let told = |error: ort::Error| format!("ONNX Runtime: {}", one_line(error.message()));
    let input = Tensor::from_array((shape, input)).map_err(told)?;
    let options = &RunOptions::new().map_err(told)?;
    let (done, waits) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watch = move || {
            let late = is_late(&waits, patience);
            let ends = late || is_abandoned();
            ends && options.terminate().is_ok() && late
        };
        let watching = thread::Builder::new().spawn_scoped(scope, watch);
        let watching = watching.map_err(|error| error.to_string())?;
        let outputs = session.run_with_options(ort::inputs![input], options);
        drop(done);
        let late = watching.join().unwrap_or(false);
        let outputs = outputs.map_err(|error| match late {
            true => format!("no answer within {} s", patience.as_secs_f32()),
            false => told(error),
        })?;
        let value = outputs
            .get(output)
            .ok_or_else(|| format!("no output {output:?}"))?;
        numbers(output, value)
    })
}

/// Whether nothing came in time; it is not waited for where the process ends.
fn is_late(waits: &mpsc::Receiver<()>, patience: Duration) -> bool {
    let started = Instant::now();
    while !is_abandoned() {
        let left = patience.saturating_sub(started.elapsed());
        if waits.recv_timeout(left.min(TICK)) != Err(mpsc::RecvTimeoutError::Timeout) {
            return false;
        }
        if left.is_zero() {
            return true;
        }
    }
    false
}

/// The numbers of an output `[1, numbers]` or `[1, numbers, 1, 1]`, all finite.
fn numbers(name: &str, value: &ort::value::DynValue) -> Result<Vec<f32>, String> {
    let expected = |what: &str, found: &dyn std::fmt::Display| {
        Err(format!("output {name:?}: expected {what}, found {found}"))
    };
    let shape = match value.dtype() {
        ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } => shape,
        other => return expected("32-bit floats", other),
    };
    let numbers = match shape[..] {
        [1, numbers] | [1, numbers, 1, 1] => usize::try_from(numbers).unwrap_or_default(),
        _ => return expected("a shape [1, numbers] or [1, numbers, 1, 1]", shape),
    };
    if !(1..=MOST_NUMBERS).contains(&numbers) {
        return expected(&format!("1 to {MOST_NUMBERS} numbers"), &numbers);
    }
    let (_, values) = value
        .try_extract_tensor::<f32>()
        .map_err(|error| one_line(error.message()))?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => expected("finite numbers", &format!("{} at {at}", values[at])),
        None => Ok(values.to_vec()),
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "tests beside the crate use the rest")]
#[path = "../../../tests/common/onnx.rs"]
mod models;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::{super::runtime, models::*, *};

    #[test]
    fn an_endless_model_is_ended() {
        if let Err(error) = runtime::ensure() {
            eprintln!("skipped: an_endless_model_is_ended needs the model onnxruntime: {error}");
            return;
        }
        let (mut sessions, declared) = Sessions::open(rounds(i64::MAX).model()).unwrap();
        assert_eq!(
            (declared.input, &*declared.outputs),
            (vec![1, 3, 8, 8], &["said".to_owned()][..])
        );
        sessions.patience = Duration::from_millis(200);
        let ask = || sessions.run(vec![1, 3, 8, 8], vec![1.0; 3 * 64], "said");
        for _ in 0..2 {
            assert_eq!(ask().unwrap_err(), "no answer within 0.2 s");
        }
    }
}
