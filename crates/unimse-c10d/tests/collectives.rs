//! What processes do together, in two and three of them; what they hear of one that ends.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};
use unimse_c10d::{Group, GroupError, Place, TIMEOUT};

use crate::processes;

fn numbers(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.flatten(0, -1)).unwrap()
}

fn sums_are_those_of_all(group: &Group) {
    let (rank, size) = (group.rank() as f32, group.size() as f32);
    let ranks = size * (size - 1.0) / 2.0;
    let odd = Tensor::arange(6, (Kind::Float, Device::Cpu))
        .view([2, 3])
        .tr();
    // more than a bucket, none at all, another kind, strides of its own
    let mut tensors = [
        Tensor::full([5 << 20], f64::from(rank + 1.0), (Kind::Float, Device::Cpu)),
        Tensor::zeros([0], (Kind::Float, Device::Cpu)),
        Tensor::from_slice(&[i64::from(group.rank() == 0)]),
        &odd * f64::from(rank),
        Tensor::from_slice(&[rank; 3]),
    ];
    group.all_reduce(&mut tensors).unwrap();
    let large = [tensors[0].min(), tensors[0].max()].map(|t| t.double_value(&[]) as f32);
    assert_eq!(large, [ranks + size; 2]);
    assert_eq!(tensors[2].int64_value(&[0]), 1);
    assert_eq!(numbers(&tensors[3]), numbers(&(odd * f64::from(ranks))));
    assert_eq!(numbers(&tensors[4]), [ranks; 3]);
    group.all_reduce(&mut []).unwrap();
}

/// A process has as many rows as its rank says: the first one none.
fn rows_are_gathered_by_rank(group: &Group) {
    let rows =
        |rank: usize| Tensor::full([rank as i64, 2], rank as f64, (Kind::Float, Device::Cpu));
    let all = group.gather_rows(&rows(group.rank())).unwrap();
    assert_eq!(all.len(), group.size());
    for (rank, found) in all.iter().enumerate() {
        assert_eq!(found.size(), [rank as i64, 2]);
        assert_eq!(numbers(found), numbers(&rows(rank)));
    }
    let none = group
        .gather_rows(&Tensor::zeros([0, 2], (Kind::Int64, Device::Cpu)))
        .unwrap();
    assert!(
        none.iter()
            .all(|rows| rows.size() == [0, 2] && rows.kind() == Kind::Int64)
    );
}

/// The group met at 127.0.0.1: no other address of the machine answers, such as another one of its loopback.
fn nobody_listens_elsewhere() {
    let Place { host, port, .. } = Place::of_this_process().unwrap().unwrap();
    assert_eq!(host, "127.0.0.1");
    let time = Duration::from_secs(5);
    let at = |host: [u8; 4]| TcpStream::connect_timeout(&(host, port).into(), time);
    assert!(at([127, 0, 0, 2]).is_err());
    assert!(at([127, 0, 0, 1]).is_ok());
}

#[test]
fn every_process_gets_the_same() {
    let Some(group) = processes::joined() else {
        return [2, 3].into_iter().for_each(|size| {
            processes::all_succeed("collectives::every_process_gets_the_same", size)
        });
    };
    nobody_listens_elsewhere();
    sums_are_those_of_all(&group);
    rows_are_gathered_by_rank(&group);
    let last = group.size() - 1;
    let mut told = Tensor::from_slice(&[group.rank() as f32]);
    group.broadcast(&mut told, last, TIMEOUT).unwrap();
    assert_eq!(numbers(&told), [last as f32]);
    let mut bytes = if group.rank() == 0 {
        b"words".to_vec()
    } else {
        Vec::new()
    };
    group.broadcast_bytes(&mut bytes, 0, TIMEOUT).unwrap();
    assert_eq!(bytes, b"words");
    let own = vec![group.rank() as u8 + 1; group.rank()];
    let all = group.gather_bytes(&own).unwrap();
    let expected = (0..group.size()).map(|rank| vec![rank as u8 + 1; rank]);
    assert!(all.into_iter().eq(expected));
    group.barrier(TIMEOUT).unwrap();
}

/// The process of rank 1 ends without a word while the others wait for it, as long as that may take.
#[test]
fn a_process_that_ends_is_missed_at_once() {
    let Some(group) = processes::joined() else {
        let begun = processes::begin("collectives::a_process_that_ends_is_missed_at_once", 2);
        let mut ended = begun
            .into_iter()
            .map(|child| child.wait_with_output().unwrap());
        let waited = ended.next().unwrap();
        assert!(
            waited.status.success(),
            "{}",
            String::from_utf8_lossy(&waited.stderr)
        );
        assert!(!ended.next().unwrap().status.success());
        return;
    };
    group.barrier(TIMEOUT).unwrap(); // else that of rank 0 may still be joining
    if group.rank() == 1 {
        std::process::abort();
    }
    let begun = Instant::now();
    let mut tensor = Tensor::from_slice(&[1f32]);
    let error = group
        .broadcast(&mut tensor, 1, Duration::from_secs(3600))
        .unwrap_err();
    assert!(
        matches!(
            error,
            GroupError::Lost {
                rank: 0,
                size: 2,
                ..
            }
        ),
        "{error}"
    );
    let said = error.to_string();
    assert!(
        said.starts_with("process 0 of 2: hearing: another process has ended"),
        "{said}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

/// What the process of rank 1 of two hears at `host` and `port` when it waits for a second, well after which it must not wait.
fn not_found(host: &str, port: u16) -> String {
    let place = Place {
        rank: 1,
        size: 2,
        local_rank: 1,
        local_size: 2,
        host: host.to_owned(),
        port,
        agent: None,
    };
    let begun = Instant::now();
    let joined = Group::join(&place, Device::Cpu, Duration::from_secs(1));
    let error = joined.unwrap_err().to_string();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    let words = format!(
        "process 1 of 2 found no group at {host}:{port} (MASTER_ADDR:MASTER_PORT), waited up to 1 s: "
    );
    let cause = error.strip_prefix(&words);
    cause.unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn nobody_who_listens_is_an_error_that_says_where() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let cause = not_found("127.0.0.1", port);
    assert!(cause.starts_with("nothing listens there: "), "{cause}");
}

#[test]
fn one_who_listens_and_says_nothing_is_an_error_that_says_where() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cause = not_found("127.0.0.1", silent.local_addr().unwrap().port());
    let words = "something listens there, but no group came together";
    assert!(cause.starts_with(words), "{cause}");
}

#[test]
fn a_host_without_an_address_is_an_error_that_says_where() {
    let cause = not_found("nowhere.invalid", 29500);
    let words = ["the host is not found: ", "the host does not answer"];
    assert!(words.iter().any(|w| cause.starts_with(w)), "{cause}");
}
