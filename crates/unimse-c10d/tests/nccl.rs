//! NCCL, in a group of one process, as a machine with one GPU can have it; left out where there is none.

use std::net::TcpListener;

use tch::{Device, Kind, Tensor};
use unimse_c10d::{Group, Place, TIMEOUT};

/// A group of this process alone.
fn alone(device: Device) -> Result<Group, String> {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let place = Place {
        rank: 0,
        size: 1,
        local_rank: 0,
        local_size: 1,
        host: "127.0.0.1".to_owned(),
        port,
        agent: None,
    };
    Group::join(&place, device, TIMEOUT).map_err(|error| error.to_string())
}

#[test]
fn tensors_of_a_gpu_travel_beside_those_of_the_cpu() {
    if !tch::Cuda::is_available() {
        eprintln!("left out: tensors_of_a_gpu_travel_beside_those_of_the_cpu needs a GPU");
        return;
    }
    let group = alone(Device::Cuda(0)).unwrap();
    for device in [Device::Cuda(0), Device::Cpu] {
        let whole = Tensor::arange(5 << 20, (Kind::Float, device));
        let mut summed = [
            whole.copy(),
            Tensor::from_slice(&[7i64]).to_device(device),
            whole.narrow(0, 0, 3) * 2,
        ];
        group.all_reduce(&mut summed).unwrap();
        assert_eq!(summed[0], whole);
        assert_eq!(summed[1].int64_value(&[0]), 7);
        assert_eq!(summed[2], whole.narrow(0, 0, 3) * 2);
        let rows = whole.narrow(0, 0, 6).view([3, 2]);
        let gathered = group.gather_rows(&rows).unwrap();
        assert_eq!((gathered.len(), &gathered[0]), (1, &rows));
        let mut told = rows.copy();
        group.broadcast(&mut told, 0, TIMEOUT).unwrap();
        assert_eq!(told, rows);
    }
    group.barrier(TIMEOUT).unwrap();
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_that_counts() {
    let gpus = tch::Cuda::device_count();
    let error = alone(Device::Cuda(gpus as usize)).unwrap_err();
    let words = format!(
        "environment variable LOCAL_RANK: expected a GPU of its own for every process, of which this machine has {gpus}, found {gpus}"
    );
    assert_eq!(error, words);
}
