//! Where a process stands among the others, by the variables that `torchrun` sets
//! (<https://docs.pytorch.org/docs/2.11/elastic/run.html>, "Environment variables").

use crate::GroupError;

/// Where this process stands, and where the group meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Of this process, from 0: `RANK`.
    pub rank: usize,
    /// Processes of the group, at least 2: `WORLD_SIZE`.
    pub size: usize,
    /// Of this process among those of its machine, from 0: `LOCAL_RANK`; default that of `RANK`.
    pub local_rank: usize,
    /// Processes on this machine, at least 1: `LOCAL_WORLD_SIZE`; default 1.
    pub local_size: usize,
    /// Host of the process of rank 0: `MASTER_ADDR`.
    pub host: String,
    /// Where it listens: `MASTER_PORT`.
    pub port: u16,
    /// Whether `torchrun` itself listens there (`TORCHELASTIC_USE_AGENT_STORE`), and how often it began this group anew.
    pub agent: Option<u64>,
}

impl Place {
    /// That of this process; `None` where it works alone: neither `RANK` nor `WORLD_SIZE` is set, or `WORLD_SIZE` is 1.
    ///
    /// # Errors
    /// [`GroupError::Variable`] for one that is missing beside others, or does not hold what it must.
    pub fn of_this_process() -> Result<Option<Self>, GroupError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// The same from the variables that `value` gives.
    ///
    /// # Errors
    /// As [`Place::of_this_process`].
    pub fn read(value: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, GroupError> {
        if value("RANK").is_none() && value("WORLD_SIZE").is_none() {
            return Ok(None);
        }
        let size = number(&value, "WORLD_SIZE", 1..=MOST)?;
        if size == 1 {
            return Ok(None);
        }
        let rank = number(&value, "RANK", 0..=size - 1)?;
        let local_rank = match value("LOCAL_RANK") {
            Some(_) => number(&value, "LOCAL_RANK", 0..=size - 1)?,
            None => rank,
        };
        let host = value("MASTER_ADDR").filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| {
            let expected = "the host of the process of rank 0";
            wrong("MASTER_ADDR", expected.to_owned(), None)
        })?;
        let port = number(&value, "MASTER_PORT", 1..=usize::from(u16::MAX))?;
        let agent = value("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|set| set == "True");
        let begun = value("TORCHELASTIC_RESTART_COUNT").and_then(|count| count.parse().ok());
        Ok(Some(Self {
            rank,
            size,
            local_rank,
            local_size: local_size(&value, size)?,
            host,
            port: port as u16,
            agent: agent.then(|| begun.unwrap_or(0)),
        }))
    }
}

/// Of this process among those of its machine, from 0, and so the GPU that is its own: `LOCAL_RANK` where `torchrun` began several; else 0.
#[must_use]
pub fn local_rank() -> usize {
    let place = Place::of_this_process().ok().flatten();
    place.map_or(0, |place| place.local_rank)
}

/// Processes that share this machine, at least 1: `LOCAL_WORLD_SIZE`; default 1, and 1 where `WORLD_SIZE` is 1.
///
/// # Errors
/// [`GroupError::Variable`] where it does not hold such a number.
pub fn side_by_side() -> Result<usize, GroupError> {
    beside(|name| std::env::var(name).ok())
}

fn beside(value: impl Fn(&str) -> Option<String>) -> Result<usize, GroupError> {
    match value("WORLD_SIZE") {
        Some(size) if size.trim() == "1" => Ok(1),
        _ => local_size(&value, MOST),
    }
}

/// Processes that a group has at the most.
const MOST: usize = 1 << 16;

fn local_size(value: &impl Fn(&str) -> Option<String>, size: usize) -> Result<usize, GroupError> {
    let name = "LOCAL_WORLD_SIZE";
    value(name).map_or(Ok(1), |_| number(value, name, 1..=size))
}

fn number(
    value: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, GroupError> {
    let found = value(name);
    let read = found.as_ref().and_then(|text| text.trim().parse().ok());
    read.filter(|number| range.contains(number)).ok_or_else(|| {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        wrong(name, expected, found)
    })
}

fn wrong(name: &'static str, expected: String, found: Option<String>) -> GroupError {
    GroupError::Variable {
        name,
        expected,
        found: found.map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    const WHOLE: [(&str, &str); 5] = [
        ("RANK", "1"),
        ("WORLD_SIZE", "2"),
        ("LOCAL_RANK", "0"),
        ("MASTER_ADDR", "localhost"),
        ("MASTER_PORT", "29500"),
    ];

    fn read(changes: &[(&str, Option<&str>)]) -> Result<Option<Place>, String> {
        let value = |name: &str| {
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            let whole = || WHOLE.iter().find(|(set, _)| *set == name).map(|&(_, v)| v);
            changed.map_or_else(whole, |&(_, v)| v).map(str::to_owned)
        };
        Place::read(value).map_err(|e| e.to_string())
    }

    #[test]
    fn the_variables_of_torchrun_say_where_a_process_stands() {
        let whole = Place {
            rank: 1,
            size: 2,
            local_rank: 0,
            local_size: 1,
            host: "localhost".to_owned(),
            port: 29500,
            agent: None,
        };
        assert_eq!(read(&[]), Ok(Some(whole.clone())));
        let alone = read(&[("RANK", None), ("WORLD_SIZE", None)]);
        assert_eq!(alone, Ok(None));
        // as a batch system sets them that gives no address to a single process
        let single = [
            ("RANK", Some("0")),
            ("WORLD_SIZE", Some("1")),
            ("MASTER_ADDR", None),
            ("MASTER_PORT", None),
        ];
        assert_eq!(read(&single), Ok(None));
        let agent = [
            ("LOCAL_RANK", None),
            ("TORCHELASTIC_USE_AGENT_STORE", Some("True")),
            ("TORCHELASTIC_RESTART_COUNT", Some("3")),
        ];
        let expected = Place {
            local_rank: 1,
            agent: Some(3),
            ..whole
        };
        assert_eq!(read(&agent), Ok(Some(expected)));
    }

    #[test]
    fn processes_that_share_a_machine() {
        let shared = |size: Option<&str>, here: Option<&str>| {
            let value = |name: &str| match name {
                "WORLD_SIZE" => size.map(str::to_owned),
                _ => here.map(str::to_owned),
            };
            beside(value).map_err(|e| e.to_string())
        };
        assert_eq!(shared(Some("8"), None), Ok(1));
        assert_eq!(shared(Some("8"), Some("4")), Ok(4));
        assert_eq!(shared(None, Some(" 2 ")), Ok(2));
        // alone, whatever else is set
        assert_eq!(shared(Some("1"), Some("0")), Ok(1));
        for wrong in ["0", "x"] {
            let words = format!(
                "environment variable LOCAL_WORLD_SIZE: expected a whole number from 1 to 65536, found {wrong:?}"
            );
            assert_eq!(shared(Some("2"), Some(wrong)), Err(words));
        }
        let place = read(&[("LOCAL_WORLD_SIZE", Some("2"))]);
        assert_eq!(place.unwrap().unwrap().local_size, 2);
    }

    #[test]
    fn a_wrong_variable_is_named_with_what_it_holds() {
        for (name, value, words) in [
            (
                "RANK",
                None,
                "RANK: expected a whole number from 0 to 1, found nothing",
            ),
            (
                "RANK",
                Some("2"),
                "RANK: expected a whole number from 0 to 1, found \"2\"",
            ),
            (
                "WORLD_SIZE",
                Some("0"),
                "WORLD_SIZE: expected a whole number from 1 to 65536, found \"0\"",
            ),
            (
                "WORLD_SIZE",
                Some("two"),
                "WORLD_SIZE: expected a whole number from 1 to 65536, found \"two\"",
            ),
            (
                "LOCAL_RANK",
                Some("-1"),
                "LOCAL_RANK: expected a whole number from 0 to 1, found \"-1\"",
            ),
            (
                "LOCAL_WORLD_SIZE",
                Some("3"),
                "LOCAL_WORLD_SIZE: expected a whole number from 1 to 2, found \"3\"",
            ),
            (
                "MASTER_ADDR",
                Some(""),
                "MASTER_ADDR: expected the host of the process of rank 0, found nothing",
            ),
            (
                "MASTER_PORT",
                Some("70000"),
                "MASTER_PORT: expected a whole number from 1 to 65535, found \"70000\"",
            ),
        ] {
            let said = read(&[(name, value)]).unwrap_err();
            assert_eq!(said, format!("environment variable {words}"));
        }
    }
}
