/// What a C++ programmer would write for one wide event: eight of sixty fields into a struct, by simdjson On-Demand.
/// The yardstick for Millrace's decoder, which does the same for fields that are known only when a pipeline is planned.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *_Nonnull start;
    size_t count;
} projection_text;

/// Texts point into the projection's own memory, until the next event.
typedef struct {
    int64_t id;
    projection_text account;
    double amount;
    projection_text country;
    int64_t quantity;
    double price;
    projection_text channel;
    int64_t score;
} projection_event;

typedef struct projection projection;

projection *_Nullable projection_create(void);
void projection_destroy(projection *_Nullable projection);

/// Looks the fields up one by one, in the order in which they stand (a field out of order costs a second look). 0: done.
int projection_by_name(
    projection *_Nonnull projection, const uint8_t *_Nonnull text, size_t length, projection_event *_Nonnull event);

/// Goes over all fields once and takes those that are wanted. 0: done.
int projection_by_walk(
    projection *_Nonnull projection, const uint8_t *_Nonnull text, size_t length, projection_event *_Nonnull event);

#ifdef __cplusplus
}
#endif
