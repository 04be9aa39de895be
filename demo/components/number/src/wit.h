// wit/component.wit in C: how what it says lies in memory, by the component model's canonical ABI. Whoever changes
// component.wit changes this with it; `lichen component build` finds names and numbers that no longer fit.
// https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE "greentic:component/node@0.5.0"
#define EXPORT(name) __attribute__((export_name(name)))

typedef struct { const char *at; uint32_t size; } text;                // string, list<u8>
typedef struct { uint8_t is_some; text value; } maybe_text;           // option<string>
#define TEXT(literal) ((text){literal, sizeof(literal) - 1})

typedef struct {
    text env, tenant, tenant_id;
    maybe_text team, team_id, user, user_id, trace_id, i18n_id, correlation_id;
    struct { void *at; uint32_t size; } attributes;
    maybe_text session_id, flow_id, node_id, provider_id;
    struct { uint8_t is_some; int64_t value; } deadline_ms;
    uint32_t attempt;
    maybe_text idempotency_key;
    struct { uint8_t is_some; text actor_id; maybe_text reason; } impersonation;
} tenant_ctx;

typedef struct { tenant_ctx tenant; maybe_text i18n_id; text flow_id; maybe_text node_id; } exec_ctx;
typedef struct { exec_ctx ctx; text op, input; } invoked;              // the parameters of invoke and invoke-stream

typedef struct {
    text code, message;
    uint8_t retryable;
    struct { uint8_t is_some; uint64_t value; } backoff_ms;
    maybe_text details;
} node_error;

typedef struct { uint8_t is_err; union { text ok; node_error err; }; } invoke_result;
typedef struct { uint8_t is_err; union { uint8_t ok; text err; }; } lifecycle_result;
enum { EVENT_DATA, EVENT_PROGRESS, EVENT_DONE, EVENT_ERROR };
typedef struct { uint8_t tag; text value; } stream_event;
typedef struct { stream_event *at; uint32_t size; } stream_events;

_Static_assert(sizeof(tenant_ctx) == 224 && sizeof(exec_ctx) == 256 && sizeof(invoked) == 272, "as the ABI lays them");
_Static_assert(offsetof(tenant_ctx, deadline_ms) == 168 && offsetof(invoked, op) == 256, "as the ABI lays them");
_Static_assert(sizeof(node_error) == 56 && sizeof(invoke_result) == 64 && sizeof(stream_event) == 12, "as the ABI lays them");

// Memory of one call: what is taken is given back when its answer was read. Each call has an instance of its own.
extern unsigned char __heap_base;
static uintptr_t heap;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    if (!heap) heap = (uintptr_t)&__heap_base;
    uintptr_t at = (heap + align - 1) & ~(uintptr_t)(align - 1), end = at + size;
    if (end < at) __builtin_trap();
    size_t have = __builtin_wasm_memory_size(0) << 16;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (size_t)-1) __builtin_trap();
    heap = end;
    if (old) __builtin_memcpy((void *)at, old, old_size < size ? old_size : size);
    return (void *)at;
}

static void *taken(size_t size) { return cabi_realloc(0, 0, 8, size); }

static bool same(text a, text b) { return a.size == b.size && !__builtin_memcmp(a.at, b.at, a.size); }

// What a program without a C library lacks.
void *memcpy(void *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int byte, size_t size) {
    for (size_t i = 0; i < size; i++) ((volatile char *)to)[i] = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    for (size_t i = 0; i < size; i++) {
        int difference = ((const unsigned char *)a)[i] - ((const unsigned char *)b)[i];
        if (difference) return difference;
    }
    return 0;
}
