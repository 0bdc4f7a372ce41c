//! Bytes as a pickle, every value read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unimse_formats::{Item, Kind, Pickle};

/// Shared objects are met once a path to them, so the visits are bounded.
fn walk(item: Item<'_>, left: &mut usize) {
    *left = left.saturating_sub(1);
    if *left == 0 {
        return;
    }
    let _ = (
        item.as_str(),
        item.as_i64(),
        item.as_f64(),
        item.count(),
        item.type_name(),
    );
    let _ = (item.numbers(), item.integers(), item.texts());
    if let Some(array) = item.as_array() {
        if array.len() < 1 << 16 {
            let _ = (
                array.to_f32(),
                array.read_f32(array.len() / 2, array.len() / 3),
            );
        }
        if array.dtype().kind == Kind::Object {
            for i in 0..array.len().min(16) {
                if let Some(item) = array.item(i) {
                    walk(item, left);
                }
            }
        }
    }
    if let Some(entries) = item.entries() {
        for (key, value) in entries {
            walk(key, left);
            walk(value, left);
        }
    }
    if let Some(items) = item.items() {
        for item in items {
            walk(item, left);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pickle) = Pickle::from_bytes(bytes.to_vec()) {
        walk(pickle.root(), &mut 1000);
    }
});
