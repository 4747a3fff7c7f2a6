/// JSON objects to columns through simdjson On-Demand, behind a C ABI: one call a message.
///
/// A projection is an array of nodes, the children of an object standing together. The walk writes the cells that have the
/// expected shape itself; every other value is handed back as an "odd" one, by node and address, for the caller to convert.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum millrace_json_kind {
    MILLRACE_JSON_OBJECT = 0,
    MILLRACE_JSON_INTEGER = 1,
    MILLRACE_JSON_DOUBLE = 2,
    MILLRACE_JSON_FLOAT = 3,
    MILLRACE_JSON_STRING = 4,
    MILLRACE_JSON_BOOLEAN = 5,
    MILLRACE_JSON_DECIMAL = 6,
    MILLRACE_JSON_TIMESTAMP = 7,
    MILLRACE_JSON_DATE = 8,
    /// Always handed back: lists, bytes, times.
    MILLRACE_JSON_OTHER = 9
};

/// Shape of a cell in memory, for writing NULL.
enum millrace_json_cell {
    MILLRACE_CELL_NONE = 0,
    MILLRACE_CELL_8 = 1,
    MILLRACE_CELL_DECIMAL = 2,
    MILLRACE_CELL_BYTES = 3
};

typedef struct {
    const uint8_t *_Nullable start;
    int64_t count;
} millrace_bytes;

typedef struct {
    const uint8_t *_Nullable key;
    uint32_t key_length;
    /// 0 when the key holds bytes that JSON escapes, so that its raw form never equals it.
    uint8_t raw_key;
    uint8_t kind;
    uint8_t cell;
    /// Set by the walk once it has written a NULL.
    uint8_t has_null;
    /// DECIMAL: digits behind the point. TIMESTAMP: the separator byte.
    uint8_t scale;
    /// TIMESTAMP: the byte behind the time, 0 for none.
    uint8_t suffix;
    /// DECIMAL: digits in all.
    uint8_t precision;
    int32_t first_child;
    int32_t child_count;
    /// Bit `millrace_json_key_mark` of every child's key.
    uint64_t marks;
    /// INTEGER: bounds of the type.
    int64_t minimum;
    int64_t maximum;
    /// NULL for an object that is only a step on a path.
    uint8_t *_Nullable states;
    void *_Nullable cells;
} millrace_json_node;

/// 0 to 63, from the ends of a key and its length: tells most of the keys that nobody wants from those that someone does
/// without comparing one. By the length alone a document of 60 fields took a quarter longer.
static inline unsigned millrace_json_key_mark(const uint8_t *_Nonnull key, size_t length) {
    return length ? (unsigned)(key[0] + 5u * key[length - 1] + 11u * (unsigned)length) & 63 : 0;
}

typedef struct {
    int32_t node;
    const uint8_t *_Nullable start;
} millrace_json_odd;

typedef struct millrace_json_parser millrace_json_parser;

enum millrace_json_status {
    MILLRACE_JSON_OK = 0,
    MILLRACE_JSON_MALFORMED = 1,
    MILLRACE_JSON_INVALID_UTF8 = 2,
    MILLRACE_JSON_NO_MEMORY = 3
};

/// Bytes behind a message that must be readable.
size_t millrace_json_padding(void);
millrace_json_parser *_Nullable millrace_json_create(void);
void millrace_json_destroy(millrace_json_parser *_Nullable parser);

/// Decodes the object at the start of `text` into row `row` of the nodes' columns.
///
/// - text: `length` bytes and the padding; changed in place where strings are unescaped. Cells point into it.
/// - seen: one word a node, kept between calls; compared with `generation`, which differs from call to call.
/// - odds: room for one entry a node; `odd_count` receives how many there are.
/// - missing: the node of a field that was not there, or -1.
int32_t millrace_json_decode(
    millrace_json_parser *_Nonnull parser, uint8_t *_Nonnull text, size_t length, millrace_json_node *_Nonnull nodes,
    uint32_t *_Nonnull seen, uint32_t generation, int64_t row, millrace_json_odd *_Nonnull odds,
    int32_t *_Nonnull odd_count, int32_t *_Nonnull missing);

/// Writes NULL into row `row` of the node's column and of all below it.
void millrace_json_write_null(millrace_json_node *_Nonnull nodes, int32_t node, int64_t row);

/// Unescapes the body of a JSON string of `length` bytes. Returns the new length, or -1 for a bad escape or lone surrogate.
/// `target` may be `text`.
int64_t millrace_json_unescape(const uint8_t *_Nonnull text, int64_t length, uint8_t *_Nonnull target);

/// 1 when the bytes are valid UTF-8.
int32_t millrace_utf8_valid(const uint8_t *_Nonnull text, size_t length);

#ifdef __cplusplus
}
#endif
