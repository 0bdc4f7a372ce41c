//! Bytes as what a decoder wrote, read by a grammar that the first ones choose: what was read is written and read again without repairs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unimse_labels::{Field, Grammar};

fuzz_target!(|bytes: &[u8]| {
    let [fields, decimals, text @ ..] = bytes else {
        return;
    };
    let chosen = Field::ALL.into_iter().enumerate();
    let chosen = chosen.filter(|(index, _)| fields & (1 << index) != 0);
    let mut grammar = Grammar::new(&chosen.map(|(_, field)| field).collect::<Vec<_>>());
    grammar.decimals = decimals % 5;
    if let Ok(parsed) = grammar.parse(&String::from_utf8_lossy(text)) {
        let again = grammar.parse(&grammar.format(&parsed.label));
        assert!(again.is_ok_and(|again| again.repairs.is_empty()));
    }
});
