#include "millrace_curl.h"
#include <dlfcn.h>

// The names of curl/curl.h for what is called; the types behind the handles are opaque.
struct curl_message {
    int kind;
    void *easy;
    union {
        void *whatever;
        int result;
    } data;
};

static struct {
    int is_loaded;
    int (*global_init)(long);
    const char *(*version)(void);
    void *(*multi_init)(void);
    int (*multi_cleanup)(void *);
    int (*multi_setopt)(void *, int, ...);
    int (*multi_add_handle)(void *, void *);
    int (*multi_remove_handle)(void *, void *);
    int (*multi_socket_action)(void *, int, int, int *);
    struct curl_message *(*multi_info_read)(void *, int *);
    void *(*easy_init)(void);
    void (*easy_cleanup)(void *);
    int (*easy_setopt)(void *, int, ...);
    int (*easy_getinfo)(void *, int, ...);
    const char *(*easy_strerror)(int);
    void *(*slist_append)(void *, const char *);
    void (*slist_free_all)(void *);
} curl;

enum {
    GLOBAL_ALL = 3,
    MESSAGE_DONE = 1,
    MULTI_SOCKETFUNCTION = 20001,
    MULTI_SOCKETDATA = 10002,
    MULTI_TIMERFUNCTION = 20004,
    MULTI_TIMERDATA = 10005,
    MULTI_MAXCONNECTS = 6,
    MULTI_MAX_HOST_CONNECTIONS = 7,
    WRITEFUNCTION = 20011,
    HEADERFUNCTION = 20079,
    INFO_PRIVATE = 0x100000 + 21,
    INFO_RESPONSE_CODE = 0x200000 + 2
};

int millrace_curl_load(const char *path) {
    if (curl.is_loaded) return 0;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return -1;
    struct {
        const char *name;
        void **place;
    } wanted[] = {
        {"curl_global_init", (void **)&curl.global_init},
        {"curl_version", (void **)&curl.version},
        {"curl_multi_init", (void **)&curl.multi_init},
        {"curl_multi_cleanup", (void **)&curl.multi_cleanup},
        {"curl_multi_setopt", (void **)&curl.multi_setopt},
        {"curl_multi_add_handle", (void **)&curl.multi_add_handle},
        {"curl_multi_remove_handle", (void **)&curl.multi_remove_handle},
        {"curl_multi_socket_action", (void **)&curl.multi_socket_action},
        {"curl_multi_info_read", (void **)&curl.multi_info_read},
        {"curl_easy_init", (void **)&curl.easy_init},
        {"curl_easy_cleanup", (void **)&curl.easy_cleanup},
        {"curl_easy_setopt", (void **)&curl.easy_setopt},
        {"curl_easy_getinfo", (void **)&curl.easy_getinfo},
        {"curl_easy_strerror", (void **)&curl.easy_strerror},
        {"curl_slist_append", (void **)&curl.slist_append},
        {"curl_slist_free_all", (void **)&curl.slist_free_all},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        *wanted[i].place = dlsym(library, wanted[i].name);
        if (!*wanted[i].place) {
            dlclose(library);
            return -2;
        }
    }
    if (curl.global_init(GLOBAL_ALL)) return -2;
    curl.is_loaded = 1;
    return 0;
}

const char *millrace_curl_version(void) { return curl.version(); }

void *millrace_curl_multi_create(void *context, millrace_curl_socket_fn on_socket, millrace_curl_timer_fn on_timer,
                                 long connections) {
    void *multi = curl.multi_init();
    if (!multi) return 0;
    curl.multi_setopt(multi, MULTI_SOCKETFUNCTION, on_socket);
    curl.multi_setopt(multi, MULTI_SOCKETDATA, context);
    curl.multi_setopt(multi, MULTI_TIMERFUNCTION, on_timer);
    curl.multi_setopt(multi, MULTI_TIMERDATA, context);
    curl.multi_setopt(multi, MULTI_MAXCONNECTS, connections);
    curl.multi_setopt(multi, MULTI_MAX_HOST_CONNECTIONS, connections);
    return multi;
}

void millrace_curl_multi_destroy(void *multi) { curl.multi_cleanup(multi); }
int millrace_curl_multi_add(void *multi, void *easy) { return curl.multi_add_handle(multi, easy); }
int millrace_curl_multi_remove(void *multi, void *easy) { return curl.multi_remove_handle(multi, easy); }

int millrace_curl_multi_act(void *multi, int socket, int events) {
    int running = 0;
    return curl.multi_socket_action(multi, socket, events, &running);
}

void *millrace_curl_multi_ended(void *multi, int *code) {
    int left = 0;
    struct curl_message *message;
    while ((message = curl.multi_info_read(multi, &left))) {
        if (message->kind != MESSAGE_DONE) continue;
        *code = message->data.result;
        return message->easy;
    }
    return 0;
}

void *millrace_curl_easy_create(millrace_curl_data_fn on_body, millrace_curl_data_fn on_header) {
    void *easy = curl.easy_init();
    if (!easy) return 0;
    curl.easy_setopt(easy, WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, HEADERFUNCTION, on_header);
    return easy;
}

void millrace_curl_easy_destroy(void *easy) { curl.easy_cleanup(easy); }
int millrace_curl_set_number(void *easy, int option, long value) { return curl.easy_setopt(easy, option, value); }
int millrace_curl_set_pointer(void *easy, int option, const void *value) {
    return curl.easy_setopt(easy, option, value);
}

long millrace_curl_status(void *easy) {
    long status = 0;
    return curl.easy_getinfo(easy, INFO_RESPONSE_CODE, &status) ? 0 : status;
}

void *millrace_curl_private(void *easy) {
    char *context = 0;
    return curl.easy_getinfo(easy, INFO_PRIVATE, &context) ? 0 : context;
}

const char *millrace_curl_text(int code) { return curl.easy_strerror(code); }
void *millrace_curl_list_append(void *list, const char *text) { return curl.slist_append(list, text); }
void millrace_curl_list_free(void *list) { curl.slist_free_all(list); }
