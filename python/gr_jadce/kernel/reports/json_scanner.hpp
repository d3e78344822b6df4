// SPDX-License-Identifier: GPL-3.0-or-later
// JSON (RFC 8259) read from left to right, where it is plain; what is not is left to Python's json.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace jadce {

// Thrown where a text is no JSON, or such as this scanner does not read.
struct Unsure
{
};

inline void expect_sure(bool sure)
{
    if (!sure) {
        throw Unsure{};
    }
}

class JsonScanner
{
public:
    explicit JsonScanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    bool at_end()
    {
        skip_space();
        return at_ == end_;
    }

    // Calls `member` with each key of an object; it must read the value.
    template <class Member>
    void read_object(Member member)
    {
        expect('{');
        if (take('}')) {
            return;
        }
        bool is_more = true;
        while (is_more) {
            const std::string_view key = read_text();
            expect(':');
            member(key);
            is_more = take(',');
        }
        expect('}');
    }

    // Calls `item` for each item of a list; it must read the item.
    template <class Item>
    void read_list(Item item)
    {
        expect('[');
        if (take(']')) {
            return;
        }
        bool is_more = true;
        while (is_more) {
            item();
            is_more = take(',');
        }
        expect(']');
    }

    // A string without escapes.
    std::string_view read_text()
    {
        const std::string_view text = scan_text();
        expect_sure(text.find('\\') == text.npos);
        return text;
    }

    std::uint64_t read_unsigned()
    {
        std::uint64_t value = 0;
        convert(scan_number(), value);
        return value;
    }

    // A number that is finite in single precision.
    float read_float()
    {
        double value = 0;
        convert(scan_number(), value);
        expect_sure(std::isfinite(float(value)));
        return float(value);
    }

    void skip_value(int depth = 0)
    {
        expect_sure(depth < max_depth);
        skip_space();
        switch (peek()) {
        case '{':
            return read_object([&](std::string_view) { skip_value(depth + 1); });
        case '[':
            return read_list([&] { skip_value(depth + 1); });
        case '"':
            return void(scan_text());
        case 't':
            return skip_word("true");
        case 'f':
            return skip_word("false");
        case 'n':
            return skip_word("null");
        default:
            scan_number();
        }
    }

private:
    static constexpr int max_depth = 32;
    static constexpr int max_number = 100; // characters; Python refuses integers of thousands

    char peek() const { return at_ < end_ ? *at_ : '\0'; }

    void skip_space()
    {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) {
            ++at_;
        }
    }

    bool take_here(char character)
    {
        const bool is_there = peek() == character && at_ < end_;
        at_ += is_there;
        return is_there;
    }

    bool take(char character)
    {
        skip_space();
        return take_here(character);
    }

    void expect(char character) { expect_sure(take(character)); }

    void skip_word(std::string_view word)
    {
        for (const char character : word) {
            expect_sure(take_here(character));
        }
    }

    // The text between quotation marks, escapes and all.
    std::string_view scan_text()
    {
        expect('"');
        const char* begin = at_;
        while (peek() != '"') {
            expect_sure(static_cast<unsigned char>(peek()) >= 0x20); // nor the end
            if (take_here('\\')) {
                scan_escape();
            } else {
                ++at_;
            }
        }
        return {begin, std::size_t(at_++ - begin)};
    }

    void scan_escape()
    {
        constexpr std::string_view plain = "\"\\/bfnrt", hexadecimal = "0123456789abcdefABCDEF";
        if (take_here('u')) {
            for (int k = 0; k < 4; ++k, ++at_) {
                expect_sure(hexadecimal.find(peek()) != plain.npos);
            }
        } else {
            expect_sure(plain.find(peek()) != plain.npos);
            ++at_;
        }
    }

    std::string_view scan_number()
    {
        skip_space();
        const char* begin = at_;
        take_here('-');
        if (!take_here('0')) {
            scan_digits();
        }
        if (take_here('.')) {
            scan_digits();
        }
        if (take_here('e') || take_here('E')) {
            take_here('+') || take_here('-');
            scan_digits();
        }
        expect_sure(at_ - begin <= max_number);
        return {begin, std::size_t(at_ - begin)};
    }

    void scan_digits()
    {
        const char* begin = at_;
        while (peek() >= '0' && peek() <= '9') {
            ++at_;
        }
        expect_sure(at_ > begin);
    }

    template <class Number>
    static void convert(std::string_view token, Number& value)
    {
        const char* end = token.data() + token.size();
        const auto [stop, error] = std::from_chars(token.data(), end, value);
        expect_sure(error == std::errc() && stop == end);
    }

    const char* at_;
    const char* end_;
};

} // namespace jadce
