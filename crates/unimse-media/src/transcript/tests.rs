#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn said(start_s: f64, end_s: f64, speaker: Option<&str>, text: &str) -> Caption {
    Caption {
        start_s,
        end_s,
        speaker: speaker.map(str::to_owned),
        text: text.to_owned(),
    }
}

fn check(text: &str, expected: &[Caption]) {
    assert_eq!(parse(text.as_bytes(), Path::new("t")).unwrap(), expected);
}

#[test]
fn subrip_is_read_with_what_programs_leave_in_it() {
    check(
        "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500 X1:10\r\n{\\an8}<i>Oh</i> no,\r\n<font color=\"#fff\">5 &lt; 6</font>\r\n\r\n\
         2\r\n00:00:03,000 --> 00:00:04,000\r\n[music]\r\n\r\nstill the same\r\n\r\n3\r\n00:00:05,000 --> 00:00:05,000\r\n\r\n\
         4\r\n00:00:06,000 --> 00:00:07,000\r\nI <3 you & 7\r\n8\r\n",
        &[
            said(1.0, 2.5, None, "Oh no, 5 < 6"),
            said(3.0, 4.0, None, "[music] still the same"),
            said(6.0, 7.0, None, "I <3 you & 7 8"),
        ],
    );
    // without numbers, out of order
    check(
        "00:02.000 --> 00:03.000\nb\n\n00:01.000 --> 00:02.000\na\n",
        &[said(1.0, 2.0, None, "a"), said(2.0, 3.0, None, "b")],
    );
}

#[test]
fn webvtt_is_read_with_voices() {
    check(
        "WEBVTT - a scene\nKind: captions\n\nNOTE\nnothing --> here\n\nSTYLE\n::cue { color: red }\n\nfirst\n00:01.000 --> 00:02.000 align:start\n\
         <v.loud Monica Geller>That's <c.x>great</c> &amp; all</v>\n\n00:00:03.000 --> 00:00:04.000\n<v Joey>Hey.</v> <v Ross>Hi<00:03.500> there.\n",
        &[
            said(1.0, 2.0, Some("Monica Geller"), "That's great & all"),
            said(3.0, 4.0, Some("Joey"), "Hey."),
            said(3.0, 4.0, Some("Ross"), "Hi there."),
        ],
    );
}

#[test]
fn names_stand_before_a_colon_where_that_is_usual() {
    let srt = |lines: &[&str]| {
        let cue = |(at, line): (usize, &&str)| format!("00:0{at}.000 --> 00:0{at}.500\n{line}\n\n");
        let text: String = lines.iter().enumerate().map(cue).collect();
        let captions = parse(text.as_bytes(), Path::new("t")).unwrap();
        let names = captions
            .into_iter()
            .map(|c| (c.speaker.unwrap_or_default(), c.text));
        names.collect::<Vec<_>>()
    };
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(
        srt(&["- Dr. Green: hi", "SPEAKER_00: Listen: it works", "well"]),
        [
            pair("Dr. Green", "hi"),
            pair("SPEAKER_00", "Listen: it works"),
            pair("", "well")
        ]
    );
    // one of four is no name, unless it comes twice
    assert_eq!(
        srt(&["Listen: it works", "a", "b", "c"])[0],
        pair("", "Listen: it works")
    );
    let twice = srt(&["Ann: a", "b", "c", "d", "Ann: e", "Now: f", "g"]);
    assert_eq!(
        (&twice[0], &twice[4]),
        (&pair("Ann", "a"), &pair("Ann", "e"))
    );
    assert_eq!(twice[5], pair("", "Now: f"));
    for text in [
        "at 10:30",
        "see http://x.y",
        "this is so: a",
        "A B C D E: f",
        "Ann:",
    ] {
        assert_eq!(srt(&[text])[0], pair("", text));
    }
}

#[test]
fn recognisers_are_read() {
    let expected = [
        said(0.5, 2.0, None, "Hello there."),
        said(2.0, 3.25, Some("1"), "Hi."),
    ];
    check(
        r#"{"systeminfo": "x", "result": {"language": "en"}, "transcription": [
            {"timestamps": {"from": "00:00:00,500", "to": "00:00:02,000"}, "offsets": {"from": 500, "to": 2000}, "text": " Hello there.", "speaker": "?"},
            {"offsets": {"from": 2000, "to": 3250}, "text": " Hi.", "speaker": "1"}]}"#,
        &expected,
    );
    check(
        r#"{"text": " Hello there. Hi.", "language": "en", "segments": [
            {"id": 0, "seek": 0, "start": 0.5, "end": 2.0, "text": " Hello there.", "tokens": [1], "words": [{"word": "Hello"}]},
            {"start": 2.0, "end": 3.25, "text": "Hi.", "speaker": 1}]}"#,
        &expected,
    );
    check(
        r#"[{"start_s": 2, "end_s": 3.25, "text": "Hi.", "speaker": "1"}, {"start": 0.5, "end": 2, "text": "Hello\nthere.", "speaker": null}, {"start": 0, "end": 1, "text": " "}]"#,
        &expected,
    );
}

#[test]
fn what_is_wrong_names_file_and_line() {
    for (text, message) in [
        ("", "t: expected captions, found nothing"),
        (
            "hello\n",
            "t: line 1: expected a line of times such as 00:00:01,000 --> 00:00:02,500, found \"hello\"",
        ),
        (
            "1\n00:00:01,000 -> 00:00:02,000\na\n",
            "line 2: expected a line of times",
        ),
        (
            "1\n00:00:01,000 --> 00:00:62,000\na\n",
            "line 2: expected times such as",
        ),
        (
            "1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:01,000 -->\n",
            "line 6: expected times such as",
        ),
        (
            "00:02.0 --> 00:01.0\na\n",
            "line 1: expected an end behind the beginning",
        ),
        ("WEBVTT\n\nname\nmore\n", "line 3: expected times such as"),
        ("WEBVTT\n\nname\n", "line 3: expected times such as"),
        ("WEBVTT\n", "expected a caption with words, found none"),
        (
            "1\n00:01.0 --> 00:02.0\n<i></i>\n",
            "expected a caption with words, found none",
        ),
        ("{}", "an object without either"),
        (
            "[\n{\"start\": 0,\n\"end\": \"x\", \"text\": \"a\"}]",
            "t: line 3: ",
        ),
        (
            "[{\"text\": \"a\"}]",
            "t: caption 1: expected start and end in seconds",
        ),
        (
            "[{\"start\": 2, \"end\": 1, \"text\": \"a\"}]",
            "caption 1: expected a beginning from 0 s on",
        ),
        (
            "[{\"start\": -1, \"end\": 1, \"text\": \"a\"}]",
            "found -1.0 s to 1.0 s",
        ),
        (
            "[{\"start\": 0, \"end\": 1e308, \"text\": \"a\"}]",
            "before 36000000 s, found 0.0 s to 1e308 s",
        ),
        ("[{\"start\": 0, \"end\": 1, \"text\": \"a\"", "t: line 1: "),
        ("[]", "expected a caption with words, found none"),
    ] {
        let error = parse(text.as_bytes(), Path::new("t"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{text:?}: {error}");
        assert!(error.starts_with("t: ") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn what_is_no_utf_8_is_told() {
    for (bytes, message) in [
        (&b"\xff\xfe1\0"[..], "found UTF-16"),
        (b"1\n\xe9", "line 2: expected UTF-8, found the byte 0xe9"),
    ] {
        let error = parse(bytes, Path::new("t")).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Whatever is read holds what [`Caption`] promises.
fn is_sound(captions: &[Caption]) -> bool {
    let sound = |c: &Caption| {
        c.start_s >= 0.0 && c.end_s >= c.start_s && c.end_s.is_finite() && !c.text.is_empty()
    };
    captions.iter().all(sound) && captions.is_sorted_by(|a, b| a.start_s <= b.start_s)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        if let Ok(captions) = parse(&bytes, Path::new("t")) {
            prop_assert!(is_sound(&captions));
        }
    }

    #[test]
    fn no_text_like_a_transcript_makes_it_panic(parts in proptest::collection::vec(prop_oneof![
        Just("WEBVTT\n\n".to_owned()), Just("\n\n".to_owned()), Just("1\n".to_owned()), Just("00:01.000 --> 00:02.000\n".to_owned()),
        Just("<v Ann>".to_owned()), Just("</v>".to_owned()), Just("Ann: ".to_owned()), Just("{\\".to_owned()), Just("}".to_owned()),
        Just("[{\"start\": 1, \"end\": 2, \"text\": \"".to_owned()), Just("\"}]".to_owned()), Just("-->".to_owned()), "[<>{}é&;:\\- 0-9]{0,6}",
    ], 0..12)) {
        if let Ok(captions) = parse(parts.concat().as_bytes(), Path::new("t")) {
            prop_assert!(is_sound(&captions));
        }
    }

    #[test]
    fn what_is_written_is_read(words in proptest::collection::vec(("[A-Z][a-z]{1,8}", "[a-z]{1,5}( [a-z]{1,5}){0,3}"), 1..9)) {
        let cue = |(at, (name, text)): (usize, &(String, String))| format!("{}\n00:00:0{at},250 --> 00:00:0{at},750\n{name}: {text}\n\n", at + 1);
        let srt: String = words.iter().enumerate().map(cue).collect();
        let expected: Vec<Caption> = words.iter().enumerate()
            .map(|(at, (name, text))| said(at as f64 + 0.25, at as f64 + 0.75, Some(name), text)).collect();
        prop_assert_eq!(parse(srt.as_bytes(), Path::new("t")).unwrap(), expected);
    }
}
