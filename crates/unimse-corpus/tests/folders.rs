//! Data folders as a hostile or unlucky user has them: what cannot be read is told and never hangs, and tables can be written wherever the
//! user may write.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::time::Duration;
use unimse_corpus::{Code, Severity, ingest};

use crate::common::{Data, REVIEWS, fifo, has_rights_to_lose};

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
    if !has_rights_to_lose("folders::a_corpus_folder_without_permission_is_an_error") {
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
    if !has_rights_to_lose("folders::out_may_lie_where_nothing_else_can_be_written") {
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
