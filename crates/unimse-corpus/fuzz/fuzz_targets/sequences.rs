//! Computational sequences behind their adapter: the first byte says whether the bytes are the labels or the features.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{cell::RefCell, fs};

const LABELS: &[u8] = include_bytes!("../../tests/fixtures/labels.csd");
const COVAREP: &[u8] = include_bytes!("../../tests/fixtures/covarep.csd");
const CSV: &str = "video_id,clip_id,text,label,mode\nv1,0,one,1.0,train\nv1,1,two,-2.0,train\nv1,2,three,3.0,train\nv3,0,x,1.0,test\n";

thread_local! {
    static DATA: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, bytes)) = input.split_first() else { return };
    let (labels, covarep) = if which % 2 == 0 { (bytes, COVAREP) } else { (LABELS, bytes) };
    DATA.with_borrow_mut(|data| {
        let root = data.get_or_insert_with(|| tempfile::tempdir().expect("a temporary folder"));
        let folder = root.path().join("mosei");
        fs::create_dir_all(&folder).expect("a writable folder");
        for (name, content) in [("label.csv", CSV.as_bytes()), ("labels.csd", labels), ("covarep.csd", covarep)] {
            fs::write(folder.join(name), content).expect("a writable folder");
        }
        unimse_corpus::doctor(root.path()).expect("the folder can be read");
    });
});
