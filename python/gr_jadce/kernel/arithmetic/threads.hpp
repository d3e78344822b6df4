// SPDX-License-Identifier: GPL-3.0-or-later
// Threads over the frames of a batch.
#pragma once

#include "arithmetic/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

namespace jadce {

// Calls work(frame, workspace) for every frame; each thread makes its own workspace, once. An exception
// in any of them ends all, and is thrown on here.
template <class Make, class Work>
void for_each_frame(int frames, int threads, Make make_workspace, Work work)
{
    std::atomic<int> next{0};
    std::exception_ptr failure;
    std::once_flag failed;
    const auto run = [&] {
        try {
            if (next >= frames) {
                return;
            }
            auto workspace = make_workspace();
            for (int frame; (frame = next++) < frames;) {
                work(frame, workspace);
            }
        } catch (...) {
            next = frames;
            std::call_once(failed, [&] { failure = std::current_exception(); });
        }
    };
    ThreadPool::shared().run(std::min(threads, frames) - 1, run);
    if (failure) {
        std::rethrow_exception(failure);
    }
}

} // namespace jadce
