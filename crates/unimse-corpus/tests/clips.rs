//! Utterances that are parts of clips: which a table asks for, what is said of rows that cannot be, and how their features join.

use std::{collections::BTreeMap, fs};
use unimse_corpus::{Code, Severity, parts};
use unimse_media::{
    AudioFeatures, Span,
    extract::{Extracted, Part, extract_parts},
    prosody,
};

use crate::common::{Data, row};

const TABLE: &str = "calls/utterances.csv";
const HEADER: &str = "utterance_id,split,text,score,clip,start_s,end_s";

/// A table of calls with a film of three seconds.
fn calls(rows: &str) -> Data {
    let data = Data::new(&[(TABLE, &format!("{HEADER}\n{rows}"))]);
    data.tone("calls/films/scene.wav", 16_000, 3 * 16_000);
    data
}

fn extracted(data: &Data) -> Extracted {
    let (parts, _) = parts(&data.root()).unwrap();
    extract_parts(
        &data.root(),
        &parts,
        &data.root(),
        AudioFeatures::Prosody,
        &|_| {},
    )
    .unwrap()
}

#[test]
fn rows_that_name_a_part_of_a_clip_have_its_features() {
    let data = calls(
        "a,train,Great,2,films/scene.wav,0,1.5\n\
         b,dev,Bad,-1,./films/scene.wav,1.5,\n\
         c,test,So,0,films/scene.wav,,\n\
         d,test,Well,1,,,\n",
    );
    let (asked, lost) = parts(&data.root()).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    let spans: Vec<(&str, &str, Span)> = (asked.list.iter())
        .map(|part| (part.utterance.as_str(), part.row.as_str(), part.span))
        .collect();
    let span = |from_s, to_s| Span { from_s, to_s };
    assert_eq!(
        spans,
        [
            ("a", "calls/utterances.csv, line 2", span(0.0, Some(1.5))),
            ("b", "calls/utterances.csv, line 3", span(1.5, None)),
            ("c", "calls/utterances.csv, line 4", span(0.0, None)),
        ]
    );
    assert!(
        asked
            .list
            .iter()
            .all(|part| part.clip == "calls/films/scene.wav")
    );
    data.check_told(
        Severity::Warning,
        Code::Clip,
        &["line 2, line 3, line 4", "unimse extract"],
    );

    let done = extracted(&data);
    assert_eq!((done.records.len(), done.findings().count()), (3, 0));
    let corpora = data.ingest().unwrap();
    let calls = &corpora[0];
    assert_eq!(calls.features.audio.as_ref(), Some(&prosody::card()));
    for id in ["a", "b", "c"] {
        let target = data.root().join(Part::target("calls", "audio", id));
        let expected = unimse_formats::read_npy(&target).unwrap().values;
        assert_eq!(
            row(calls, id).audio.as_ref().unwrap().values,
            expected,
            "{id}"
        );
    }
    assert!(row(calls, "d").audio.is_none());
    assert_eq!(
        (row(calls, "a").start_s, row(calls, "a").end_s),
        (Some(0.0), Some(1.5))
    );
    assert!(data.found(Severity::Warning, Code::Clip).is_empty());
}

#[test]
fn features_of_other_times_than_the_table_says_are_not_taken() {
    let data = calls("a,train,Great,2,films/scene.wav,0,1\nb,dev,Bad,-1,films/scene.wav,1,2\n");
    extracted(&data);
    let rows = "a,train,Great,2,films/scene.wav,0,1.25\nb,dev,Bad,-1,films/scene.wav,1,2\nc,test,So,1,films/scene.wav,2,3\n";
    data.put(TABLE, format!("{HEADER}\n{rows}").as_bytes());
    let corpora = data.ingest().unwrap();
    let has_audio = |id: &str| row(&corpora[0], id).audio.is_some();
    assert_eq!(["a", "b", "c"].map(has_audio), [false, true, false]);
    data.check_told(
        Severity::Warning,
        Code::Clip,
        &[
            "line 2: column clip: extraction.jsonl has another part for this row: extract again",
            "line 4: column clip: extraction.jsonl does not have this row: extract again",
        ],
    );
    assert_eq!(extracted(&data).kept, 1);
    assert!(row(&data.ingest().unwrap()[0], "a").audio.is_some());
}

/// Rows that cannot be, each with the end of its message; the first and the last are whole.
const BAD: [(&str, &str); 15] = [
    ("good,train,x,1,films/scene.wav,0,1", ""),
    (
        "turned,train,x,1,films/scene.wav,2,1",
        "column end_s: expected more than 2, found 1",
    ),
    (
        "minus,train,x,1,films/scene.wav,-1,1",
        "column start_s: expected seconds from 0 to 1000000, found \"-1\"",
    ),
    (
        "nan,train,x,1,films/scene.wav,NaN,1",
        "column start_s: expected seconds from 0 to 1000000, found \"NaN\"",
    ),
    (
        "huge,train,x,1,films/scene.wav,1e300,",
        "column start_s: expected seconds from 0 to 1000000, found \"1e300\"",
    ),
    (
        "words,train,x,1,films/scene.wav,0,soon",
        "column end_s: expected seconds from 0 to 1000000, found \"soon\"",
    ),
    (
        "behind,train,x,1,films/scene.wav,4,5",
        "expected the part from 4 s to 5 s, found 0.00 s of it: the clip ends before",
    ),
    (
        "past,train,x,1,films/scene.wav,2,5",
        "expected the part from 2 s to 5 s, found 1.00 s of it: the clip ends before",
    ),
    (
        "gone,train,x,1,films/gone.wav,0,1",
        "found \"films/gone.wav\", which is not there",
    ),
    (
        "folder,train,x,1,films,0,1",
        "column clip: expected a file in the folder of the table, found \"films\", a folder",
    ),
    (
        "above,train,x,1,../secret.wav,0,1",
        "column clip: expected the path of a clip, relative to the folder of the table and within it, found \"../secret.wav\"",
    ),
    (
        "root,train,x,1,/etc/passwd,0,1",
        "within it, found \"/etc/passwd\"",
    ),
    (
        "link,train,x,1,films/link.wav,0,1",
        "found \"films/link.wav\", a link to a place outside",
    ),
    (
        "good,train,x,1,films/scene.wav,1,2",
        "column utterance_id: expected an id of this row only, found \"good\" in line 2 too",
    ),
    ("-0,train,x,1,films/scene.wav,-0,1", ""),
];

#[cfg(unix)]
#[test]
fn rows_that_cannot_be_are_told_by_file_row_and_field_and_the_others_go_on() {
    let rows: String = BAD.iter().map(|(row, _)| format!("{row}\n")).collect();
    let data = calls(&(rows + ",train,x,1,films/scene.wav,0,1\ntoo,few\n"));
    data.tone("secret.wav", 16_000, 16_000);
    std::os::unix::fs::symlink("../../secret.wav", data.root().join("calls/films/link.wav"))
        .unwrap();
    let (asked, lost) = parts(&data.root()).unwrap();
    let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
    assert_eq!(
        lost,
        ["calls/utterances.csv, line 18: expected 7 fields as in the header, found 2 [CSV_FIELDS]"]
    );
    assert_eq!(asked.list.len(), BAD.len() + 1);
    let done = extracted(&data);
    let told: BTreeMap<&str, &str> = (done.findings())
        .map(|record| {
            (
                record.row.as_deref().unwrap(),
                record.message.as_deref().unwrap(),
            )
        })
        .collect();
    for (line, (cells, message)) in (2..).zip(BAD) {
        let found = told.get(format!("calls/utterances.csv, line {line}").as_str());
        let found = found.copied().unwrap_or_default();
        assert!(found.ends_with(message), "{cells}: {found}");
        assert_eq!(found.is_empty(), message.is_empty(), "{cells}: {found}");
    }
    assert_eq!(
        told["calls/utterances.csv, line 17"],
        "column utterance_id: expected an id, found nothing"
    );
    // the secret is a clip of the folder above, not of this table
    let made = |id: &str| {
        data.root()
            .join(Part::target("calls", "audio", id))
            .is_file()
    };
    assert!(made("good") && made("-0") && !made("link") && !made("above"));
    // films that a row names are not described as a whole besides
    assert!(!data.root().join("calls/audio/films/scene.npy").exists());
}

#[test]
fn the_doctor_tells_of_rows_before_anything_is_extracted() {
    let data = calls(
        "a,train,x,1,films/gone.wav,0,1\nb,dev,y,1,../x.wav,0,1\nc,test,z,1,films/scene.wav,-1,1\n",
    );
    data.check_told(
        Severity::Warning,
        Code::Clip,
        &[
            "calls/utterances.csv, line 2: column clip: expected a file in the folder",
            "calls/utterances.csv, line 3: column clip: expected the path of a clip",
            "calls/utterances.csv, line 4: column start_s: expected seconds from 0",
        ],
    );
}

#[test]
fn what_a_part_lacks_is_absent_and_says_why() {
    let data = calls(
        "a,train,x,1,films/scene.wav,0,1\nb,dev,y,1,films/scene.wav,9,10\nc,test,z,1,films/gone.wav,0,1\n",
    );
    extracted(&data);
    let corpora = data.ingest().unwrap();
    assert!(row(&corpora[0], "b").audio.is_none());
    data.check_told(
        Severity::Warning,
        Code::Clip,
        &[
            "line 3",
            "audio is absent: expected the part from 9 s to 10 s",
            "(SPAN)",
            "(ROW)",
        ],
    );
}

#[test]
fn a_table_that_nobody_understands_is_an_error_before_films_are_cut() {
    let data = Data::new(&[(TABLE, "id,clip,stat_s\na,b.wav,1\n")]);
    data.tone("calls/b.wav", 16_000, 16_000);
    let error = parts(&data.root()).unwrap_err().to_string();
    assert!(
        error.contains("utterance_id") || error.contains("start_s"),
        "{error}"
    );
    // whatever a table without the ids asks for, as one that a spreadsheet wrote with semicolons
    let data = Data::new(&[(TABLE, "utterance_id;clip\na;b.wav\n")]);
    let error = parts(&data.root()).unwrap_err().to_string();
    assert!(error.contains("utterance_id"), "{error}");
    // without the column nothing is asked of the table
    let data = Data::new(&[
        (TABLE, "utterance_id,audio\na,b.wav\n"),
        ("meld/x.csv", "\0"),
    ]);
    let (asked, lost) = parts(&data.root()).unwrap();
    assert!(asked.list.is_empty() && asked.cut.is_empty() && lost.is_empty());
    assert!(
        parts(&data.root().join("nowhere"))
            .unwrap()
            .0
            .list
            .is_empty()
    );
}

const MOSEI: &str = "video_id,clip_id,text,label,annotation,mode\n\
    v1,0,one,1.0,Positive,train\nv1,1,two,-2.0,Negative,train\nv1,2,three,3.0,Positive,train\n\
    v2,0,a,1.0,Positive,dev\nv2,1,b,0.0,Neutral,dev\nv2,2,c,2.0,Positive,dev\nv2,3,d,-1.0,Negative,dev\n\
    v3,0,x,1.0,Positive,test\nv3,2,z,-3.0,Negative,test\n";

#[test]
fn whole_videos_are_cut_by_the_times_of_the_label_file() {
    let data = Data::new(&[("mosei/label.csv", MOSEI)]);
    data.fixture("labels.csd", "mosei/CMU_MOSEI_Labels.csd");
    for video in ["v1", "v2"] {
        data.tone(&format!("mosei/Raw/{video}.wav"), 16_000, 6 * 16_000);
    }
    // v3 was cut already, as MMSA has it
    data.tone("mosei/Raw/v3/0.wav", 16_000, 8_000);
    data.tone("mosei/Raw/v3/2.wav", 16_000, 8_000);
    let done = extracted(&data);
    let told: Vec<(&str, &str)> = (done.findings())
        .map(|record| {
            (
                record.utterance.as_deref().unwrap(),
                record.fault.as_deref().unwrap(),
            )
        })
        .collect();
    // v2: clips 1 and 2 were numbered against time
    assert_eq!(told, [("v2_1", "ROW"), ("v2_2", "ROW")]);
    let corpora = data.ingest().unwrap();
    let corpus = &corpora[0];
    for (id, times) in [
        ("v1_0", Some((0.0, 2.0))),
        ("v1_1", Some((2.0, 4.0))),
        ("v1_2", Some((4.0, 6.0))),
        ("v2_0", Some((0.0, 1.0))),
        ("v2_1", None),
        ("v2_3", Some((3.0, 4.0))),
        ("v3_2", Some((2.0, 3.0))),
    ] {
        let utterance = row(corpus, id);
        assert_eq!(utterance.start_s.zip(utterance.end_s), times, "{id}");
        assert_eq!(utterance.audio.is_some(), times.is_some(), "{id}");
    }
    let record = done
        .records
        .iter()
        .find(|record| record.utterance.as_deref() == Some("v1_1"));
    assert_eq!(record.unwrap().seconds, Some(4.0 - 2.0));
    assert_eq!(corpus.features.audio.as_ref(), Some(&prosody::card()));
}

#[test]
fn of_the_files_of_a_video_the_one_with_pictures_is_cut() {
    let data = Data::new(&[("mosei/label.csv", MOSEI)]);
    data.fixture("labels.csd", "mosei/CMU_MOSEI_Labels.csd");
    for name in [
        "Audio/Full/v1.wav",
        "Video/Full/v1.mp4",
        "Video/Full/v9.mp4",
    ] {
        data.put(&format!("mosei/{name}"), b"looked at by name only");
    }
    let (asked, lost) = parts(&data.root()).unwrap();
    assert!(lost.is_empty());
    let clips = asked.list.iter().map(|part| part.clip.as_str());
    assert_eq!(clips.collect::<Vec<_>>(), ["mosei/Video/Full/v1.mp4"; 3]);
    // a video that no label names stays a clip of its own
    let cut: Vec<&str> = asked.cut.iter().map(String::as_str).collect();
    assert_eq!(cut, ["mosei/Audio/Full/v1.wav", "mosei/Video/Full/v1.mp4"]);
    let sources: Vec<&str> = asked.sources.iter().map(String::as_str).collect();
    assert_eq!(sources, ["mosei/CMU_MOSEI_Labels.csd", "mosei/label.csv"]);
}

#[test]
fn clips_in_the_layout_of_mmsa_and_of_the_release_join_by_their_names() {
    for name in ["Raw/{v}/{c}", "Audio/WAV_16000/Segmented/{v}_{c}"] {
        let data = Data::new(&[("mosei/label.csv", MOSEI)]);
        for id in ["v1/0", "v1/1", "v2/3"] {
            let (video, clip) = id.split_once('/').unwrap();
            let name = name.replace("{v}", video).replace("{c}", clip);
            data.tone(&format!("mosei/{name}.wav"), 16_000, 8_000);
        }
        // ingest itself makes log-mel bands of wave files
        let before = data.ingest().unwrap();
        assert_eq!(before[0].audio_dim, Some(64), "{name}");
        assert_eq!(extracted(&data).records.len(), 3);
        let corpora = data.ingest().unwrap();
        let has_audio = |id: &str| row(&corpora[0], id).audio.is_some();
        assert_eq!(
            ["v1_0", "v1_1", "v1_2", "v2_3"].map(has_audio),
            [true, true, false, true]
        );
        assert_eq!(corpora[0].audio_dim, Some(prosody::NAMES.len()), "{name}");
        fs::remove_dir_all(data.out()).unwrap();
    }
}

#[test]
fn a_data_folder_that_is_a_corpus_itself_is_refused() {
    let data = calls("a,train,Great,2,films/scene.wav,0,1\n");
    let error = parts(&data.root().join("calls")).unwrap_err().to_string();
    for word in ["utterances.csv", "expected the folder above this one"] {
        assert!(error.contains(word), "{error}");
    }
    fs::write(
        data.root().join("calls/utterances.csv"),
        "utterance_id,audio\na,b.wav\n",
    )
    .unwrap();
    assert!(
        parts(&data.root().join("calls")).is_ok(),
        "no row names a clip"
    );
}
