pub struct PaperTable;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct EvalError;
pub fn higher_is_better(m: &str) -> bool { m != "mae" }
