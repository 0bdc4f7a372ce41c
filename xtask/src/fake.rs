//! A shell script in the place of `unimse`, for tests of what calls it: it writes what each stage writes and keeps a log of its calls.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use crate::checkout::Checkout;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Fails on data that holds a file `bad`, and trains to an end only where no file `stop` lies beside it. Where a file `fail` lies there, the
/// training fails of a configuration that holds its text; where a file `kill` does, the first training of such a configuration is interrupted
/// and the file removed; where a file `hang` does, such a training writes `hung` and goes on for minutes. A training's dev score is the value of the key `train.score` of its configuration, plus a hundredth of its seed.
const UNIMSE: &str = r#"#!/bin/sh
here=$(dirname "$0"); echo "$*" >> "$here/log"
[ -n "$RANK" ] && echo "$RANK $LOCAL_RANK of $WORLD_SIZE $LOCAL_WORLD_SIZE at $MASTER_ADDR $MASTER_PORT" >> "$here/ranks"
command=$1; shift; seed=; resume=; estimate=; runs=
while [ $# -gt 0 ]; do case "$1" in
  --out) out=$2; shift;; --data) data=$2; shift;; --run) run=$2; shift;; --seed) seed=$2; shift;; --resume) resume=yes;; --estimate) estimate=yes;;
  --preset) preset=$2; shift;; --corpus) corpus=$2; shift;; --config|--threads) shift;; --*) ;; *=*) values="$values$1
";; *) runs="$runs $1";; esac; shift; done
code=$(cat "$here/code")
case $command in
  --version) echo "unimse 0";;
  plan) entries=; [ -n "$data" ] && { [ -d "$data" ] || { echo "error: $data is not a folder" >&2; exit 1; }; entries='"mosi"'; }
    [ -e "$data/SYNTHETIC" ] && entries="$entries, \"SYNTHETIC\""
    echo "{\"presets\": {\"demo\": {\"needs_data\": false}, \"demo-media\": {\"needs_data\": false}, \"minilm\": {\"needs_data\": true}}, \"code\": {$code}, \"data\": [$entries]}";;
  demo) mkdir -p "$out/mosi"; echo row > "$out/mosi/a.csv"; touch "$out/SYNTHETIC";;
  extract) mkdir -p "$out"; cp -R "$data"/. "$out";;
  config) case "$values" in *unknown*) echo "error: unknown key" >&2; exit 2;; esac
    merged=$(printf 'model.modalities=["text","audio","video"]\ntrain.epochs=8\n%s' "$values" | awk -F= '
      { if (!($1 in value)) key[n++] = $1; v = substr($0, length($1) + 2); value[$1] = v ~ /^[0-9[tf"-]/ ? v : "\"" v "\"" }
      END { for (i = 0; i < n; i++) print key[i] " = " value[key[i]] }')
    merged=$(printf 'preset = "%s"\n%s' "$preset" "$merged")
    if [ -n "$out" ]; then echo "$merged" > "$out"; else echo "$merged"; fi;;
  ingest) [ -e "$data/mosi/bad" ] && { echo "error: bad row" >&2; exit 1; }; mkdir -p "$out"
    for name in $(ls "$data"); do [ -d "$data/$name" ] && for split in train dev test; do cat "$data/$name"/* > "$out/$name-$split.parquet"; done; done; true;;
  unify) mkdir -p "$out"; ls "$corpus" > "$out/mosi.parquet";;
  train) [ -n "$estimate" ] && { [ -e "$run/labels" ] || exit 1; echo '{"seconds": 90.0, "memory": 1, "disk": 1}'; exit 0; }
    mkdir -p "$run/checkpoints"; echo "$seed$resume" > "$run/checkpoints/last"; [ -e "$here/stop" ] && exit 130
    [ -e "$here/fail" ] && grep -qF "$(cat "$here/fail")" "$run/config.toml" && { echo "error: the loss is no number" >&2; exit 1; }
    [ -e "$here/kill" ] && grep -qF "$(cat "$here/kill")" "$run/config.toml" && { rm "$here/kill"; exit 130; }
    [ -e "$here/hang" ] && grep -qF "$(cat "$here/hang")" "$run/config.toml" && { touch "$here/hung"; exec sleep 300; }
    score=$(sed -n 's/^train.score = //p' "$run/config.toml"); score=$(echo "${score:-0} $seed" | awk '{ print $1 + $2 / 100 }')
    echo "{\"event\": \"epoch\", \"epoch\": 0, \"best\": true, \"dev\": {\"score\": $score, \"corpora\": {\"mosi\": {}}}}" > "$run/events.jsonl";;
  evaluate) echo p > "$run/predictions.parquet"; echo "{\"seed\": \"$(cat "$run/checkpoints/last")\"}" > "$run/results.json";;
  report) [ -e "$run/results.json" ] || echo '{"aggregate": true}' > "$run/results.json"; echo html > "$run/report.html"
    [ -d "$run/checkpoints" ] && echo card > "$run/checkpoints/README.md"; echo {} > "$run/ro-crate-metadata.json";;
  compare) echo '{"schema": 2, "resamples": 100, "seed": 7, "runs": ['; comma=
    for run in $runs; do
      case $run in full) difference=;; *) difference=', "difference": {"estimate": 0.25, "low": 0.125, "high": 0.375, "p": 0.5}';; esac
      echo "$comma{\"run\": \"$run\", \"seeds\": [1], \"test_openings\": 1, \"corpora\": {\"mosi\": {\"task\": \"sentiment\", \"n\": 3, \"resampled\": \"videos\", \"clusters\": 2, \"metrics\": {\"mae\": {\"mean\": 0.5, \"per_seed\": [0.5]$difference}}}}}"
      comma=,; done
    echo ']}';;
esac
"#;

/// Versions of the stages' code, as `plan` says them.
pub(crate) const CODE: &str =
    r#""ingest": "1", "unify": "1", "train": "1", "evaluate": "1", "report": "1""#;

/// A checkout whose binary is the script, with a data folder `input` that holds `mosi`.
pub(crate) struct World {
    dir: PathBuf,
    /// Removes the folder at the end, where it is ours.
    _place: Option<tempfile::TempDir>,
    pub(crate) checkout: Checkout,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self::at(dir.path());
        let unimse = world.path("unimse");
        fs::write(&unimse, UNIMSE).unwrap();
        fs::set_permissions(&unimse, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(world.path("input/mosi")).unwrap();
        fs::write(world.path("input/mosi/a.csv"), "row").unwrap();
        fs::write(world.path("code"), CODE).unwrap();
        Self {
            _place: Some(dir),
            ..world
        }
    }

    /// The world of another process.
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            _place: None,
            checkout: Checkout::at(dir),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The arguments of a command line, DATA replaced by the data folder, as clap reads them.
    pub(crate) fn parse<T: clap::Args>(&self, arguments: &str) -> T {
        #[derive(clap::Parser)]
        struct Line<T: clap::Args> {
            #[command(flatten)]
            options: T,
        }
        let arguments = arguments.replace("DATA", self.path("input").to_str().unwrap());
        let words = std::iter::once("x").chain(arguments.split_whitespace());
        drop(fs::remove_file(self.path("log")));
        <Line<T> as clap::Parser>::parse_from(words).options
    }

    /// The subcommands called since the last [`parse`](Self::parse), with their arguments.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let calls = log.lines().map(str::to_owned);
        calls
            .filter(|line| !line.starts_with("--version") && !line.starts_with("plan"))
            .filter(|line| !line.contains("--estimate"))
            .collect()
    }

    /// How often a subcommand was called.
    pub(crate) fn count(&self, subcommand: &str) -> usize {
        let calls = self.calls();
        let named = |line: &&String| line.split(' ').next() == Some(subcommand);
        calls.iter().filter(named).count()
    }

    /// A file below `runs/out`.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("runs/out").join(name)).unwrap()
    }
}
