//! Films of drawn faces: pictures by the system's ffmpeg, faces in them, features of whole folders, what is said of broken films.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use unimse_labels::BasicEmotion;
use unimse_media::{
    AudioFeatures, Fault, Features, MediaError, Span,
    extract::{RECORDS, Record, extract},
    synthetic::Acting,
    video::{Faces, Frame, Frames, Settings, names, sequence},
};

use crate::common::{WITHOUT_SOUND, faces, ffmpeg, film, has_ffmpeg};

const MPEG4: [&str; 4] = ["-c:v", "mpeg4", "-q:v", "4"];

fn pictures(path: &Path, span: Span) -> Result<Vec<Frame>, MediaError> {
    Frames::open(path, span, &Settings::default())?.collect()
}

fn fault(path: &Path, span: Span) -> &'static str {
    pictures(path, span).unwrap_err().kind()
}

/// A film of four seconds without sound whose brightness tells the second: 0, 60, 120, 180.
fn steps(path: &Path, arguments: &[&str]) {
    let colours = "nullsrc=s=64x48:r=20:d=4,geq=lum='60*floor(T)':cb=128:cr=128";
    let input = ["-f", "lavfi", "-i", colours];
    ffmpeg(&[&input[..], &MPEG4, arguments, &[path.to_str().unwrap()]].concat());
}

fn brightness(frame: &Frame) -> usize {
    let sum: usize = frame.rgb.iter().map(|&x| usize::from(x)).sum();
    sum / frame.rgb.len()
}

#[test]
fn pictures_have_the_chosen_rate_and_a_part_is_that_part() {
    if !has_ffmpeg("pictures_have_the_chosen_rate_and_a_part_is_that_part") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("-a 'b'.mp4");
    steps(&path, &[]);
    let whole = pictures(&path, Span::default()).unwrap();
    assert_eq!(whole.len(), 4 * 5);
    assert_eq!((whole[0].width, whole[0].height), (64, 48));
    let span = Span {
        from_s: 1.5,
        to_s: Some(3.1),
    };
    let part = pictures(&path, span).unwrap();
    assert_eq!(part.len(), 8); // 1.6 s
    let steps: Vec<usize> = part.iter().map(brightness).collect();
    // video range: luma 60, 120 and 180
    assert!(
        steps[0] < 80 && steps[4] > 100 && steps[7] > 100,
        "{steps:?}"
    );
    assert!(steps.is_sorted(), "{steps:?}");
    let beyond = Span {
        from_s: 9.0,
        to_s: None,
    };
    assert_eq!(fault(&path, beyond), "NO_FRAME");
    let turned = Span {
        from_s: 2.0,
        to_s: Some(1.0),
    };
    assert_eq!(fault(&path, turned), "SPAN");
}

#[test]
fn large_rotated_and_uneven_films_have_square_upright_pictures_in_time() {
    if !has_ffmpeg("large_rotated_and_uneven_films_have_square_upright_pictures_in_time") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let size = |path: &Path| {
        let frames = pictures(path, Span::default()).unwrap();
        (frames[0].width, frames[0].height, frames.len())
    };
    let large = ["-f", "lavfi", "-i", "testsrc=s=1280x720:r=10:d=1"];
    let make = |name: &str, arguments: &[&str]| {
        ffmpeg(&[arguments, &[path(name).to_str().unwrap()]].concat());
    };
    make("large.mp4", &[&large[..], &MPEG4].concat());
    assert_eq!(size(&path("large.mp4")), (640, 360, 5));
    // pixels twice as wide as high
    let wide = ["-f", "lavfi", "-i", "testsrc=s=160x120:r=10:d=1,setsar=2"];
    make("wide.mkv", &[&wide[..], &MPEG4].concat());
    assert_eq!(size(&path("wide.mkv")), (320, 120, 5));
    // a telephone that was held upright
    let from = path("large.mp4");
    let turned = [
        "-i",
        from.to_str().unwrap(),
        "-c",
        "copy",
        "-metadata:s:v",
        "rotate=90",
    ];
    make("turned.mp4", &turned);
    assert_eq!(size(&path("turned.mp4")), (360, 640, 5));
    // a second at 20 pictures, then one every half second
    let uneven = ["-vf", "select='lt(t,1)+not(mod(n,10))'", "-vsync", "vfr"];
    steps(&path("uneven.mp4"), &uneven);
    let frames = pictures(&path("uneven.mp4"), Span::default()).unwrap();
    assert!((18..=20).contains(&frames.len()), "{}", frames.len());
    assert!(brightness(&frames[2]) < 20 && brightness(&frames[12]) > 100);
}

#[test]
fn a_drawn_face_is_found_in_nearly_all_pictures() {
    let Some(faces) = faces("a_drawn_face_is_found_in_nearly_all_pictures") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut frames, mut with_face) = (0, 0);
    for (name, emotion) in [
        ("ann", None),
        ("bob", Some(BasicEmotion::Joy)),
        ("cleo", Some(BasicEmotion::Sadness)),
        ("dan", Some(BasicEmotion::Anger)),
    ] {
        let path = folder.path().join(format!("{name}.mp4"));
        let acting = Acting {
            emotion,
            intensity: 1.0,
        };
        film(&path, name, acting, (640, 360), &MPEG4);
        let found = sequence(&path, Span::default(), &faces, &Settings::default()).unwrap();
        let shape = (found.sequence.dim, found.sequence.steps());
        assert_eq!(shape, (names().len(), found.with_face));
        assert!(found.sequence.values.iter().all(|x| x.is_finite()));
        frames += found.frames;
        with_face += found.with_face;
    }
    assert!(with_face * 10 >= frames * 9, "{with_face} of {frames}");
    // no face in a test card
    let path = folder.path().join("card.mp4");
    steps(&path, &[]);
    let error = sequence(&path, Span::default(), &faces, &Settings::default()).unwrap_err();
    let none = Fault::NoFace { frames: 20 };
    assert!(matches!(error, MediaError::Fault { fault, .. } if fault == none));
}

/// What must be said of a broken clip: of its sound, of its pictures.
type Broken = BTreeMap<String, (Option<&'static str>, Option<&'static str>)>;

/// Twenty films that are broken in different ways.
#[expect(clippy::too_many_lines, reason = "one after the other, each a fault")]
fn broken(data: &Path, whole: &Path) -> Broken {
    let mut all = Broken::new();
    let bytes = fs::read(whole).unwrap();
    let convert = |name: &str, arguments: &[&str]| {
        let path = data.join(name);
        let input = ["-i", whole.to_str().unwrap()];
        ffmpeg(&[&input[..], arguments, &[path.to_str().unwrap()]].concat());
        path
    };
    let mut add = |name: &str, bytes: Option<&[u8]>, sound, pictures| {
        if let Some(bytes) = bytes {
            fs::write(data.join(name), bytes).unwrap();
        }
        all.insert(name.to_owned(), (sound, pictures));
    };
    let patched = |name: &[u8; 4], skip: usize, with: &[u8]| {
        let mut bytes = bytes.clone();
        let places: Vec<usize> = (0..bytes.len() - 4)
            .filter(|&at| bytes[at..at + 4] == *name)
            .collect();
        for at in places {
            bytes[at + skip..at + skip + with.len()].copy_from_slice(with);
        }
        bytes
    };
    let (cut, early) = (Some("TRUNCATED"), Some("MALFORMED"));
    add("b01.mp4", Some(b""), Some("EMPTY"), Some("EMPTY"));
    add(
        "b02.mp4",
        Some(b"Dear diary, today I was renamed.\n"),
        Some("NOT_MEDIA"),
        Some("NOT_MEDIA"),
    );
    add("b03.mp4", Some(&bytes[..bytes.len() * 6 / 10]), cut, cut);
    add("b04.mp4", Some(&bytes[..bytes.len() / 20]), cut, cut);
    add("b05.mp4", Some(&bytes[..40]), cut, cut);
    // the ticks of ten hours, at the end of the media header
    let hours = patched(b"mdhd", 20, &(16_000_u32 * 36_000).to_be_bytes());
    add("b06.mp4", Some(&hours), Some("TOO_LONG"), Some("TOO_LONG"));
    let playlist = format!("#EXTM3U\n#EXTINF:1,\n{}\n", whole.display());
    add(
        "b07.mp4",
        Some(playlist.as_bytes()),
        Some("NOT_MEDIA"),
        Some("NOT_MEDIA"),
    );
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    add(
        "b08.avi",
        Some(&noise),
        Some("NOT_MEDIA"),
        Some("NOT_MEDIA"),
    );
    let path = data.join("b09.mp4");
    ffmpeg(&[&WITHOUT_SOUND[..], &[path.to_str().unwrap()]].concat());
    add("b09.mp4", None, Some("NO_AUDIO"), Some("NO_FACE"));
    convert("b10.mp4", &["-vn", "-c:a", "aac"]);
    add("b10.mp4", None, None, Some("NO_VIDEO"));
    convert("b11.mkv", &["-c", "copy"]);
    add("b11.mkv", None, Some("NOT_MEDIA"), None);
    let matroska = fs::read(data.join("b11.mkv")).unwrap();
    add(
        "b12.mkv",
        Some(&matroska[..matroska.len() / 2]),
        Some("NOT_MEDIA"),
        cut,
    );
    convert("b13.avi", &["-c:v", "mpeg4", "-c:a", "mp3"]);
    add("b13.avi", None, Some("NOT_MEDIA"), None);
    // the pictures' codec has no name and no header any more
    let mut nameless = patched(b"mp4v", 0, b"zzzz");
    let name = nameless
        .windows(4)
        .position(|name| name == b"zzzz")
        .unwrap();
    let header = nameless[name..].windows(4).position(|name| name == b"esds");
    nameless[name + header.unwrap()..][..4].copy_from_slice(b"free");
    add("b14.mp4", Some(&nameless), None, Some("CODEC"));
    add(
        "b15.mp4",
        Some(&patched(b"moov", 0, b"voom")),
        Some("NOT_MEDIA"),
        cut,
    );
    let mut torn = bytes.clone();
    let at = torn.windows(4).position(|name| name == b"mdat").unwrap();
    torn[at + 4..].fill(0x55);
    add("b16.mp4", Some(&torn), Some("MALFORMED"), early);
    convert("b17.mp4", &["-c:v", "mpeg4", "-af", "volume=0"]);
    add("b17.mp4", None, Some("SILENT"), None);
    add("b18.mov", Some(b"\0\0\0\x08ftyp"), early, early);
    std::os::unix::fs::symlink("nowhere", data.join("b19.mp4")).unwrap();
    add("b19.mp4", None, Some("UNREADABLE"), None);
    add("w000.m4a", Some(&bytes), None, None);
    add("w000.mp4", None, Some("TWICE"), None);
    all
}

/// 180 films that are whole, most of them one by other bytes.
fn whole(data: &Path, film: &Path) {
    let bytes = fs::read(film).unwrap();
    for number in 0..180_u8 {
        // a box that nobody reads tells them apart
        let more = [0, 0, 0, 9, b'f', b'r', b'e', b'e', number];
        let name = format!("w{number:03}.mp4");
        fs::write(data.join(name), [&bytes[..], &more].concat()).unwrap();
    }
}

fn features(faces: &Faces) -> Features<'_> {
    Features {
        video: Some((faces, Settings::default())),
        ..AudioFeatures::Mel.into()
    }
}

#[test]
fn of_200_films_the_broken_ones_are_findings_by_file_and_reason() {
    let Some(faces) = faces("of_200_films_the_broken_ones_are_findings_by_file_and_reason") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    fs::create_dir(&data).unwrap();
    let one = folder.path().join("one.mp4");
    film(
        &one,
        "ann",
        Acting::NEUTRAL,
        (128, 96),
        &[&MPEG4[..], &["-t", "0.6", "-movflags", "faststart"]].concat(),
    );
    whole(&data, &one);
    let expected = broken(&data, &one);
    let extracted = extract(&data, &out, features(&faces), &|_| {}).unwrap();
    let mut wrong = Vec::new();
    for record in &extracted.records {
        let pictures = record.video.as_ref();
        let found = (
            record.fault.as_deref(),
            pictures.and_then(|pictures| pictures.fault.as_deref()),
        );
        let due = expected.get(&record.clip).copied().unwrap_or_default();
        if found != due {
            wrong.push(format!(
                "{}: {found:?}, expected {due:?}: {record:?}",
                record.clip
            ));
        }
        let is_there = |file: Option<&String>| file.is_some_and(|file| out.join(file).is_file());
        let has_file = (
            is_there(record.file.as_ref()),
            is_there(pictures.and_then(|p| p.file.as_ref())),
        );
        let opened = !matches!(due.0, Some("UNREADABLE" | "TWICE"));
        if has_file != (due.0.is_none(), opened && due.1.is_none()) {
            wrong.push(format!("{}: files {has_file:?}", record.clip));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(extracted.records.len(), 180 + 20);
    // what is known is not looked at again
    let again = extract(&data, &out, features(&faces), &|_| {}).unwrap();
    assert_eq!(again.kept, 200 - 2);
    assert_eq!(again.records, extracted.records);
}

/// Where the test runs itself as the process that is killed.
const CHILD: &str = "UNIMSE_TEST_KILLED_FILMS";

/// Films of like pictures and other bytes.
fn write_thirty(data: &Path) {
    let one = data.with_file_name("one.mp4");
    film(&one, "ann", Acting::NEUTRAL, (128, 96), &MPEG4);
    let bytes = fs::read(&one).unwrap();
    for number in 0..30_u8 {
        let more = [0, 0, 0, 9, b'f', b'r', b'e', b'e', number];
        let name = format!("{number:02}.mp4");
        fs::write(data.join(name), [&bytes[..], &more].concat()).unwrap();
    }
}

#[test]
fn a_killed_run_loses_no_film() {
    let Some(faces) = faces("video::a_killed_run_loses_no_film") else {
        return;
    };
    if let Some(folder) = std::env::var_os(CHILD) {
        let folder = Path::new(&folder);
        extract(
            &folder.join("data"),
            &folder.join("out"),
            features(&faces),
            &|_| {},
        )
        .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, out, fresh) = (
        folder.path().join("data"),
        folder.path().join("out"),
        folder.path().join("fresh"),
    );
    fs::create_dir(&data).unwrap();
    write_thirty(&data);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "video::a_killed_run_loses_no_film"])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(out.join(RECORDS)).map_or(0, |text| text.lines().count());
    while lines() < 5 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let recorded = lines();
    let extracted = extract(&data, &out, features(&faces), &|_| {}).unwrap();
    assert!(extracted.kept >= 4 && extracted.kept + 1 >= recorded);
    extract(&data, &fresh, features(&faces), &|_| {}).unwrap();
    for kind in ["audio", "video"] {
        for number in 0..30 {
            let name = format!("{kind}/{number:02}.npy");
            assert_eq!(
                fs::read(out.join(&name)).unwrap(),
                fs::read(fresh.join(&name)).unwrap()
            );
        }
    }
    assert_eq!(
        fs::read(out.join(RECORDS)).unwrap(),
        fs::read(fresh.join(RECORDS)).unwrap()
    );
}

#[test]
fn pictures_that_were_not_asked_for_before_are_looked_at_later() {
    let Some(faces) = faces("pictures_that_were_not_asked_for_before_are_looked_at_later") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    fs::create_dir(&data).unwrap();
    film(
        &data.join("a.mp4"),
        "ann",
        Acting::NEUTRAL,
        (128, 96),
        &MPEG4,
    );
    let sound = extract(&data, &out, AudioFeatures::Mel, &|_| {}).unwrap();
    assert_eq!(
        (sound.records[0].video.as_ref(), out.join("video").exists()),
        (None, false)
    );
    let both = extract(&data, &out, features(&faces), &|_| {}).unwrap();
    let without: Record = Record {
        video: None,
        ..both.records[0].clone()
    };
    assert_eq!(without, sound.records[0]);
    assert!(out.join("video/a.npy").is_file());
    let toml = fs::read_to_string(out.join("features.toml")).unwrap();
    for word in [
        "[audio]",
        "[video]",
        "mtcnn + mini-xception",
        "[video.weights]",
        "rate_hz = 5",
    ] {
        assert!(toml.replace('"', "").contains(word), "{word}: {toml}");
    }
    // sound alone again: what is there stays
    let kept = extract(&data, &out, AudioFeatures::Mel, &|_| {}).unwrap();
    assert_eq!((kept.kept, &kept.records), (1, &both.records));
}
