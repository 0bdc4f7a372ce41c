//! A group of processes and what they can do together.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tch::{Device, Kind, Tensor};

use crate::ffi::{Handle, Sums};
use crate::{GroupError, Place};

/// How long a process waits to find the others.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What a process waits beyond the time that it was given: c10d, which may be late or wait without end, knows best what it lacks.
const GRACE: Duration = Duration::from_secs(1);

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
        let joined = meet(place, timeout).and_then(|handle| {
            // on this thread: the GPU becomes that of it
            gpu.map_or(Ok(()), |index| handle.join_gpu(index, STEP))?;
            Ok(handle)
        });
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

    /// Sums the gradients of `leaves`, which the next backward pass adds to, in [`Gradients::finish`]: in flat buckets of 16 MiB, in the order of `leaves`. That of a leaf that takes no part is 0 here.
    ///
    /// Where `beside`, a bucket begins as soon as the pass has its last gradient and those before it have begun, so `leaves` should come in the order of
    /// the pass. Every one of them then gets its gradient in a single pass; one that gets two is an error. The sums have the same bits either way.
    ///
    /// # Errors
    /// [`GroupError::Tensor`] for one that lies on another device, is no leaf that learns, or is being summed already.
    pub fn gradients(&self, leaves: &[Tensor], beside: bool) -> Result<Gradients<'_>, GroupError> {
        leaves.iter().try_for_each(|t| self.carries("leaves", t))?;
        let sums = self.handle.gradients(leaves, beside, STEP);
        let sums = sums.map_err(|found| GroupError::Tensor {
            argument: "leaves",
            expected: "leaves that learn and are not being summed".to_owned(),
            found,
        })?;
        Ok(Gradients { sums, group: self })
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

/// Gradients that are being summed: see [`Group::gradients`]. Dropped before its end, it lets go of the leaves; what other processes then wait for does not come.
#[derive(Debug)]
#[must_use = "gradients are summed when they are finished"]
pub struct Gradients<'g> {
    sums: Sums<'g>,
    group: &'g Group,
}

impl Gradients<'_> {
    /// After the backward pass: waits until the gradient of every leaf is its sum over the processes, the same bits in all of them.
    ///
    /// # Errors
    /// [`GroupError::Lost`].
    pub fn finish(self) -> Result<(), GroupError> {
        let lost = self.group.lost("summing");
        self.sums.finish().map_err(lost)
    }
}

/// Finds the other processes, or says what is at the address. c10d itself waits without end for the first word of what listens there, and twice its time
/// where a name or an address does not answer; so it is given a thread, which is left to itself when the time is over.
fn meet(place: &Place, timeout: Duration) -> Result<Handle, String> {
    let (tell, heard) = mpsc::channel();
    let own = place.clone();
    let join = move || {
        let Place { rank, size, .. } = own;
        let hosts = rank == 0 && own.agent.is_none();
        let prefix = format!("unimse/{}", own.agent.unwrap_or(0));
        let address = (own.host.as_str(), own.port);
        let _ = tell.send(Handle::join(address, hosts, &prefix, (rank, size), timeout));
    };
    detached(join)?;
    match heard.recv_timeout(timeout.saturating_add(GRACE)) {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(cause)) => Err(format!("{} ({cause})", found_at(place))),
        Err(_) => Err(found_at(place)),
    }
}

/// What is at the address where no group was found.
fn found_at(place: &Place) -> String {
    let (tell, heard) = mpsc::channel();
    let address = (place.host.clone(), place.port);
    let look = move || {
        let connect = |at| TcpStream::connect_timeout(&at, GRACE);
        let found = match address.to_socket_addrs() {
            Err(error) => format!("the host is not found: {error}"),
            Ok(all) => match all.map(connect).reduce(Result::or) {
                Some(Ok(_)) => {
                    "something listens there, but no group came together: it is not process 0, or not all came"
                        .to_owned()
                }
                Some(Err(error)) => format!("nothing listens there: {error}"),
                None => "the host has no address".to_owned(),
            },
        };
        let _ = tell.send(found);
    };
    let began = detached(look);
    let found = heard.recv_timeout(2 * GRACE);
    began.map_or_else(
        |error| error,
        |()| found.unwrap_or_else(|_| "the host does not answer".to_owned()),
    )
}

/// Begins `work` on a thread of its own that nobody waits for.
fn detached(work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let begun = thread::Builder::new().spawn(work);
    begun
        .map(drop)
        .map_err(|e| format!("cannot begin a thread: {e}"))
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
