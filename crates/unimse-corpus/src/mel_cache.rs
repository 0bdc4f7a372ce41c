//! Log-mel features of wave files, kept in the user's cache under the hash of the file's content.

use crate::{CorpusError, Sequence};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use unimse_formats::open_file;
use unimse_media::mel::{self, VERSION};
use unimse_run::{artefact, cache_folder};

/// The features of a wave file and how many of its samples are not finite ([`mel::from_wav_counting`]), from the cache where it holds
/// them. A cache that cannot be read or written costs time, never an error.
pub(crate) fn features(path: &Path) -> Result<(Sequence, usize), CorpusError> {
    features_in(folder().as_deref(), path)
}

fn features_in(cache: Option<&Path>, path: &Path) -> Result<(Sequence, usize), CorpusError> {
    let Some(cache) = cache else {
        return Ok(mel::from_wav_counting(path)?);
    };
    let mut bytes = Vec::new();
    (open_file(path)?.read_to_end(&mut bytes)).map_err(CorpusError::io(path))?;
    let hash: String = (Sha256::digest(&bytes).iter())
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let entry = cache.join(VERSION).join(format!("{hash}.f32"));
    let dim = mel::MelSettings::default().bands;
    if let Some((values, non_finite)) = read(&entry, dim) {
        return Ok((Sequence { dim, values }, non_finite));
    }
    let (sequence, non_finite) = mel::from_wav_counting(path)?;
    let _ = write(&entry, &sequence.values, non_finite);
    Ok((sequence, non_finite))
}

/// `audio` in the user's cache.
fn folder() -> Option<PathBuf> {
    Some(cache_folder()?.join("audio"))
}

/// Values and the number of samples that are not finite, behind the SHA-256 of both; `None` for an entry that is absent, cut or damaged.
fn read(entry: &Path, dim: usize) -> Option<(Vec<f32>, usize)> {
    let bytes = fs::read(entry).ok()?;
    let (sum, data) = bytes.split_at_checked(32)?;
    let (count, values) = data.split_first_chunk::<8>()?;
    let (values, rest) = values.as_chunks::<4>();
    let intact =
        rest.is_empty() && values.len().is_multiple_of(dim) && Sha256::digest(data)[..] == *sum;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    intact.then(|| {
        (
            values.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            count,
        )
    })
}

fn write(entry: &Path, values: &[f32], non_finite: usize) -> std::io::Result<()> {
    let folder = entry.parent().unwrap_or(Path::new("."));
    let mut data = (non_finite as u64).to_le_bytes().to_vec();
    data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let mut file = artefact::temporary(folder).map_err(|error| error.source)?;
    file.write_all(&Sha256::digest(&data))?;
    file.write_all(&data)?;
    file.persist(entry).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_second_reading_comes_from_the_cache_and_a_damaged_entry_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let wave = folder.path().join("a.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&wave, spec).unwrap();
        (0..1600_i16).for_each(|i| writer.write_sample(i % 64 * 100).unwrap());
        writer.finalize().unwrap();
        let cache = folder.path().join("cache");
        let first = features_in(Some(&cache), &wave).unwrap();
        assert_eq!((first.0.steps(), first.1), (1 + 1600 / 160, 0));
        let entries: Vec<_> = fs::read_dir(cache.join(VERSION)).unwrap().collect();
        let [Ok(entry)] = &entries[..] else {
            panic!("one entry")
        };
        // an entry whose sum fits is believed: so we see that it is read
        write(&entry.path(), &[7.0; 64], 3).unwrap();
        let (sequence, non_finite) = features_in(Some(&cache), &wave).unwrap();
        assert_eq!((&sequence.values[..], non_finite), (&[7.0; 64][..], 3));
        let mut bytes = fs::read(entry.path()).unwrap();
        bytes[50] ^= 1;
        fs::write(entry.path(), bytes).unwrap();
        assert_eq!(features_in(Some(&cache), &wave).unwrap(), first);
        assert_eq!(features_in(None, &wave).unwrap(), first);
    }
}
