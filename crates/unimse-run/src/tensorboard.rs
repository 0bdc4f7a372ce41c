//! `tensorboard/`: the numbers of [`Event`] once more, as TensorBoard reads them.
//!
//! The file is a sequence of [TFRecords](https://www.tensorflow.org/tutorials/load_data/tfrecord): length (u64, little-endian), masked
//! CRC-32C of it, data, masked CRC-32C of them. The data are messages `Event` of
//! [event.proto](https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto), of which five fields are written:
//! `wall_time` = 1, `step` = 2, `file_version` = 3, `summary` = 5 with `value` = 1 of `tag` = 1 and `simple_value` = 2.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::log::Log;
use crate::{Epoch, Event, FileError, Step};

/// What the first record of every file says.
const FILE_VERSION: &[u8] = b"brain.Event:2";

/// The open file. Times of day stand in it, so two runs of one seed differ in it.
#[derive(Debug)]
pub struct ScalarLog(Log);

impl ScalarLog {
    /// Opens the file and keeps its first `length` bytes; one without any gets the record of its version.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub fn open(path: &Path, length: u64) -> Result<Self, FileError> {
        let mut log = Log::open(path, length)?;
        if log.length() == 0 {
            let mut message = wall_time();
            bytes_field(&mut message, 3, FILE_VERSION);
            log.append(&record(&message))?;
        }
        Ok(Self(log))
    }

    /// Appends the scalars of a step or an epoch, at the number of its update; other events have none. A number that is not finite is
    /// left out.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub fn write(&mut self, event: &Event) -> Result<(), FileError> {
        let (step, scalars) = match event {
            Event::Step(step) => (step.step, of_step(step)),
            Event::Epoch(epoch) => (epoch.step, of_epoch(epoch)),
            Event::Start(_) | Event::End(_) | Event::Other => return Ok(()),
        };
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                bytes_field(&mut summary, 1, &scalar(&tag, value));
            }
        }
        let mut message = wall_time();
        key(&mut message, 2, VARINT);
        varint(&mut message, step);
        bytes_field(&mut message, 5, &summary);
        self.0.append(&record(&message))
    }

    /// Bytes written so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length()
    }
}

/// A tag, and its number where it has one.
type Scalar = (String, Option<f64>);

fn of_step(step: &Step) -> Vec<Scalar> {
    let named = |name: &str, value| (name.to_owned(), value);
    let mut scalars = vec![
        named("loss/total", step.loss),
        named("loss/task", step.task),
        named("loss/auxiliary", step.auxiliary),
        named("loss/samples", step.samples),
        named("lr", step.lr),
        named("norm/total", step.norm),
    ];
    for (pair, layers) in [
        ("text_audio", &step.text_audio),
        ("text_video", &step.text_video),
    ] {
        let layers = layers.iter().enumerate();
        scalars.extend(layers.map(|(i, &value)| (format!("loss/{pair}/{i}"), value)));
    }
    let parts = step.norms.iter();
    scalars.extend(parts.map(|(part, &norm)| (format!("norm/{part}"), Some(norm))));
    scalars
}

fn of_epoch(epoch: &Epoch) -> Vec<Scalar> {
    let named = |name: &str, value| (name.to_owned(), value);
    let mut scalars = vec![
        named("loss/epoch", epoch.train_loss),
        named("dev/score", epoch.dev.score),
        named("speed/epoch_seconds", epoch.seconds),
        named("speed/utterances_per_second", epoch.utterances_per_second),
        named("memory/bytes", epoch.memory.map(|bytes| bytes as f64)),
    ];
    for (corpus, metrics) in epoch.dev.corpora.iter() {
        let metrics = metrics.iter();
        scalars.extend(metrics.map(|(metric, &v)| (format!("dev/{corpus}/{metric}"), Some(v))));
    }
    scalars
}

/// Message `Summary.Value`.
fn scalar(tag: &str, value: f64) -> Vec<u8> {
    let mut message = Vec::new();
    bytes_field(&mut message, 1, tag.as_bytes());
    key(&mut message, 2, FIXED32);
    message.extend((value as f32).to_le_bytes());
    message
}

/// The beginning of every message `Event`: seconds since 1970.
fn wall_time() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut message = Vec::new();
    key(&mut message, 1, FIXED64);
    message.extend(now.unwrap_or_default().as_secs_f64().to_le_bytes());
    message
}

/// Protobuf's wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

fn key(message: &mut Vec<u8>, field: u64, wire: u64) {
    varint(message, field << 3 | wire);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn bytes_field(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(message, field, BYTES);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// A TFRecord around `data`.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// TensorFlow rotates a checksum and adds a constant, so that data which hold checksums themselves are no special case.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::collections::BTreeMap;

    use unimse_eval::Metric;

    use super::*;
    use crate::{ByName, DevScores};

    /// The data of the records of a file, each checked against its two checksums.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            assert_eq!(head[8..], masked_crc(&head[..8]).to_le_bytes());
            let (data, rest) = rest.split_at(length);
            assert_eq!(rest[..4], masked_crc(data).to_le_bytes());
            found.push(data.to_vec());
            bytes = &rest[4..];
        }
        found
    }

    /// `Summary.value` of a tag shorter than 128 bytes, written by hand.
    fn by_hand(tag: &str, value: f32) -> Vec<u8> {
        let mut inner = vec![0x0a, tag.len() as u8];
        inner.extend(tag.bytes());
        inner.push(0x15);
        inner.extend(value.to_le_bytes());
        let mut outer = vec![0x0a, inner.len() as u8];
        outer.extend(inner);
        outer
    }

    #[test]
    fn checksums_are_castagnoli_s_masked() {
        // RFC 3720, appendix B.4: CRC-32C of 32 bytes of zeros
        let crc: u32 = 0x8a91_36aa;
        let rotated = (crc >> 15) + crc.wrapping_mul(1 << 17);
        let masked = rotated.wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc(&[0; 32]), masked);
    }

    #[test]
    fn a_record_is_length_data_and_two_checksums() {
        let length = [3, 0, 0, 0, 0, 0, 0, 0];
        let mut expected = length.to_vec();
        expected.extend(masked_crc(&length).to_le_bytes());
        expected.extend(b"abc");
        expected.extend(masked_crc(b"abc").to_le_bytes());
        assert_eq!(record(b"abc"), expected);
    }

    #[test]
    fn numbers_above_127_take_more_bytes() {
        let mut message = Vec::new();
        varint(&mut message, 300); // protobuf's own example: 10101100 00000010
        assert_eq!(message, [0b1010_1100, 0b0000_0010]);
    }

    #[test]
    fn a_step_holds_what_is_finite_and_reopening_cuts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tensorboard/events");
        let step = |step| {
            Event::Step(Step {
                step,
                loss: Some(1.5),
                task: Some(f64::NAN),
                text_audio: vec![None, Some(0.25)],
                norms: ByName::from_iter([("rest".to_owned(), 2.0)]),
                ..Step::default()
            })
        };
        let mut log = ScalarLog::open(&path, 0).unwrap();
        log.write(&step(300)).unwrap();
        let saved = log.length();
        log.write(&step(301)).unwrap();
        drop(log);
        let log = ScalarLog::open(&path, saved).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((log.length(), bytes.len() as u64), (saved, saved));

        let found = records(&bytes);
        assert_eq!(found.len(), 2);
        // wall_time is key 0x09 and 8 bytes
        assert_eq!(found[0][9..], *b"\x1a\x0dbrain.Event:2");
        let mut summary = by_hand("loss/total", 1.5);
        summary.extend(by_hand("loss/text_audio/1", 0.25));
        summary.extend(by_hand("norm/rest", 2.0));
        let mut expected = vec![0x10, 0xac, 0x02, 0x2a, summary.len() as u8];
        expected.extend(summary);
        assert_eq!(found[1][9..], expected);
    }

    #[test]
    fn an_epoch_holds_dev_by_corpus_and_metric() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mosi = BTreeMap::from([(Metric::Mae, 0.75)]);
        let epoch = Event::Epoch(Epoch {
            step: 5,
            dev: DevScores {
                corpora: ByName::from_iter([("mosi".to_owned(), mosi)]),
                ..DevScores::default()
            },
            memory: Some(1 << 30),
            ..Epoch::default()
        });
        ScalarLog::open(&path, 0).unwrap().write(&epoch).unwrap();
        let mut summary = by_hand("memory/bytes", 1_073_741_824.0);
        summary.extend(by_hand("dev/mosi/mae", 0.75));
        let mut expected = vec![0x10, 5, 0x2a, summary.len() as u8];
        expected.extend(summary);
        assert_eq!(records(&std::fs::read(&path).unwrap())[1][9..], expected);
    }
}
