// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers as Python writes them.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

namespace jadce {

inline void write_integer(std::string& text, std::uint64_t value)
{
    char digits[24];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// As "%.9g", which gives back every number of single precision; "null" for NaN and infinities.
inline void write_single(std::string& text, float value)
{
    if (!std::isfinite(value)) {
        text += "null";
        return;
    }
    char digits[32];
    text.append(
        digits,
        std::to_chars(digits, digits + sizeof digits, double(value), std::chars_format::general, 9).ptr);
}

// As repr(): the shortest digits that give the number back; "null" for NaN and infinities.
inline void write_double(std::string& text, double value)
{
    if (!std::isfinite(value)) {
        text += "null";
        return;
    }
    const double size = std::abs(value);
    const bool is_fixed = size == 0 || (size >= 1e-4 && size < 1e16);
    const auto format = is_fixed ? std::chars_format::fixed : std::chars_format::scientific;
    char digits[48];
    const char* end = std::to_chars(digits, digits + sizeof digits, value, format).ptr;
    const std::size_t begin = text.size();
    text.append(digits, std::size_t(end - digits));
    if (is_fixed && text.find('.', begin) == std::string::npos) {
        text += ".0";
    }
}

} // namespace jadce
