// What libtorch can do on a GPU and tch does not pass on: CUDA graphs, by which work is recorded
// once and then replayed with one call, attention over sequences of different lengths, and algorithms
// that repeat themselves. Compiled by build.rs against libtorch's headers; loaded after
// libtorch_cuda.so, whose functions it calls.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>
#include <exception>
#include <optional>
#include <tuple>

namespace {

struct Graph {
    at::cuda::CUDAGraph graph;
    c10::cuda::CUDAStream before;
    c10::cuda::CUDAStream side;

    explicit Graph(c10::DeviceIndex device)
        : before(c10::cuda::getCurrentCUDAStream(device)),
          side(c10::cuda::getStreamFromPool(false, device)) {}
};

// Runs `work`; on an exception writes its text to `error`, which holds `size` bytes.
template <typename Work>
bool guarded(char* error, size_t size, Work work) {
    try {
        work();
        return true;
    } catch (const std::exception& exception) {
        std::strncpy(error, exception.what(), size - 1);
        error[size - 1] = 0;
        return false;
    }
}

// Later libtorchs can be told not to split a sum over keys by the number of rows beside it.
template <typename... Arguments>
at::Tensor flash(Arguments... arguments) {
    const std::optional<at::Tensor> none;
    const std::optional<int64_t> splits = 1;
    if constexpr (requires { at::_flash_attention_forward(arguments..., none, none, splits); }) {
        return std::get<0>(at::_flash_attention_forward(arguments..., none, none, splits));
    } else {
        return std::get<0>(at::_flash_attention_forward(arguments...));
    }
}

}  // namespace

extern "C" {

// From here on libtorch takes the algorithms that give the same bits every time. Where it has none
// it warns and goes on.
bool groklab_repeat(char* error, size_t size) {
    return guarded(error, size, [] {
        at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
        // What is not written to is not read either: filling it would only take time.
        at::globalContext().setDeterministicFillUninitializedMemory(false);
    });
}

// From here on what this thread asks of the device is recorded, not done. The graph uses the memory
// of `other`, if there is one: they must not run at the same time.
void* groklab_graph_begin(int device, void* other, char* error, size_t size) {
    Graph* graph = nullptr;
    bool begun = guarded(error, size, [&] {
        // A recording belongs to the current device, whatever the tensors are on.
        c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
        graph = new Graph(static_cast<c10::DeviceIndex>(device));
        graph->before.synchronize();
        // While something is recorded libtorch cannot give back what it keeps for later.
        if (!other) c10::cuda::CUDACachingAllocator::emptyCache();
        c10::cuda::setCurrentCUDAStream(graph->side);
        // Not global: other threads may go on talking to the driver.
        at::cuda::MempoolId_t pool = {0, 0};
        if (other) pool = static_cast<Graph*>(other)->graph.pool();
        graph->graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    });
    if (!begun && graph) {
        c10::cuda::setCurrentCUDAStream(graph->before);
        delete graph;
        graph = nullptr;
    }
    return graph;
}

// Ends the recording, also one that failed.
bool groklab_graph_end(void* pointer, char* error, size_t size) {
    Graph* graph = static_cast<Graph*>(pointer);
    bool ended = guarded(error, size, [&] {
        c10::cuda::CUDAGuard guard(graph->side.device_index());
        graph->graph.capture_end();
    });
    c10::cuda::setCurrentCUDAStream(graph->before);
    return ended;
}

bool groklab_graph_replay(void* pointer, char* error, size_t size) {
    Graph* graph = static_cast<Graph*>(pointer);
    return guarded(error, size, [&] {
        c10::cuda::CUDAGuard guard(graph->side.device_index());
        graph->graph.replay();
    });
}

void groklab_graph_free(void* pointer) {
    char error[8];
    guarded(error, sizeof error, [&] { delete static_cast<Graph*>(pointer); });
}

// Attention of queries `[tokens, heads, width]` over keys and values `[places, kv_heads, width]`, a
// new tensor or null. Sequence i has the queries `query_starts[i]..query_starts[i + 1]` and the keys
// from `key_starts[i]` on: up to `key_starts[i + 1]`, or as many as `key_counts[i]` says where it
// is given. All of these are int32 on the GPU.
void* groklab_attend(const void* queries, const void* keys, const void* values,
                     const void* query_starts, const void* key_starts, const void* key_counts,
                     int64_t most_queries, int64_t most_keys, double scale, bool causal,
                     char* error, size_t size) {
    auto tensor = [](const void* pointer) { return *static_cast<const at::Tensor*>(pointer); };
    at::Tensor* out = nullptr;
    guarded(error, size, [&] {
        std::optional<at::Tensor> counts;
        if (key_counts) counts = tensor(key_counts);
        const std::optional<int64_t> no_window;
        out = new at::Tensor(flash(
            tensor(queries), tensor(keys), tensor(values), std::optional(tensor(query_starts)),
            std::optional(tensor(key_starts)), most_queries, most_keys, /*dropout_p=*/0.0, causal,
            /*return_debug_mask=*/false, std::optional(scale), no_window, no_window, counts));
    });
    return out;
}
}
