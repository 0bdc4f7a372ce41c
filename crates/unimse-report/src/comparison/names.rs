//! Short names of runs: as much of the end of a path as tells it from the others.

use unimse_run::ComparedRun;

/// A name for each run, with the way its answers are read.
pub(super) fn of(runs: &[ComparedRun]) -> Vec<String> {
    let paths: Vec<&str> = runs.iter().map(|run| run.run.as_str()).collect();
    let name = |run: &ComparedRun| {
        let short = short(&run.run, &paths);
        match &run.readout {
            Some(readout) => format!("{short} ({readout})"),
            None => short,
        }
    };
    runs.iter().map(name).collect()
}

fn short(path: &str, all: &[&str]) -> String {
    let parts: Vec<&str> = parts(path);
    for length in 1..parts.len() {
        let end = &parts[parts.len() - length..];
        let same = |other: &&&str| self::parts(other).ends_with(end);
        if all.iter().filter(same).all(|other| *other == path) {
            return end.join("/");
        }
    }
    path.to_owned()
}

fn parts(path: &str) -> Vec<&str> {
    let parts = path.split('/');
    parts
        .filter(|part| !part.is_empty() && *part != ".")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        let run = |path: &&str| ComparedRun {
            run: (*path).to_owned(),
            ..ComparedRun::default()
        };
        of(&paths.iter().map(run).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_is_the_shortest_end_that_no_other_path_has() {
        assert_eq!(names(&["runs/full", "runs/other/"]), ["full", "other"]);
        assert_eq!(
            names(&["a/full/seed-1", "b/full/seed-1"]),
            ["a/full/seed-1", "b/full/seed-1"]
        );
        assert_eq!(names(&["x/a/full", "x/b/full"]), ["a/full", "b/full"]);
        assert_eq!(names(&["full", "x/full"]), ["full", "x/full"]);
        assert_eq!(names(&[".", "/"]), [".", "/"]);
    }

    #[test]
    fn a_way_to_read_the_reference_is_named() {
        let mut runs = vec![ComparedRun::default(); 2];
        runs.iter_mut()
            .for_each(|run| run.run = "runs/full".to_owned());
        runs[1].readout = Some("emotion: text".to_owned());
        assert_eq!(of(&runs), ["full", "full (emotion: text)"]);
    }
}
