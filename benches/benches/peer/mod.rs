//! Runs `peers/mmsa.py`.

use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/mmsa.py");

/// What the script prints with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let python = std::env::var("UNIMSE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(python).arg(SCRIPT).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Its wall time without imports, and the sum of all it touched.
pub(crate) fn seconds_and_sum(
    arguments: &[&str],
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let line = run(arguments)?;
    let (seconds, total) = line.trim().split_once(' ').ok_or("no seconds and sum")?;
    Ok((seconds.parse()?, total.parse()?))
}
