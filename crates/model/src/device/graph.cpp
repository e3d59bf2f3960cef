// CUDA graphs, which tch cannot capture: what would be asked of the GPU is recorded once and then
// replayed with one call. Compiled by build.rs against libtorch's headers; loaded after
// libtorch_cuda.so, whose functions it calls.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>
#include <exception>

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

}  // namespace

extern "C" {

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
}
