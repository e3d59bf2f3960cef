// Writes down the operations of libtorch that a thread asks for, in the order in which they begin
// and end. Compiled and loaded by the tests of operations.rs, which count them.
#include <ATen/record_function.h>

#include <memory>
#include <string>

namespace {

std::string text;
at::CallbackHandle handle;

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
    text += "+";
    text += function.name();
    text += "\n";
    return nullptr;
}

void end(const at::RecordFunction&, at::ObserverContext*) { text += "-\n"; }

}  // namespace

extern "C" void groklab_record() {
    text.clear();
    handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));
}

// A line for each operation that began, "+" and its name, and each that ended, "-". It is valid
// until the next call.
extern "C" const char* groklab_recorded() {
    at::removeCallback(handle);
    return text.c_str();
}
