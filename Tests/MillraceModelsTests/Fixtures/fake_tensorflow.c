/* TensorFlow's C interface in the part that Millrace calls, over three models in C: what a real library does only with a
 * model made to fail can be tested with it, and the table of functions is checked without 850 MB.
 *
 * Node "sum": a float a row, the sum of its numbers and of the lengths of its strings. Node "echo": the first string input.
 * A run fails (code 3) when a number is 13, and answers NaN where the sum is 17. A folder whose path contains "keras3"
 * fails as models of tf.saved_model.save do. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int code; const char *text; } TF_Status;
typedef struct { char name[32]; } TF_Operation;
typedef struct { TF_Operation nodes[16]; int count; } TF_Graph;
typedef struct { TF_Operation *node; int index; } TF_Output;
typedef struct { int broken; } TF_Session;
typedef struct {
    int type, rank;
    int64_t dims[4];
    void *data;
    size_t bytes;
    void (*release)(void *, size_t, void *);
    void *arg;
} TF_Tensor;
typedef struct { char *start; size_t size; uint64_t unused; } TString;

static int tensors, strings;
int fake_live_tensors(void) { return tensors; }
int fake_live_strings(void) { return strings; }

const char *TF_Version(void) { return "2.99.0-fake"; }
TF_Status *TF_NewStatus(void) { return calloc(1, sizeof(TF_Status)); }
void TF_DeleteStatus(TF_Status *s) { free(s); }
int TF_GetCode(const TF_Status *s) { return s->code; }
const char *TF_Message(const TF_Status *s) { return s->text ? s->text : ""; }
static void set(TF_Status *s, int code, const char *text) { s->code = code; s->text = text; }
void *TF_NewSessionOptions(void) { return malloc(1); }
void TF_SetConfig(void *o, const void *proto, size_t n, TF_Status *s) {
    static const unsigned char wanted[13] = {0x10, 1, 0x28, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    if (n == 13 && !memcmp(proto, wanted, 13)) set(s, 0, ""); else set(s, 3, "not the expected threads");
}
void TF_DeleteSessionOptions(void *o) { free(o); }
TF_Graph *TF_NewGraph(void) { return calloc(1, sizeof(TF_Graph)); }
void TF_DeleteGraph(TF_Graph *g) { free(g); }
TF_Operation *TF_GraphOperationByName(TF_Graph *g, const char *name) {
    for (int i = 0; i < g->count; i++) if (!strcmp(g->nodes[i].name, name)) return &g->nodes[i];
    if (!strcmp(name, "absent") || g->count == 16) return NULL;
    strncpy(g->nodes[g->count].name, name, 31);
    return &g->nodes[g->count++];
}
int TF_OperationNumOutputs(TF_Operation *o) { return 1; }
TF_Session *TF_LoadSessionFromSavedModel(void *o, const void *b, const char *dir, const char *const *tags, int n,
                                         TF_Graph *g, void *meta, TF_Status *s) {
    if (n != 1 || strcmp(tags[0], "serve")) { set(s, 5, "no such tags"); return NULL; }
    if (strstr(dir, "refused")) { set(s, 5, "no variables\nand more"); return NULL; }
    TF_Session *session = calloc(1, sizeof(TF_Session));
    session->broken = strstr(dir, "keras3") != NULL;
    set(s, 0, "");
    return session;
}
void TF_CloseSession(TF_Session *x, TF_Status *s) { set(s, 0, ""); }
void TF_DeleteSession(TF_Session *x, TF_Status *s) { free(x); set(s, 0, ""); }

TF_Tensor *TF_NewTensor(int type, const int64_t *dims, int rank, void *data, size_t bytes,
                        void (*release)(void *, size_t, void *), void *arg) {
    TF_Tensor *t = calloc(1, sizeof *t);
    t->type = type; t->rank = rank; t->data = data; t->bytes = bytes; t->release = release; t->arg = arg;
    for (int i = 0; i < rank; i++) t->dims[i] = dims[i];
    tensors++;
    return t;
}
static void release(void *data, size_t n, void *arg) { free(data); }
TF_Tensor *TF_AllocateTensor(int type, const int64_t *dims, int rank, size_t bytes) {
    return TF_NewTensor(type, dims, rank, calloc(1, bytes ? bytes : 1), bytes, release, NULL);
}
void TF_DeleteTensor(TF_Tensor *t) {
    if (!t) return;
    t->release(t->data, t->bytes, t->arg);
    free(t);
    tensors--;
}
int TF_TensorType(const TF_Tensor *t) { return t->type; }
int TF_NumDims(const TF_Tensor *t) { return t->rank; }
int64_t TF_Dim(const TF_Tensor *t, int i) { return t->dims[i]; }
void *TF_TensorData(const TF_Tensor *t) { return t->data; }

void TF_StringInit(TString *s) { memset(s, 0, sizeof *s); strings++; }
void TF_StringCopy(TString *s, const char *text, size_t n) {
    free(s->start);
    s->start = malloc(n ? n : 1);
    if (n) memcpy(s->start, text, n);
    s->size = n;
}
const char *TF_StringGetDataPointer(const TString *s) { return s->start ? s->start : ""; }
size_t TF_StringGetSize(const TString *s) { return s->size; }
void TF_StringDealloc(TString *s) { free(s->start); memset(s, 0, sizeof *s); strings--; }

/* Strings of results belong to the result. */
static void release_strings(void *data, size_t n, void *arg) {
    for (TString *s = data; n >= sizeof *s; n -= sizeof *s, s++) free(s->start);
    free(data);
}

void TF_SessionRun(TF_Session *x, const void *options, const TF_Output *in, TF_Tensor *const *values, int inputs,
                   const TF_Output *out, TF_Tensor **results, int outputs, const void *targets, int n, void *meta,
                   TF_Status *s) {
    if (x->broken) { set(s, 9, "Error while reading resource variable: Could not find variable Variable_17."); return; }
    int64_t rows = values[0]->dims[0];
    double sums[1024];
    memset(sums, 0, sizeof sums);
    TF_Tensor *text = NULL;
    for (int i = 0; i < inputs; i++) {
        TF_Tensor *t = values[i];
        int64_t width = t->rank > 1 ? t->dims[1] : 1;
        if (t->type == 7 && !text) text = t;
        for (int64_t k = 0; k < rows * width; k++) {
            double v = 0;
            switch (t->type) {
            case 1: v = ((float *)t->data)[k]; break;
            case 2: v = ((double *)t->data)[k]; break;
            case 3: v = ((int32_t *)t->data)[k]; break;
            case 7: v = ((TString *)t->data)[k].size; break;
            case 9: v = ((int64_t *)t->data)[k]; break;
            case 10: v = ((uint8_t *)t->data)[k]; break;
            }
            if (v == 13) { set(s, 3, "thirteen"); return; }
            sums[k / width] += isnan(v) ? 0.5 : v;
        }
    }
    for (int i = 0; i < outputs; i++) {
        if (!strcmp(out[i].node->name, "echo")) {
            TString *cells = calloc(rows, sizeof *cells);
            for (int64_t r = 0; r < rows; r++) {
                TString *from = (TString *)text->data + r;
                cells[r].size = from->size;
                cells[r].start = malloc(from->size + 1);
                memcpy(cells[r].start, from->start ? from->start : "", from->size);
            }
            results[i] = TF_NewTensor(7, &rows, 1, cells, rows * sizeof *cells, release_strings, NULL);
        } else {
            results[i] = TF_AllocateTensor(1, &rows, 1, rows * 4);
            for (int64_t r = 0; r < rows; r++) ((float *)results[i]->data)[r] = sums[r] == 17 ? NAN : (float)sums[r];
        }
    }
    set(s, 0, "");
}
