#include "simdjson_shim.h"

#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

using namespace simdjson;

struct millrace_json_parser {
    ondemand::parser parser;
};

namespace {

struct Walk {
    millrace_json_node *nodes;
    uint32_t *seen;
    uint32_t generation;
    int32_t odd_count;
    int32_t missing;
    int64_t row;
    millrace_json_odd *odds;
    const char *end;
};

inline bool ends_scalar(uint8_t c) {
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/// Distance to the first quote or backslash. Stage 1 has seen a closing quote, and the padding may be read.
inline size_t plain_length(const uint8_t *text) {
    size_t i = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    for (;; i += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text + i));
        const int mask =
            _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
        if (mask) return i + size_t(__builtin_ctz(unsigned(mask)));
    }
#else
    while (text[i] != '"' && text[i] != '\\') i++;
    return i;
#endif
}

inline void put_null(millrace_json_node &node, int64_t row) {
    node.has_null = 1;
    if (!node.states) return;
    node.states[row] = 0;
    switch (node.cell) {
    case MILLRACE_CELL_8: static_cast<int64_t *>(node.cells)[row] = 0; break;
    case MILLRACE_CELL_DECIMAL: static_cast<__int128 *>(node.cells)[row] = 0; break;
    case MILLRACE_CELL_BYTES:
        static_cast<millrace_bytes *>(node.cells)[row] = {reinterpret_cast<const uint8_t *>(""), 0};
        break;
    default: break;
    }
}

void null_subtree(millrace_json_node *nodes, int32_t index, int64_t row) {
    millrace_json_node &node = nodes[index];
    put_null(node, row);
    for (int32_t i = 0; i < node.child_count; i++) null_subtree(nodes, node.first_child + i, row);
}

/// The child with this key; `hint` is where the last document had its next one.
inline int32_t find_child(
    const Walk &walk, const millrace_json_node &node, ondemand::field &field, int32_t &hint, error_code &error) {
    const uint8_t *raw = reinterpret_cast<const uint8_t *>(field.key().raw());
    const size_t left = size_t(walk.end - reinterpret_cast<const char *>(raw));
    if (hint < node.child_count) {
        const millrace_json_node &child = walk.nodes[node.first_child + hint];
        if (child.raw_key && child.key_length < left && raw[child.key_length] == '"'
            && std::memcmp(raw, child.key, child.key_length) == 0) {
            return node.first_child + hint++;
        }
    }
    const size_t length = plain_length(raw);
    if (raw[length] == '"') {
        if (!(node.marks >> millrace_json_key_mark(raw, length) & 1)) return -1;
        for (int32_t i = 0; i < node.child_count; i++) {
            const millrace_json_node &child = walk.nodes[node.first_child + i];
            if (child.key_length == length && std::memcmp(raw, child.key, length) == 0) {
                hint = i + 1;
                return node.first_child + i;
            }
        }
        return -1;
    }
    std::string_view key;
    error = field.unescaped_key().get(key);
    if (error) return -1;
    for (int32_t i = 0; i < node.child_count; i++) {
        const millrace_json_node &child = walk.nodes[node.first_child + i];
        if (child.key_length == key.size() && std::memcmp(key.data(), child.key, key.size()) == 0) {
            hint = i + 1;
            return node.first_child + i;
        }
    }
    return -1;
}

inline bool digit(uint8_t c) { return uint8_t(c - '0') < 10; }

/// `[-]digits[.digits]`, at most 18 digits, no needless leading zero. Returns the byte behind it, or NULL.
inline const uint8_t *read_plain(const uint8_t *p, int64_t &mantissa, int &fraction, int &count) {
    const bool negative = *p == '-';
    if (negative) p++;
    const uint8_t *start = p;
    uint64_t value = 0;
    while (digit(*p)) {
        value = value * 10 + (*p++ - '0');
        if (p - start > 18) return nullptr;
    }
    if (p == start || (p - start > 1 && *start == '0')) return nullptr;
    count = int(p - start);
    fraction = 0;
    if (*p == '.') {
        const uint8_t *point = ++p;
        while (digit(*p)) {
            value = value * 10 + (*p++ - '0');
            if (count + (p - point) > 18) return nullptr;
        }
        if (p == point) return nullptr;
        fraction = int(p - point);
        count += fraction;
    }
    mantissa = negative ? -int64_t(value) : int64_t(value);
    return p;
}

const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool two(const uint8_t *p, int &value) {
    if (!digit(p[0]) || !digit(p[1])) return false;
    value = (p[0] - '0') * 10 + (p[1] - '0');
    return true;
}

/// Days since 1970-01-01 of `yyyy-MM-dd`.
inline bool read_date(const uint8_t *p, int64_t &days) {
    int century, year, month, day;
    if (!two(p, century) || !two(p + 2, year) || p[4] != '-' || !two(p + 5, month) || p[7] != '-' || !two(p + 8, day)) {
        return false;
    }
    year += century * 100;
    if (month < 1 || month > 12 || day < 1) return false;
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (leap && month == 2)) return false;
    // Years that begin in March, so the leap day is the last one.
    const int64_t y = year - (month <= 2);
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t of_era = y - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return true;
}

inline bool read_timestamp(const uint8_t *p, const millrace_json_node &node, int64_t &microseconds) {
    int64_t days;
    int hour, minute, second;
    if (!read_date(p, days) || p[10] != node.scale || !two(p + 11, hour) || p[13] != ':' || !two(p + 14, minute)
        || p[16] != ':' || !two(p + 17, second) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    p += 19;
    int64_t fraction = 0;
    if (*p == '.') {
        int digits = 0;
        for (p++; digit(*p); p++, digits++) {
            if (digits < 6) fraction = fraction * 10 + (*p - '0');
        }
        if (digits == 0 || digits > 9) return false;
        for (; digits < 6; digits++) fraction *= 10;
    }
    if (node.suffix && *p++ != node.suffix) return false;
    if (*p != '"') return false;
    microseconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    microseconds = microseconds * 1000000 + fraction;
    return true;
}

error_code walk_object(Walk &walk, int32_t index, ondemand::object &object);

inline error_code odd(Walk &walk, int32_t index, const uint8_t *start) {
    walk.odds[walk.odd_count++] = {index, start};
    return SUCCESS;
}

inline error_code take(Walk &walk, int32_t index, ondemand::value value) {
    millrace_json_node &node = walk.nodes[index];
    const uint8_t *p = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
    const int64_t row = walk.row;
    if (*p == 'n') {
        if (std::memcmp(p, "null", 4) != 0 || !ends_scalar(p[4])) return N_ATOM_ERROR;
        null_subtree(walk.nodes, index, row);
        return SUCCESS;
    }
    switch (node.kind) {
    case MILLRACE_JSON_OBJECT: {
        if (*p != '{') return odd(walk, index, p);
        ondemand::object object;
        if (auto error = value.get_object().get(object)) return error;
        if (node.states) node.states[row] = 1;
        return walk_object(walk, index, object);
    }
    case MILLRACE_JSON_STRING: {
        if (*p != '"') return odd(walk, index, p);
        const uint8_t *text = p + 1;
        size_t length = plain_length(text);
        if (text[length] == '\\') {
            size_t close = length;
            while (text[close] != '"') close += text[close] == '\\' ? 2 : 1;
            const int64_t rest =
                millrace_json_unescape(text + length, int64_t(close - length), const_cast<uint8_t *>(text + length));
            if (rest < 0) return STRING_ERROR;
            length += size_t(rest);
        }
        static_cast<millrace_bytes *>(node.cells)[row] = {text, int64_t(length)};
        node.states[row] = 1;
        return SUCCESS;
    }
    case MILLRACE_JSON_INTEGER: {
        int64_t number;
        int fraction, count;
        const uint8_t *end = read_plain(p, number, fraction, count);
        if (!end || fraction || !ends_scalar(*end) || number < node.minimum || number > node.maximum) {
            return odd(walk, index, p);
        }
        static_cast<int64_t *>(node.cells)[row] = number;
        node.states[row] = 1;
        return SUCCESS;
    }
    case MILLRACE_JSON_DOUBLE:
    case MILLRACE_JSON_FLOAT: {
        int64_t mantissa;
        int fraction, count;
        double number;
        const uint8_t *end = read_plain(p, mantissa, fraction, count);
        // Both operands exact: the quotient is correctly rounded.
        if (end && ends_scalar(*end) && mantissa >= -(1LL << 53) && mantissa <= 1LL << 53 && mantissa != 0) {
            number = double(mantissa) / powers_of_ten[fraction];
        } else if (*p == '"' || *p == '{' || *p == '[' || value.get_double().get(number)) {
            return odd(walk, index, p);
        }
        if (node.kind == MILLRACE_JSON_FLOAT) number = double(float(number));
        static_cast<double *>(node.cells)[row] = number;
        node.states[row] = 1;
        return SUCCESS;
    }
    case MILLRACE_JSON_BOOLEAN: {
        int64_t truth;
        if (std::memcmp(p, "true", 4) == 0 && ends_scalar(p[4])) {
            truth = 1;
        } else if (std::memcmp(p, "false", 5) == 0 && ends_scalar(p[5])) {
            truth = 0;
        } else {
            return odd(walk, index, p);
        }
        static_cast<int64_t *>(node.cells)[row] = truth;
        node.states[row] = 1;
        return SUCCESS;
    }
    case MILLRACE_JSON_DECIMAL: {
        int64_t mantissa;
        int fraction, count;
        const uint8_t *end = read_plain(p, mantissa, fraction, count);
        if (!end || !ends_scalar(*end) || fraction > node.scale || count - fraction > node.precision - node.scale) {
            return odd(walk, index, p);
        }
        __int128 unscaled = mantissa;
        for (int i = fraction; i < node.scale; i++) unscaled *= 10;
        static_cast<__int128 *>(node.cells)[row] = unscaled;
        node.states[row] = 1;
        return SUCCESS;
    }
    case MILLRACE_JSON_TIMESTAMP:
    case MILLRACE_JSON_DATE: {
        int64_t number;
        if (*p != '"'
            || !(node.kind == MILLRACE_JSON_DATE ? read_date(p + 1, number) && p[11] == '"'
                                                 : read_timestamp(p + 1, node, number))) {
            return odd(walk, index, p);
        }
        static_cast<int64_t *>(node.cells)[row] = number;
        node.states[row] = 1;
        return SUCCESS;
    }
    default: return odd(walk, index, p);
    }
}

error_code walk_object(Walk &walk, int32_t index, ondemand::object &object) {
    const millrace_json_node &node = walk.nodes[index];
    int32_t hint = 0;
    int32_t left = node.child_count;
    for (auto item : object) {
        ondemand::field field;
        if (auto error = std::move(item).get(field)) return error;
        error_code error = SUCCESS;
        const int32_t child = find_child(walk, node, field, hint, error);
        if (error) return error;
        // The first of several fields of one name counts.
        if (child < 0 || walk.seen[child] == walk.generation) continue;
        walk.seen[child] = walk.generation;
        left--;
        error = take(walk, child, field.value());
        if (error) return error;
    }
    if (left > 0) {
        for (int32_t i = node.first_child; i < node.first_child + node.child_count; i++) {
            if (walk.seen[i] == walk.generation) continue;
            if (walk.missing < 0) walk.missing = i;
            null_subtree(walk.nodes, i, walk.row);
        }
    }
    return SUCCESS;
}

bool read_hex4(const uint8_t *p, uint32_t &value) {
    value = 0;
    for (int i = 0; i < 4; i++) {
        const uint8_t c = p[i];
        uint32_t nibble;
        if (digit(c)) nibble = c - '0';
        else if (c >= 'a' && c <= 'f') nibble = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F') nibble = c - 'A' + 10;
        else return false;
        value = value << 4 | nibble;
    }
    return true;
}

}  // namespace

size_t millrace_json_padding(void) { return SIMDJSON_PADDING; }

millrace_json_parser *millrace_json_create(void) { return new (std::nothrow) millrace_json_parser(); }

void millrace_json_destroy(millrace_json_parser *parser) { delete parser; }

int32_t millrace_json_decode(
    millrace_json_parser *parser, uint8_t *text, size_t length, millrace_json_node *nodes, uint32_t *seen,
    uint32_t generation, int64_t row, millrace_json_odd *odds, int32_t *odd_count, int32_t *missing) {
    *odd_count = 0;
    *missing = -1;
    if (length > parser->parser.capacity()) {
        // Rounded up, or every message a little longer than the last would allocate anew.
        size_t capacity = 4096;
        while (capacity < length) capacity *= 2;
        if (parser->parser.allocate(capacity)) return MILLRACE_JSON_NO_MEMORY;
    }
    const char *start = reinterpret_cast<const char *>(text);
    ondemand::document document;
    auto error = parser->parser.iterate(padded_string_view(start, length, length + SIMDJSON_PADDING)).get(document);
    if (!error) {
        ondemand::object object;
        error = document.get_object().get(object);
        if (!error) {
            Walk walk = {nodes, seen, generation, 0, -1, row, odds, start + length};
            error = walk_object(walk, 0, object);
            *odd_count = walk.odd_count;
            *missing = walk.missing;
        }
    }
    if (!error) return MILLRACE_JSON_OK;
    return error == UTF8_ERROR ? MILLRACE_JSON_INVALID_UTF8 : MILLRACE_JSON_MALFORMED;
}

void millrace_json_write_null(millrace_json_node *nodes, int32_t node, int64_t row) { null_subtree(nodes, node, row); }

int64_t millrace_json_unescape(const uint8_t *text, int64_t length, uint8_t *target) {
    const uint8_t *p = text;
    const uint8_t *end = text + length;
    uint8_t *out = target;
    while (p < end) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        if (end - p < 2) return -1;
        const uint8_t c = p[1];
        p += 2;
        switch (c) {
        case '"': case '\\': case '/': *out++ = c; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            uint32_t code;
            if (end - p < 4 || !read_hex4(p, code)) return -1;
            p += 4;
            if (code >= 0xDC00 && code < 0xE000) return -1;
            if (code >= 0xD800 && code < 0xDC00) {
                uint32_t low;
                if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !read_hex4(p + 2, low)) return -1;
                if (low < 0xDC00 || low >= 0xE000) return -1;
                p += 6;
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            }
            if (code < 0x80) {
                *out++ = uint8_t(code);
            } else if (code < 0x800) {
                *out++ = uint8_t(0xC0 | code >> 6);
                *out++ = uint8_t(0x80 | (code & 0x3F));
            } else if (code < 0x10000) {
                *out++ = uint8_t(0xE0 | code >> 12);
                *out++ = uint8_t(0x80 | (code >> 6 & 0x3F));
                *out++ = uint8_t(0x80 | (code & 0x3F));
            } else {
                *out++ = uint8_t(0xF0 | code >> 18);
                *out++ = uint8_t(0x80 | (code >> 12 & 0x3F));
                *out++ = uint8_t(0x80 | (code >> 6 & 0x3F));
                *out++ = uint8_t(0x80 | (code & 0x3F));
            }
            break;
        }
        default: return -1;
        }
    }
    return out - target;
}

int32_t millrace_utf8_valid(const uint8_t *text, size_t length) {
    return validate_utf8(reinterpret_cast<const char *>(text), length) ? 1 : 0;
}
