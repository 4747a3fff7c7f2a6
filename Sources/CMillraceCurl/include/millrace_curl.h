/// libcurl's multi interface, found at run time: no dependency of the build, and of no pipeline without HTTP models.
///
/// Only what one event loop needs. The variadic functions of libcurl, which Swift cannot call, have one wrapper a type here.
/// Numbers of options are libcurl's ABI and never change (curl/curl.h).
#pragma once
#include <stddef.h>
#include <stdint.h>

/// CURLOPT_…
enum millrace_curl_option {
    MILLRACE_CURL_WRITEDATA = 10001,
    MILLRACE_CURL_URL = 10002,
    MILLRACE_CURL_ERRORBUFFER = 10010,
    MILLRACE_CURL_POSTFIELDS = 10015,
    MILLRACE_CURL_USERAGENT = 10018,
    MILLRACE_CURL_HTTPHEADER = 10023,
    MILLRACE_CURL_HEADERDATA = 10029,
    MILLRACE_CURL_POST = 47,
    MILLRACE_CURL_POSTFIELDSIZE = 60,
    MILLRACE_CURL_CAINFO = 10065,
    MILLRACE_CURL_HTTP_VERSION = 84,
    MILLRACE_CURL_NOSIGNAL = 99,
    MILLRACE_CURL_PRIVATE = 10103,
    MILLRACE_CURL_TCP_NODELAY = 121,
    MILLRACE_CURL_TIMEOUT_MS = 155,
    MILLRACE_CURL_CONNECTTIMEOUT_MS = 156,
    MILLRACE_CURL_PROTOCOLS = 181,
    MILLRACE_CURL_TCP_KEEPALIVE = 213,
    MILLRACE_CURL_PIPEWAIT = 237
};

/// CURLcode of the results that are told apart.
enum millrace_curl_code {
    MILLRACE_CURLE_OK = 0,
    MILLRACE_CURLE_UNSUPPORTED_PROTOCOL = 1,
    MILLRACE_CURLE_URL_MALFORMAT = 3,
    MILLRACE_CURLE_WRITE_ERROR = 23,
    MILLRACE_CURLE_OPERATION_TIMEDOUT = 28,
    MILLRACE_CURLE_PEER_FAILED_VERIFICATION = 60,
    MILLRACE_CURLE_SSL_CACERT_BADFILE = 77
};

/// CURL_POLL_…: what a socket waits for.
enum millrace_curl_poll {
    MILLRACE_CURL_POLL_IN = 1,
    MILLRACE_CURL_POLL_OUT = 2,
    MILLRACE_CURL_POLL_INOUT = 3,
    MILLRACE_CURL_POLL_REMOVE = 4
};

enum { MILLRACE_CURL_SOCKET_TIMEOUT = -1, MILLRACE_CURL_HTTP_2_OVER_TLS = 4 };

typedef int (*millrace_curl_socket_fn)(void *_Nullable easy, int socket, int what, void *_Nullable context,
                                       void *_Nullable unused);
typedef int (*millrace_curl_timer_fn)(void *_Nullable multi, long milliseconds, void *_Nullable context);
typedef size_t (*millrace_curl_data_fn)(char *_Nullable bytes, size_t size, size_t count, void *_Nullable context);

/// Loads the library once. 0: it is there; -1: `path` cannot be loaded; -2: it lacks a function. Not for two threads at once.
int millrace_curl_load(const char *_Nonnull path);
const char *_Nonnull millrace_curl_version(void);

void *_Nullable millrace_curl_multi_create(void *_Nullable context, millrace_curl_socket_fn _Nonnull on_socket,
                                           millrace_curl_timer_fn _Nonnull on_timer, long connections);
void millrace_curl_multi_destroy(void *_Nonnull multi);
/// 0 on success.
int millrace_curl_multi_add(void *_Nonnull multi, void *_Nonnull easy);
int millrace_curl_multi_remove(void *_Nonnull multi, void *_Nonnull easy);
/// `events`: POLL_IN and POLL_OUT; 0 lets the library look for itself.
int millrace_curl_multi_act(void *_Nonnull multi, int socket, int events);
/// The next request that has ended and its CURLcode; NULL when there is none.
void *_Nullable millrace_curl_multi_ended(void *_Nonnull multi, int *_Nonnull code);

void *_Nullable millrace_curl_easy_create(millrace_curl_data_fn _Nonnull on_body, millrace_curl_data_fn _Nonnull on_header);
void millrace_curl_easy_destroy(void *_Nonnull easy);
int millrace_curl_set_number(void *_Nonnull easy, int option, long value);
int millrace_curl_set_pointer(void *_Nonnull easy, int option, const void *_Nullable value);
/// HTTP status; 0 before there is one.
long millrace_curl_status(void *_Nonnull easy);
void *_Nullable millrace_curl_private(void *_Nonnull easy);
const char *_Nonnull millrace_curl_text(int code);

void *_Nullable millrace_curl_list_append(void *_Nullable list, const char *_Nonnull text);
void millrace_curl_list_free(void *_Nullable list);
