//! A group of processes and what they can do together.

use std::time::Duration;

use tch::{Device, Kind, Tensor};

use crate::ffi::Handle;
use crate::{GroupError, Place};

/// How long a process waits to find the others.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// How long it waits for the sums and rows of the others: they may have more to compute, or be stopped for a while. That one ends is noticed
/// at once all the same.
const STEP: Duration = Duration::from_secs(600);

/// Connections to the other processes. Dropping it leaves the group.
#[derive(Debug)]
pub struct Group {
    handle: Handle,
    rank: usize,
    size: usize,
    device: Device,
}

impl Group {
    /// Meets the other processes, for at most `timeout`. That of rank 0 listens, unless `torchrun` does. `device` is what this one computes on: a
    /// GPU of its own, whose tensors then travel by NCCL, or the CPU.
    ///
    /// # Errors
    /// [`GroupError::Join`] where not all of them came, or nobody listens; for a GPU, where this build has no NCCL. [`GroupError::Variable`] where the
    /// machine has no such GPU.
    pub fn join(place: &Place, device: Device, timeout: Duration) -> Result<Self, GroupError> {
        let &Place { rank, size, .. } = place;
        let gpu = match device {
            Device::Cuda(index) => Some(own_gpu(index)?),
            _ => None,
        };
        let hosts = rank == 0 && place.agent.is_none();
        let attempt = place.agent.unwrap_or(0);
        let prefix = format!("unimse/{attempt}");
        let address = (place.host.as_str(), place.port);
        let times = (timeout, STEP);
        let joined = Handle::join(address, hosts, &prefix, (rank, size), gpu, times);
        let handle = joined.map_err(|cause| GroupError::Join {
            rank,
            size,
            address: format!("{}:{}", place.host, place.port),
            seconds: timeout.as_secs(),
            cause,
        })?;
        Ok(Self {
            handle,
            rank,
            size,
            device,
        })
    }

    /// Of this process, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Processes of the group.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Replaces every tensor by its sum over the processes, the same bits in all of them. They travel in flat buckets of 16 MiB, the next
    /// one put together while one is on its way.
    ///
    /// # Errors
    /// [`GroupError::Tensor`] for one that lies on another device; [`GroupError::Lost`].
    pub fn all_reduce(&self, tensors: &mut [Tensor]) -> Result<(), GroupError> {
        tensors
            .iter()
            .try_for_each(|t| self.carries("tensors", t))?;
        let summed = self.handle.all_reduce(tensors, STEP);
        summed.map_err(self.lost("summing"))
    }

    /// `tensor` of every process, by rank; the shape and kind are the same everywhere.
    ///
    /// # Errors
    /// [`GroupError::Tensor`] for one that lies on another device; [`GroupError::Lost`].
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Vec<Tensor>, GroupError> {
        self.carries("tensor", tensor)?;
        let tensor = tensor.detach().contiguous();
        let mut all: Vec<Tensor> = (0..self.size).map(|_| tensor.empty_like()).collect();
        if tensor.numel() > 0 {
            let gathered = self.handle.all_gather(&tensor, &mut all, STEP);
            gathered.map_err(self.lost("gathering"))?;
        }
        Ok(all)
    }

    /// `rows` of every process, by rank: `[rows, ..]`, as many rows as each has, none among them; what is behind the rows is the same everywhere.
    ///
    /// # Errors
    /// As [`Group::all_gather`].
    pub fn gather_rows(&self, rows: &Tensor) -> Result<Vec<Tensor>, GroupError> {
        self.carries("rows", rows)?;
        let rows = rows.detach();
        let own = rows.size()[0];
        let counts = self.all_gather(&Tensor::from_slice(&[own]))?;
        let counts: Vec<i64> = counts.iter().map(|count| count.int64_value(&[0])).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        let mut shape = rows.size();
        shape[0] = most - own;
        let filled = Tensor::cat(
            &[&rows, &rows.new_zeros(shape, (rows.kind(), rows.device()))],
            0,
        );
        let all = self.all_gather(&filled)?.into_iter().zip(counts);
        Ok(all.map(|(all, count)| all.narrow(0, 0, count)).collect())
    }

    /// `bytes` of every process, by rank, as many as each has.
    ///
    /// # Errors
    /// [`GroupError::Lost`].
    pub fn gather_bytes(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, GroupError> {
        let all = self.gather_rows(&Tensor::from_slice(bytes))?;
        let all = all.into_iter().map(Vec::try_from);
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// Overwrites `tensor` with that of the process of rank `root`, which may take up to `patience`.
    ///
    /// # Errors
    /// [`GroupError::Tensor`] for one that lies on another device; [`GroupError::Lost`].
    pub fn broadcast(
        &self,
        tensor: &mut Tensor,
        root: usize,
        patience: Duration,
    ) -> Result<(), GroupError> {
        self.carries("tensor", tensor)?;
        let heard = self.handle.broadcast(tensor, root, patience);
        heard.map_err(self.lost("hearing"))
    }

    /// [`Group::broadcast`] of bytes, whose number only the process of rank `root` knows.
    ///
    /// # Errors
    /// [`GroupError::Lost`].
    pub fn broadcast_bytes(
        &self,
        bytes: &mut Vec<u8>,
        root: usize,
        patience: Duration,
    ) -> Result<(), GroupError> {
        let mut length = Tensor::from_slice(&[bytes.len() as i64]);
        self.broadcast(&mut length, root, patience)?;
        let length = length.int64_value(&[0]);
        let mut all = match self.rank == root {
            true => Tensor::from_slice(bytes.as_slice()),
            false => Tensor::zeros([length], (Kind::Uint8, Device::Cpu)),
        };
        if length > 0 {
            self.broadcast(&mut all, root, patience)?;
        }
        *bytes = Vec::try_from(all)?;
        Ok(())
    }

    /// Waits until all processes have come here, up to `patience`.
    ///
    /// # Errors
    /// [`GroupError::Lost`].
    pub fn barrier(&self, patience: Duration) -> Result<(), GroupError> {
        self.handle.barrier(patience).map_err(self.lost("waiting"))
    }

    /// Refuses a tensor that lies on another device than the CPU and this process's own.
    fn carries(&self, argument: &'static str, tensor: &Tensor) -> Result<(), GroupError> {
        let found = tensor.device();
        if found == Device::Cpu || found == self.device {
            return Ok(());
        }
        Err(GroupError::Tensor {
            argument,
            expected: match self.device {
                Device::Cpu => "a tensor of the CPU".to_owned(),
                own => format!("a tensor of the CPU or of {own:?}"),
            },
            found: format!("one of {found:?}"),
        })
    }

    fn lost(&self, action: &'static str) -> impl FnOnce(String) -> GroupError {
        let (rank, size) = (self.rank, self.size);
        move |cause| GroupError::Lost {
            rank,
            size,
            action,
            cause,
        }
    }
}

/// The index of a GPU that is there: that of `LOCAL_RANK`.
fn own_gpu(index: usize) -> Result<usize, GroupError> {
    let gpus = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
    if index < gpus {
        return Ok(index);
    }
    Err(GroupError::Variable {
        name: "LOCAL_RANK",
        expected: format!("a GPU of its own for every process, of which this machine has {gpus}"),
        found: index.to_string(),
    })
}
