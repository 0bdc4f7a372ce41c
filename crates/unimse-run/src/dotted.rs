//! A configuration as its single values.

use std::collections::BTreeMap;

/// Every value of a TOML table, as TOML writes it, by its dotted key: `train.epochs` to `5`.
#[must_use]
pub fn dotted(table: &toml::Table) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    add(&mut found, "", table);
    found
}

fn add(found: &mut BTreeMap<String, String>, before: &str, table: &toml::Table) {
    for (key, value) in table {
        let key = format!("{before}{key}");
        match value {
            toml::Value::Table(inner) => add(found, &format!("{key}."), inner),
            value => drop(found.insert(key, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn tables_become_dotted_keys() {
        let table = "seed = 1\n[a]\nb = \"x\"\n[a.c]\nd = [1, 2]\n";
        let expected = [("a.b", "\"x\""), ("a.c.d", "[1, 2]"), ("seed", "1")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(dotted(&table.parse().unwrap()), BTreeMap::from(expected));
    }
}
