// SPDX-License-Identifier: GPL-3.0-or-later
// Threads that stay from call to call: to make one takes as long as a frame or two.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace jadce {

// Made when they are first asked for, and never ended: a process that ends takes them along.
class ThreadPool
{
public:
    // The one of this process; a child of fork, in which threads do not go on, has one of its own.
    static ThreadPool& shared()
    {
        static const int registered = pthread_atfork(nullptr, nullptr, [] { instance() = new ThreadPool; });
        (void)registered;
        return *instance();
    }

    // Runs `body`, which must not throw, in this thread and in as many of so many others as are free before
    // it returns here: nobody waits for a thread to wake up.
    void run(int others, const std::function<void()>& body)
    {
        Task task = {body, others, 0};
        if (others > 0) {
            const std::lock_guard<std::mutex> lock(lock_);
            grow(others);
            tasks_.push_back(&task);
            for (int i = 0; i < others; ++i) {
                called_.notify_one();
            }
        }
        body();
        if (others > 0) {
            std::unique_lock<std::mutex> lock(lock_);
            const auto place = std::find(tasks_.begin(), tasks_.end(), &task);
            if (place != tasks_.end()) {
                tasks_.erase(place);
            }
            left_.wait(lock, [&] { return task.n_running == 0; });
        }
    }

private:
    struct Task
    {
        const std::function<void()>& body;
        int n_wanted, n_running;
    };

    static ThreadPool*& instance()
    {
        static ThreadPool* pool = new ThreadPool;
        return pool;
    }

    void grow(int count)
    {
        try {
            for (; n_threads_ < count; ++n_threads_) {
                std::thread([this] { serve(); }).detach();
            }
        } catch (const std::exception&) { // no more threads or memory: those that there are do the work
        }
    }

    void serve()
    {
        std::unique_lock<std::mutex> lock(lock_);
        for (;;) {
            called_.wait(lock, [&] { return !tasks_.empty(); });
            Task& task = *tasks_.front();
            ++task.n_running;
            if (--task.n_wanted == 0) {
                tasks_.pop_front();
            }
            lock.unlock();
            task.body();
            lock.lock();
            if (--task.n_running == 0) {
                left_.notify_all();
            }
        }
    }

    std::mutex lock_;
    std::condition_variable called_, left_;
    std::deque<Task*> tasks_; // that want more threads
    int n_threads_ = 0;
};

} // namespace jadce
