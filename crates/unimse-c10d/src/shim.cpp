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
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
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
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace {

using Milliseconds = std::chrono::milliseconds;

// Tensors of so many bytes travel together: few enough messages, and the next is put together while one is on its way.
constexpr int64_t kBucket = 16 << 20;

// Tensors of the CPU travel by gloo, those of a GPU by NCCL, where the group has one.
struct Group {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> gloo;
  c10::intrusive_ptr<c10d::Backend> nccl;

  c10d::Backend& of(const at::Tensor& tensor) const {
    if (!tensor.is_cuda()) return *gloo;
    if (!nccl) throw std::runtime_error("a tensor of a GPU in a group of the CPU");
    return *nccl;
  }
};

// Tensors that travel together: those from `first` to before `last`.
struct Bucket {
  size_t first;
  size_t last;
  size_t missing; // gradients that are not there yet
  at::Tensor flat;
  c10::intrusive_ptr<c10d::Work> work;
};

// Sums over the processes: of tensors, or of the gradients of leaves. The buckets depend on shapes and kinds alone and begin in their order, the same
// everywhere. A sum is written to its tensor in `finish`: while a backward pass runs, what it has yet to read may share the memory of a gradient.
class Sums {
 public:
  Sums(const Group& group, std::vector<at::Tensor> tensors, bool gradients, Milliseconds timeout)
      : group_(group), tensors_(std::move(tensors)), gradients_(gradients), timeout_(timeout) {
    int64_t bytes = 0;
    for (size_t at = 0; at < tensors_.size(); ++at) {
      const at::Tensor& next = tensors_[at];
      if (gradients && !(next.requires_grad() && next.is_leaf()))
        throw std::runtime_error("one that is no leaf or does not learn");
      bool joins = at > 0 && tensors_[at - 1].scalar_type() == next.scalar_type() &&
          tensors_[at - 1].device() == next.device() &&
          bytes + static_cast<int64_t>(next.nbytes()) <= kBucket;
      if (!joins) {
        buckets_.push_back({at, at, 0, {}, {}});
        bytes = 0;
      }
      buckets_.back().last = at + 1;
      ++buckets_.back().missing;
      bytes += next.nbytes();
    }
  }

  // Lets autograd tell when the gradient of a leaf is there. Until `unhook` the leaves hold `sums`, and it holds them.
  static void hook(const std::shared_ptr<Sums>& sums);

  void unhook() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!hooked_) return;
    hooked_ = false;
    for (const auto& leaf : tensors_) torch::autograd::impl::set_post_acc_grad_hooks(leaf, nullptr);
  }

  // A gradient of `bucket` is there, `again` where it was before. Autograd calls this, for a GPU on a thread of its own; what goes wrong, `finish` tells.
  void come(size_t bucket, bool again) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return;
    try {
      if (again) throw std::runtime_error("a gradient came twice");
      --buckets_[bucket].missing;
      while (begun_ < buckets_.size() && buckets_[begun_].missing == 0) begin();
    } catch (...) {
      failed_ = std::current_exception();
    }
  }

  // Begins what has not begun, and waits for all.
  void finish() {
    unhook();
    if (failed_) std::rethrow_exception(failed_);
    size_t ended = 0;
    while (begun_ < buckets_.size()) {
      begin();
      while (ended + 1 < begun_) end(buckets_[ended++]);
    }
    while (ended < begun_) end(buckets_[ended++]);
  }

 private:
  // What is summed of the tensor `at`: a leaf that took no part has the gradient 0.
  at::Tensor part(size_t at) {
    if (!gradients_) return tensors_[at];
    at::Tensor& gradient = tensors_[at].mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(tensors_[at]);
    return gradient;
  }

  void begin() {
    at::NoGradGuard guard;
    Bucket& next = buckets_[begun_++];
    std::vector<at::Tensor> parts;
    for (size_t at = next.first; at < next.last; ++at) parts.push_back(part(at).reshape({-1}));
    next.flat = at::cat(parts);
    if (next.flat.numel() == 0) return;
    c10d::AllreduceOptions options;
    options.timeout = timeout_;
    std::vector<at::Tensor> message{next.flat};
    next.work = group_.of(next.flat).allreduce(message, options);
  }

  void end(Bucket& bucket) {
    at::NoGradGuard guard;
    if (bucket.work) bucket.work->wait();
    int64_t from = 0;
    for (size_t at = bucket.first; at < bucket.last; ++at) {
      at::Tensor own = part(at);
      own.copy_(bucket.flat.narrow(0, from, own.numel()).view(own.sizes()));
      from += own.numel();
    }
    bucket.work.reset();
    bucket.flat.reset();
  }

  const Group group_; // holds the connections as long as this lives
  std::vector<at::Tensor> tensors_;
  const bool gradients_;
  const Milliseconds timeout_;
  std::vector<Bucket> buckets_;
  size_t begun_ = 0;
  bool hooked_ = false;
  std::exception_ptr failed_;
  std::mutex mutex_;
};

struct Hook : torch::autograd::PostAccumulateGradHook {
  Hook(std::shared_ptr<Sums> sums, size_t bucket) : sums(std::move(sums)), bucket(bucket) {}

  void operator()(const at::Tensor& /*leaf*/) override {
    sums->come(bucket, std::exchange(came, true));
  }

  std::shared_ptr<Sums> sums;
  size_t bucket;
  bool came = false;
};

void Sums::hook(const std::shared_ptr<Sums>& sums) {
  namespace impl = torch::autograd::impl;
  for (const auto& leaf : sums->tensors_) {
    if (impl::post_acc_grad_hooks(leaf)) throw std::runtime_error("one that is being summed");
  }
  sums->hooked_ = true;
  for (size_t at = 0; at < sums->buckets_.size(); ++at) {
    const Bucket& bucket = sums->buckets_[at];
    for (size_t leaf = bucket.first; leaf < bucket.last; ++leaf)
      impl::set_post_acc_grad_hooks(sums->tensors_[leaf], std::make_unique<Hook>(sums, at));
  }
}

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

std::vector<at::Tensor> held(at::Tensor** tensors, size_t count) {
  std::vector<at::Tensor> all;
  for (size_t at = 0; at < count; ++at) all.push_back(*tensors[at]);
  return all;
}

} // namespace

extern "C" {

// `hosts` is whether this process opens the store at the port, `prefix` what its keys begin with.
char* unimse_c10d_join(
    const char* host,
    uint16_t port,
    bool hosts,
    const char* prefix,
    int rank,
    int size,
    int64_t timeout,
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
    *joined = new Group{store, gloo, {}};
  });
}

// Adds NCCL: the communicator of the GPU of an index, made now, so that a process that does not come is missed here. The GPU becomes that of this
// thread. `patience` is how long NCCL waits for the others.
char* unimse_c10d_join_gpu(Group* group, int gpu, int64_t patience) {
  return guarded([&] {
#ifdef USE_C10D_NCCL
    at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(gpu));
    c10::cuda::set_device(device.index());
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = Milliseconds(patience);
    auto own = c10::make_intrusive<c10d::PrefixStore>("nccl", group->store);
    auto nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(
        own, group->gloo->getRank(), group->gloo->getSize(), options);
    nccl->setBoundDeviceId(device);
    nccl->eagerConnectSingleDevice(device);
    group->nccl = nccl;
#else
    throw std::runtime_error("this build has no NCCL: cargo xtask setup --cuda, and build it anew");
#endif
  });
}

char* unimse_c10d_all_reduce(Group* group, at::Tensor** tensors, size_t count, int64_t timeout) {
  return guarded([&] { Sums(*group, held(tensors, count), false, Milliseconds(timeout)).finish(); });
}

// Sums of the gradients of `leaves`, whose buckets begin while the next backward pass runs, where `beside`, else in `finish`.
char* unimse_c10d_gradients(
    Group* group,
    at::Tensor** leaves,
    size_t count,
    bool beside,
    int64_t timeout,
    std::shared_ptr<Sums>** gradients) {
  return guarded([&] {
    auto sums = std::make_shared<Sums>(*group, held(leaves, count), true, Milliseconds(timeout));
    auto place = std::make_unique<std::shared_ptr<Sums>>(sums);
    if (beside) Sums::hook(sums);
    *gradients = place.release();
  });
}

char* unimse_c10d_finish(std::shared_ptr<Sums>* gradients) {
  return guarded([&] { (*gradients)->finish(); });
}

void unimse_c10d_forget(std::shared_ptr<Sums>* gradients) {
  free(guarded([&] {
    (*gradients)->unhook();
    delete gradients;
  }));
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
