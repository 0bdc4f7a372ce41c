//! Wave files for tests.

use std::fs;
use std::path::Path;

/// The bytes of a wave file of one channel, 16 bits and 16 kHz.
pub(crate) fn wave(samples: &[i16]) -> Vec<u8> {
    let size = 2 * samples.len() as u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend([16_000_u32, 32_000].map(u32::to_le_bytes).concat());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

/// A corpus of `count` one-second wave files, a tone each.
pub(crate) fn corpus(data: &Path, count: i32) {
    let folder = data.join("calls");
    fs::create_dir_all(&folder).unwrap();
    let mut table = "utterance_id,split,text,score,audio\n".to_owned();
    for i in 0..count {
        let samples: Vec<i16> = (0..16_000).map(|t| (t * (i + 1) % 400) as i16).collect();
        fs::write(folder.join(format!("{i}.wav")), wave(&samples)).unwrap();
        let split = ["train", "dev", "test"][i as usize % 3];
        table += &format!("u{i},{split},x,1,{i}.wav\n");
    }
    fs::write(folder.join("utterances.csv"), table).unwrap();
}
