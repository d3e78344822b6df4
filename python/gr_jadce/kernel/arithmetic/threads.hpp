// SPDX-License-Identifier: GPL-3.0-or-later
// Threads over the frames of a batch.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

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
            auto workspace = make_workspace();
            for (int frame; (frame = next++) < frames;) {
                work(frame, workspace);
            }
        } catch (...) {
            next = frames;
            std::call_once(failed, [&] { failure = std::current_exception(); });
        }
    };
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < std::min(threads, frames); ++i) {
            others.emplace_back(run);
        }
    } catch (const std::exception&) { // no more threads or memory: those that there are do the work
    }
    run();
    for (auto& thread : others) {
        thread.join();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

} // namespace jadce
