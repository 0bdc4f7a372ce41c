//! Which of the faces of a clip is described.
//!
//! A face is followed from picture to picture while its boxes overlap. In every picture, that face counts whose area over the whole clip is the largest;
//! but where others are in the picture that are on the mean at least a quarter as large, and the mouth of one moves at least one and a half times as much
//! as that of the largest, it is the one whose mouth moves most: who speaks. A mouth moves as much as the grey of its region changes from one picture
//! to the next, less what that of the eyes does (after Everingham et al. 2006, "Hello! My name is ... Buffy"). After a cut a face is another one.

use super::{boxes::Overlap, expression::SIDE, mtcnn::Face};

/// Overlap, as a share of both together, from which on two boxes show one face.
const SAME: f32 = 0.3;
/// How large a face is at least to be one that may speak, as a share of the area of the largest.
const RIVAL: f64 = 0.25;
/// How much more its mouth moves.
const SPEAKS: f64 = 1.5;
/// Levels of grey a picture that a mouth moves at least.
const MOVES: f64 = 2.0;

/// What is known of a face in one picture.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) face: Face,
    /// The aligned picture, `[64, 64]`.
    pub(super) grey: Vec<f32>,
    /// What is kept of it.
    pub(super) values: Vec<f32>,
}

/// One face from picture to picture.
#[derive(Debug, Default)]
struct Track {
    area: f64,
    pictures: usize,
    /// Sum of the changes of the mouth, and their number.
    moved: f64,
    moves: usize,
}

impl Track {
    fn mean_area(&self) -> f64 {
        self.area / self.pictures.max(1) as f64
    }

    fn motion(&self) -> f64 {
        self.moved / self.moves.max(1) as f64
    }
}

/// A track that goes on.
#[derive(Debug)]
struct Alive {
    track: usize,
    picture: usize,
    last: Seen,
}

/// All faces of a clip.
#[derive(Debug)]
pub(super) struct Tracks {
    /// Pictures that a face may be missing for.
    gap: usize,
    tracks: Vec<Track>,
    alive: Vec<Alive>,
    /// Of every picture: tracks and what is kept of their faces.
    pictures: Vec<Vec<(usize, Vec<f32>)>>,
}

impl Tracks {
    /// None yet. A face may be missing for a number of pictures.
    pub(super) fn new(gap: usize) -> Self {
        Self {
            gap,
            tracks: Vec::new(),
            alive: Vec::new(),
            pictures: Vec::new(),
        }
    }

    /// The faces of the next picture.
    pub(super) fn add(&mut self, seen: Vec<Seen>) {
        let picture = self.pictures.len();
        let gap = self.gap;
        self.alive
            .retain(|alive| picture - alive.picture <= gap + 1);
        let matched = self.matches(&seen);
        let mut found = Vec::new();
        for (seen, matched) in seen.into_iter().zip(matched) {
            found.push(match matched {
                Some(place) => self.follow(place, picture, seen),
                None => self.begin(picture, seen),
            });
        }
        self.pictures.push(found);
    }

    /// Of every face the place among those alive of the one that it is, closest first.
    fn matches(&self, seen: &[Seen]) -> Vec<Option<usize>> {
        let mut pairs = Vec::new();
        for (one, seen) in seen.iter().enumerate() {
            for (place, alive) in self.alive.iter().enumerate() {
                let overlap = Overlap::Union.of(seen.face.bounds, alive.last.face.bounds);
                if overlap >= SAME {
                    pairs.push((overlap, one, place));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut matched = vec![None; seen.len()];
        for (_, one, place) in pairs {
            if matched[one].is_none() && !matched.contains(&Some(place)) {
                matched[one] = Some(place);
            }
        }
        matched
    }

    fn begin(&mut self, picture: usize, seen: Seen) -> (usize, Vec<f32>) {
        let (track, values) = (self.tracks.len(), seen.values.clone());
        self.tracks.push(Track {
            area: f64::from(seen.face.area()),
            pictures: 1,
            ..Track::default()
        });
        self.alive.push(Alive {
            track,
            picture,
            last: seen,
        });
        (track, values)
    }

    fn follow(&mut self, place: usize, picture: usize, seen: Seen) -> (usize, Vec<f32>) {
        let alive = &mut self.alive[place];
        let (values, number) = (seen.values.clone(), alive.track);
        let track = &mut self.tracks[number];
        track.area += f64::from(seen.face.area());
        track.pictures += 1;
        if picture == alive.picture + 1 {
            track.moved += motion(&alive.last.grey, &seen.grey);
            track.moves += 1;
        }
        (alive.picture, alive.last) = (picture, seen);
        (number, values)
    }

    /// Pictures so far.
    pub(super) fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// What is kept of the face that counts, of every picture that has one.
    pub(super) fn chosen(self) -> Vec<Vec<f32>> {
        let Self {
            tracks, pictures, ..
        } = self;
        let of_picture = |faces: Vec<(usize, Vec<f32>)>| {
            let area = |number: usize| tracks[number].area;
            let numbers = faces.iter().map(|(number, _)| *number);
            let largest = numbers
                .clone()
                .max_by(|&a, &b| area(a).total_cmp(&area(b)))?;
            let (least, most) = (
                &tracks[largest],
                tracks[largest].motion().max(MOVES / SPEAKS),
            );
            let speaks = |&number: &usize| {
                let rival = &tracks[number];
                rival.mean_area() >= RIVAL * least.mean_area() && rival.motion() >= SPEAKS * most
            };
            let motion = |number: usize| tracks[number].motion();
            let speaking = numbers.filter(speaks);
            let speaking = speaking.max_by(|&a, &b| motion(a).total_cmp(&motion(b)));
            let counts = speaking.unwrap_or(largest);
            let mut faces = faces.into_iter();
            faces
                .find(|(number, _)| *number == counts)
                .map(|(_, values)| values)
        };
        pictures.into_iter().filter_map(of_picture).collect()
    }
}

/// How much more the region of the mouth changed than that of the eyes, in levels of grey.
fn motion(before: &[f32], after: &[f32]) -> f64 {
    let change = |rows: std::ops::Range<usize>| {
        let (mut sum, columns) = (0.0, SIDE / 4..SIDE * 3 / 4);
        let count = rows.len() * columns.len();
        for row in rows {
            let (before, after) = (&before[row * SIDE..][..SIDE], &after[row * SIDE..][..SIDE]);
            let pairs = before[columns.clone()].iter().zip(&after[columns.clone()]);
            sum += pairs.map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
        }
        sum / count as f64
    };
    (change(SIDE * 10 / 16..SIDE * 15 / 16) - change(SIDE * 3 / 16..SIDE * 8 / 16)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square face whose mouth has a brightness, known by one number.
    fn seen(left: f32, side: f32, mouth: f32, name: f32) -> Seen {
        let mut grey = vec![100.0; SIDE * SIDE];
        grey[SIDE * 10 / 16 * SIDE..].fill(mouth);
        Seen {
            face: Face {
                bounds: [left, 0.0, left + side, side],
                landmarks: [[0.0; 2]; 5],
                score: 1.0,
            },
            grey,
            values: vec![name],
        }
    }

    fn names(tracks: Tracks) -> Vec<f32> {
        tracks.chosen().into_iter().flatten().collect()
    }

    #[test]
    fn the_largest_face_counts_and_is_followed_where_it_goes() {
        let mut tracks = Tracks::new(1);
        for picture in 0..6 {
            // the small one comes close to the camera once
            let side = if picture == 3 { 60.0 } else { 20.0 };
            let mut faces = vec![seen(200.0, side, 100.0, 2.0)];
            if picture != 4 {
                faces.push(seen(5.0 * picture as f32, 50.0, 100.0, 1.0));
            }
            tracks.add(faces);
        }
        assert_eq!(tracks.tracks.len(), 2 + 1); // the small one is another while it is close
        assert_eq!(names(tracks), [1.0, 1.0, 1.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn of_several_faces_the_one_that_speaks_counts() {
        let of = |mouths: [f32; 2], side: f32| {
            let mut tracks = Tracks::new(1);
            for picture in 0..6 {
                let mouth = |moves: f32| 100.0 + if picture % 2 == 0 { moves } else { 0.0 };
                tracks.add(vec![
                    seen(0.0, 50.0, mouth(mouths[0]), 1.0),
                    seen(200.0, side, mouth(mouths[1]), 2.0),
                ]);
            }
            names(tracks)
        };
        assert_eq!(of([0.0, 30.0], 40.0), [2.0; 6]);
        assert_eq!(of([25.0, 30.0], 40.0), [1.0; 6]); // both
        assert_eq!(of([0.0, 1.0], 40.0), [1.0; 6]); // noise
        assert_eq!(of([0.0, 30.0], 20.0), [1.0; 6]); // too small
    }

    #[test]
    fn pictures_without_a_face_and_cuts_are_passed_over() {
        let mut tracks = Tracks::new(1);
        let faces = [Some(1.0), None, Some(1.0), None, None, Some(3.0)];
        for name in faces {
            let left = if name == Some(3.0) { 300.0 } else { 0.0 };
            tracks.add(
                name.map(|name| seen(left, 50.0, 100.0, name))
                    .into_iter()
                    .collect(),
            );
        }
        assert_eq!((tracks.pictures(), tracks.tracks.len()), (6, 2));
        assert_eq!(names(tracks), [1.0, 1.0, 3.0]);
    }
}
