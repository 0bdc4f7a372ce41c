//! Bytes as an npz archive, every array of it read, and as the one stored array of an archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unimse_formats::Npz;

fn read(archive: Vec<u8>) {
    let Ok(archive) = Npz::from_bytes(archive) else {
        return;
    };
    for name in archive.names().take(20) {
        if let Ok(tensor) = archive.read(name) {
            assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
        }
    }
}

/// A zip archive that stores `npy` as `a.npy`; the check sum is left out, as a reader of streams finds it.
fn stored(npy: &[u8]) -> Vec<u8> {
    let size = (npy.len() as u32).to_le_bytes();
    let crc = crc(npy).to_le_bytes();
    let common = [
        &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &crc,
        &size,
        &size,
        &[5, 0, 0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04", &common[..], b"a.npy", npy].concat();
    let central = [b"PK\x01\x02\x14\0", &common[..], &[0; 14], b"a.npy"].concat();
    let length = (central.len() as u32).to_le_bytes();
    let start = (local.len() as u32).to_le_bytes();
    let end = [
        b"PK\x05\x06",
        &[0, 0, 0, 0, 1, 0, 1, 0][..],
        &length,
        &start,
        &[0, 0],
    ]
    .concat();
    [local, central, end].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc))
    })
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes.to_vec());
    read(stored(bytes));
});
