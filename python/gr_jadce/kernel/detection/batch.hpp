// SPDX-License-Identifier: GPL-3.0-or-later
// Decisions about batches of frames.
#pragma once

#include "arithmetic/planar.hpp"
#include "arithmetic/spare.hpp"
#include "arithmetic/threads.hpp"
#include "detection/book.hpp"
#include "detection/book_arrays.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace jadce {

// What a thread decides with: the detector, and a frame's samples in planes.
class BatchDetector
{
public:
    BatchDetector(const BookArrays& book, const Rule& rule)
        : book_(book), rule_(rule), detector_(book, rule),
          samples_(2 * rule.n_antennas * std::size_t(padded<double>(int(rule.pilot_length)))),
          moment_(rule.n_antennas * rule.n_antennas)
    {
    }

    // Another rule, for frames of as many antennas; whether it is one of as many symbols, else it is not
    // taken.
    bool ask(const Rule& rule)
    {
        const bool fits = rule.pilot_length == rule_.pilot_length;
        if (fits) {
            rule_ = rule;
            detector_.ask(rule);
        }
        return fits;
    }

    // Frame b; `all` is where the decisions go: (B,), (B, N) or null, (B, M, M) and (B,) each.
    template <class Sample>
    void decide(const DetectionFrames<Sample>& frames, std::size_t b, const Decision& all)
    {
        const std::size_t N = book_.gram.n_devices(), M = rule_.n_antennas, size = rule_.pilot_length * M;
        decide(frames.received + b * size, frames.score + b * N, frames.noise_var[b], all.of_frame(b, N, M));
        const double limit = frames.agreement * all.uncertainty[b];
        frames.agrees[b] = frames.channel && take_agreeing(frames.channel + b * N * M, limit, all.rows[b]);
    }

    // One frame (L, M), by itself.
    template <class Sample>
    void decide(const std::complex<Sample>* frame, const double* score, double noise_var, const Decision& to)
    {
        take(frame);
        detector_.decide({samples_.data(), moment_.data(), score, noise_var}, to);
    }

    // As of `Detector`.
    template <class Sample>
    MeasuredNoise measure_noise(const std::complex<Sample>* frame, const double* score)
    {
        take(frame);
        return detector_.measure_noise({samples_.data(), moment_.data(), score, 0});
    }

    // YᴴY (M, M) of the frame that came last.
    const std::vector<Complex>& moment() const { return moment_; }

    // As of `Detector`, for the frame that was decided last.
    bool ends_elsewhere() { return detector_.ends_elsewhere(); }

private:
    // Takes the channels of the estimate (N, M), if their squared distance from the fit's is within the
    // limit.
    template <class Sample>
    bool take_agreeing(const std::complex<Sample>* estimated, double limit, ActiveRows& rows) const
    {
        const std::size_t M = rule_.n_antennas;
        double distance = 0;
        for (std::size_t k = 0; k < rows.device.size(); ++k) {
            for (std::size_t m = 0; m < M; ++m) {
                distance += energy_of(Complex(estimated[rows.device[k] * M + m]) - rows.channel[k * M + m]);
            }
        }
        for (std::size_t k = 0; distance <= limit && k < rows.device.size(); ++k) {
            std::copy_n(estimated + rows.device[k] * M, M, &rows.channel[k * M]);
        }
        return distance <= limit;
    }

    template <class Sample>
    void take(const std::complex<Sample>* frame)
    {
        const int M = int(rule_.n_antennas);
        to_planar(frame, int(rule_.pilot_length), M, 1.0, samples_.data());
        fill_moment();
    }

    void fill_moment()
    {
        const std::size_t M = rule_.n_antennas;
        for (std::size_t a = 0; a < M; ++a) {
            for (std::size_t b = a; b < M; ++b) {
                moment_[a * M + b] = inner(a, b);
                moment_[b * M + a] = std::conj(moment_[a * M + b]);
            }
        }
    }

    // Of the samples of two antennas.
    Complex inner(std::size_t a, std::size_t b) const
    {
        const std::size_t stride = std::size_t(sample_stride());
        const double *x = samples_.data() + 2 * a * stride, *y = samples_.data() + 2 * b * stride;
        Vec<double> re = {}, im = {};
        for (std::size_t l = 0; l < stride; l += lanes<double>) {
            const Vec<double> p = vec(x + l), q = vec(x + stride + l);
            re += p * vec(y + l) + q * vec(y + stride + l);
            im += p * vec(y + stride + l) - q * vec(y + l);
        }
        return {sum<double>(re), sum<double>(im)};
    }

    int sample_stride() const { return padded<double>(int(rule_.pilot_length)); }

    const BookArrays& book_;
    Rule rule_;
    Detector detector_;
    Array<double> samples_;
    std::vector<Complex> moment_;
};

// Made when it is first asked for, then asked by other rules.
class KeptDetector
{
public:
    BatchDetector& get(const BookArrays& book, const Rule& rule)
    {
        if (!made_ || !made_->ask(rule)) {
            made_ = std::make_unique<BatchDetector>(book, rule);
        }
        return *made_;
    }

private:
    std::unique_ptr<BatchDetector> made_;
};

template <class Sample>
void decide_all(const BookArrays& book,
                Spare<KeptDetector>& spare,
                const Rule& rule,
                const DetectionFrames<Sample>& frames,
                int threads,
                const Decision& all)
{
    for_each_frame(
        int(frames.count),
        threads,
        [&] { return std::make_unique<Lease<KeptDetector>>(spare, int(rule.n_antennas)); },
        [&](int frame, auto& lease) { (**lease).get(book, rule).decide(frames, std::size_t(frame), all); });
}

} // namespace jadce
