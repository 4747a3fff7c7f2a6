#include "projection.h"

#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>
#include <vector>

using namespace simdjson;

/// A message comes from a consumer's buffer, so it has no padding: it is copied once, as Millrace does.
struct projection {
    ondemand::parser parser;
    std::vector<char> copy;

    error_code open(const uint8_t *text, size_t length, ondemand::document &document) {
        if (copy.size() < length + SIMDJSON_PADDING) copy.resize((length + SIMDJSON_PADDING) * 2);
        std::memcpy(copy.data(), text, length);
        return parser.iterate(padded_string_view(copy.data(), length, copy.size())).get(document);
    }
};

namespace {

inline error_code take(simdjson_result<ondemand::value> value, int64_t &target) { return value.get_int64().get(target); }
inline error_code take(simdjson_result<ondemand::value> value, double &target) { return value.get_double().get(target); }
inline error_code take(simdjson_result<ondemand::value> value, projection_text &target) {
    std::string_view text;
    if (auto error = value.get_string().get(text)) return error;
    target = {text.data(), text.size()};
    return SUCCESS;
}

}  // namespace

projection *projection_create(void) { return new (std::nothrow) projection(); }
void projection_destroy(projection *projection) { delete projection; }

int projection_by_name(projection *projection, const uint8_t *text, size_t length, projection_event *event) {
    ondemand::document document;
    if (auto error = projection->open(text, length, document)) return error;
    ondemand::object object;
    if (auto error = document.get_object().get(object)) return error;
    if (auto error = take(object["id"], event->id)) return error;
    if (auto error = take(object["account"], event->account)) return error;
    if (auto error = take(object["amount"], event->amount)) return error;
    if (auto error = take(object["country"], event->country)) return error;
    if (auto error = take(object["quantity"], event->quantity)) return error;
    if (auto error = take(object["price"], event->price)) return error;
    if (auto error = take(object["channel"], event->channel)) return error;
    return take(object["score"], event->score);
}

int projection_by_walk(projection *projection, const uint8_t *text, size_t length, projection_event *event) {
    ondemand::document document;
    if (auto error = projection->open(text, length, document)) return error;
    ondemand::object object;
    if (auto error = document.get_object().get(object)) return error;
    unsigned found = 0;
    for (auto field : object) {
        ondemand::raw_json_string key;
        if (auto error = field.key().get(key)) return error;
        error_code error = SUCCESS;
        if (key == "id") error = take(field.value(), event->id), found |= 1;
        else if (key == "account") error = take(field.value(), event->account), found |= 2;
        else if (key == "amount") error = take(field.value(), event->amount), found |= 4;
        else if (key == "country") error = take(field.value(), event->country), found |= 8;
        else if (key == "quantity") error = take(field.value(), event->quantity), found |= 16;
        else if (key == "price") error = take(field.value(), event->price), found |= 32;
        else if (key == "channel") error = take(field.value(), event->channel), found |= 64;
        else if (key == "score") error = take(field.value(), event->score), found |= 128;
        if (error) return error;
    }
    return found == 255 ? SUCCESS : NO_SUCH_FIELD;
}
