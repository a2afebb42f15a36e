// See thread.h. By pthread_create(3), because std::thread has no stack size.
#include "engine/system/thread.h"

#include <pthread.h>

#include <csignal>
#include <memory>
#include <utility>

namespace devmux {
namespace {

struct Start {
    const char* name;
    std::function<void()> work;
};

void* run(void* given) {
    std::unique_ptr<Start> start(static_cast<Start*>(given));
    pthread_setname_np(pthread_self(), start->name);
    start->work();
    return nullptr;
}

}  // namespace

int start_thread(const char* name, std::function<void()> work) {
    std::unique_ptr<Start> start(new Start{name, std::move(work)});
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kThreadStackBytes);
    // A new thread inherits the mask. There is no attribute for it outside of glibc.
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    pthread_t id{};
    int error = pthread_create(&id, &attributes, run, start.get());
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error == 0) (void)start.release();  // the thread has it
    return error;
}

}  // namespace devmux
