// SPDX-License-Identifier: GPL-3.0-or-later
// Workspaces kept from call to call: pages of memory new to a process take time.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace jadce {

// Made when it is first asked for.
template <class Made>
class Lazy
{
public:
    template <class... Arguments>
    Made& get(Arguments&&... arguments)
    {
        if (!made_) {
            made_ = std::make_unique<Made>(arguments...);
        }
        return *made_;
    }

private:
    std::unique_ptr<Made> made_;
};

// Those of frames of so many antennas that no thread holds now.
template <class Work>
class Spare
{
public:
    Work take(int M)
    {
        const std::lock_guard<std::mutex> lock(lock_);
        if (M != M_) {
            works_.clear();
            M_ = M;
        }
        if (works_.empty()) {
            return {};
        }
        Work work = std::move(works_.back());
        works_.pop_back();
        return work;
    }

    void give_back(Work work, int M)
    {
        const std::lock_guard<std::mutex> lock(lock_);
        if (M == M_) {
            works_.push_back(std::move(work));
        }
    }

private:
    std::mutex lock_;
    std::vector<Work> works_;
    int M_ = 0;
};

// A thread's, until it ends.
template <class Work>
class Lease
{
public:
    Lease(Spare<Work>& spare, int M) : spare_(spare), M_(M), work_(spare.take(M)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { spare_.give_back(std::move(work_), M_); }
    Work& operator*() { return work_; }

private:
    Spare<Work>& spare_;
    const int M_;
    Work work_;
};

} // namespace jadce
