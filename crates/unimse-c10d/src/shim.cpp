// c10d of LibTorch 2.11 behind plain functions. Each gives a null pointer, or the text of what went wrong, which `unimse_c10d_free` frees.

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

// What ProcessGroupGloo.hpp needs of gloo to be read. LibTorch holds the real classes; here they only go by as pointers, and no object of them
// is made, called or destroyed.
namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
namespace rendezvous {
class Store {
 public:
  virtual ~Store() = default;
  virtual void set(const std::string&, const std::vector<char>&) = 0;
  virtual std::vector<char> get(const std::string&) = 0;
  virtual void wait(const std::vector<std::string>&) = 0;
  virtual void wait(const std::vector<std::string>&, const std::chrono::milliseconds&) = 0;
};
} // namespace rendezvous
namespace transport {
class Device;
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};
} // namespace transport
} // namespace gloo

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace {

using Milliseconds = std::chrono::milliseconds;
using Works = std::vector<c10::intrusive_ptr<c10d::Work>>;

// Gradients of so many bytes travel together: few enough messages, and the next is put together while one is on its way.
constexpr int64_t kBucket = 16 << 20;

// Tensors of the CPU travel by gloo, those of a GPU by NCCL, where the group has one.
struct Group {
  c10::intrusive_ptr<c10d::Backend> gloo;
  c10::intrusive_ptr<c10d::Backend> nccl;

  c10d::Backend& of(const at::Tensor& tensor) const {
    if (!tensor.is_cuda()) return *gloo;
    if (!nccl) throw std::runtime_error("a tensor of a GPU in a group of the CPU");
    return *nccl;
  }
};

char* text(const char* what) {
  return strdup(what);
}

template <class Work>
char* guarded(Work work) {
  try {
    work();
    return nullptr;
  } catch (const c10::Error& error) {
    return text(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return text(error.what());
  } catch (...) {
    return text("an exception that is none of C++'s");
  }
}

bool loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

// A socket at `host` alone, which the store takes over: one that it opens itself listens at every address of the machine.
int boundAt(const char* host, uint16_t port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int failed = getaddrinfo(host, std::to_string(port).c_str(), &wanted, &found);
  if (failed != 0) throw std::runtime_error(gai_strerror(failed));
  int bound = -1;
  int cause = EADDRNOTAVAIL;
  for (addrinfo* next = found; next != nullptr && bound < 0; next = next->ai_next) {
    int made = ::socket(next->ai_family, next->ai_socktype, next->ai_protocol);
    int on = 1;
    if (made >= 0 && fcntl(made, F_SETFD, FD_CLOEXEC) == 0 &&
        setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        ::bind(made, next->ai_addr, next->ai_addrlen) == 0) {
      bound = made;
    } else {
      cause = errno;
      if (made >= 0) ::close(made);
    }
  }
  freeaddrinfo(found);
  if (bound < 0) throw std::system_error(cause, std::generic_category(), "cannot listen");
  return bound;
}

// What NCCL is joined with: the communicator of one GPU, made now, so that a process that does not come is missed here.
c10::intrusive_ptr<c10d::Backend> ncclOf(
    const c10::intrusive_ptr<c10d::Store>& store,
    int rank,
    int size,
    int gpu,
    int64_t timeout) {
#ifdef USE_C10D_NCCL
  at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(gpu));
  c10::cuda::set_device(device.index());
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = Milliseconds(timeout);
  auto own = c10::make_intrusive<c10d::PrefixStore>("nccl", store);
  auto nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(own, rank, size, options);
  nccl->setBoundDeviceId(device);
  nccl->eagerConnectSingleDevice(device);
  return nccl;
#else
  throw std::runtime_error(
      "this build has no NCCL: cargo xtask setup --cuda, and build it anew");
#endif
}

} // namespace

extern "C" {

// `hosts` is whether this process opens the store at the port, `prefix` what its keys begin with, `gpu` the index of the one that it computes on, or -1;
// `patience` is how long NCCL waits for the others once it has begun.
char* unimse_c10d_join(
    const char* host,
    uint16_t port,
    bool hosts,
    const char* prefix,
    int rank,
    int size,
    int gpu,
    int64_t timeout,
    int64_t patience,
    Group** joined) {
  return guarded([&] {
    c10d::TCPStoreOptions place;
    place.port = port;
    place.isServer = hosts;
    place.waitWorkers = false; // the group itself waits for all
    place.numWorkers = size;
    place.timeout = Milliseconds(timeout);
    if (hosts && loopback(host)) place.masterListenFd = boundAt(host, port);
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, place);
    auto store = c10::make_intrusive<c10d::PrefixStore>(prefix, tcp);
    store->setTimeout(Milliseconds(timeout));
    auto options = c10d::ProcessGroupGloo::Options::create(Milliseconds(timeout));
    if (loopback(host)) {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
    } else {
      options = c10d::ProcessGroupGloo::Options::create_default(Milliseconds(timeout));
    }
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
    c10::intrusive_ptr<c10d::Backend> nccl;
    if (gpu >= 0) nccl = ncclOf(store, rank, size, gpu, patience);
    *joined = new Group{gloo, nccl};
  });
}

char* unimse_c10d_all_reduce(Group* group, at::Tensor** tensors, size_t count, int64_t timeout) {
  return guarded([&] {
    c10d::AllreduceCoalescedOptions options;
    options.timeout = Milliseconds(timeout);
    Works works;
    std::vector<at::Tensor> bucket;
    int64_t bytes = 0;
    auto send = [&] {
      works.push_back(group->of(bucket.front()).allreduce_coalesced(bucket, options));
      bucket.clear();
      bytes = 0;
    };
    for (size_t at = 0; at < count; ++at) {
      const at::Tensor& next = *tensors[at];
      bool joins = bucket.empty() ||
          (bucket.back().scalar_type() == next.scalar_type() && bucket.back().device() == next.device());
      if (!joins || bytes + static_cast<int64_t>(next.nbytes()) > kBucket) {
        if (!bucket.empty()) send();
      }
      bucket.push_back(next);
      bytes += next.nbytes();
    }
    if (!bucket.empty()) send();
    for (auto& work : works) work->wait();
  });
}

char* unimse_c10d_all_gather(
    Group* group,
    at::Tensor* input,
    at::Tensor** outputs,
    size_t count,
    int64_t timeout) {
  return guarded([&] {
    c10d::AllgatherOptions options;
    options.timeout = Milliseconds(timeout);
    std::vector<at::Tensor> inputs{*input};
    std::vector<std::vector<at::Tensor>> all(1);
    for (size_t at = 0; at < count; ++at) all[0].push_back(*outputs[at]);
    group->of(*input).allgather(all, inputs, options)->wait();
  });
}

char* unimse_c10d_broadcast(Group* group, at::Tensor* tensor, int root, int64_t timeout) {
  return guarded([&] {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.timeout = Milliseconds(timeout);
    std::vector<at::Tensor> tensors{*tensor};
    group->of(*tensor).broadcast(tensors, options)->wait();
  });
}

char* unimse_c10d_barrier(Group* group, int64_t timeout) {
  return guarded([&] {
    c10d::BarrierOptions options;
    options.timeout = Milliseconds(timeout);
    group->gloo->barrier(options)->wait();
  });
}

void unimse_c10d_leave(Group* group) {
  free(guarded([&] {
    // what waits on a GPU for a process that has ended would wait for ever
    if (group->nccl) group->nccl->abort();
    delete group;
  }));
}

void unimse_c10d_free(char* text) {
  free(text);
}

} // extern "C"
