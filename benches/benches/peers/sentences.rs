//! Sentence embeddings, fp32, batches of 64.

use tch::Device;
use unimse_model::{ModelError, Precision, SentenceEncoder};

use crate::protocol::{Failure, Job, Side};
use crate::texts;

const BATCH: usize = 64;
/// Texts whose embeddings are compared with the peer's.
const CHECKED: usize = 8;

pub(crate) fn side(job: &Job) -> Result<Side, Failure> {
    let file = job.folder.join("texts.json");
    if job.side == "prepare" {
        let texts = texts::at_least(2_000)?;
        let texts: Vec<String> = texts.into_iter().step_by(job.size(4, 50)).collect();
        std::fs::write(&file, serde_json::to_vec(&texts)?)?;
        return Ok(Side::prepared());
    }
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(&file)?)?;
    let folder = job.model("all-MiniLM-L6-v2")?;
    let encoder = SentenceEncoder::load(folder, None, Device::Cpu, Precision::Fp32)?;
    let encode =
        move |texts: &[String]| encoder.encode::<ModelError>(texts, BATCH, &mut |_| Ok(()));
    let first = encode(&texts[..CHECKED.min(texts.len())])?;
    let check = first.into_iter().map(f64::from).collect();
    Ok(Side::new(check, move || {
        encode(&texts)?;
        Ok(())
    }))
}
