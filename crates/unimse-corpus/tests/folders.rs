//! Data folders as a hostile or unlucky user has them: what cannot be read is told and never hangs, values that are no numbers follow one
//! rule, every file that was read is named, and tables can be written wherever the user may write.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod common;

use arrow::array::{Array, AsArray, Float32Array, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type};
use common::{Data, REVIEWS, fifo, has_rights_to_lose, row};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use unimse_corpus::{Code, Severity, Split, ingest, read};

const FEATURES: &str = "utterance_id,split,text,score,audio,video\n\
    a,train,x,1,a.wav,v/a.npy\nb,dev,x,1,,v/b.npy\nc,test,x,1,,\n";

#[test]
fn a_corpus_folder_behind_a_broken_link_is_an_error() {
    let data = Data::new(&[("reviews/utterances.csv", REVIEWS)]);
    let link = data.root().join("mosi");
    symlink(data.0.path().join("gone"), &link).unwrap();
    data.check_refused(
        Code::NoAccess,
        &["mosi: broken link: expected a file or folder behind it"],
    );
    fs::remove_file(&link).unwrap();
    symlink(&link, &link).unwrap();
    data.check_refused(Code::NoAccess, &["mosi: cannot be read: "]);
    fs::remove_file(&link).unwrap();
    fs::write(&link, "").unwrap();
    data.check_refused(Code::NoAccess, &["mosi: expected a folder, found a file"]);
    fs::remove_file(&link).unwrap();
    // a table of one's own, and a file of a corpus
    let inside = data.root().join("reviews/a.npy");
    symlink(data.0.path().join("gone"), &inside).unwrap();
    data.check_refused(Code::NoAccess, &["reviews/a.npy: broken link"]);
    fs::remove_file(&inside).unwrap();
    fs::create_dir(data.root().join("calls")).unwrap();
    symlink(
        data.0.path().join("gone"),
        data.root().join("calls/utterances.csv"),
    )
    .unwrap();
    data.check_refused(Code::NoAccess, &["calls/utterances.csv: broken link"]);
}

#[test]
fn a_corpus_folder_without_permission_is_an_error() {
    if !has_rights_to_lose("a_corpus_folder_without_permission_is_an_error") {
        return;
    }
    let data = Data::new(&[
        ("reviews/utterances.csv", REVIEWS),
        ("reviews/more/a.npy", ""),
        ("meld/train_sent_emo.csv", ""),
    ]);
    let close = |folder: &str, mode| {
        fs::set_permissions(data.root().join(folder), Permissions::from_mode(mode)).unwrap();
    };
    // a folder that cannot be listed, one that cannot be entered, one below a corpus, a file
    for (place, mode) in [
        ("meld", 0),
        ("meld", 0o600),
        ("reviews/more", 0),
        ("reviews", 0o600),
    ] {
        close(place, mode);
        if place != "meld" {
            let _ = fs::remove_dir_all(data.root().join("meld"));
        }
        data.check_refused(
            Code::NoAccess,
            &[place, "cannot be read: Permission denied"],
        );
        close(place, 0o700);
    }
    close("reviews/utterances.csv", 0);
    assert!(
        data.refused()
            .contains("reviews/utterances.csv: Permission denied")
    );
    let found = data.found(Severity::Error, Code::Unreadable);
    assert!(
        found[0].contains("utterances.csv: Permission denied"),
        "{found:?}"
    );
}

#[test]
fn links_in_circles_come_to_an_end() {
    let data = Data::new(&[
        ("reviews/utterances.csv", REVIEWS),
        ("reviews/deep/x.txt", ""),
    ]);
    for (name, target) in [("here", "."), ("above", ".."), ("deep/round", "../deep")] {
        symlink(target, data.root().join("reviews").join(name)).unwrap();
    }
    let words = ["reviews/here", "reviews/above", "reviews/deep/round"];
    data.check_told(Severity::Warning, Code::LinkLoop, &words);
    let deep = "reviews/1/2/3/4/5/6/7";
    fs::create_dir_all(data.root().join(deep)).unwrap();
    data.check_told(Severity::Warning, Code::TooDeep, &[deep]);
}

/// `task` comes to an end: before, it waited for somebody to write into a FIFO.
fn ends(task: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        task();
        done.send(()).unwrap();
    });
    match wait.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("waits for ever"),
        _ => thread.join().unwrap(),
    }
}

#[test]
fn what_is_no_file_is_told_and_not_opened() {
    ends(|| {
        let data = Data::new(&[("reviews/utterances.csv", REVIEWS)]);
        fifo(&data.root().join("pipe"));
        data.check_told(Severity::Warning, Code::NotAFile, &[]);
        assert!(data.found(Severity::Warning, Code::NotAFile)[0].starts_with("pipe: found a FIFO"));
        fifo(&data.root().join("reviews/notes.md"));
        data.check_told(
            Severity::Warning,
            Code::NotAFile,
            &["reviews/notes.md: expected a regular file, found a FIFO"],
        );
        fs::remove_dir_all(data.out()).unwrap();
        let _socket = UnixListener::bind(data.root().join("reviews/s.wav")).unwrap();
        data.check_refused(
            Code::NotAFile,
            &["reviews/s.wav: expected a regular file, found a socket"],
        );
        fs::remove_file(data.root().join("reviews/s.wav")).unwrap();
        fifo(&data.root().join("calls/utterances.jsonl"));
        data.check_refused(Code::NotAFile, &["calls/utterances.jsonl", "found a FIFO"]);
        fs::remove_dir_all(data.root().join("calls")).unwrap();
        // one that the table names, through a link, and a device
        let table = REVIEWS
            .replace("score\n", "score,audio\n")
            .replace(",2.5\n", ",2.5,/dev/zero.npy\n");
        let table = table.replace(",-1\n", ",-1,\n").replace(",0\n", ",0,\n");
        data.put(
            "reviews/utterances.csv",
            table.replace("/dev/zero.npy", "../../zero.npy").as_bytes(),
        );
        symlink("/dev/zero", data.0.path().join("zero.npy")).unwrap();
        data.check_refused(
            Code::Unreadable,
            &["line 2: column audio: ../../zero.npy: expected a regular file, found a device"],
        );
        // a pickle of the search, and one that was chosen
        let data = Data::new(&[(
            "mosi/label.csv",
            "video_id,clip_id,text,label,mode\nv,0,x,1,train\n",
        )]);
        let pickle = data.root().join("mosi/features.pkl");
        fifo(&pickle);
        data.check_refused(Code::NotAFile, &["mosi/features.pkl"]);
        fs::remove_file(&pickle).unwrap();
        let pickle = data.0.path().join("other.pkl");
        fifo(&pickle);
        let chosen = [("mosi".to_owned(), pickle)];
        let error = ingest(&data.root(), &data.out(), &chosen, &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("other.pkl: expected a regular file, found a FIFO"),
            "{error}"
        );
    });
}

#[test]
fn features_cannot_be_chosen_for_a_table_that_names_them() {
    let data = Data::new(&[("reviews/utterances.csv", REVIEWS)]);
    let chosen = [("reviews".to_owned(), data.put("reviews/f.pkl", b""))];
    let error = ingest(&data.root(), &data.out(), &chosen, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("--features reviews=") && error.contains("columns audio and video"),
        "{error}"
    );
}

#[test]
fn every_file_that_was_read_is_a_source() {
    let data = Data::new(&[]);
    data.npy("calls/v/a.npy", 2, &[1.0, 2.0]);
    data.npy("calls/v/b.npy", 2, &[3.0, 4.0]);
    data.wave("calls/a.wav", &[0.5; 320], 36 + 320 * 8, 320 * 8);
    // another file of the same name, outside the data folder
    let outside = data.0.path().join("b.npy");
    fs::copy(data.root().join("calls/v/a.npy"), &outside).unwrap();
    let other = data.0.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::copy(data.root().join("calls/v/b.npy"), other.join("b.npy")).unwrap();
    let table = format!(
        "{}d,train,x,1,,{}\ne,train,x,1,,{}\n",
        FEATURES,
        outside.display(),
        other.join("b.npy").display()
    );
    data.put("calls/utterances.csv", table.as_bytes());
    let corpora = data.ingest().unwrap();
    let sources: Vec<_> = (corpora[0].sources.iter())
        .map(|s| (s.path.as_str(), s.sha256.clone()))
        .collect();
    let sum = |path: &str| {
        let bytes = fs::read(data.root().join(path)).unwrap();
        Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let expected = [
        ("b.npy", sum("calls/v/a.npy")),
        ("b.npy (2)", sum("calls/v/b.npy")),
        ("calls/a.wav", sum("calls/a.wav")),
        ("calls/utterances.csv", sum("calls/utterances.csv")),
        ("calls/v/a.npy", sum("calls/v/a.npy")),
        ("calls/v/b.npy", sum("calls/v/b.npy")),
    ];
    assert_eq!(sources, expected);
}

#[test]
fn what_is_not_finite_is_read_as_0_counted_and_told_whatever_the_file() {
    let data = Data::new(&[
        ("calls/utterances.csv", FEATURES),
        (
            "lists/utterances.jsonl",
            "{\"utterance_id\": \"j\", \"split\": \"dev\", \"text\": \"x\", \"score\": 1, \"audio\": [[1, null], [1e300, -4]]}\n",
        ),
    ]);
    data.npy("calls/v/a.npy", 3, &[1.0, f64::NAN, -1e300]);
    data.npy("calls/v/b.npy", 3, &[f64::INFINITY, 2.0, f64::MAX]);
    let mut samples = vec![0.25; 1600];
    data.wave("calls/a.wav", &samples, 36 + 1600 * 8, 1600 * 8);
    let whole = row(&data.ingest().unwrap()[0], "a").audio.clone();
    samples[800] = f64::NAN;
    samples[801] = 1e300;
    data.wave("calls/a.wav", &samples, 36 + 1600 * 8, 1600 * 8);
    let corpora = data.ingest().unwrap();
    let video = |id: &str| row(&corpora[0], id).video.as_ref().unwrap().values.clone();
    assert_eq!(video("a"), [1.0, 0.0, 0.0]);
    assert_eq!(video("b"), [0.0, 2.0, 0.0]);
    assert_eq!(
        row(&corpora[1], "j").audio.as_ref().unwrap().values,
        [1.0, 0.0, 0.0, -4.0]
    );
    // two samples of 0 in a tone of 0.25 change frames around them, and no other
    let (whole, audio) = (whole.unwrap(), row(&corpora[0], "a").audio.clone().unwrap());
    assert_eq!(whole.values[..64], audio.values[..64]);
    assert_ne!(whole.values[5 * 64..6 * 64], audio.values[5 * 64..6 * 64]);
    assert!(audio.values.iter().all(|x| x.is_finite()));
    data.check_told(
        Severity::Warning,
        Code::NonFinite,
        &[
            "calls, a (2 in calls/a.wav): audio values that are not finite: set to zero",
            "a (2 in calls/v/a.npy), b (2 in calls/v/b.npy): video values",
            "lists, j (2): audio values",
        ],
    );
}

/// The table again, with the first value of its column `video` no number.
fn poison(table: &std::path::Path) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(table).unwrap()).unwrap();
    let metadata = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned();
    let metadata = metadata.map(|m| m.into_iter().filter(|e| e.key != "ARROW:schema").collect());
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let at = batch.schema().index_of("video").unwrap();
    let lists = batch.column(at).as_list::<i32>();
    let steps = lists.values().as_fixed_size_list();
    let mut values = steps
        .values()
        .as_primitive::<Float32Type>()
        .values()
        .to_vec();
    values[0] = f32::NAN;
    let DataType::FixedSizeList(item, dim) = steps.data_type() else {
        panic!("steps have a fixed size")
    };
    let values = Arc::new(Float32Array::from(values));
    let steps = arrow::array::FixedSizeListArray::new(item.clone(), *dim, values, None);
    let DataType::List(step) = lists.data_type() else {
        panic!("features are lists")
    };
    let column = ListArray::new(
        step.clone(),
        lists.offsets().clone(),
        Arc::new(steps),
        lists.nulls().cloned(),
    );
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(column);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata)
        .build();
    let mut writer = ArrowWriter::try_new(
        File::create(table).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_table_that_another_program_wrote_follows_the_same_rule() {
    let table = FEATURES.replace("a.wav", "");
    let data = Data::new(&[("calls/utterances.csv", &table)]);
    data.npy("calls/v/a.npy", 2, &[1.0, 2.0]);
    data.npy("calls/v/b.npy", 2, &[1.0, 2.0]);
    data.ingest().unwrap();
    poison(&data.out().join("calls-train.parquet"));
    let corpora = read(&data.out(), &Split::ALL).unwrap();
    assert_eq!(
        row(&corpora[0], "a").video.as_ref().unwrap().values,
        [0.0, 2.0]
    );
    let note =
        "calls-train.parquet, a (1): video values that are not finite: set to zero [NON_FINITE]";
    assert!(
        corpora[0].notes.iter().any(|known| known == note),
        "{:?}",
        corpora[0].notes
    );
    // a table behind a broken link is not a split without rows
    fs::remove_file(data.out().join("calls-dev.parquet")).unwrap();
    symlink("gone", data.out().join("calls-dev.parquet")).unwrap();
    let error = read(&data.out(), &Split::ALL).unwrap_err().to_string();
    assert!(error.contains("calls-dev.parquet"), "{error}");
}

#[test]
fn a_wave_file_from_a_pipe_is_read_to_its_end() {
    let data = Data::new(&[(
        "calls/utterances.csv",
        &FEATURES.replace("v/a.npy", "").replace("v/b.npy", ""),
    )]);
    let samples: Vec<f64> = (0..1600).map(|i| f64::from(i % 64) / 100.0).collect();
    data.wave("calls/a.wav", &samples, u32::MAX, u32::MAX);
    let streamed = data.ingest().unwrap();
    data.wave("calls/a.wav", &samples, 36 + 1600 * 8, 1600 * 8);
    let known = data.ingest().unwrap();
    let audio = row(&streamed[0], "a").audio.as_ref().unwrap();
    assert_eq!(audio.steps(), 1 + 1600 / 160);
    assert_eq!(Some(audio), row(&known[0], "a").audio.as_ref());
}

/// Names of the folders that ingest writes to before tables have their names.
fn stagings(folder: &std::path::Path) -> usize {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|e| e.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with(".unimse-ingest-"))
        .count()
}

#[test]
fn an_existing_out_is_written_from_inside_as_if_it_were_a_mount_point() {
    let data = Data::new(&[("reviews/utterances.csv", REVIEWS)]);
    let (out, beside) = (data.out(), data.0.path().to_owned());
    let mut seen = Vec::new();
    for _ in 0..2 {
        ingest(&data.root(), &out, &[], &mut |_| {
            seen.push([stagings(&out), stagings(&beside)])
        })
        .unwrap();
        assert_eq!([stagings(&out), stagings(&beside)], [0, 0]);
    }
    // the first run makes OUT, the second finds it
    assert_eq!((seen.first(), seen.last()), (Some(&[0, 1]), Some(&[1, 0])));
    data.put(
        "reviews/utterances.csv",
        REVIEWS.replace("2.5", "9").as_bytes(),
    );
    assert!(data.ingest().is_err());
    assert_eq!([stagings(&out), stagings(&beside)], [0, 0]);
}

#[test]
fn out_may_lie_where_nothing_else_can_be_written() {
    if !has_rights_to_lose("out_may_lie_where_nothing_else_can_be_written") {
        return;
    }
    let data = Data::new(&[("reviews/utterances.csv", REVIEWS)]);
    fs::create_dir(data.out()).unwrap();
    let mode = |mode| fs::set_permissions(data.0.path(), Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let read = data.ingest();
    mode(0o700);
    assert_eq!(read.unwrap()[0].utterances.len(), 3);
}
