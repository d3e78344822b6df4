// SPDX-License-Identifier: GPL-3.0-or-later
// Whether noise that does not look white is white all the same: what `decide_in_noise` of
// detection/noise/rounds.py, which says why, finds of a frame whose devices are sure.
#pragma once

#include "detection/batch.hpp"
#include "detection/noise_statistics.hpp"
#include "settling/early_decisions.hpp"
#include "settling/whitener.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

namespace jadce {

class NoiseLook
{
public:
    NoiseLook(const NoiseRule& rule, BatchDetector& detector)
        : rule_(rule), detector_(detector), M_(rule.sure.n_antennas), L_(rule.sure.pilot_length), tests_(M_),
          whitener_(M_), noise_(int(M_), int(M_))
    {
    }

    // Of a frame of unknown σ², by its scores and what was decided about it in white noise. The detector is
    // left with another rule.
    template <class Sample>
    bool is_white(const std::complex<Sample>* frame, const double* score, const Decision& first)
    {
        const bool crowded = *first.noise_dof < rule_.crowded;
        detector_.ask(crowded ? rule_.sure_crowd : rule_.sure);
        const MeasuredNoise noise = detector_.measure_noise(frame, score);
        if (is_above(noise.covariance, noise.rows, crowded ? rule_.coloured_crowd : rule_.coloured)) {
            return false;
        }
        noise_ = moment();
        const bool is_odd = *first.noise_dof > rule_.telling && is_above(first.noise_statistics, rule_.odd);
        const double rows = (double(L_) - *first.noise_dof) / 2; // devices fade
        return !(is_odd || is_above(&noise_(0, 0), rows, rule_.one_way)) ||
               whitened_evidence(frame, score) <= *first.evidence;
    }

private:
    bool is_above(const double* statistics, const double* limits) const
    {
        return statistics[0] > limits[0] || statistics[1] > limits[1];
    }

    // What a covariance that was measured on so many rows says.
    bool is_above(const Complex* covariance, double rows, const double* limits)
    {
        double statistics[2];
        tests_.measure(covariance, rows, statistics);
        return is_above(statistics, limits);
    }

    // Of the frame whitened by its own covariance, and then by that of the noise found.
    template <class Sample>
    double whitened_evidence(const std::complex<Sample>* frame, const double* score)
    {
        const double before = log_energy();
        std::vector<std::complex<Sample>> whitened(L_ * M_);
        const auto measure = [&] {
            whitener_.take(noise_);
            whitener_.whiten(frame, L_, whitened.data());
            return detector_.measure_noise(whitened.data(), score);
        };
        detector_.ask(rule_.whitened);
        for (int round = 0; round < rule_.n_rounds; ++round) {
            const SmallMatrix found = matrix_of(measure().covariance);
            noise_ = whitener_.restored(found);
            if (departure(found) <= rule_.settled) {
                break;
            }
        }
        const double evidence = measure().evidence, size = double(L_ * M_);
        const double n_fitted = double(M_ * M_ - 1); // numbers of the covariance
        return evidence + size * (before - log_energy()) - double(L_) * whitener_.log_determinant() -
               n_fitted / 2 * std::log(double(L_));
    }

    // Of the frame that came last.
    double log_energy() const
    {
        double energy = 0;
        for (std::size_t m = 0; m < M_; ++m) {
            energy += detector_.moment()[m * M_ + m].real();
        }
        return std::log(std::max(energy, DBL_MIN));
    }

    SmallMatrix moment() const
    {
        SmallMatrix moment = matrix_of(detector_.moment().data());
        moment.scale(1 / double(L_));
        return moment;
    }

    SmallMatrix matrix_of(const Complex* values) const
    {
        const int M = int(M_);
        SmallMatrix matrix(M, M);
        std::copy_n(values, M_ * M_, &matrix(0, 0));
        return matrix;
    }

    // How far the covariance of a whitened frame is from a white one, relative to its mean power.
    double departure(const SmallMatrix& covariance) const
    {
        double power = 0, most = 0;
        for (std::size_t m = 0; m < M_; ++m) {
            power += covariance(int(m), int(m)).real() / double(M_);
        }
        power = std::max(power, DBL_MIN);
        for (int a = 0; a < int(M_); ++a) {
            for (int b = 0; b < int(M_); ++b) {
                most = std::max(most, std::abs(covariance(a, b) / power - double(a == b)));
            }
        }
        return most;
    }

    const NoiseRule& rule_;
    BatchDetector& detector_;
    const std::size_t M_, L_;
    NoiseStatistics tests_;
    Whitener whitener_;
    SmallMatrix noise_; // its covariance, as found so far
};

} // namespace jadce
