// CUDA graphs, which tch cannot capture: what would be asked of the GPU is recorded once and then
// replayed with one call. Compiled by build.rs against libtorch's headers; loaded after
// libtorch_cuda.so, whose functions it calls.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>
#include <exception>

namespace {

struct Graph {
    at::cuda::CUDAGraph graph;
    c10::cuda::CUDAStream before;
    c10::cuda::CUDAStream side;

    Graph() : before(c10::cuda::getCurrentCUDAStream()), side(c10::cuda::getStreamFromPool()) {}
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

// From here on what this thread asks of the current device is recorded, not done. The graph uses
// the memory of `other`, if there is one: they must not run at the same time.
void* groklab_graph_begin(void* other, char* error, size_t size) {
    Graph* graph = nullptr;
    bool begun = guarded(error, size, [&] {
        graph = new Graph();
        graph->before.synchronize();
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
    bool ended = guarded(error, size, [&] { graph->graph.capture_end(); });
    c10::cuda::setCurrentCUDAStream(graph->before);
    return ended;
}

bool groklab_graph_replay(void* pointer, char* error, size_t size) {
    return guarded(error, size, [&] { static_cast<Graph*>(pointer)->graph.replay(); });
}

void groklab_graph_free(void* pointer) {
    char error[8];
    guarded(error, sizeof error, [&] { delete static_cast<Graph*>(pointer); });
}
}
